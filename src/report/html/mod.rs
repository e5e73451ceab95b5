//! `report.html`: one offline file that a person likes to read.
//!
//! Style and script are inlined; nothing is fetched. It works without the script (then all is
//! shown), on a phone, and on paper. Lists inside a scenario are bounded, so that 200 scenarios
//! stay well under 5 MB.

mod timeline;

use std::fmt::Write;

use super::again;
use super::view::{ExpectationView, Milestone, RunView, ScenarioView};
use crate::clock::rfc3339;
use crate::expect::span_text;
use crate::journal::{Verdict, Word};
use crate::money::Money;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
/// Alerts and plan states listed for one scenario: more are counted, and stay in the journal.
const LISTED_MAX: usize = 24;

/// The whole page.
pub(super) fn page(view: &RunView) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{} · Lossdrill {}</title><style>{STYLE}</style></head><body>\n",
        text(&view.last_line()),
        text(&view.run)
    );
    head(&mut page, view);
    filter(&mut page, view);
    page.push_str("<main>\n");
    // Red first: it is what the reader came for.
    let mut order: Vec<&ScenarioView> = view.scenarios.iter().collect();
    order.sort_by_key(|scenario| std::cmp::Reverse(scenario.verdict));
    for scenario in order {
        scenario_block(&mut page, view, scenario);
    }
    page.push_str("</main>\n");
    foot(&mut page, view);
    let _ = writeln!(page, "<script>{SCRIPT}</script></body></html>");
    page
}

fn head(page: &mut String, view: &RunView) {
    let failed = view.with_verdict(Verdict::Fail).count();
    let (mood, title) = match (failed, view.inconclusive(), view.scenarios.len()) {
        (_, _, 0) => ("inconclusive", "Nothing ran".to_owned()),
        (0, 0, all) => ("pass", format!("All {all} proved")),
        (0, open, all) => ("inconclusive", format!("{open} of {all} inconclusive")),
        (failed, 0, all) => ("fail", format!("{failed} of {all} failed")),
        (failed, open, all) => ("fail", format!("{failed} of {all} failed, {open} inconclusive")),
    };
    let _ = write!(
        page,
        "<header class=\"{mood}\"><p class=\"brand\">Lossdrill</p><h1>{}</h1>\
         <p class=\"sub\">{} · {} · seed {} · {}</p>",
        text(&title),
        text(&view.last_line()),
        text(&rfc3339(view.started_wall_ms)),
        view.seed,
        text(&view.run)
    );
    let tile = |page: &mut String, name: &str, value: &str, note: &str| {
        let (name, value, note) = (text(name), text(value), text(note));
        let _ = write!(
            page,
            "<div class=\"tile\"><b>{value}</b><span>{name}</span><i>{note}</i></div>"
        );
    };
    page.push_str("<div class=\"tiles\">");
    tile(page, "lost in attacks", &sum(view, |s| s.loss_peak), "peak of each scenario");
    tile(page, "stood to be lost", &sum(view, |s| s.exposure_peak), "open offers, at their peak");
    let attacks = || view.scenarios.iter().filter(|scenario| !scenario.facts.control);
    tile(page, "slowest alert", &slowest(attacks().filter_map(|s| s.alert)), "after the bad row");
    tile(page, "slowest plan", &slowest(attacks().filter_map(|s| s.plan)), "until effective");
    let real_ms = view.start_ms + view.scenarios_ms + view.teardown_ms;
    let parts = format!(
        "start {}, scenarios {}, teardown {}",
        real(view.start_ms),
        real(view.scenarios_ms),
        real(view.teardown_ms)
    );
    tile(page, "real time", &real(real_ms), &parts);
    page.push_str("</div></header>\n");
}

fn slowest(times: impl Iterator<Item = Milestone>) -> String {
    times.map(|at| at.after_ms).max().map_or("–".to_owned(), span_text)
}

/// The sum of an amount over the attacks; amounts in other currencies are named beside it.
fn sum(view: &RunView, of: impl Fn(&ScenarioView) -> Money) -> String {
    let mut sums: Vec<Money> = Vec::new();
    for scenario in view.scenarios.iter().filter(|scenario| !scenario.facts.control) {
        let amount = of(scenario);
        match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
            Some(sum) => sum.minor = sum.minor.saturating_add(amount.minor),
            None => sums.push(amount),
        }
    }
    let texts: Vec<String> = sums.iter().map(Money::to_string).collect();
    if texts.is_empty() { "–".to_owned() } else { texts.join(" + ") }
}

