//! Rules against tables: what is refused names table, column, type and the nearest name; what fits is silent.

use super::port::Tables;
use super::*;

fn tables(columns: &[(&str, &str)]) -> Tables {
    let own = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
    let other = [("code", "varchar"), ("amount", "decimal of scale 2"), ("size", "int")];
    let other = other.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into();
    [("bid".to_owned(), own.collect()), ("deal".to_owned(), other)].into()
}

const WHOLE: [(&str, &str); 5] = [
    ("id", "varchar"),
    ("price", "decimal of scale 2"),
    ("currency", "char"),
    ("qty", "int unsigned"),
    ("note", "json"),
];

fn misfits(check: &str, columns: &[(&str, &str)]) -> Vec<String> {
    misfits_in(check, &tables(columns))
}

fn misfits_in(check: &str, tables: &Tables) -> Vec<String> {
    let text = format!(
        "- id: r\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  strategy: two-sided-match\n  \
         subject: {{kind: item, id: after.id}}\n  occurrence: after.id\n  \
         on: {{table: bid, ops: insert, key: after.id}}\n  \
         counterpart: {{table: deal, ops: insert, key: after.code, where: after.size > 1}}\n  \
         window: 1 s\n  check: {check}\n  when_absent: ok\n  expected: e\n  actual: a\n"
    );
    let set = rules::load(&[(PathBuf::from("r.yaml"), text)]);
    let set = set.unwrap_or_else(|errors| panic!("{errors:?}"));
    set.misfits(tables).iter().map(ToString::to_string).collect()
}

#[test]
fn what_fits_is_silent_and_what_cannot_be_compared_is_refused() {
    for (check, mistake) in [
        ("money(after.price, after.currency) == money(other.amount, after.currency)", None),
        ("after.qty * 2 == other.size and after.currency == \"CNY\"", None),
        ("present(after.note)", None),
        ("after.id == other.code", None),
        (
            "after.prize == 1",
            Some(
                "r.yaml:1: rule `r` names column `bid.prize`, which is not there (did you mean `price`?)",
            ),
        ),
        (
            "after.price == other.amont",
            Some("names column `deal.amont`, which is not there (did you mean `amount`?)"),
        ),
        (
            "after.qty == \"2\"",
            Some("r.yaml:12: rule `r`: column `bid.qty` is int unsigned: a text is wanted"),
        ),
        ("after.currency in [1, 2]", Some("column `bid.currency` is char: a number is wanted")),
        (
            "after.note == other.code",
            Some("column `bid.note` is json: what is compared must be exact"),
        ),
        ("after.id + 1 == 2", Some("column `bid.id` is varchar: a number is wanted")),
        (
            "after.id == other.size",
            Some("column `bid.id` is varchar and `deal.size` is int: they never compare"),
        ),
    ] {
        let found = misfits(check, &WHOLE);
        match mistake {
            None => assert_eq!(found, Vec::<String>::new(), "{check}"),
            Some(part) => {
                assert!(found.iter().any(|line| line.contains(part)), "{check}: {found:?}")
            }
        }
    }
    let mut float = WHOLE;
    float[1].1 = "double";
    let found = misfits(
        "money(after.price, after.currency) == money(other.amount, after.currency)",
        &float,
    );
    assert_eq!(
        found,
        [
            "r.yaml:12: rule `r`: column `bid.price` is double: an exact amount is wanted: DECIMAL, an integer, or a text of one"
        ]
    );
}

#[test]
fn a_counterparts_own_columns_are_its_tables() {
    assert!(misfits("after.qty == other.size", &WHOLE).is_empty());
    let mut wrong = tables(&WHOLE);
    wrong.get_mut("deal").unwrap().insert("size".to_owned(), "text".to_owned());
    let found = misfits_in("after.id == other.code", &wrong);
    assert_eq!(found, ["r.yaml:10: rule `r`: column `deal.size` is text: a number is wanted"]);
}

#[test]
fn a_table_that_is_not_there_is_a_mistake_where_one_of_nearly_its_name_is() {
    let rules = project_rules();
    assert!(rules.misfits(&Tables::new()).is_empty(), "tables that are not there are no mistake");
    assert!(!rules.without_table(&Tables::new()).is_empty());
    let near = [("bids".to_owned(), BTreeMap::new())].into();
    let found = rules.misfits(&near);
    assert!(
        found.iter().any(|error| error
            .message
            .contains("table `bid`, which is not there (did you mean `bids`?)")),
        "{found:?}"
    );
}
