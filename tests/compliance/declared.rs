//! What is declared of each fault and provider, and how it is held against what was seen.

use lossdrill::stage::Provider;

/// A row per fault: `ID | on local servers | in containers`, each `works` or `cannot: WHY`.
pub const TABLE: &str = include_str!("providers.txt");

const WORKS: &str = "works";
const CANNOT: &str = "cannot: ";

/// What the table says of a fault on a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared<'a> {
    Works,
    Cannot(&'a str),
    Nothing,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It kept its promise; what was seen of it.
    Kept(String),
    /// It was refused before anything was touched.
    Refused(String),
    /// It was let strike, and the promise was broken.
    Broken(String),
}

impl Declared<'_> {
    pub fn of(id: &str, provider: Provider) -> Declared<'static> {
        let column = if provider == Provider::Docker { 2 } else { 1 };
        let row = rows(TABLE).find(|row| row[0] == id);
        row.and_then(|row| row.get(column).copied()).map_or(Declared::Nothing, read)
    }

    /// What is to be told, or what is wrong.
    pub fn judge(&self, seen: &Seen) -> Result<String, String> {
        match (self, seen) {
            (Declared::Works, Seen::Kept(evidence)) => Ok(format!("works: {evidence}")),
            (Declared::Cannot(why), Seen::Refused(_)) => Ok(format!("cannot here: {why}")),
            (Declared::Cannot(why), _) => {
                Err(format!("declared as impossible (`{why}`), and yet: {seen:?}"))
            }
            (Declared::Nothing, _) => Err("providers.txt has no line for it".to_owned()),
            (Declared::Works, Seen::Refused(why)) => {
                Err(format!("refused, which providers.txt does not declare: {why}"))
            }
            (Declared::Works, Seen::Broken(why)) => Err(why.clone()),
        }
    }
}

fn read(cell: &str) -> Declared<'_> {
    match cell.strip_prefix(CANNOT) {
        Some(why) if !why.is_empty() => Declared::Cannot(why),
        None if cell == WORKS => Declared::Works,
        _ => Declared::Nothing,
    }
}

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// Faults without a sound row, and rows without a fault.
pub fn mistakes(table: &str, ids: &[&str]) -> Vec<String> {
    let sound = |row: &Vec<&str>| {
        row.len() == 3 && row[1..].iter().all(|cell| read(cell) != Declared::Nothing)
    };
    let missing = ids.iter().filter(|id| !rows(table).any(|row| row[0] == **id));
    let missing = missing.map(|id| format!("no line for {id}"));
    let unsound = rows(table).filter(|row| !sound(row)).map(|row| format!("unsound: {row:?}"));
    let stale = rows(table).filter(|row| !ids.contains(&row[0]));
    let stale = stale.map(|row| format!("no fault has the id {}", row[0]));
    missing.chain(unsound).chain(stale).collect()
}

#[test]
fn a_table_that_says_too_little_or_too_much_is_refused() {
    let ids = ["a.b.c", "a.b.d"];
    for (table, mistake) in [
        ("a.b.c | works | works\na.b.d | works | cannot: no engine\n# a note\n\n", None),
        ("a.b.c | works | works", Some("no line for a.b.d")),
        ("a.b.c | works | works\na.b.d | works", Some("unsound")),
        ("a.b.c | works | works\na.b.d | works | cannot:", Some("unsound")),
        ("a.b.c | works | works\na.b.d | works | works\na.b.e | works | works", Some("a.b.e")),
    ] {
        let found = mistakes(table, &ids);
        assert_eq!(found.len(), usize::from(mistake.is_some()), "{table}: {found:?}");
        assert!(mistake.is_none_or(|part| found[0].contains(part)), "{found:?}");
    }
}

#[test]
fn only_what_is_declared_passes() {
    let (kept, refused) = (Seen::Kept("seen".to_owned()), Seen::Refused("no group".to_owned()));
    let broken = Seen::Broken("no bite".to_owned());
    for (declared, seen, passes) in [
        (Declared::Works, &kept, true),
        (Declared::Works, &refused, false),
        (Declared::Works, &broken, false),
        (Declared::Cannot("why"), &refused, true),
        (Declared::Cannot("why"), &kept, false),
        (Declared::Cannot("why"), &broken, false),
        (Declared::Nothing, &kept, false),
    ] {
        assert_eq!(declared.judge(seen).is_ok(), passes, "{declared:?} {seen:?}");
    }
}
