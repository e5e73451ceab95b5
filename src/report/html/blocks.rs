//! One scenario on the page: its line, what is red, its picture, its steps and what was seen.

use std::fmt::Write;

use super::super::deadline::Deadline;
use super::super::view::{ExpectationView, Milestone, RunView, ScenarioView};
use super::labels::{self, both};
use super::{real, strip, text, timeline};
use crate::expect::span_text;
use crate::journal::{Verdict, Word};
use crate::steps::{Language, translated};

/// Alerts and plan states listed for one scenario: more are counted, and stay in the journal.
const LISTED_MAX: usize = 24;

/// The whole block; red ones stand open.
pub(super) fn scenario(page: &mut String, view: &RunView, scenario: &ScenarioView) {
    let facts = &scenario.facts;
    let point = &facts.loss_point;
    let verdict = verdict_class(scenario.verdict);
    let (kind, kind_zh) = if facts.control { ("control", "对照") } else { ("attack", "攻击") };
    let open = if scenario.verdict == Verdict::Pass { "" } else { " open" };
    // Words of both languages: a search finds by either, whichever is shown.
    let find = [
        facts.name.as_str(),
        &facts.feature,
        &facts.location,
        &point.id,
        &scenario.word.to_string(),
        labels::word_zh(scenario.word),
        kind,
        kind_zh,
    ];
    let find = find.join(" ");
    let _ = write!(
        page,
        "<details class=\"scenario {verdict}\" data-verdict=\"{verdict}\" data-point=\"{}\" data-find=\"{}\"{open}>\
         <summary><span class=\"chip\">{}</span><span class=\"name\"><b>{}</b>\
         <small>{} · {} · {}</small></span>",
        text(&point.id),
        text(&find.to_lowercase()),
        labels::word(scenario.word),
        text(&facts.name),
        text(&point.id),
        both(kind, kind_zh),
        text(&facts.location)
    );
    let told = |name: String, at: Option<Milestone>| {
        let value = at.map_or("–".to_owned(), |at| span_text(at.after_ms));
        format!("<span class=\"num\"><b>{value}</b><i>{name}</i></span>")
    };
    let alert =
        if facts.control { both("canary alert", "探针告警") } else { both("alert", "告警") };
    let _ = write!(
        page,
        "<span class=\"nums\">{}{}{}<span class=\"num\"><b>{}</b><i>{}</i></span></span>\
         </summary><div class=\"body\">",
        told(alert, scenario.alert),
        told(both("plan", "预案"), scenario.plan),
        told(both("contained", "止损"), scenario.contained),
        scenario.loss_peak,
        both("lost", "损失")
    );
    if scenario.verdict != Verdict::Pass {
        red(page, view, scenario);
    }
    let _ = write!(
        page,
        "<figure>{}<figcaption>{}</figcaption></figure>",
        timeline::svg(scenario) + &strip::svg(scenario),
        caption(scenario)
    );
    steps(page, scenario);
    details(page, scenario);
    page.push_str("</div></details>\n");
}

fn caption(scenario: &ScenarioView) -> String {
    let (origin, origin_zh) = (&scenario.origin_is, labels::origin_zh(&scenario.origin_is));
    if scenario.origin.is_none() {
        let en = "Nothing bad was seen, so no deadline ran.";
        return both(en, "未见坏账，因此没有开始计时。");
    }
    let en = format!("Time counts from {origin}, on the cell's clock.");
    let zh = format!("自{origin_zh}起计时，按单元时钟。");
    match scenario.alert.map(|alert| [alert.after_ms, alert.real_ms].map(span_text)) {
        None => both(&en, &zh),
        Some([after, real]) => both(
            &format!("{en} The alert took {after} of it, {real} of real time."),
            &format!("{zh}告警用时 {after}，实际 {real}。"),
        ),
    }
}

