//! Acts that the platform should have taken, and refused: mostly a sentence that says less than it needs.
//!
//! A refusal that is the point of an act (it expects nothing) is none of these, nor is one that a proof was after.
//! Try it: `cargo test --lib report::refused`.

use std::collections::BTreeMap;

use crate::journal::{Act, Event, History, Outcome, Role};

/// How many of the acts that were to pass were refused, and the first of them with its reason; none where all passed.
pub(super) fn refused(history: &History) -> Option<String> {
    let mut meant = BTreeMap::new();
    let mut refusals = Vec::new();
    for entry in history.entries() {
        match &entry.event {
            Event::Intent { id, role, act } if is_to_pass(*role, act) => {
                meant.insert(id, act);
            }
            Event::Done { id, outcome: Outcome::Refused { reason } } => {
                refusals.extend(meant.get(id).map(|act| (*act, reason)));
            }
            _ => {}
        }
    }
    let (first, reason) = refusals.first()?;
    let (all, of) = (refusals.len(), meant.len());
    Some(format!("{all} of {of} acts that were to pass; the first, `{}`: {reason}", name(first)))
}

fn is_to_pass(role: Role, act: &Act) -> bool {
    match (role, act) {
        (Role::Setup, _) => true,
        (Role::Scripted, Act::Business(business)) => !business.expects.is_empty(),
        _ => false,
    }
}

fn name(act: &Act) -> String {
    if let Act::Business(business) = act {
        return format!("{} {}", business.name, business.path);
    }
    let tagged = serde_json::to_value(act).ok();
    let tag = tagged.as_ref().and_then(|act| act.get("act")?.as_str());
    tag.unwrap_or("an act").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::story::{Story, loss_point};
    use crate::journal::{Business, Expected};
    use crate::money::Money;
    use crate::wire::Subject;

    fn told(acts: &[(Role, bool, Option<&str>)]) -> Option<String> {
        let mut story = Story::new("s", false, loss_point("p", None));
        for (role, expects, reason) in acts {
            let order = Subject::new("order", "O-1");
            let once = expects.then(|| Expected::once("points.granted", &order, Money::cny(1)));
            let path = "/orders/O-1/points";
            let act = Business::new("grant", vec![order], path, serde_json::json!({}));
            let refusal = |reason: &&str| Outcome::Refused { reason: (*reason).to_owned() };
            let outcome = reason.as_ref().map_or(Outcome::Ok, refusal);
            story = story.act(*role, Act::Business(act.expecting(once)), outcome);
        }
        refused(&story.history())
    }

    #[test]
    fn what_was_to_pass_and_did_not_is_told_and_nothing_else() {
        let no = Some("order `O-1` is CREATED");
        let one = "1 of 2 acts that were to pass; the first, `grant /orders/O-1/points`: order `O-1` is CREATED";
        for (acts, expect) in [
            (vec![(Role::Scripted, true, None), (Role::Scripted, true, no)], Some(one)),
            (vec![(Role::Setup, false, None), (Role::Setup, false, no)], Some(one)),
            (vec![(Role::Scripted, true, None)], None),
            // A sound platform refuses it.
            (vec![(Role::Scripted, false, no)], None),
            (vec![(Role::ProbeInside, true, no)], None),
        ] {
            assert_eq!(told(&acts).as_deref(), expect, "{acts:?}");
        }
    }
}
