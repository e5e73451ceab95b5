//! From a message as a reconciler sends it to what the journal keeps. Pure: no socket, no clock.
//!
//! Without a map the shapes are ours (`wire`); Alertmanager's webhook is a map that we know. Every rule id that comes out is
//! the catalogue's, where the configuration says which of theirs is which. Must not judge.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clock::parse_rfc3339;
use crate::config::{Feed, FeedFormat, JsonPath, Mapping};
use crate::journal::Event;
use crate::money::Money;
use crate::wire::{Alert, AlertState, Effect, PlanRun, PlanState, Subject, Watermark};

/// Our field, and where Alertmanager's webhook (version 4) has it in each of `alerts`.
const ALERTMANAGER: [(&str, &str); 13] = [
    ("rule", "$.labels.alertname"),
    ("subject_kind", "$.labels.subject_kind"),
    ("subject", "$.labels.subject"),
    ("loss_point", "$.labels.loss_point"),
    ("occurrence", "$.labels.occurrence"),
    ("severity", "$.labels.severity"),
    ("at_risk", "$.annotations.at_risk"),
    ("expected", "$.annotations.expected"),
    ("actual", "$.annotations.actual"),
    ("position", "$.annotations.position"),
    ("starts_at", "$.startsAt"),
    ("state", "$.status"),
    ("fingerprint", "$.fingerprint"),
];
/// Where they stand in the post.
const ALERTMANAGER_ITEMS: &str = "$.alerts[*]";

/// What a rule is called there, and which loss point it guards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleNames {
    /// Theirs -> ours.
    pub ours: BTreeMap<String, String>,
    /// Our rule -> its loss point.
    pub loss_points: BTreeMap<String, String>,
}

/// What the messages are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Alerts,
    Plans,
}

impl Topic {
    pub fn one(self) -> &'static str {
        match self {
            Topic::Alerts => "alert",
            Topic::Plans => "plan run",
        }
    }
}

/// Reads the messages of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub topic: Topic,
    pub(super) items: Option<JsonPath>,
    pub(super) map: Mapping,
    pub(super) rules: RuleNames,
}

impl Reading {
    /// As the built-in reconciler speaks.
    pub fn builtin(topic: Topic) -> Reading {
        let none = Reading { topic, items: None, map: Mapping::new(), rules: RuleNames::default() };
        match topic {
            Topic::Alerts => none.alertmanager(),
            Topic::Plans => none,
        }
    }

    pub fn of(topic: Topic, feed: &Feed, rules: RuleNames) -> Reading {
        let (items, map) = (feed.items.clone(), feed.map.clone());
        let own = Reading { topic, items, map, rules };
        match feed.format {
            FeedFormat::AlertmanagerV4 => own.alertmanager(),
            FeedFormat::Json => own,
        }
    }

    /// Alertmanager's places, where the configuration names no other.
    fn alertmanager(mut self) -> Reading {
        for (field, path) in ALERTMANAGER {
            let known = || path.parse().expect("invariant: our own paths are paths");
            self.map.entry(field.to_owned()).or_insert_with(known);
        }
        let items = || ALERTMANAGER_ITEMS.parse().expect("invariant: our own paths are paths");
        self.items.get_or_insert_with(items);
        self
    }

    /// The single messages of a body; a list is one each, where nothing else is said.
    pub fn items(&self, body: &[u8]) -> Result<Vec<Value>, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(match (&self.items, body) {
            (Some(items), body) => items.all(&body).into_iter().cloned().collect(),
            (None, Value::Array(list)) => list,
            (None, one) => vec![one],
        })
    }

    /// What one message says.
    pub fn event(&self, item: &Value) -> Result<Event, String> {
        match self.topic {
            Topic::Alerts => self.alert(item).map(|alert| Event::Alerted { alert }),
            Topic::Plans => self.plan(item).map(|run| Event::PlanRan { run }),
        }
    }

    /// A post without any item in the format's own envelope.
    pub fn is_heartbeat(&self, body: &[u8]) -> bool {
        self.items(body).is_ok_and(|items| items.is_empty())
    }

    /// A body that somebody posted: it holds one message at least.
    pub fn events(&self, body: &[u8]) -> Result<Vec<Event>, String> {
        let items = self.items(body)?;
        if items.is_empty() {
            return Err(format!("there is no {} in it", self.topic.one()));
        }
        items.iter().map(|item| self.event(item)).collect()
    }

    fn alert(&self, item: &Value) -> Result<Alert, String> {
        let mut alert = match self.map.is_empty() {
            true => serde_json::from_value(item.clone()).map_err(|error| error.to_string())?,
            false => mapped_alert(&Fields { map: &self.map, item })?,
        };
        if let Some(ours) = self.rules.ours.get(&alert.rule) {
            alert.rule.clone_from(ours);
        }
        if let Some(point) = self.rules.loss_points.get(&alert.rule)
            && alert.loss_point.is_empty()
        {
            alert.loss_point.clone_from(point);
        }
        Ok(alert)
    }

    fn plan(&self, item: &Value) -> Result<PlanRun, String> {
        let mut run: PlanRun = match self.map.is_empty() {
            true => serde_json::from_value(item.clone()).map_err(|error| error.to_string())?,
            false => mapped_plan(&Fields { map: &self.map, item })?,
        };
        if let Some(ours) = self.rules.ours.get(&run.rule) {
            run.rule.clone_from(ours);
        }
        Ok(run)
    }
}