/// What is missing, the money, the deadline, and the one command.
fn red(page: &mut String, view: &RunView, scenario: &ScenarioView) {
    let billed = match scenario.verdict {
        Verdict::Inconclusive => both(
            "Billed to the harness: it says nothing about the defence.",
            "记在演练工具账上：与防线无关。",
        ),
        Verdict::Fail | Verdict::Pass => both("A defence failed.", "防线失效。"),
    };
    let _ = write!(
        page,
        "<section class=\"red\"><h2>{}</h2><p>{billed}</p><dl>",
        both(&scenario.word.to_string(), labels::word_zh(scenario.word))
    );
    let mut row = |name: String, value: String| {
        let _ = write!(page, "<dt>{name}</dt><dd>{value}</dd>");
    };
    if let Some(missing) = scenario.missing() {
        let said = |language| {
            translated(missing.claim(), language).unwrap_or_else(|| missing.claim().to_owned())
        };
        row(both("Missing", "缺失"), both(&said(Language::En), &said(Language::ZhCn)));
    }
    let (lost, exposed) = (scenario.loss_peak, scenario.exposure_peak);
    row(
        both("Money", "金额"),
        both(
            &format!("{lost} lost, {exposed} stood to be lost"),
            &format!("已损失 {lost}，敞口 {exposed}"),
        ),
    );
    row(both("Deadline", "期限"), both(&scenario.deadline_text(), &deadline_zh(scenario)));
    row(both("Why", "依据"), text(&scenario.evidence));
    let command = view.again(&scenario.facts.name);
    let _ = write!(
        page,
        "</dl><p class=\"again\"><code>{}</code>\
         <button type=\"button\" data-copy hidden>{}</button></p></section>",
        text(&command),
        both("Copy", "复制")
    );
}

fn deadline_zh(scenario: &ScenarioView) -> String {
    let point = &scenario.facts.loss_point;
    let from = labels::origin_zh(&scenario.origin_is);
    let Some(Deadline { owed, within_ms, after_ms }) = scenario.deadline() else {
        let [detect, respond, contain] =
            [point.detect_ms, point.respond_ms, point.contain_ms].map(span_text);
        return format!("告警 {detect}，预案 {respond}，止损 {contain}；起点：{from}");
    };
    let came = after_ms
        .map_or("始终没有".to_owned(), |after_ms| format!("实际用时 {}", span_text(after_ms)));
    format!("{}须在 {} 内（{came}）；起点：{from}", labels::owed_zh(owed), span_text(within_ms))
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
        let _ = write!(page, "<em>{}</em><small>{}</small>", labels::word(word), text(evidence));
    }
    page.push_str("</li>");
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}')
}

fn details(page: &mut String, scenario: &ScenarioView) {
    let facts = &scenario.facts;
    let _ = write!(
        page,
        "<details class=\"more\"><summary>{}</summary><table>",
        both("What was seen", "观察记录")
    );
    let mut row = |when: String, what: &str, note: &str| {
        let (what, note) = (text(what), text(note));
        let _ = write!(page, "<tr><td>{when}</td><td>{what}</td><td>{note}</td></tr>");
    };
    for (fault, evidence) in scenario.faults.iter().take(LISTED_MAX) {
        row(both("fault", "故障"), fault, evidence);
    }
    for span in scenario.spans.iter().take(LISTED_MAX) {
        row(both("in place", "生效期间"), &span.fault, &strip::told_of(span));
    }
    for (at, alert) in scenario.alerts.iter().take(LISTED_MAX) {
        let amount = alert.at_risk.map_or(String::new(), |amount| format!(", {amount} at risk"));
        let note = format!("expected {}; found {}{amount}", alert.expected, alert.actual);
        row(span_text(at.after_ms), &format!("alert {} for {}", alert.rule, alert.subject), &note);
    }
    for (at, run) in scenario.plans.iter().take(LISTED_MAX) {
        let scope: Vec<String> = run.scope.iter().map(ToString::to_string).collect();
        let what = format!("plan {} {:?} on {}", run.plan, run.state, scope.join(", "));
        row(span_text(at.after_ms), &what, &run.note);
    }
    let more = scenario.alerts.len().saturating_sub(LISTED_MAX)
        + scenario.plans.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        row(String::new(), &format!("{more} more in the journal"), "");
    }
    for note in scenario.notes.iter().take(LISTED_MAX) {
        row(both("note", "备注"), note, "");
    }
    for (what, file) in scenario.evidence_files.iter().take(LISTED_MAX) {
        row(both("evidence", "证据"), what, file);
    }
    let (acts, cell) = (scenario.acts, &scenario.cell);
    let (advanced, took) = (span_text(scenario.advanced_ms), real(scenario.real_ms));
    let _ = write!(
        page,
        "</table><p class=\"facts\">{} · {} {} · id <code>{}</code></p></details>",
        both(
            &format!("{acts} acts · cell {cell} · clock advanced {advanced} · real {took}"),
            &format!("{acts} 个动作 · 单元 {cell} · 时钟快进 {advanced} · 实际 {took}"),
        ),
        both("seed", "种子"),
        facts.seed,
        text(&scenario.id)
    );
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}
