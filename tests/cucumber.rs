//! The cucumber crate's own ways, each overridden by ours: which test notices when an upgrade changes one.
//!
//! The table below is read by a test: a row whose test is gone fails. What can be tested nowhere else stands here.
#![cfg(feature = "harness")]

use std::fs;
use std::path::Path;

/// What the crate does by default -> where our answer is tested.
const ROWS: &[(&str, &str, &str)] = &[
    ("an undefined step: exit 0", "src/steps/mistake_tests.rs", "every_meaning_is_checked"),
    (
        "an undefined step: exit 6 with the three nearest, before any server",
        "tests/cli/mistakes.rs",
        "a_mistake_in_the_texts_is_told_with_its_place_before_any_server_starts",
    ),
    (
        "a tag filter that matches nothing: exit 0",
        "tests/cli/mistakes.rs",
        "a_wrong_argument_is_told_with_a_way_out",
    ),
    (
        "an empty folder: exit 0",
        "tests/cli/mistakes.rs",
        "an_empty_features_folder_is_nothing_found",
    ),
    (
        "misspelt keywords and `规则:` become prose",
        "src/steps/mistake_tests.rs",
        "every_line_is_accounted_for",
    ),
    (
        "full-width colon, BOM, `｜`, U+3000: an opaque error, or no scenario",
        "src/steps/mistake_tests.rs",
        "what_is_only_odd_is_taken",
    ),
    (
        "alternation without spaces matches neither sentence",
        "src/steps/compiled.rs",
        "rows_that_cannot_be_are_refused",
    ),
    (
        "SIGTERM: empty reports",
        "tests/cli/endings.rs",
        "sigterm_in_the_middle_keeps_verdicts_and_reports_and_leaves_nothing",
    ),
    (
        "a retry that passes: exit 0",
        "src/runner/world.rs",
        "every_step_is_walked_once_whatever_a_tag_says_of_retries",
    ),
    (
        "a panic in a spawned task is swallowed",
        "src/runner/world.rs",
        "a_panic_in_a_task_is_swallowed_by_the_crate_and_seen_by_us",
    ),
    ("a blocking call stalls every scenario", "tests/cucumber.rs", "no_scenario_blocks_another"),
    (
        "--fail-fast lets running scenarios finish",
        "tests/cli/endings.rs",
        "the_first_failure_ends_a_run_that_asks_for_it",
    ),
    (
        "testcase names hold line and column",
        "tests/cli/endings.rs",
        "test_cases_keep_their_names_when_a_feature_is_edited",
    ),
    (
        "a step's text is bound to its keyword",
        "src/runner/world.rs",
        "a_sentence_is_bound_to_its_keyword",
    ),
    ("the step registry lists no docs", "src/author/listing.rs", "every_sentence_is_on_the_page"),
    (
        "hooks: none per run",
        "tests/cli/endings.rs",
        "scenarios_lease_cells_of_their_own_from_one_stage",
    ),
    (
        "step failure is a panic; there is no third verdict",
        "src/runner/world.rs",
        "a_step_that_panics_and_one_that_matches_nothing_are_trouble",
    ),
    (
        "the third verdict in every report",
        "tests/cli/endings.rs",
        "what_a_deadline_leaves_unjudged_is_inconclusive",
    ),
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_row_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (row, file, test) in ROWS {
        assert!(read(&root.join(file)).contains(&format!("fn {test}(")), "{row}: {file}: {test}");
    }
}

/// Rooms whose code runs on the one thread that walks all scenarios.
const ON_THE_ONE_THREAD: &[&str] =
    &["runner", "steps", "platform", "probe", "faults", "expect", "oracle", "forge"];
/// Calls that hold a thread until something outside answers.
const BLOCKING: &[&str] = &[
    "thread::sleep",
    "block_on(",
    "blocking_lock(",
    "blocking_recv(",
    "reqwest::blocking",
    "std::net::TcpStream",
    "std::process::Command",
];

/// Places in `text` that call something blocking outside tests and outside `spawn_blocking`.
fn blocking(name: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().enumerate();
    let calls = lines.filter(|(_, line)| {
        let code = line.split("//").next().unwrap_or_default();
        BLOCKING.iter().any(|call| code.contains(call)) && !code.contains("spawn_blocking")
    });
    calls.map(|(index, line)| format!("{name}:{}: {}", index + 1, line.trim())).collect()
}

fn sources(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            found.push(path);
        }
    }
}

#[test]
fn no_scenario_blocks_another() {
    assert_eq!(blocking("x.rs", "std::thread::sleep(PAUSE);").len(), 1, "a call is seen");
    assert_eq!(blocking("x.rs", "spawn_blocking(|| thread::sleep(PAUSE))").len(), 0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    ON_THE_ONE_THREAD.iter().for_each(|room| sources(&root.join(room), &mut files));
    assert!(files.len() > 50, "{}", files.len());
    let name = |path: &Path| path.strip_prefix(&root).unwrap_or(path).display().to_string();
    let found: Vec<String> =
        files.iter().flat_map(|path| blocking(&name(path), &read(path))).collect();
    assert_eq!(found, Vec::<String>::new());
}
