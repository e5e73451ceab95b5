//! One toxic as clients see it: read, changed, shown.

use serde_json::{Number, Value, json};

use super::fields::Fields;
use super::kinds::{self, Attributes, Kind};
use super::refusal::{Refusal, Title, mistake};
use crate::proxy::arming::TOXICS_MAX;
use crate::proxy::toxic::{Direction, Toxic, Toxicity};

const KNOWN: &[&str] = &["name", "type", "stream", "toxicity", "attributes", "lease"];
/// Names stand in paths and labels.
const NAME_CHARS_MAX: usize = 200;

/// A toxic with its name; nothing is armed for one that does nothing.
#[derive(Clone, Debug)]
pub(super) struct NamedToxic {
    pub name: String,
    pub kind: &'static Kind,
    pub stream: Direction,
    /// As it was given: a client gets back what it sent.
    toxicity: Number,
    attributes: Attributes,
    /// Whose end is its end.
    pub lease: Option<String>,
    pub toxic: Option<Toxic>,
}

pub(super) fn stream_name(stream: Direction) -> &'static str {
    if stream == Direction::ToUpstream { "upstream" } else { "downstream" }
}

fn stream(text: &str) -> Option<Direction> {
    match text.to_ascii_lowercase().as_str() {
        "upstream" => Some(Direction::ToUpstream),
        "downstream" => Some(Direction::ToClient),
        _ => None,
    }
}

/// Is it no name that a path can hold?
pub(super) fn name_mistake(name: &str) -> Option<String> {
    if name.contains('/') {
        return Some(format!("name `{name}` has a `/`: no path can name it"));
    }
    (name.chars().count() > NAME_CHARS_MAX)
        .then(|| format!("the name is longer than {NAME_CHARS_MAX} characters"))
}

fn toxicity(fields: &mut Fields) -> Option<(Number, Toxicity)> {
    let share = fields.number("toxicity")?;
    match (Toxicity::of(share), fields.get("toxicity")) {
        (Some(toxicity), Some(Value::Number(number))) => Some((number.clone(), toxicity)),
        _ => {
            fields.wrong(format!("`toxicity` {share} is not in 0..=1"));
            None
        }
    }
}

impl NamedToxic {
    /// Reads a new toxic; `place` says where it stands in a larger body.
    pub fn read(value: &Value, place: &str) -> Result<NamedToxic, Refusal> {
        let mut fields = Fields::of(value, place, KNOWN)?;
        let stream = match fields.text("stream").filter(|text| !text.is_empty()) {
            None => Direction::ToClient,
            Some(text) => stream(text).unwrap_or_else(|| {
                fields.push(Title::InvalidStream, format!("`{text}`"));
                Direction::ToClient
            }),
        };
        let (number, share) = toxicity(&mut fields).unwrap_or((1.into(), Toxicity::ALL));
        let kind = match kinds::find(fields.text("type").unwrap_or_default()) {
            Ok(kind) => kind,
            Err(text) => {
                fields.push(Title::InvalidType, text);
                return Err(Refusal(fields.mistakes));
            }
        };
        let given = fields.text("name").filter(|name| !name.is_empty());
        let name = match given {
            Some(name) => name.to_owned(),
            None => format!("{}_{}", kind.name, stream_name(stream)),
        };
        if let Some(text) = name_mistake(&name) {
            fields.wrong(text);
        }
        let attributes = kind.read(fields.get("attributes"), &Attributes::default(), &mut fields);
        let lease = fields.text("lease").map(str::to_owned);
        let mut read =
            NamedToxic { name, kind, stream, toxicity: number, attributes, lease, toxic: None };
        read.build(share, &mut fields);
        fields.done(read)
    }

    /// This toxic with the values that `value` names.
    pub fn changed(&self, value: &Value) -> Result<NamedToxic, Refusal> {
        let mut fields = Fields::of(value, "", KNOWN)?;
        for (key, is) in [
            ("name", self.name.as_str()),
            ("type", self.kind.name),
            ("stream", stream_name(self.stream)),
        ] {
            let other = fields.text(key).filter(|text| !text.is_empty());
            if let Some(other) = other.filter(|other| !other.eq_ignore_ascii_case(is)) {
                let way_out = "it cannot be changed: remove the toxic and add another";
                fields.wrong(format!("`{key}` `{other}` is not `{is}`; {way_out}"));
            }
        }
        let mut next = self.clone();
        let before = self.toxicity.as_f64().and_then(Toxicity::of).unwrap_or(Toxicity::ALL);
        let mut share = before;
        if let Some((number, given)) = toxicity(&mut fields) {
            (next.toxicity, share) = (number, given);
        }
        if let Some(lease) = fields.text("lease") {
            next.lease = Some(lease.to_owned());
        }
        next.attributes = self.kind.read(fields.get("attributes"), &self.attributes, &mut fields);
        next.build(share, &mut fields);
        fields.done(next)
    }

