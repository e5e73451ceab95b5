//! Which rules can judge states of rows, and why the others cannot. Pure.
//!
//! A row that is read is one insert: `threshold`, `at-most-one`, `sum-bound`, `missing-counterpart`, `two-sided-match`, `one-to-many`,
//! `aggregate` and `conservation` judge it as online. Strategies about changes, their order or the watcher itself judge no state.

use crate::dcheck::engine::RuleSet;
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::event::Op;

/// Strategies that judge no state of a row, and why.
const OF_CHANGES: &[(&str, &str)] = &[
    ("StateMachine", "`state-machine` judges changes: a row does not tell what it was before"),
    (
        "UnexplainedChange",
        "`unexplained-change` judges changes: a row does not tell what it was before",
    ),
    (
        "Ordering",
        "`ordering` judges when things came: a row does not tell (business times are for `two-sided-match`)",
    ),
];

/// The rules that run, and of the others `id@version: why`.
#[derive(Debug, Default)]
pub struct Choice {
    /// `id@version`
    pub names: Vec<String>,
    pub left_out: Vec<String>,
}

/// Of `rules`, with `tables` and `topics` given; only those with ids in `only`, where it is not empty: then each must run.
pub fn choose(rules: &RuleSet, given: &[Stream], only: &[String]) -> Result<Choice, Vec<String>> {
    let mut choice = Choice::default();
    let wanted = |rule: &Rule| only.is_empty() || only.contains(&rule.head.id);
    let mut off = Vec::new();
    for rule in rules.rules().iter().filter(|rule| wanted(rule)) {
        let told = |why: &str| format!("{}: {why}", rule.name);
        match why_not(rule, given) {
            _ if rules.rollout(rule) == Rollout::Off => {
                off.push((rule, told("its rollout is off")))
            }
            None => choice.names.push(rule.name.clone()),
            Some(why) => choice.left_out.push(told(&why)),
        }
    }
    // A version that is off does not keep the other one from running.
    let runs = |rule: &Rule| rules.versions(&rule.head.id).any(|v| choice.names.contains(&v.name));
    let (beside, alone): (Vec<_>, Vec<_>) = off.into_iter().partition(|(rule, _)| runs(rule));
    choice.left_out.extend(alone.into_iter().map(|(_, told)| told));
    let known: Vec<&str> = rules.heads().map(|head| head.id.as_str()).collect();
    let mut mistakes: Vec<String> = Vec::new();
    for id in only.iter().filter(|id| !known.contains(&id.as_str())) {
        let nearest = crate::dcheck::alerts::reading::nearest(id, &known);
        let meant = nearest.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        mistakes.push(format!("no rule `{id}`{meant}"));
    }
    if !only.is_empty() {
        mistakes.append(&mut choice.left_out);
    }
    choice.left_out.extend(beside.into_iter().map(|(_, told)| told));
    if mistakes.is_empty() && choice.names.is_empty() {
        mistakes.push("no rule can judge what is given:".to_owned());
        mistakes.append(&mut choice.left_out);
    }
    if mistakes.is_empty() { Ok(choice) } else { Err(mistakes) }
}

