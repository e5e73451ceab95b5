//! A statement rule: which statements it meets, counted from its arming, and what becomes of them.
//!
//! A rule is data; [`ArmedRule`] is a rule on a link's board, with its counts. The count runs over all connections
//! of the link, so that "the second update of `orders`" is one statement and no other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::stale::Answers;
use super::statement::{Statement, StatementKind};
use crate::proxy::toxic::ToxicId;

/// As for latency: past any window or deadline that a scenario can name.
const DELAY_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// As long as a name can be in MySQL.
const TABLE_CHARS_MAX: usize = 64;

/// What a rule meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// A new connection, before it is greeted.
    Connect,
    /// Insert, update, delete, replace or load.
    Write,
    /// A commit is of the tables that its transaction wrote.
    #[serde(untagged)]
    Kind(StatementKind),
}

impl Point {
    /// `connect`, `write` and the kinds, by the names that parameters use.
    pub fn by_name(name: &str) -> Option<Point> {
        match name {
            "connect" => Some(Point::Connect),
            "write" => Some(Point::Write),
            _ => StatementKind::NAMES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, kind)| Point::Kind(*kind)),
        }
    }

    fn meets(self, kind: StatementKind) -> bool {
        match self {
            Point::Connect => false,
            Point::Write => kind.is_write(),
            Point::Kind(wanted) => wanted == kind && kind != StatementKind::Other,
        }
    }
}

/// An error that a server could have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlError {
    /// 1213: the whole transaction is rolled back.
    Deadlock,
    /// 1205: the statement alone has no effect.
    LockWait,
    /// 1290: as 1205, on a server that takes no writes.
    ReadOnly,
    /// 1040, for a connection only.
    TooManyConnections,
    /// 2013: the connection is cut before the statement reaches the server.
    Gone,
}

impl SqlError {
    pub const ALL: &[SqlError] = &[
        SqlError::Deadlock,
        SqlError::LockWait,
        SqlError::ReadOnly,
        SqlError::TooManyConnections,
        SqlError::Gone,
    ];

    pub fn by_code(code: u16) -> Option<SqlError> {
        SqlError::ALL.iter().copied().find(|error| error.code() == code)
    }

    pub fn code(self) -> u16 {
        match self {
            SqlError::Deadlock => 1213,
            SqlError::LockWait => 1205,
            SqlError::ReadOnly => 1290,
            SqlError::TooManyConnections => 1040,
            SqlError::Gone => 2013,
        }
    }

    pub(super) fn state(self) -> &'static [u8; 5] {
        match self {
            SqlError::Deadlock => b"40001",
            SqlError::LockWait | SqlError::ReadOnly | SqlError::Gone => b"HY000",
            SqlError::TooManyConnections => b"08004",
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            SqlError::Deadlock => {
                "Deadlock found when trying to get lock; try restarting transaction"
            }
            SqlError::LockWait => "Lock wait timeout exceeded; try restarting transaction",
            SqlError::ReadOnly => {
                "The MySQL server is running with the --read-only option so it cannot execute \
                 this statement"
            }
            SqlError::TooManyConnections => "Too many connections",
            SqlError::Gone => "Lost connection to MySQL server during query",
        }
    }
}

/// What becomes of a statement that a rule meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "harm", rename_all = "kebab-case")]
pub enum Harm {
    /// It does not reach the server, and the client gets the error.
    Refused { error: SqlError },
    /// Its answer comes so much later, its locks held meanwhile.
    Slow { delay_ms: u64 },
    /// It took effect, and the connection is cut before the client hears of it.
    Ambiguous,
    /// A select that was answered before is answered alike, whatever was written since.
    Stale,
}

/// What a link may be told to do to statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementRule {
    pub on: Point,
    /// Of all tables where none is named.
    pub table: Option<String>,
    /// Which of the statements that it meets is the first to suffer, from 1.
    pub nth: u64,
    /// And how many from there on.
    pub times: u64,
    #[serde(flatten)]
    pub harm: Harm,
}

impl StatementRule {
    /// The first statement alone.
    pub fn once(on: Point, table: Option<&str>, harm: Harm) -> StatementRule {
        StatementRule { on, table: table.map(str::to_owned), nth: 1, times: 1, harm }
    }

    pub(in crate::proxy) fn name(&self) -> &'static str {
        match self.harm {
            Harm::Refused { .. } => "statement-refused",
            Harm::Slow { .. } => "statement-slow",
            Harm::Ambiguous => "commit-ambiguous",
            Harm::Stale => "read-stale",
        }
    }

    /// What is wrong with it, if something is.
    pub fn mistake(&self) -> Option<String> {
        if self.nth == 0 || self.times == 0 {
            return Some("nth and times count from 1".to_owned());
        }
        if self.on == Point::Kind(StatementKind::Other) {
            return Some("a statement of no known kind is never met".to_owned());
        }
        let is_name = |table: &String| {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
            (1..=TABLE_CHARS_MAX).contains(&table.chars().count()) && table.chars().all(plain)
        };
        if let Some(table) = self.table.as_ref().filter(|table| !is_name(table)) {
            return Some(format!("table `{table}` must be a name without its schema"));
        }
        if self.on == Point::Connect && self.table.is_some() {
            return Some("a connection has no table".to_owned());
        }
        match self.harm {
            Harm::Refused { error: SqlError::TooManyConnections } if self.on != Point::Connect => {
                Some("1040 is the answer to a connection: statement `connect`".to_owned())
            }
            Harm::Refused { error: SqlError::TooManyConnections | SqlError::Gone } => None,
            Harm::Refused { error } if self.on == Point::Connect => {
                Some(format!("a connection cannot get {}; it can get 1040 or 2013", error.code()))
            }
            Harm::Slow { delay_ms } if delay_ms == 0 || delay_ms > DELAY_MAX_MS => {
                Some(format!("delay {delay_ms} ms is not in 1..={DELAY_MAX_MS} ms"))
            }
            Harm::Ambiguous
                if !matches!(self.on, Point::Write | Point::Kind(StatementKind::Commit))
                    && !matches!(self.on, Point::Kind(kind) if kind.is_write()) =>
            {
                Some("only a commit, or a write that is its own, can be ambiguous".to_owned())
            }
            Harm::Stale if self.on != Point::Kind(StatementKind::Select) => {
                Some("only a select can be stale".to_owned())
            }
            _ => None,
        }
    }
}

