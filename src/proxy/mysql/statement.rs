//! What a statement is: its kind, and the tables that it names.
//!
//! Tolerant, and never by guess: what it cannot tell is [`StatementKind::Other`], which no rule matches. Tables of
//! a write are those it names as its target (of a joined one all that are joined), of a select all that it reads,
//! subqueries included.
//!
//! Not covered: what a procedure or a trigger does, `XA`, statements prepared by SQL (`PREPARE … FROM`).

use serde::Serialize;

use super::tables;
use super::tokens::{Token, tokens};

/// Text above this is not looked into: no statement that a rule can mean is as long.
pub(super) const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatementKind {
    Select,
    Insert,
    Update,
    Delete,
    Replace,
    Begin,
    Commit,
    Rollback,
    Ddl,
    Set,
    Call,
    Load,
    Other,
}

impl StatementKind {
    pub const NAMES: &[(&str, StatementKind)] = &[
        ("select", StatementKind::Select),
        ("insert", StatementKind::Insert),
        ("update", StatementKind::Update),
        ("delete", StatementKind::Delete),
        ("replace", StatementKind::Replace),
        ("begin", StatementKind::Begin),
        ("commit", StatementKind::Commit),
        ("rollback", StatementKind::Rollback),
        ("ddl", StatementKind::Ddl),
        ("set", StatementKind::Set),
        ("call", StatementKind::Call),
        ("load", StatementKind::Load),
    ];