fn filter(page: &mut String, view: &RunView) {
    page.push_str("<nav class=\"filter\" hidden><div role=\"group\" aria-label=\"Show\">");
    let count = |verdict| view.with_verdict(verdict).count();
    for (key, name, count) in [
        ("all", "All", view.scenarios.len()),
        ("fail", "Failed", count(Verdict::Fail)),
        ("inconclusive", "Inconclusive", count(Verdict::Inconclusive)),
        ("pass", "Proved", count(Verdict::Pass)),
    ] {
        let pressed = key == "all";
        let _ = write!(
            page,
            "<button type=\"button\" data-show=\"{key}\" aria-pressed=\"{pressed}\">\
             {name} <b>{count}</b></button>"
        );
    }
    page.push_str(
        "</div><input type=\"search\" placeholder=\"Filter by name, loss point, word …\" \
         aria-label=\"Filter\"><button type=\"button\" data-fold>Open all</button></nav>\n",
    );
}

fn scenario_block(page: &mut String, view: &RunView, scenario: &ScenarioView) {
    let facts = &scenario.facts;
    let point = &facts.loss_point;
    let verdict = verdict_class(scenario.verdict);
    let kind = if facts.control { "control" } else { "attack" };
    let open = if scenario.verdict == Verdict::Pass { "" } else { " open" };
    let find = format!("{} {} {} {} {kind}", facts.name, facts.feature, point.id, scenario.word);
    let _ = write!(
        page,
        "<details class=\"scenario {verdict}\" data-verdict=\"{verdict}\" data-find=\"{}\"{open}>\
         <summary><span class=\"chip\">{}</span><span class=\"name\"><b>{}</b>\
         <small>{} · {kind} · {}</small></span>",
        text(&find.to_lowercase()),
        text(&scenario.word.to_string()),
        text(&facts.name),
        text(&point.id),
        text(&facts.location)
    );
    let told = |name: &str, at: Option<Milestone>| {
        let value = at.map_or("–".to_owned(), |at| span_text(at.after_ms));
        format!("<span class=\"num\"><b>{value}</b><i>{name}</i></span>")
    };
    let canary = if facts.control { "canary alert" } else { "alert" };
    let _ = write!(
        page,
        "<span class=\"nums\">{}{}{}<span class=\"num\"><b>{}</b><i>lost</i></span></span>\
         </summary><div class=\"body\">",
        told(canary, scenario.alert),
        told("plan", scenario.plan),
        told("contained", scenario.contained),
        scenario.loss_peak
    );
    if scenario.verdict != Verdict::Pass {
        red(page, view, scenario);
    }
    let _ = write!(
        page,
        "<figure>{}<figcaption>{}</figcaption></figure>",
        timeline::svg(scenario),
        text(&caption(scenario))
    );
    steps(page, scenario);
    details(page, scenario);
    page.push_str("</div></details>\n");
}

fn caption(scenario: &ScenarioView) -> String {
    let origin = &scenario.origin_is;
    match (scenario.origin, scenario.alert) {
        (None, _) => "Nothing bad was seen, so no deadline ran.".to_owned(),
        (Some(_), None) => format!("Time counts from {origin}, on the cell's clock."),
        (Some(_), Some(alert)) => format!(
            "Time counts from {origin}, on the cell's clock. \
             The alert took {} of it, {} of real time.",
            span_text(alert.after_ms),
            span_text(alert.real_ms)
        ),
    }
}

/// What is missing, the money, the deadline, and the one command.
fn red(page: &mut String, view: &RunView, scenario: &ScenarioView) {
    let point = &scenario.facts.loss_point;
    let missing = scenario.missing().map_or("", |missing| missing.sentence.as_str());
    let billed = match scenario.verdict {
        Verdict::Inconclusive => "Billed to the harness: it says nothing about the defence.",
        Verdict::Fail | Verdict::Pass => "A defence failed.",
    };
    let _ = write!(
        page,
        "<section class=\"red\"><h2>{}</h2><p>{billed}</p><dl>",
        text(&scenario.told())
    );
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", text(value));
        }
    };
    row("Missing", missing);
    let (lost, exposed) = (scenario.loss_peak, scenario.exposure_peak);
    row("Money", &format!("{lost} lost, {exposed} stood to be lost"));
    let [detect, respond, contain] =
        [point.detect_ms, point.respond_ms, point.contain_ms].map(span_text);
    row("Deadline", &format!("alert {detect}, plan {respond}, contained {contain}"));
    let command = again(view.seed, &scenario.facts.name);
    let _ = write!(
        page,
        "</dl><p class=\"again\"><code>{}</code>\
         <button type=\"button\" data-copy hidden>Copy</button></p></section>",
        text(&command)
    );
}

