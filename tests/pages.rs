//! `report.html` in a real browser: no request, filters, both languages, a phone's width, paper.
//!
//! Needs `chromium` (`ci/setup --browser` installs it); without it a test says `NOT TESTED` and names what is missing, and with
//! `LOSSDRILL_NEED_SERVERS=1` (as `ci/test` sets) it fails. `PAGES_OUT=dir cargo test --test pages` leaves pictures there.
#![cfg(feature = "harness")]

#[allow(dead_code)] // each binary takes what it needs
#[path = "report/fixture.rs"]
mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lossdrill::report::write_in;
use lossdrill::steps::Language;

/// Virtual time that a page gets for its scripts.
const BUDGET_MS: &str = "5000";
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// A common phone, and a desk.
const PHONE: usize = 390;
const DESK: usize = 1280;

/// The browser, or what is missing.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = BROWSERS.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        let missing = "no chromium is installed: run ci/setup --browser as root";
        let needed = std::env::var("LOSSDRILL_NEED_SERVERS").is_ok_and(|value| value == "1");
        assert!(!needed, "{missing}");
        eprintln!("NOT TESTED: {missing}");
    }
    found
}

struct Pages {
    browser: PathBuf,
    dir: tempfile::TempDir,
}

impl Pages {
    /// The report of `count` scenarios, in a folder of its own.
    fn of(count: usize, language: Language) -> Option<Pages> {
        let browser = browser()?;
        let dir = tempfile::tempdir().unwrap();
        fixture::journal_in(dir.path(), &fixture::many(count));
        write_in(dir.path(), language).unwrap();
        Some(Pages { browser, dir })
    }

    fn page(&self) -> String {
        fs::read_to_string(self.dir.path().join("report.html")).unwrap()
    }

