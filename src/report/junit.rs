//! `junit.xml`: one test case a scenario, with a stable id; an inconclusive one is an `<error>`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::seconds;
use super::view::{RunView, ScenarioView};
use crate::journal::Verdict;

/// The whole document.
pub(super) fn document(view: &RunView) -> String {
    let mut suites: BTreeMap<&str, Vec<&ScenarioView>> = BTreeMap::new();
    for scenario in &view.scenarios {
        suites.entry(&scenario.facts.feature).or_default().push(scenario);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all: Vec<&ScenarioView> = view.scenarios.iter().collect();
    let _ = writeln!(
        xml,
        "<testsuites name=\"lossdrill\" {} skipped=\"{}\">",
        counts(&all),
        view.skipped()
    );
    for (feature, scenarios) in suites {
        let _ = writeln!(xml, "  <testsuite name=\"{}\" {}>", escaped(feature), counts(&scenarios));
        for scenario in scenarios {
            case(&mut xml, view, scenario);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn counts(scenarios: &[&ScenarioView]) -> String {
    let with = |verdict| scenarios.iter().filter(|scenario| scenario.verdict == verdict).count();
    let time = seconds(scenarios.iter().map(|scenario| scenario.real_ms).sum());
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{time}\"",
        scenarios.len(),
        with(Verdict::Fail),
        with(Verdict::Inconclusive)
    )
}

fn case(xml: &mut String, view: &RunView, scenario: &ScenarioView) {
    let facts = &scenario.facts;
    let _ = write!(
        xml,
        "    <testcase id=\"{}\" classname=\"{}\" name=\"{}\" file=\"{}\" time=\"{}\"",
        escaped(&scenario.id),
        escaped(&facts.feature),
        escaped(&facts.name),
        escaped(&facts.location),
        seconds(scenario.real_ms)
    );
    let element = match scenario.verdict {
        Verdict::Pass => {
            xml.push_str("/>\n");
            return;
        }
        Verdict::Fail => "failure",
        Verdict::Inconclusive => "error",
    };
    // First what a person does next.
    let mut body = format!("again: {}\n", view.again(&facts.name));
    for told in &scenario.expectations {
        let (word, evidence) = match &told.verdict {
            Some((_, word, evidence)) => (word.to_string(), evidence.as_str()),
            None => ("not judged".to_owned(), ""),
        };
        let _ = writeln!(body, "{word}: {} ({evidence})", told.sentence);
    }
    let _ = writeln!(
        xml,
        ">\n      <{element} type=\"{}\" message=\"{}\">{}lost {}</{element}>\n    </testcase>",
        scenario.word,
        escaped(&scenario.evidence),
        escaped(&body),
        scenario.loss_peak,
    );
}

/// Text for XML 1.0: its five marks escaped, characters that it forbids replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c if c < ' ' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn xml_takes_any_text() {
        let text = "a<b> & \"c\" 'd' \u{1}\u{FFFF} 订单";
        let escaped = super::escaped(text);
        assert_eq!(escaped, "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos; \u{FFFD}\u{FFFD} 订单");
    }
}
