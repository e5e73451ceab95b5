//! Faults on single records and answers, by the links that read Kafka's frames: a record dropped, doubled, late,
//! behind its successor, with another amount, undecodable; an answer refused, slow, lost; a coordinator that moved.
//!
//! Proved by the link's own count of hits, and from outside: past the link the log itself is read for the record as it
//! must stand there by now, or the broker answers a question through the very same link. Each waits for its record or
//! request, which a probe of ours must not use up.

use super::kafka_log;
use super::kafka_specs::ANY;
use super::link::{ANSWER_LIMIT, clear};
use super::sounding::{Sounding, Speech, sound};
use super::spec::DELAY;
use super::{FaultError, FaultSpec, Ground, Params};
use crate::proxy::{
    AnswerHarm, Api, KafkaError, KafkaRule, KafkaRuleView, Link, RecordHarm, Records, Struck,
    Target, ToxicId,
};

/// The rule that a link is given, or what is wrong with the parameters.
fn rule(spec: &FaultSpec, params: &Params) -> Result<KafkaRule, String> {
    let api = |name: &str| Api::by_name(name).expect("invariant: the parameter's words are known");
    let target = match spec.what_happened() {
        "refused" => {
            let code = params.word("code").parse().ok();
            let error = code.and_then(KafkaError::by_code);
            let error = error.expect("invariant: the parameter's codes are known");
            Target::Answers { to: api(params.word("api")), harm: AnswerHarm::Refused { error } }
        }
        "slow" => {
            let harm = AnswerHarm::Slow { delay_ms: params.ms(DELAY) };
            Target::Answers { to: api(params.word("api")), harm }
        }
        "lost" => Target::Answers { to: api(params.word("api")), harm: AnswerHarm::Lost },
        "moved" => {
            let harm = AnswerHarm::Refused { error: KafkaError::NotCoordinator };
            Target::Answers { to: Api::Group, harm }
        }
        what => Target::Records { of: selected(params)?, harm: harm(what, params)? },
    };
    let [nth, every, times] = ["nth", "every", "times"].map(|name| params.count(name));
    let rule = KafkaRule { target, nth, every, times };
    rule.mistake().map_or(Ok(rule), Err)
}

fn harm(what: &str, params: &Params) -> Result<RecordHarm, String> {
    Ok(match what {
        "dropped" => RecordHarm::Dropped,
        "doubled" => RecordHarm::Doubled,
        "late" => RecordHarm::Late { delay_ms: params.ms(DELAY) },
        "reordered" => RecordHarm::Reordered,
        "tampered" => RecordHarm::Tampered {
            field: params.word("field").parse()?,
            change: params.word("change").parse()?,
        },
        "poisoned" => RecordHarm::Poisoned,
        other => unreachable!("the table has no `{other}`"),
    })
}

fn selected(params: &Params) -> Result<Records, String> {
    let named = |name: &str| Some(params.word(name)).filter(|text| *text != ANY).map(str::to_owned);
    let pair = |name: &str| match named(name) {
        None => Ok(None),
        Some(text) => match text.split_once('=') {
            Some((left, right)) => Ok(Some((left.trim().to_owned(), right.trim().to_owned()))),
            None => Err(format!("{name} `{text}` is no pair; write `type=refund-approved`")),
        },
    };
    let content = match pair("content")? {
        None => None,
        Some((path, wanted)) => Some((path.parse()?, wanted)),
    };
    Ok(Records { topic: named("topic"), key: named("key"), header: pair("header")?, content })
}

/// What is wrong with parameters that are each within their bounds.
pub(super) fn check(spec: &FaultSpec, params: &Params) -> Result<(), FaultError> {
    let bad = |reason| FaultError::BadParams { fault: spec.id.clone(), reason };
    rule(spec, params).map(drop).map_err(bad)
}

pub(super) struct KafkaFault {
    spec: &'static FaultSpec,
    link: Link,
    rule: KafkaRule,
    armed: Option<ToxicId>,
}