/// A watermark as `map` says, or in our own shape.
pub fn watermark(map: &Mapping, body: &[u8]) -> Result<Watermark, String> {
    if map.is_empty() {
        return serde_json::from_slice(body).map_err(|error| error.to_string());
    }
    let item: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let fields = Fields { map, item: &item };
    let mut watermark = Watermark {
        settled: fields.number("settled")?.ok_or_else(|| fields.missing("settled"))?,
        checkpoint: fields.number("checkpoint")?.unwrap_or_default(),
        ..Watermark::default()
    };
    watermark.clock.now = fields.text("now")?;
    watermark.clock.offset_ms = fields.number("offset_ms")?.unwrap_or_default();
    watermark.clock.busy = fields.number("busy")?.unwrap_or_default();
    watermark.clock.activity = fields.number("activity")?.unwrap_or_default();
    watermark.clock.next_due = fields.get("next_due")?;
    for field in map.keys() {
        if let Some(source) = field.strip_prefix("read.") {
            let read = fields.number(field)?.unwrap_or_default();
            watermark.read.insert(source.to_owned(), read);
        }
    }
    Ok(watermark)
}

/// The fields of one message.
struct Fields<'a> {
    map: &'a Mapping,
    item: &'a Value,
}

impl Fields<'_> {
    fn get(&self, field: &str) -> Result<Option<String>, String> {
        let Some(template) = self.map.get(field) else { return Ok(None) };
        template.render(self.item).map_err(|error| format!("`{field}`: {error}"))
    }

    fn missing(&self, field: &str) -> String {
        match self.map.get(field) {
            Some(template) => format!("`{field}` (at {template}) is missing"),
            None => format!("`{field}` is missing"),
        }
    }

    fn need(&self, field: &str) -> Result<String, String> {
        let found = self.get(field)?.filter(|text| !text.is_empty());
        found.ok_or_else(|| self.missing(field))
    }

    /// What a map names must be there: who leaves it out leaves it out of the map.
    fn need_if_named(&self, field: &str) -> Result<Option<String>, String> {
        if self.map.contains_key(field) { self.need(field).map(Some) } else { Ok(None) }
    }

    fn text(&self, field: &str) -> Result<String, String> {
        self.get(field).map(Option::unwrap_or_default)
    }

    fn number<T: std::str::FromStr>(&self, field: &str) -> Result<Option<T>, String> {
        let Some(text) = self.get(field)? else { return Ok(None) };
        let bad = |_| format!("`{field}` is `{text}`, no whole number");
        text.parse().map(Some).map_err(bad)
    }

    fn subject(&self) -> Result<Subject, String> {
        Ok(Subject::new(self.need("subject_kind")?, self.need("subject")?))
    }
}

/// `loss_point`, `occurrence` and `severity` may be left out by a foreign reconciler; rule and subject may not, nor what the
/// map names of state, start and fingerprint.
fn mapped_alert(fields: &Fields<'_>) -> Result<Alert, String> {
    let (rule, subject, occurrence) =
        (fields.need("rule")?, fields.subject()?, fields.text("occurrence")?);
    let state = match fields.need_if_named("state")?.as_deref() {
        None | Some("firing") => AlertState::Firing,
        Some("resolved") => AlertState::Resolved,
        Some(other) => {
            return Err(format!("state `{other}` is neither `firing` nor `resolved`"));
        }
    };
    let starts_at = fields.need_if_named("starts_at")?.unwrap_or_default();
    if !starts_at.is_empty() && parse_rfc3339(&starts_at).is_none() {
        return Err(format!("starts_at `{starts_at}` is not RFC 3339"));
    }
    let at_risk = match fields.text("at_risk")?.as_str() {
        "" => None,
        text => Some(text.parse::<Money>().map_err(|error| format!("at_risk: {error}"))?),
    };
    let fingerprint = fields.need_if_named("fingerprint")?;
    Ok(Alert {
        fingerprint: fingerprint.unwrap_or_else(|| format!("{rule}/{subject}/{occurrence}")),
        loss_point: fields.text("loss_point")?,
        severity: fields.text("severity")?,
        expected: fields.text("expected")?,
        actual: fields.text("actual")?,
        position: fields.text("position")?,
        rule,
        subject,
        occurrence,
        at_risk,
        starts_at,
        state,
    })
}

fn mapped_plan(fields: &Fields<'_>) -> Result<PlanRun, String> {
    let state = fields.need("state")?;
    let words: Result<PlanState, _> = serde_json::from_value(Value::String(state.clone()));
    let known = "armed, waiting-approval, running, effective, failed, reverted";
    let effect = match fields.text("effect")?.as_str() {
        "" | "notifies" => Effect::Notifies,
        "repairs" => Effect::Repairs,
        text => match text.strip_prefix("stops ") {
            Some(act) => Effect::Stops(act.to_owned()),
            None => {
                return Err(format!("effect `{text}` is none of `stops ACT`, repairs, notifies"));
            }
        },
    };
    let scope = match fields.map.contains_key("subject") {
        true => vec![fields.subject()?],
        false => Vec::new(),
    };
    Ok(PlanRun {
        plan: fields.need("plan")?,
        run_id: fields.need("run_id")?,
        alert: fields.text("alert")?,
        rule: fields.text("rule")?,
        scope,
        effect,
        steps: Vec::new(),
        state: words.map_err(|_| format!("state `{state}` is none of {known}"))?,
        started_at: fields.text("started_at")?,
        updated_at: fields.text("updated_at")?,
        reverts_at: None,
        note: fields.text("note")?,
    })
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