/// A rule on a link's board.
#[derive(Debug)]
pub(in crate::proxy) struct ArmedRule {
    pub id: ToxicId,
    pub rule: StatementRule,
    met: AtomicU64,
    hits: AtomicU64,
    /// What selects were answered, for a rule that makes them stale.
    pub(super) answers: Mutex<Answers>,
}

impl ArmedRule {
    pub fn new(id: ToxicId, rule: StatementRule) -> ArmedRule {
        let (met, hits, answers) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        ArmedRule { id, rule, met, hits, answers }
    }

    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Counts a statement that it meets; true where that one is to suffer.
    pub(super) fn strikes(&self, statement: &Statement) -> bool {
        let of_table =
            self.rule.table.as_ref().is_none_or(|table| statement.tables.contains(table));
        self.rule.on.meets(statement.kind) && of_table && self.counts()
    }

    pub(super) fn strikes_connection(&self) -> bool {
        self.rule.on == Point::Connect && self.counts()
    }

    fn counts(&self) -> bool {
        let number = self.met.fetch_add(1, Ordering::Relaxed) + 1;
        number >= self.rule.nth && number - self.rule.nth < self.rule.times
    }
}

/// An armed rule as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    pub id: ToxicId,
    #[serde(flatten)]
    pub rule: StatementRule,
    /// Statements that it meets, so far.
    pub met: u64,
    /// Of these, those that suffered.
    pub hits: u64,
}

impl RuleView {
    pub(in crate::proxy) fn of(armed: &ArmedRule) -> RuleView {
        let met = armed.met.load(Ordering::Relaxed);
        RuleView { id: armed.id, rule: armed.rule.clone(), met, hits: armed.hits() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(rule: StatementRule, texts: &[&str]) -> Vec<bool> {
        let armed = ArmedRule::new(ToxicId(1), rule);
        texts.iter().map(|text| armed.strikes(&Statement::read(text.as_bytes()))).collect()
    }

    #[test]
    fn a_schedule_is_exact() {
        let refused = Harm::Refused { error: SqlError::LockWait };
        let once = |on| StatementRule::once(on, Some("t"), refused);
        let update = Point::Kind(StatementKind::Update);
        let texts = ["UPDATE t SET a=1", "UPDATE u SET a=1", "SELECT 1 FROM t", "UPDATE t SET a=2"];
        assert_eq!(strikes(once(update), &texts), [true, false, false, false]);
        let second = StatementRule { nth: 2, ..once(update) };
        assert_eq!(strikes(second, &texts), [false, false, false, true]);
        let all = StatementRule { times: 2, table: None, ..once(Point::Write) };
        assert_eq!(strikes(all, &texts), [true, true, false, false]);
        let other = once(Point::Kind(StatementKind::Other));
        assert_eq!(strikes(other, &["SHOW TABLES", "XA COMMIT 't'"]), [false, false]);
    }

    #[test]
    fn mistakes_are_told() {
        let rule =
            |on: &str, table, harm| StatementRule::once(Point::by_name(on).unwrap(), table, harm);
        let refused = |code| Harm::Refused { error: SqlError::by_code(code).unwrap() };
        for (rule, mistake) in [
            (rule("update", Some("t"), refused(1213)), None),
            (rule("connect", None, refused(1040)), None),
            (rule("connect", None, refused(2013)), None),
            (rule("commit", Some("t"), Harm::Ambiguous), None),
            (rule("insert", Some("t"), Harm::Ambiguous), None),
            (rule("select", Some("t"), Harm::Stale), None),
            (rule("select", None, refused(1040)), Some("1040 is the answer to a connection")),
            (rule("connect", None, refused(1213)), Some("cannot get 1213")),
            (rule("connect", Some("t"), refused(1040)), Some("has no table")),
            (rule("select", Some("t"), Harm::Ambiguous), Some("only a commit")),
            (rule("update", Some("t"), Harm::Stale), Some("only a select")),
            (rule("select", None, Harm::Slow { delay_ms: 0 }), Some("delay 0 ms")),
            (rule("select", Some("shop.t"), refused(1205)), Some("without its schema")),
            (rule("select", Some(""), refused(1205)), Some("without its schema")),
            (StatementRule { nth: 0, ..rule("select", None, refused(1205)) }, Some("count from 1")),
        ] {
            let told = rule.mistake();
            match mistake {
                None => assert_eq!(told, None),
                Some(word) => assert!(told.clone().unwrap_or_default().contains(word), "{told:?}"),
            }
        }
        assert_eq!((Point::by_name("selct"), SqlError::by_code(1)), (None, None));
    }
}