impl KafkaFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
        name: &str,
    ) -> Result<KafkaFault, FaultError> {
        let bad = |reason| FaultError::BadParams { fault: spec.id.clone(), reason };
        let (link, rule) = (ground.link(spec, name)?, rule(spec, params).map_err(bad)?);
        Ok(KafkaFault { spec, link, rule, armed: None })
    }

    fn listed(&self) -> Option<KafkaRuleView> {
        self.link.kafka_rules().into_iter().find(|rule| Some(rule.id) == self.armed)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if self.armed.is_none() {
            self.armed = Some(self.link.arm_kafka_rule(self.rule.clone())?);
        }
        let name = self.link.name();
        match self.listed() {
            Some(_) => Ok(format!("link `{name}` lists the rule")),
            None => {
                let reason = format!("link `{name}` does not list it after arming");
                Err(FaultError::Inject { fault: self.spec.id.clone(), reason })
            }
        }
    }

    /// None while its record or request has not come.
    pub async fn bites(&mut self) -> Result<Option<String>, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let name = self.link.name();
        let gone = || no_bite(format!("link `{name}` no longer lists the rule"));
        let KafkaRuleView { met, hits, struck, .. } = self.listed().ok_or_else(gone)?;
        if hits == 0 {
            return Ok(None);
        }
        let seen = format!("link `{name}` met {met} such, {hits} of them suffered");
        let outside = match (&self.rule.target, struck) {
            (Target::Records { harm, .. }, Some(struck)) => self.in_the_log(harm, struck).await,
            // A question of ours would be one of those that it counts.
            (Target::Answers { to: Api::Any, .. }, _) => return Ok(Some(seen)),
            _ => match sound(self.link.addr(), Speech::Kafka, ANSWER_LIMIT).await {
                Sounding::Answer(_) => Ok("the broker answers another question through it".into()),
                other => Err(format!("the broker gives {} to any question", other.describe())),
            },
        };
        outside.map(|outside| Some(format!("{seen}; {outside}"))).map_err(no_bite)
    }

    /// What stands in the log of the record that suffered last.
    async fn in_the_log(&self, harm: &RecordHarm, struck: Struck) -> Result<String, String> {
        let least = match harm {
            // It may not be there yet, or one like it may stand there from before.
            RecordHarm::Dropped | RecordHarm::Late { .. } => 0,
            RecordHarm::Doubled => 2,
            RecordHarm::Reordered | RecordHarm::Tampered { .. } | RecordHarm::Poisoned => 1,
        };
        let topic = struck.topic.clone();
        let found = kafka_log::count(&self.link.upstream(), struck, least).await?;
        let told = format!("past it, `{topic}` holds {found} such as it went");
        if found >= least { Ok(told) } else { Err(told) }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(id) = self.armed {
            self.link.disarm(id);
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.listed().is_some() {
            let name = self.link.name();
            return Err(unproved(format!("link `{name}` still lists the rule")));
        }
        clear(&self.link, Speech::Kafka).await.map_err(unproved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::registry;

    fn made(id: &str, pairs: &[(&str, &str)]) -> Result<KafkaRule, String> {
        let spec = registry::find(id).unwrap();
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let params = spec.check_params(&given).map_err(|error| error.to_string())?;
        rule(spec, &params)
    }

    #[test]
    fn parameters_become_a_rule() {
        let of = Records { topic: Some("refund.events".to_owned()), ..Records::default() };
        let doubled = Target::Records { of: of.clone(), harm: RecordHarm::Doubled };
        let topic = ("topic", "refund.events");
        assert_eq!(made("kafka.record.doubled", &[topic]), Ok(KafkaRule::once(doubled)));
        let content = Some(("type".parse().unwrap(), "refund-approved".to_owned()));
        let harm = RecordHarm::Tampered {
            field: "lines[0].price".parse().unwrap(),
            change: "x100".parse().unwrap(),
        };
        let target = Target::Records { of: Records { content, ..of }, harm };
        let given = [
            topic,
            ("content", "type = refund-approved"),
            ("field", "lines[0].price"),
            ("change", "x100"),
            ("nth", "3"),
            ("every", "2"),
            ("times", "4"),
        ];
        let expected = KafkaRule { target, nth: 3, every: 2, times: 4 };
        assert_eq!(made("kafka.record.tampered", &given), Ok(expected));
        let harm = AnswerHarm::Refused { error: KafkaError::NotCoordinator };
        let moved = KafkaRule::once(Target::Answers { to: Api::Group, harm });
        assert_eq!(made("kafka.dcheck-coordinator.moved", &[]), Ok(moved));
    }

    #[test]
    fn mistakes_are_told() {
        for (id, name, value, word) in [
            ("kafka.record.dropped", "header", "refund", "is no pair"),
            ("kafka.record.dropped", "content", "a..b=1", "is no path"),
            ("kafka.record.tampered", "change", "100", "is no change"),
            ("kafka.record.tampered", "field", "a[", "is no path"),
            ("kafka.record.late", "delay", "0 ms", "is not in 1 ms"),
            ("kafka.record.late", "field", "amount", "it takes delay, topic, key"),
            ("kafka.answer.refused", "code", "35", "is none of 5, 6"),
            ("kafka.answer.refused", "code", "16", "no broker answers `produce` with error 16"),
            ("kafka.answer.refused", "api", "any", "is none of produce"),
            ("kafka.answer.slow", "api", "fech", "is none of any, produce"),
            ("kafka.record.dropped", "topic", " ", "is empty"),
        ] {
            let error = made(id, &[(name, value)]).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
