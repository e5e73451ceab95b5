//! What a run leaves for machines and people.

use serde_json::Value;

use crate::{ATTACK, Run, first, id_of, xml};

/// A report that is mailed around stays below this.
const HTML_LIMIT: usize = 5_000_000;

fn text(run: &Run, name: &str) -> String {
    let path = run.dir.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(run: &Run, name: &str) -> Value {
    serde_json::from_str(&text(run, name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn junit_is_xml_with_the_scenarios_stable_ids() {
    let Some(run) = first() else { return };
    let elements = xml::elements(&text(run, "junit.xml")).unwrap();
    let cases: Vec<&xml::Element> = elements.iter().filter(|e| e.name == "testcase").collect();
    assert_eq!(cases.len(), 3);
    let attack = cases.iter().find(|case| case.attributes["name"] == ATTACK).unwrap();
    assert_eq!(attack.attributes["id"], id_of(&run.entries(), ATTACK));
    assert!(attack.attributes["file"].starts_with("features/refund-twice.feature:"));
    let suites = elements.iter().find(|element| element.name == "testsuites").unwrap();
    for (key, value) in [("tests", "3"), ("failures", "0"), ("errors", "0")] {
        assert_eq!(suites.attributes[key], value, "{key}");
    }
}

#[test]
fn the_page_is_one_file_that_needs_no_other() {
    let Some(run) = first() else { return };
    let page = text(run, "report.html");
    assert!(page.len() < HTML_LIMIT, "{} bytes", page.len());
    assert!(page.contains(ATTACK));
    assert_eq!(outside(&page), None);
    for bad in [
        "<script src=\"a.js\">",
        "<img alt='' src='http://a/b.png'>",
        "<link href=\"a.css\">",
        "url(a.png)",
        "@import 'a.css'",
        "fetch(\"x\")",
    ] {
        assert!(outside(bad).is_some(), "{bad}");
    }
}

/// The first thing in `page` that a browser would fetch from elsewhere.
fn outside(page: &str) -> Option<String> {
    let page = page.to_lowercase();
    let fetches =
        [" src=", "<link", "url(", "@import", "fetch(", "xmlhttprequest", "<iframe", "import("];
    fetches.into_iter().find(|word| page.contains(word)).map(str::to_owned)
}

#[test]
fn the_other_reports_agree_with_the_run() {
    let Some(run) = first() else { return };
    let result = json(run, "result.json");
    assert_eq!(
        (&result["exit"], &result["passed"], &result["failed"]),
        (&0.into(), &3.into(), &0.into())
    );
    assert_eq!(result["seed"], 7);
    assert_eq!(result["scenarios"].as_array().map(Vec::len), Some(3));
    let lock = json(run, "stage.lock.json");
    let services = lock["services"].as_array().expect("the servers of the stage");
    let providers: Vec<&Value> = services.iter().map(|service| &service["provider"]).collect();
    assert_eq!(providers, ["local", "local"], "MySQL and Kafka");
    assert!(services.iter().all(|s| s["version"].as_str().is_some_and(|v| !v.is_empty())));
    let last = "3 passed, 0 failed, 0 skipped";
    assert!(text(run, "summary.md").trim_end().ends_with(last));
    let told = String::from_utf8_lossy(&run.output.stdout);
    assert!(told.trim_end().ends_with(last), "{told}");
}
