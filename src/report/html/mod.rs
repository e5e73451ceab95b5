//! `report.html`: one offline file that a person likes to read.
//!
//! Style and script are inlined; nothing is fetched, and the page's own policy forbids it. Both languages are in it, and a
//! switch. It works without the script (then all is shown, in the language that it was written for), on a phone, and on
//! paper. Lists inside a scenario are bounded, so that 200 scenarios stay well under 5 MB.

mod blocks;
mod labels;
mod strip;
mod timeline;

use std::collections::BTreeMap;
use std::fmt::Write;

use super::view::{Milestone, RunView, ScenarioView};
use crate::clock::rfc3339;
use crate::expect::span_text;
use crate::journal::Verdict;
use crate::money::Money;
use crate::steps::Language;
use labels::both;

const STYLE: &str = include_str!("style.css");
/// Nothing is fetched, from wherever the page is opened.
const POLICY: &str = "default-src 'none';style-src 'unsafe-inline';script-src 'unsafe-inline'";
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(super) fn page(view: &RunView, language: Language) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{} · Lossdrill {}</title><style>{STYLE}</style></head><body>\n",
        if language == Language::En { "en" } else { "zh-CN" },
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
        blocks::scenario(&mut page, view, scenario);
    }
    page.push_str("</main>\n");
    foot(&mut page, view);
    let _ = writeln!(page, "<script>{SCRIPT}</script></body></html>");
    page
}

fn head(page: &mut String, view: &RunView) {
    let failed = view.with_verdict(Verdict::Fail).count();
    let (mood, title) = match (failed, view.inconclusive(), view.scenarios.len()) {
        (_, _, 0) => ("inconclusive", both("Nothing ran", "什么也没有运行")),
        (0, 0, all) => ("pass", both(&format!("All {all} proved"), &format!("{all} 个全部证明"))),
        (0, open, all) => (
            "inconclusive",
            both(&format!("{open} of {all} inconclusive"), &format!("{all} 个中 {open} 个无结论")),
        ),
        (failed, 0, all) => (
            "fail",
            both(&format!("{failed} of {all} failed"), &format!("{all} 个中 {failed} 个失败")),
        ),
        (failed, open, all) => (
            "fail",
            both(
                &format!("{failed} of {all} failed, {open} inconclusive"),
                &format!("{all} 个中 {failed} 个失败，{open} 个无结论"),
            ),
        ),
    };
    let _ = write!(
        page,
        "<header class=\"{mood}\"><p class=\"brand\">Lossdrill\
         <button type=\"button\" data-language hidden>{}</button></p><h1>{title}</h1>\
         <p class=\"sub\">{} · {} · {} {} · {}</p>",
        both("中文", "English"),
        text(&view.last_line()),
        text(&rfc3339(view.started_wall_ms)),
        both("seed", "种子"),
        view.seed,
        text(&view.run)
    );
    let tile = |page: &mut String, name: String, value: &str, note: String| {
        let value = text(value);
        let _ = write!(
            page,
            "<div class=\"tile\"><b>{value}</b><span>{name}</span><i>{note}</i></div>"
        );
    };
    page.push_str("<div class=\"tiles\">");
    let attacks = || view.scenarios.iter().filter(|scenario| !scenario.facts.control);
    let real_ms = view.start_ms + view.scenarios_ms + view.teardown_ms;
    let [start, scenarios, teardown] =
        [view.start_ms, view.scenarios_ms, view.teardown_ms].map(real);
    tile(
        page,
        both("lost in attacks", "攻击中的损失"),
        &sum(view, |s| s.loss_peak),
        both("peak of each scenario", "各场景峰值之和"),
    );
    tile(
        page,
        both("stood to be lost", "最大敞口"),
        &sum(view, |s| s.exposure_peak),
        both("open offers, at their peak", "未成交的低价等，按峰值"),
    );
    tile(
        page,
        both("slowest alert", "最慢告警"),
        &slowest(attacks().filter_map(|s| s.alert)),
        both("after the bad row", "自坏账出现起"),
    );
    tile(
        page,
        both("slowest plan", "最慢预案"),
        &slowest(attacks().filter_map(|s| s.plan)),
        both("until effective", "直到生效"),
    );
    tile(
        page,
        both("real time", "实际用时"),
        &real(real_ms),
        both(
            &format!("start {start}, scenarios {scenarios}, teardown {teardown}"),
            &format!("启动 {start}，场景 {scenarios}，收尾 {teardown}"),
        ),
    );
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
    page.push_str("<nav class=\"filter\" hidden><div role=\"group\">");
    let count = |verdict| view.with_verdict(verdict).count();
    for (key, name, count) in [
        ("all", both("All", "全部"), view.scenarios.len()),
        ("fail", both("Failed", "失败"), count(Verdict::Fail)),
        ("inconclusive", both("Inconclusive", "无结论"), count(Verdict::Inconclusive)),
        ("pass", both("Proved", "已证明"), count(Verdict::Pass)),
    ] {
        let pressed = key == "all";
        let _ = write!(
            page,
            "<button type=\"button\" data-show=\"{key}\" aria-pressed=\"{pressed}\">\
             {name} <b>{count}</b></button>"
        );
    }
    page.push_str("</div><select data-points aria-label=\"Loss point 资损点\">");
    // An option holds text only: both languages stand in it.
    page.push_str("<option value=\"\">All loss points · 全部资损点</option>");
    let mut points: BTreeMap<&str, usize> = BTreeMap::new();
    for scenario in &view.scenarios {
        *points.entry(&scenario.facts.loss_point.id).or_default() += 1;
    }
    for (id, count) in points {
        let id = text(id);
        let _ = write!(page, "<option value=\"{id}\">{id} ({count})</option>");
    }
    let _ = write!(
        page,
        "</select><input type=\"search\" placeholder=\"Name, file, word 名称、文件、结论\" \
         aria-label=\"Filter 筛选\"><button type=\"button\" data-fold>{}</button>\
         <button type=\"button\" data-unfold hidden>{}</button></nav>\n\
         <p class=\"nothing\" hidden>{}</p>\n",
        both("Open all", "全部展开"),
        both("Close all", "全部收起"),
        both("No scenario is like that.", "没有符合条件的场景。")
    );
}

fn foot(page: &mut String, view: &RunView) {
    page.push_str("<footer><table>");
    for service in &view.services {
        let stand_in =
            if service.stand_in { both("stand-in image", "替代镜像") } else { String::new() };
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
