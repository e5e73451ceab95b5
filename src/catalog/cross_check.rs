//! What must agree between the files of the catalogue: ids, rules, plans, design notes.

use std::collections::BTreeMap;

use super::documents::Documents;
use super::{Catalog, LossPoint};
use crate::config::{Mistake, Place};

impl Catalog {
    /// Adds every disagreement to `mistakes`.
    pub(super) fn cross_check(&self, documents: &mut Documents, mistakes: &mut Vec<Mistake>) {
        unique(self.loss_points.iter().map(|p| (p.id.as_str(), &p.place)), "loss point", mistakes);
        unique(self.rules.iter().map(|rule| (rule.id.as_str(), &rule.place)), "rule", mistakes);
        unique(self.plans.iter().map(|plan| (plan.id.as_str(), &plan.place)), "plan", mistakes);
        unique(self.drills.iter().map(|d| (d.id.as_str(), &d.place)), "drill", mistakes);
        for point in &self.loss_points {
            self.check_rules(point, mistakes);
            self.check_plan(point, mistakes);
            self.check_checks(point, documents, mistakes);
        }
        self.check_reconciler(documents, mistakes);
    }

    pub(super) fn place_of(&self, point: &LossPoint, word: &str) -> Place {
        let key = (point.id.clone(), word.to_owned());
        self.places.get(&key).unwrap_or(&point.place).clone()
    }

    fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.id.as_str())
    }

    fn check_rules(&self, point: &LossPoint, mistakes: &mut Vec<Mistake>) {
        for id in point.rules.iter().chain(point.with.iter().map(|(rule, _)| rule)) {
            let place = self.place_of(point, id);
            let Some(rule) = self.rules.iter().find(|rule| rule.id == *id) else {
                let message = format!("unknown rule `{id}`");
                let mistake = Mistake::error("unknown-rule", place, message);
                mistakes.push(mistake.with_nearest(id, self.rule_ids()));
                continue;
            };
            let own = point.rules.contains(id);
            match &rule.loss_point {
                Some(other) if own && *other != point.id => {
                    let message = format!("rule `{id}` raises its alerts for loss point `{other}`");
                    let mistake = Mistake::error("rule-of-another-point", place, message);
                    let help =
                        format!("list it under `with:`, or set its loss_point to `{}`", point.id);
                    mistakes.push(mistake.with_help(help));
                }
                _ => {}
            }
        }
        for (rule, _) in point.with.iter().filter(|(rule, _)| point.rules.contains(rule)) {
            let message = format!("rule `{rule}` is the point's own: it needs no `with`");
            let place = self.place_of(point, rule);
            mistakes.push(Mistake::error("needless-with", place, message));
        }
    }

    fn check_plan(&self, point: &LossPoint, mistakes: &mut Vec<Mistake>) {
        let Some(id) = &point.plan else { return };
        let place = self.place_of(point, id);
        let Some(plan) = self.plan(id) else {
            let mistake = Mistake::error("unknown-plan", place, format!("unknown plan `{id}`"));
            let known = self.plans.iter().map(|plan| plan.id.as_str());
            mistakes.push(mistake.with_nearest(id, known));
            return;
        };
        if !plan.rules.is_empty() && !point.rules.iter().any(|rule| plan.rules.contains(rule)) {
            let rules = crate::config::list(&plan.rules);
            let message = format!("plan `{id}` starts on {rules}, on no rule of `{}`", point.id);
            mistakes.push(Mistake::error("plan-never-starts", place, message));
        }
    }

    fn check_checks(
        &self,
        point: &LossPoint,
        documents: &mut Documents,
        mistakes: &mut Vec<Mistake>,
    ) {
        let checks = &point.checks;
        if let Some(message) = documents.mistake_in(&checks.design.doc, &point.id) {
            let place = self.place_of(point, "checks.design.doc");
            mistakes.push(Mistake::error("design-note", place, message));
        }
        for (rule, key) in
            [(&checks.alert.rule, "checks.alert.rule"), (&checks.deploy.gray, "checks.deploy.gray")]
        {
            if !point.rules.contains(rule) {
                let message = format!("{key} `{rule}` is no rule of `{}`", point.id);
                let mistake = Mistake::error("unknown-rule", self.place_of(point, key), message);
                let known = point.rules.iter().map(String::as_str);
                mistakes.push(mistake.with_nearest(rule, known));
            }
        }
    }

    /// What rules and plans point to.
    fn check_reconciler(&self, documents: &mut Documents, mistakes: &mut Vec<Mistake>) {
        let points = || self.loss_points.iter().map(|point| point.id.as_str());
        for rule in &self.rules {
            let Some(id) = &rule.loss_point else { continue };
            if !points().any(|known| known == id) {
                let message = format!("rule `{}` names unknown loss point `{id}`", rule.id);
                let mistake = Mistake::error("unknown-loss-point", rule.place.clone(), message);
                mistakes.push(mistake.with_nearest(id, points()));
            }
        }
        for plan in &self.plans {
            for rule in plan.rules.iter().filter(|rule| !self.rule_ids().any(|id| id == *rule)) {
                let message = format!("plan `{}` starts on unknown rule `{rule}`", plan.id);
                let mistake = Mistake::error("unknown-rule", plan.place.clone(), message);
                mistakes.push(mistake.with_nearest(rule, self.rule_ids()));
            }
            if let Some(sop) = &plan.sop
                && let Some(message) = documents.mistake_in(sop, &plan.id)
            {
                let message = format!("sop of plan `{}`: {message}", plan.id);
                mistakes.push(Mistake::error("design-note", plan.place.clone(), message));
            }
        }
    }
}

fn unique<'a>(
    ids: impl Iterator<Item = (&'a str, &'a Place)>,
    what: &str,
    mistakes: &mut Vec<Mistake>,
) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (id, place) in ids {
        match first.get(id) {
            Some(at) => {
                let message = format!("{what} `{id}` is given twice");
                let help = format!("it stands at {}:{} already", at.file, at.line);
                let mistake = Mistake::error("duplicate-id", place.clone(), message);
                mistakes.push(mistake.with_help(help));
            }
            None => {
                first.insert(id, place);
            }
        }
    }
}