    fn build(&mut self, toxicity: Toxicity, fields: &mut Fields) {
        let direction = self.kind.direction(self.stream);
        let toxic = |kind| Toxic { kind, direction, toxicity, salt: 0 };
        self.toxic = self.kind.build(&self.attributes).map(toxic);
        // What did not read has its mistake already.
        if fields.mistakes.is_empty()
            && let Some(text) = self.toxic.and_then(|toxic| toxic.mistake())
        {
            fields.wrong(text);
        }
    }

    pub fn json(&self) -> Value {
        let mut shown = json!({
            "attributes": self.attributes.json(),
            "name": self.name,
            "type": self.kind.name,
            "stream": stream_name(self.stream),
            "toxicity": self.toxicity,
        });
        if let Some(lease) = &self.lease {
            shown["lease"] = lease.as_str().into();
        }
        shown
    }
}

/// A list of toxics, their names unlike; `place` as for one.
pub(super) fn read_list(value: &Value, place: &str) -> Result<Vec<NamedToxic>, Refusal> {
    let Some(list) = value.as_array() else {
        let text = format!("{place}toxics are a list");
        return Err(mistake(Title::BadBody, text).into());
    };
    let (mut read, mut mistakes) = (Vec::<NamedToxic>::new(), Vec::new());
    if list.len() > TOXICS_MAX {
        let text = format!("{place}more than {TOXICS_MAX} toxics");
        mistakes.push(mistake(Title::BadBody, text));
    }
    for (number, value) in (1..).zip(list) {
        let place = format!("{place}toxic {number}: ");
        match NamedToxic::read(value, &place) {
            Ok(toxic) if read.iter().any(|other| other.name == toxic.name) => {
                let text = format!("{place}`{}`", toxic.name);
                mistakes.push(mistake(Title::ToxicExists, text));
            }
            Ok(toxic) => read.push(toxic),
            Err(refusal) => mistakes.extend(refusal.0),
        }
    }
    if mistakes.is_empty() { Ok(read) } else { Err(Refusal(mistakes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, expect: Result<Value, &str>) {
        match (NamedToxic::read(&value, ""), expect) {
            (Ok(toxic), Ok(shown)) => assert_eq!(toxic.json(), shown),
            (Err(refusal), Err(words)) => {
                let text = refusal.lines().join("; ");
                assert!(words.split(" & ").all(|word| text.contains(word)), "{words}: {text}");
            }
            (read, expect) => panic!("{value}: {read:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn toxics_read_as_toxiproxy_shows_them() {
        check(
            json!({"type": "latency", "attributes": {"latency": 1000.0}}),
            Ok(json!({
                "attributes": {"latency": 1000, "jitter": 0}, "name": "latency_downstream",
                "type": "latency", "stream": "downstream", "toxicity": 1,
            })),
        );
        check(
            json!({"name": "cut", "type": "bandwidth", "stream": "Upstream", "toxicity": 0.5,
                   "attributes": null}),
            Ok(json!({
                "attributes": {"rate": 0}, "name": "cut", "type": "bandwidth",
                "stream": "upstream", "toxicity": 0.5,
            })),
        );
    }

    #[test]
    fn what_would_hurt_the_proxy_is_refused_with_all_mistakes() {
        for (value, words) in [
            (json!({"type": "latenci"}), "invalid toxic type & did you mean `latency`"),
            (json!({}), "invalid toxic type"),
            (json!({"type": "slicer"}), "average_size 0 is not in 1..="),
            (
                json!({"type": "slicer", "attributes": {"average_size": 5, "size_variation": 9}}),
                "size_variation 9 is not below",
            ),
            (
                json!({"type": "latency", "attributes": {"latency": 10, "jitter": 4e18}}),
                "`jitter` 4e+18 is no whole number",
            ),
            (
                json!({"type": "latency", "toxicity": 2, "attributes": {"latency": -1, "jiter": 3}}),
                "`toxicity` 2 is not in 0..=1 & `latency` -1 is below 0 & did you mean `jitter`",
            ),
            (json!({"type": "noop", "stream": "sideways"}), "stream was invalid"),
            (json!({"type": "noop", "toxicity": "1"}), "`toxicity` is a text, not a number"),
            (json!({"type": "noop", "name": "a/b"}), "has a `/`"),
            (
                json!({"type": "latency", "attributes": {"latency": 5, "distribution": "even"}}),
                "is none of uniform, normal, pareto",
            ),
            (json!([]), "a list is no object"),
        ] {
            check(value, Err(words));
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let value = json!({"type": "latency", "toxicity": 0.25,
                           "attributes": {"latency": 100, "jitter": 5}});
        let toxic = NamedToxic::read(&value, "").unwrap();
        let next = toxic.changed(&json!({"attributes": {"latency": 200}})).unwrap();
        assert_eq!(next.json()["attributes"], json!({"latency": 200, "jitter": 5}));
        assert_eq!(next.json()["toxicity"], json!(0.25));
        let refusal = toxic.changed(&json!({"toxicity": 7, "type": "timeout"})).unwrap_err();
        assert_eq!(refusal.0.len(), 2);
    }
}