fn steps(page: &mut String, scenario: &ScenarioView) {
    let mut left: Vec<&ExpectationView> = scenario.expectations.iter().collect();
    page.push_str("<ol class=\"steps\">");
    for line in &scenario.facts.steps {
        let index = left.iter().position(|view| {
            !view.sentence.is_empty() && line.trim_end().ends_with(view.sentence.trim())
        });
        step(page, line, index.map(|index| left.remove(index)));
    }
    for view in left {
        step(page, &view.sentence, Some(view));
    }
    page.push_str("</ol>");
}

fn step(page: &mut String, line: &str, view: Option<&ExpectationView>) {
    let (class, word, evidence) = match view.map(|view| &view.verdict) {
        None => ("", None, ""),
        Some(None) => ("inconclusive", Some(Word::NotJudged), ""),
        Some(Some((verdict, word, evidence))) => {
            (verdict_class(*verdict), Some(*word), evidence.as_str())
        }
    };
    let lang = if line.chars().any(is_cjk) { " lang=\"zh-CN\"" } else { "" };
    let _ = write!(page, "<li class=\"{class}\"><span{lang}>{}</span>", text(line));
    if let Some(word) = word {
        let _ =
            write!(page, "<em>{}</em><small>{}</small>", text(&word.to_string()), text(evidence));
    }
    page.push_str("</li>");
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}')
}

fn details(page: &mut String, scenario: &ScenarioView) {
    let facts = &scenario.facts;
    page.push_str("<details class=\"more\"><summary>What was seen</summary><table>");
    let mut row = |when: &str, what: &str, note: &str| {
        let (when, what, note) = (text(when), text(what), text(note));
        let _ = write!(page, "<tr><td>{when}</td><td>{what}</td><td>{note}</td></tr>");
    };
    for (fault, evidence) in scenario.faults.iter().take(LISTED_MAX) {
        row("fault", fault, evidence);
    }
    for (at, alert) in scenario.alerts.iter().take(LISTED_MAX) {
        let amount = alert.at_risk.map_or(String::new(), |amount| format!(", {amount} at risk"));
        let note = format!("expected {}; found {}{amount}", alert.expected, alert.actual);
        row(&span_text(at.after_ms), &format!("alert {} for {}", alert.rule, alert.subject), &note);
    }
    for (at, run) in scenario.plans.iter().take(LISTED_MAX) {
        let scope: Vec<String> = run.scope.iter().map(ToString::to_string).collect();
        let what = format!("plan {} {:?} on {}", run.plan, run.state, scope.join(", "));
        row(&span_text(at.after_ms), &what, &run.note);
    }
    let more = scenario.alerts.len().saturating_sub(LISTED_MAX)
        + scenario.plans.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        row("", &format!("{more} more in the journal"), "");
    }
    for note in scenario.notes.iter().take(LISTED_MAX) {
        row("note", note, "");
    }
    for (what, file) in scenario.evidence_files.iter().take(LISTED_MAX) {
        row("evidence", what, file);
    }
    let _ = write!(
        page,
        "</table><p class=\"facts\">{} acts · cell {} · clock advanced {} \
         · real {} · seed {} · id <code>{}</code></p></details>",
        scenario.acts,
        text(&scenario.cell),
        span_text(scenario.advanced_ms),
        real(scenario.real_ms),
        facts.seed,
        text(&scenario.id)
    );
}

fn foot(page: &mut String, view: &RunView) {
    page.push_str("<footer><table>");
    for service in &view.services {
        let stand_in = if service.stand_in { "stand-in image" } else { "" };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{stand_in}</td></tr>",
            text(&service.service),
            text(&service.version),
            text(&service.provider),
            text(&service.source)
        );
    }
    let _ = writeln!(
        page,
        "</table><p>Lossdrill {} · <code>{}</code></p><p>{}</p><p>{}</p></footer>",
        text(&view.version),
        text(&view.args.join(" ")),
        text(&view.inconclusive_line()),
        text(&view.last_line())
    );
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

fn real(ms: u64) -> String {
    span_text(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Text for HTML, also inside a quoted attribute.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
