//! The index finds exactly the sides that listen.

use proptest::prelude::*;

use super::*;

/// Rules over two tables, with and without changed columns and constants.
fn rules(wheres: &[(usize, usize, usize)]) -> RuleSet {
    let mut text = String::new();
    for (number, (table, changed, filter)) in wheres.iter().enumerate() {
        let table = ["a", "b"][*table];
        let changed = ["", ", changed: [x]", ", changed: [x, y]", ", changed: [y]"][*changed];
        let filter = [
            "",
            ", where: after.x == 1",
            ", where: 'after.x in [1, 2] and after.y > 0'",
            ", where: after.z == \"t\"",
            ", where: after.x == 1 or after.y == 1",
        ][*filter];
        text.push_str(&format!(
            "- id: r{number}\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
             strategy: threshold\n  subject: {{kind: order, id: after.id}}\n  \
             occurrence: after.id\n  \
             on: {{table: {table}, ops: [insert, update]{changed}{filter}}}\n  \
             check: after.x == 1\n  when_absent: ok\n  expected: e\n  actual: a\n",
        ));
    }
    let file = (PathBuf::from("generated.yaml"), text.clone());
    rules::load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn as_by_asking_every_rule(
        wheres in prop::collection::vec((0..2_usize, 0..4_usize, 0..5_usize), 1..12),
        x in 0..4_i64, y in 0..3_i64, z in prop::sample::select(vec!["t", "u"]),
        was in prop::option::of((0..4_i64, 0..3_i64)),
    ) {
        let set = rules(&wheres);
        let fields = |x: i64, y: i64| serde_json::json!({"id": "1", "x": x, "y": y, "z": z});
        let event = change(1, "a", was.map(|(x, y)| fields(x, y)), fields(x, y));
        // What the filters let pass is what counts: the index may only leave out what they would.
        let passes = |(rule, side): &rules::Place| {
            let side = &set.rules()[*rule].sides[*side];
            side.listens(&event) && side.passes(&event).unwrap()
        };
        let by_index: Vec<_> = set.listening(&event).into_iter().filter(|p| passes(p)).collect();
        let all = (0..set.rules().len()).map(|rule| (rule, 0));
        let by_asking: Vec<_> = all.filter(|p| passes(p)).collect();
        prop_assert_eq!(by_index, by_asking);
    }
}

#[test]
fn a_constant_and_a_column_keep_other_rules_out() {
    let set = rules(&[(0, 0, 1), (0, 0, 3), (0, 1, 0), (1, 0, 0), (0, 0, 0)]);
    let found = |event: &Event| -> Vec<usize> {
        set.listening(event).into_iter().map(|(rule, _)| rule).collect()
    };
    let fields = |x: i64, z: &str| serde_json::json!({"id": "1", "x": x, "y": 0, "z": z});
    assert_eq!(found(&change(1, "a", None, fields(1, "u"))), [0, 2, 4]);
    assert_eq!(found(&change(1, "a", None, fields(2, "t"))), [1, 2, 4]);
    assert_eq!(found(&change(1, "a", Some(fields(2, "u")), fields(2, "t"))), [1, 4]);
    assert_eq!(found(&change(1, "a", Some(fields(3, "u")), fields(2, "u"))), [2, 4]);
    assert_eq!(found(&change(1, "c", None, fields(1, "t"))), [0_usize; 0]);
    assert_eq!(found(&flow(1, fields(1, "t"))), [0_usize; 0]);
}

#[test]
fn all_mistakes_of_all_files_at_once() {
    let good = "- id: r\n  version: 1\n";
    let one = "\
- id: Bad_Id
  version: 1
  loss_point: l
  severity: p1
  rollout: most
  strategy: treshold
- id: b
  version: 1
  version: 2
  loss_point: l
  severity: P1
  rollout: 10%
  strategy: threshold
  subject: {kind: order, ident: after.id}
  occurrence: aftr.id
  on: {table: t, topic: u, ops: [upsert]}
  reference: {sql: \"SELECT :a\", params: {b: after.id}, timeout: 5 secs}
  chek: after.x = 1
  expected: \"{after.x\"
  actual: a
";
    let files = [
        (PathBuf::from("one.yaml"), one.to_owned()),
        (PathBuf::from("two.yaml"), good.to_owned()),
        (PathBuf::from("three.yaml"), "id: r\n".to_owned()),
    ];
    let errors = rules::load(&files).expect_err("full of mistakes");
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let shown = shown.join("\n");
    for expect in [
        "one.yaml:1: id `Bad_Id` is not kebab-case",
        "one.yaml:4: `severity: p1` is not known (did you mean `P1`?)",
        "one.yaml:5: `rollout: most`",
        "one.yaml:6: `strategy: treshold` is not known (did you mean `threshold`?)",
        "one.yaml:9: duplicate key `version`: it already stands in line 8",
        "one.yaml:14: `subject` needs `id`",
        "one.yaml:14: `subject` has no key `ident`",
        "one.yaml:15: in `occurrence`: `aftr` is not known here (did you mean `after`?)",
        "one.yaml:16: `upsert` is no operation",
        "one.yaml:16: name either a `table` or a `topic`",
        "one.yaml:17: `:a` in `sql` is not among `params`",
        "one.yaml:17: parameter `b` does not stand in `sql`",
        "one.yaml:17: `timeout: 5 secs` is no duration",
        "one.yaml:18: a rule has no key `chek` (did you mean `check`?)",
        "one.yaml:19: in `expected`: this brace is never closed",
        "one.yaml:7: a rule needs `when_absent`",
        "three.yaml:1: a rule file is a list",
        "two.yaml:1: a rule needs `strategy`",
    ] {
        assert!(shown.contains(expect), "missing: {expect}\n{shown}");
    }
}

#[test]
fn the_same_rule_twice_and_an_empty_directory() {
    let set = load_dir(&manifest("scenarios/rules")).unwrap();
    let files = std::fs::read_dir(manifest("scenarios/rules")).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let written = files.map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().filter(|line| line.starts_with("- id:")).count()
    });
    assert_eq!(set.heads().count(), written.sum::<usize>());
    let text = std::fs::read_to_string(manifest("scenarios/rules/watcher.yaml")).unwrap();
    let files = [("a.yaml", text.clone()), ("b.yaml", text)].map(|(f, t)| (PathBuf::from(f), t));
    let errors = rules::load(&files).unwrap_err();
    assert!(errors[0].to_string().starts_with("b.yaml:3: rule `change-capture-stalled` version 1"));
    let empty = tempfile::tempdir().unwrap();
    assert!(load_dir(empty.path()).unwrap_err()[0].message.contains("no rule"));
    assert!(load_dir(&empty.path().join("nowhere")).is_err());
}