    fn browse(&self, args: &[&str], page: &Path) -> String {
        let profile = self.dir.path().join("profile");
        let output = Command::new(&self.browser)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"])
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files"])
            .arg(format!("--virtual-time-budget={BUDGET_MS}"))
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(args)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .output()
            .expect("the browser starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", self.browser.display());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What `script` returns in a frame of that width that holds the page: a frame has the width that it is given.
    fn asked(&self, width: usize, script: &str) -> serde_json::Value {
        let frame = self.dir.path().join("frame.html");
        let html = format!(
            "<!doctype html><meta charset=\"utf-8\"><body style=\"margin:0\">\
             <iframe src=\"report.html\" width=\"{width}\" height=\"900\" style=\"border:0\"></iframe>\
             <pre id=\"told\"></pre><script>\
             document.querySelector('iframe').addEventListener('load', (event) => {{\
             const page = event.target.contentWindow; const doc = page.document;\
             const shown = () => [...doc.querySelectorAll('.scenario')].filter((one) => !one.hidden);\
             const told = (() => {{ {script} }})();\
             document.querySelector('#told').textContent = JSON.stringify(told); }});\
             </script>"
        );
        fs::write(&frame, html).unwrap();
        let dom = self.browse(&["--dump-dom"], &frame);
        let told =
            dom.split_once("<pre id=\"told\">").and_then(|(_, rest)| rest.split_once("</pre>"));
        let (told, _) = told.filter(|(told, _)| !told.is_empty()).expect("the page answers");
        let told = told.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
        serde_json::from_str(&told).unwrap()
    }

    /// Leaves a picture of the page where `PAGES_OUT` says.
    fn picture(&self, name: &str, width: usize, height: usize, change: &str) {
        let Some(out) = std::env::var_os("PAGES_OUT").map(PathBuf::from) else { return };
        fs::create_dir_all(&out).unwrap();
        let framed = self.dir.path().join("picture.html");
        let html = format!(
            "<!doctype html><meta charset=\"utf-8\"><body style=\"margin:0\">\
             <iframe src=\"report.html\" width=\"{width}\" height=\"{height}\" style=\"border:0\"></iframe>\
             <script>document.querySelector('iframe').addEventListener('load', (event) => {{\
             const doc = event.target.contentWindow.document; {change} }});</script>"
        );
        fs::write(&framed, html).unwrap();
        let file = format!("--screenshot={}", out.join(name).display());
        let size = format!("--window-size={},{height}", width.max(500));
        self.browse(&[&file, &size], &framed);
    }
}

/// Each of the four kinds of scenario that the fixture has, fifty times.
const MANY: usize = 200;

#[test]
fn the_page_asks_for_nothing_and_filters() {
    let Some(pages) = Pages::of(MANY, Language::En) else { return };
    assert!(pages.page().len() < 5_000_000, "{} bytes", pages.page().len());
    let told = pages.asked(
        DESK,
        "const counts = {all: shown().length};
         const click = (name) => doc.querySelector(`[data-show=${name}]`).click();
         for (const name of ['fail', 'inconclusive', 'pass', 'all']) {
           click(name); counts[name] = shown().length;
         }
         const search = doc.querySelector('input[type=search]');
         const find = (text) => {
           search.value = text; search.dispatchEvent(new page.Event('input')); return shown().length;
         };
         const words = ['late', '告警迟到', 'LATE  digit', 'ｌａｔｅ', '支付成功', 'bid-below', 'zzz'];
         const found = words.map(find);
         const nothing = !doc.querySelector('.nothing').hidden;
         find('');
         const points = doc.querySelector('[data-points]');
         const choose = (id) => {
           points.value = id; points.dispatchEvent(new page.Event('change')); return shown().length;
         };
         const chosen = [...points.options].map((option) => choose(option.value));
         choose('refund-paid-twice'); click('fail');
         return {counts, found, nothing, chosen, both: shown().length,
           requests: page.performance.getEntriesByType('resource').length};",
    );
    assert_eq!(told["counts"]["all"], 200);
    for verdict in ["fail", "inconclusive"] {
        assert_eq!(told["counts"][verdict], 50, "{verdict}: {told}");
    }
    assert_eq!(told["counts"]["pass"], 100);
    assert_eq!(told["found"], serde_json::json!([50, 50, 50, 50, 50, 50, 0]));
    assert_eq!(told["nothing"], true, "an empty list says so");
    assert_eq!(told["chosen"], serde_json::json!([200, 50, 50, 100]));
    assert_eq!(told["both"], 0, "filters add up");
    assert_eq!(told["requests"], 0, "the page fetches something");
}

/// The check above can fail: a page that asks is caught, though its own policy stops the request.
#[test]
fn a_request_would_be_seen() {
    let Some(pages) = Pages::of(1, Language::En) else { return };
    // Nothing listens on the discard port; the attempt is what counts.
    let spoilt = pages.page().replace("<main>", "<img src=\"http://127.0.0.1:9/pixel.png\"><main>");
    fs::write(pages.dir.path().join("report.html"), spoilt).unwrap();
    let ask = "return page.performance.getEntriesByType('resource').length;";
    assert_eq!(pages.asked(DESK, ask), 1);
}

#[test]
fn one_switch_shows_the_other_language() {
    let count = "const seen = (name) => [...doc.querySelectorAll(name)]
           .filter((one) => page.getComputedStyle(one).display !== 'none').length;
         const told = [seen('.en') > 0, seen('.zh') > 0, doc.querySelector('h1').innerText];
         doc.querySelector('[data-language]').click();
         return [...told, seen('.en') > 0, seen('.zh') > 0, doc.querySelector('h1').innerText];";
    let (en, zh) = ("1 of 4 failed, 1 inconclusive", "4 个中 1 个失败，1 个无结论");
    for (language, expect) in [
        (Language::En, serde_json::json!([true, false, en, false, true, zh])),
        (Language::ZhCn, serde_json::json!([false, true, zh, true, false, en])),
    ] {
        let Some(pages) = Pages::of(4, language) else { return };
        assert_eq!(pages.asked(DESK, count), expect, "{language:?}");
    }
}

#[test]
fn nothing_is_wider_than_a_phone() {
    for language in [Language::En, Language::ZhCn] {
        let Some(pages) = Pages::of(8, language) else { return };
        for width in [PHONE, DESK] {
            let told = pages.asked(
                width,
                // The tiles and a picture scroll inside themselves.
                "doc.querySelectorAll('details').forEach((one) => { one.open = true; });
                 const wide = [...doc.querySelectorAll('body *')].filter((one) =>
                   one.getBoundingClientRect().right > page.innerWidth + 1
                     && !one.closest('figure, .tiles'));
                 return [page.innerWidth, doc.documentElement.scrollWidth,
                   wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];",
            );
            assert_eq!(told[0], width);
            assert_eq!(told[1], width, "{language:?}: scrolls sideways: {told}");
            assert_eq!(told[2], serde_json::json!([]), "{language:?}");
        }
        let (name, switch) = match language {
            Language::En => ("en", ""),
            Language::ZhCn => ("zh", ""),
        };
        pages.picture(&format!("phone-{name}.png"), PHONE, 2400, switch);
        pages.picture(&format!("desk-{name}.png"), DESK, 1800, switch);
    }
}

/// On paper everything stands open, and the controls are gone.
#[test]
fn paper_shows_every_scenario() {
    let Some(pages) = Pages::of(4, Language::En) else { return };
    let out = std::env::var_os("PAGES_OUT").map(PathBuf::from);
    let out = out.unwrap_or_else(|| pages.dir.path().to_owned());
    fs::create_dir_all(&out).unwrap();
    let pdf = out.join("paper.pdf");
    let file = format!("--print-to-pdf={}", pdf.display());
    pages.browse(&[&file, "--no-pdf-header-footer"], &pages.dir.path().join("report.html"));
    let bytes = fs::read(&pdf).unwrap();
    assert!(bytes.starts_with(b"%PDF") && bytes.len() > 20_000, "{} bytes", bytes.len());
    // A sheet holds little more than a scenario and a half.
    let sheets = bytes.windows(11).filter(|part| part == b"/Type /Page").count();
    assert!(sheets >= 3, "{sheets} sheets: are all scenarios open?");
    let told = pages.asked(
        DESK,
        "page.dispatchEvent(new page.Event('beforeprint'));
         return [...doc.querySelectorAll('.scenario')].every((one) => one.open);",
    );
    assert_eq!(told, true);
}
