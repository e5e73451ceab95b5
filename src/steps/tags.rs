//! A scenario's tags: exactly one loss point, a tier, control or not.

use super::Tier;
use super::known::Known;
use super::scan::Scan;
use super::tree::Draft;
use crate::config::{Mistake, Place, list, nearest};

/// What the tags say.
pub struct Stance {
    pub loss_point: String,
    pub tier: Tier,
    pub control: bool,
}

pub fn read_tags(
    scan: &Scan,
    draft: &Draft,
    known: &Known<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Stance {
    let heading = || scan.lines[draft.line - 1].place(&scan.file);
    let at = |tag: &str, line: usize| scan.lines[line - 1].place_of(&scan.file, &format!("@{tag}"));
    near_misses(draft, &at, mistakes);
    let loss_point = read_loss_point(draft, known, &heading, &at, mistakes);
    let mut tiers = Vec::new();
    for (tag, line) in &draft.tags {
        let Some(name) = tag.strip_prefix("tier:") else { continue };
        match Tier::ALL.into_iter().find(|tier| tier.name() == name) {
            Some(tier) => tiers.push(tier),
            None => {
                let message = format!("unknown tier `{name}`");
                let mistake = Mistake::error("unknown-tier", at(tag, *line), message);
                mistakes.push(mistake.with_nearest(name, Tier::ALL.map(Tier::name)));
                tiers.push(Tier::default());
            }
        }
    }
    tiers.dedup();
    if tiers.len() > 1 {
        let message = "the scenario has more than one @tier";
        mistakes.push(Mistake::error("many-tiers", heading(), message));
    } else if tiers.is_empty() {
        let message = "the scenario has no @tier: it runs in the gate";
        let mistake = Mistake::warning("no-tier", heading(), message);
        mistakes.push(mistake.with_help("tag it @tier:gate, @tier:nightly or @tier:drill"));
    }
    let tier = tiers.first().copied().unwrap_or_default();
    let control = draft.tags.iter().any(|(tag, _)| tag == "control");
    Stance { loss_point, tier, control }
}

fn read_loss_point(
    draft: &Draft,
    known: &Known<'_>,
    heading: &dyn Fn() -> Place,
    at: &dyn Fn(&str, usize) -> Place,
    mistakes: &mut Vec<Mistake>,
) -> String {
    let points: Vec<(&str, &str, usize)> = draft
        .tags
        .iter()
        .filter_map(|(tag, line)| Some((tag.strip_prefix("lp:")?, tag.as_str(), *line)))
        .collect();
    let ids = || known.catalog.loss_points.iter().map(|point| point.id.as_str());
    match points.as_slice() {
        [] => {
            let mistake =
                Mistake::error("no-loss-point", heading(), "the scenario has no loss point");
            let ids: Vec<&str> = ids().collect();
            let help = format!("tag it, its Rule or its Feature @lp:… with one of {}", list(&ids));
            mistakes.push(mistake.with_help(help));
        }
        [(id, tag, line)] if !ids().any(|known| known == *id) => {
            let message = format!("unknown loss point `{id}`");
            let mistake = Mistake::error("unknown-loss-point", at(tag, *line), message);
            mistakes.push(mistake.with_nearest(id, ids()));
        }
        [_] => {}
        [(first, ..), .., (_, tag, line)] => {
            let message = format!("the scenario has a loss point already, `{first}`");
            let mistake = Mistake::error("many-loss-points", at(tag, *line), message);
            mistakes.push(mistake.with_help("exactly one @lp, on scenario, Rule or Feature"));
        }
    }
    points.first().map(|(id, ..)| (*id).to_owned()).unwrap_or_default()
}

/// A free tag is fine; one that is nearly `control`, `tier:` or `lp:` is a slip that would change what is proved.
fn near_misses(draft: &Draft, at: &dyn Fn(&str, usize) -> Place, mistakes: &mut Vec<Mistake>) {
    for (tag, line) in &draft.tags {
        let (word, rest) = tag.split_once([':', '：']).map_or((tag.as_str(), ""), |(w, r)| (w, r));
        let known = matches!(word, "lp" | "tier") && tag.contains(':') || tag == "control";
        let meant = if rest.is_empty() {
            nearest(&word.to_lowercase(), ["control"]).map(str::to_owned)
        } else {
            let prefix = if matches!(word, "loss-point" | "losspoint" | "ip" | "LP" | "pl") {
                Some("lp")
            } else if matches!(word, "lp" | "tier") {
                Some(word)
            } else {
                nearest(&word.to_lowercase(), ["tier"])
            };
            prefix.map(|prefix| format!("{prefix}:{rest}"))
        };
        if let (false, Some(meant)) = (known, meant) {
            let message = format!("tag `@{tag}` is not known and nearly is");
            let mistake = Mistake::error("misspelt-tag", at(tag, *line), message);
            mistakes.push(mistake.with_help(format!("write `@{meant}`")));
        }
    }
}