fn why_not(rule: &Rule, given: &[Stream]) -> Option<String> {
    if rule.strategy.watch().is_some() {
        return Some("it watches the watcher, and judges no row".to_owned());
    }
    let kind = format!("{:?}", rule.strategy);
    if let Some((_, why)) = OF_CHANGES.iter().find(|(name, _)| kind.starts_with(name)) {
        return Some((*why).to_owned());
    }
    for side in &rule.sides {
        if !given.contains(&side.stream) {
            return Some(match &side.stream {
                Stream::Table(table) => format!("it needs --table {table}"),
                Stream::Topic(topic) => format!("it needs --file {topic}=PATH"),
            });
        }
        let op = if matches!(side.stream, Stream::Table(_)) { Op::Insert } else { Op::Message };
        let texts = [side.filter.as_ref(), Some(&side.key), side.id.as_ref()];
        let before = texts.into_iter().flatten().any(|expr| expr.text().contains("before."));
        if !side.ops.contains(&op) || before {
            let name = side.stream.name();
            return Some(format!(
                "it judges changes of `{name}`: a row does not tell what it was before"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dcheck::engine::load_dir;
    use crate::dcheck::engine::rules::load;

    fn rules() -> RuleSet {
        load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rules")).unwrap()
    }

    fn table(name: &str) -> Stream {
        Stream::Table(name.to_owned())
    }

    #[test]
    fn rules_run_where_all_that_they_need_is_given() {
        let flow = Stream::Topic("channel.flow".to_owned());
        let choice = choose(&rules(), &[table("pay_order"), flow], &[]).unwrap();
        assert!(choice.names.contains(&"forged-callback@1".to_owned()), "{choice:?}");
        assert!(choice.names.contains(&"charged-twice@1".to_owned()), "{choice:?}");
        let why = |id: &str| choice.left_out.iter().find(|line| line.starts_with(id)).unwrap();
        assert!(why("negative-balance@").contains("--table account"));
        assert!(why("alert-channel-dead@").contains("watches the watcher"));
    }

    #[test]
    fn what_cannot_judge_rows_is_refused_by_name() {
        let only = |id: &str| choose(&rules(), &[table("account")], &[id.to_owned()]);
        assert_eq!(only("negative-balance").unwrap().names, ["negative-balance@1"]);
        assert!(
            only("negative-balanse").unwrap_err()[0].contains("did you mean `negative-balance`?")
        );
        assert!(
            only("forged-callback").unwrap_err()[0].contains("forged-callback@1: it needs --table")
        );
        let none = choose(&rules(), &[table("nothing")], &[]).unwrap_err();
        assert!(none[0].contains("no rule can judge"), "{none:?}");
    }

    #[test]
    fn every_strategy_judges_states_or_is_refused_by_name() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/dcheck/engine/tests/strategies/rules.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let set = load(&[(file, text)]).unwrap();
        let given: Vec<Stream> = set
            .rules()
            .iter()
            .flat_map(|rule| rule.sides.iter().map(|side| side.stream.clone()))
            .collect();
        let choice = choose(&set, &given, &[]).unwrap();
        for (id, part) in [
            ("state-machine@", "what it was before"),
            ("state-machine-followed@", "what it was before"),
            ("unexplained-change@", "what it was before"),
            ("ordering@", "when things came"),
        ] {
            let why = choice.left_out.iter().find(|line| line.starts_with(id));
            assert!(why.is_some_and(|why| why.contains(part)), "{id}: {choice:?}");
        }
        for id in ["aggregate", "conservation", "at-most-one", "two-sided-match"] {
            assert!(choice.names.iter().any(|ran| ran.starts_with(id)), "{id}: {choice:?}");
        }
    }

    #[test]
    fn rules_of_updates_and_of_what_was_before_are_left_out() {
        for (on, part) in [
            ("{table: t, ops: [update]}", Some("judges changes of `t`")),
            ("{table: t, ops: [insert, update], where: before.n > 0}", Some("judges changes of")),
            ("{table: t, ops: [insert, update], where: after.n > 0}", None),
        ] {
            let text = format!(
                "- id: r\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
                 strategy: threshold\n  subject: {{kind: order, id: after.id}}\n  \
                 occurrence: after.id\n  on: {on}\n  check: after.n > 0\n  \
                 when_absent: finding\n  remember: 1 d\n  expected: e\n  actual: a\n"
            );
            let set = load(&[("r.yaml".into(), text)]).unwrap();
            let chosen = choose(&set, &[table("t")], &[]);
            match part {
                None => assert_eq!(chosen.unwrap().names, ["r@1"]),
                Some(part) => assert!(chosen.unwrap_err()[1].contains(part), "{on}"),
            }
        }
    }
}