    /// Does it change rows?
    pub fn is_write(self) -> bool {
        matches!(
            self,
            StatementKind::Insert
                | StatementKind::Update
                | StatementKind::Delete
                | StatementKind::Replace
                | StatementKind::Load
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub kind: StatementKind,
    /// Without their schema, each once.
    pub tables: Vec<String>,
    /// A select that takes locks reads what is there now, on any server.
    pub locks: bool,
    /// `USE`: another schema from now on.
    pub uses: bool,
}

impl Statement {
    pub fn other() -> Statement {
        Statement { kind: StatementKind::Other, tables: Vec::new(), locks: false, uses: false }
    }

    pub fn read(text: &[u8]) -> Statement {
        if text.len() > STATEMENT_BYTES_MAX {
            return Statement::other();
        }
        let mut words = tokens(text);
        while words.last().is_some_and(|last| last.is_sign(b';')) {
            words.pop();
        }
        // Several statements in one text have no one kind.
        if words.iter().any(|word| word.is_sign(b';')) {
            return Statement::other();
        }
        read(&words)
    }
}

fn read(words: &[Token]) -> Statement {
    let opened = words.iter().take_while(|word| word.is_sign(b'(')).count();
    let body = &words[opened..];
    let Some(first) = body.first() else { return Statement::other() };
    let second = body.get(1);
    let follows = |keyword: &str| second.is_some_and(|word| word.is(keyword));
    let kind = match first {
        word if word.is_any(&["select", "table", "values"]) => StatementKind::Select,
        word if word.is("with") => tables::with_verb(words),
        word if word.is("insert") => StatementKind::Insert,
        word if word.is("replace") => StatementKind::Replace,
        word if word.is("update") => StatementKind::Update,
        word if word.is("delete") => StatementKind::Delete,
        word if word.is("load") => StatementKind::Load,
        word if word.is("begin") => StatementKind::Begin,
        word if word.is("start") && follows("transaction") => StatementKind::Begin,
        word if word.is("commit") => StatementKind::Commit,
        word if word.is("rollback") && !body.iter().any(|word| word.is("to")) => {
            StatementKind::Rollback
        }
        word if word.is_any(&["create", "alter", "drop", "truncate", "rename"]) => {
            StatementKind::Ddl
        }
        word if word.is("set") => StatementKind::Set,
        word if word.is("call") => StatementKind::Call,
        _ => StatementKind::Other,
    };
    let kind = match kind {
        // A parenthesis opens nothing but a query.
        StatementKind::Select => StatementKind::Select,
        _ if opened > 0 => StatementKind::Other,
        kind => kind,
    };
    Statement {
        kind,
        tables: tables::named(kind, words),
        locks: kind == StatementKind::Select && locks(words),
        uses: first.is("use"),
    }
}

/// `FOR UPDATE`, `FOR SHARE`, `LOCK IN SHARE MODE`.
fn locks(words: &[Token]) -> bool {
    words.windows(2).any(|pair| {
        pair[0].is("for") && pair[1].is_any(&["update", "share"])
            || pair[0].is("lock") && pair[1].is("in")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_tables() {
        use StatementKind::*;
        for (text, kind, tables) in [
            ("SELECT 1", Select, ""),
            ("select * from orders where id = 1", Select, "orders"),
            ("(SELECT a FROM t1) UNION (SELECT b FROM t2)", Select, "t1 t2"),
            ("SELECT a FROM `shop`.`re``fund` AS r", Select, "re`fund"),
            ("SELECT a FROM shop . orders o, pay_order p", Select, "orders pay_order"),
            ("SELECT * FROM a JOIN b ON a.x=b.x LEFT JOIN c USING (x), d", Select, "a b c d"),
            ("SELECT * FROM (a JOIN b ON a.x = b.x)", Select, "a b"),
            ("SELECT * FROM (SELECT x FROM inner_t) AS sub", Select, "inner_t"),
            ("SELECT STRAIGHT_JOIN x FROM a STRAIGHT_JOIN b", Select, "a b"),
            ("SELECT EXTRACT(YEAR FROM day), TRIM(BOTH 'x' FROM name) FROM t", Select, "t"),
            ("SELECT a FROM t WHERE x IN (SELECT y FROM u) ORDER BY a, b", Select, "t u"),
            ("SELECT a FROM t WHERE b = 'it''s from x' AND c = 'y\\' from z'", Select, "t"),
            ("SELECT a /* from x */ FROM t -- from y\n WHERE b = 1 # from z", Select, "t"),
            ("SELECT /*!40001 SQL_NO_CACHE */ a FROM t", Select, "t"),
            ("SELECT a FROM t USE INDEX (i, j), u", Select, "t u"),
            ("SELECT a FROM t PARTITION (p0, p1) WHERE b", Select, "t"),
            ("SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a INT PATH '$')) j, t", Select, "t"),
            ("WITH c AS (SELECT x FROM a) SELECT * FROM c JOIN b", Select, "a b"),
            (
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT * FROM c",
                Select,
                "",
            ),
            ("WITH c AS (SELECT x FROM a) UPDATE t JOIN c ON t.x = c.x SET t.y = 1", Update, "t"),
            ("WITH c AS (SELECT x FROM a) DELETE FROM t WHERE x IN (SELECT x FROM c)", Delete, "t"),
            ("TABLE orders", Select, "orders"),
            ("INSERT INTO t (a) VALUES (1)", Insert, "t"),
            ("insert ignore into `t` values (1)", Insert, "t"),
            ("INSERT t VALUES (1)", Insert, "t"),
            ("INSERT HIGH_PRIORITY IGNORE t SELECT * FROM u", Insert, "t"),
            ("REPLACE INTO shop.t VALUES (1)", Replace, "t"),
            ("REPLACE DELAYED t VALUES (1)", Replace, "t"),
            ("UPDATE t SET a = 1 WHERE b IN (SELECT b FROM u)", Update, "t"),
            ("UPDATE LOW_PRIORITY IGNORE a JOIN b ON a.x = b.x SET a.y = 1", Update, "a b"),
            ("DELETE FROM t WHERE a = 1", Delete, "t"),
            ("DELETE QUICK a, b FROM t1 a JOIN t2 b USING (x) WHERE a.x = 1", Delete, "t1 t2"),
            ("DELETE FROM a USING t1 AS a JOIN t2 WHERE 1", Delete, "t1 t2"),
            ("CREATE TABLE IF NOT EXISTS t (a INT)", Ddl, "t"),
            ("CREATE UNIQUE INDEX i ON t (a)", Ddl, "t"),
            ("ALTER TABLE shop.t ADD b INT", Ddl, "t"),
            ("DROP TABLE IF EXISTS a, b", Ddl, "a b"),
            ("TRUNCATE t", Ddl, "t"),
            ("TRUNCATE TABLE t", Ddl, "t"),
            ("CREATE DATABASE x", Ddl, ""),
            ("LOAD DATA LOCAL INFILE 'f' INTO TABLE t", Load, "t"),
            ("BEGIN", Begin, ""),
            ("START TRANSACTION READ ONLY", Begin, ""),
            ("START REPLICA", Other, ""),
            ("  /* c */ COMMIT ; ", Commit, ""),
            ("ROLLBACK", Rollback, ""),
            ("ROLLBACK WORK TO SAVEPOINT s", Other, ""),
            ("SAVEPOINT s", Other, ""),
            ("SET autocommit = 0", Set, ""),
            ("CALL pay(1)", Call, ""),
            ("SHOW TABLES FROM shop", Other, ""),
            ("EXPLAIN SELECT * FROM t", Other, ""),
            ("XA COMMIT 'x'", Other, ""),
            ("SELECT 1; SELECT 2 FROM t", Other, ""),
            ("(UPDATE t SET a = 1)", Other, ""),
            ("'", Other, ""),
            ("`", Other, ""),
            ("SELECT a FROM", Select, ""),
            ("WITH", Other, ""),
            ("((((", Other, ""),
            ("", Other, ""),
        ] {
            let read = Statement::read(text.as_bytes());
            assert_eq!((read.kind, read.tables.join(" ").as_str()), (kind, tables), "{text}");
        }
    }

    #[test]
    fn locking_reads_are_told() {
        for (text, locks) in [
            ("SELECT a FROM t FOR UPDATE", true),
            ("SELECT a FROM t FOR SHARE NOWAIT", true),
            ("SELECT a FROM t LOCK IN SHARE MODE", true),
            ("SELECT a FROM t USE INDEX FOR JOIN (i)", false),
            ("SELECT 'for update' FROM t", false),
            ("UPDATE t SET a = 1", false),
        ] {
            assert_eq!(Statement::read(text.as_bytes()).locks, locks, "{text}");
        }
        assert!(Statement::read(b"USE shop").uses);
    }

    #[test]
    fn no_text_is_too_odd() {
        let parts: &[&[u8]] = &[
            b"select ", b"from ", b"(", b")", b",", b"'", b"`", b"/*", b"\\", b"\xff", b"with ",
            b".",
        ];
        for first in parts {
            for second in parts {
                for third in parts {
                    Statement::read(&[*first, *second, *third, *first].concat());
                }
            }
        }
    }
}
