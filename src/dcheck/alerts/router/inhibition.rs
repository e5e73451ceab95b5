//! Inhibition: while an alert of one kind fires, those of another are kept back.
//!
//! Owns which firing alerts are sources, by rule of inhibition and the values that must be equal: a look costs no more with
//! many alerts. As Alertmanager has it, an alert that is source and target of one rule is not kept back by others that are both.

use std::collections::{BTreeSet, HashMap};

use super::Entry;
use crate::dcheck::alerts::matching::{Labels, all_match};
use crate::dcheck::alerts::policy::Inhibition;
use crate::wire::WebhookAlert;

/// Rule of inhibition, and the values of its `equal` labels.
type Place = (usize, Vec<String>);

#[derive(Default)]
pub struct Sources {
    /// Fingerprints that fire there, and whether they are targets of the rule as well.
    places: HashMap<Place, BTreeSet<(String, bool)>>,
    of: HashMap<String, Vec<(Place, bool)>>,
}

impl Sources {
    pub fn set(&mut self, rules: &[Inhibition], print: &str, entry: &Entry) {
        self.remove(print);
        if !entry.fires() {
            return;
        }
        let labels = &entry.alert.labels;
        for (index, rule) in rules.iter().enumerate() {
            if all_match(&rule.source, labels) {
                let is_target = all_match(&rule.target, labels);
                let place = (index, values(rule, labels));
                self.places.entry(place.clone()).or_default().insert((print.to_owned(), is_target));
                self.of.entry(print.to_owned()).or_default().push((place, is_target));
            }
        }
    }

    pub fn has(&self, print: &str) -> bool {
        self.of.contains_key(print)
    }

    pub fn remove(&mut self, print: &str) {
        for (place, is_target) in self.of.remove(print).unwrap_or_default() {
            if let Some(prints) = self.places.get_mut(&place) {
                prints.remove(&(print.to_owned(), is_target));
                if prints.is_empty() {
                    self.places.remove(&place);
                }
            }
        }
    }

    /// True while another alert keeps this one back.
    pub fn inhibit(&self, rules: &[Inhibition], print: &str, alert: &WebhookAlert) -> bool {
        let labels = &alert.labels;
        rules.iter().enumerate().any(|(index, rule)| {
            if !all_match(&rule.target, labels) {
                return false;
            }
            let is_source = all_match(&rule.source, labels);
            let sources = self.places.get(&(index, values(rule, labels)));
            let mut others = sources.into_iter().flatten().filter(|(source, _)| source != print);
            others.any(|(_, is_target)| !(is_source && *is_target))
        })
    }
}

fn values(rule: &Inhibition, labels: &Labels) -> Vec<String> {
    rule.equal.iter().map(|name| labels.get(name).cloned().unwrap_or_default()).collect()
}
