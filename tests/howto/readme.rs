//! The README's own examples: its feature and its configurations have no mistake, its commands exist.

use std::fs;
use std::process::{Command, Output};

use super::page::{Block, Does, blocks};
use super::{project, servers, text};

fn lossdrill(args: &[&str]) -> Output {
    let mut command = Command::new(servers::PROGRAM);
    command.args(args).current_dir(project()).output().expect("lossdrill starts")
}

fn assert_done(what: &str, output: &Output) {
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "README.md: {what}\n{}", String::from_utf8_lossy(&said));
}

fn shown(language: &str) -> Vec<Block> {
    let blocks = blocks("README.md", &text("README.md")).unwrap_or_else(|why| panic!("{why}"));
    let shown = Does::Show(language.to_owned());
    let found: Vec<Block> = blocks.into_iter().filter(|block| block.does == shown).collect();
    assert!(!found.is_empty(), "README.md has no `{language}` block");
    found
}

#[test]
fn its_feature_passes_check() {
    for block in shown("gherkin") {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("readme.feature"), block.body.join("\n") + "\n").unwrap();
        let features = dir.path().display().to_string();
        // Drills name scenarios that are not in this folder.
        let checked = lossdrill(&["check", "--features", &features, "--drills", "no/drills"]);
        assert_done(&block.at, &checked);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(said.contains("2 scenarios, "), "{}: {said}", block.at);
    }
}

#[test]
fn its_configurations_pass_check() {
    for block in shown("yaml") {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lossdrill.yaml");
        fs::write(&file, block.body.join("\n") + "\n").unwrap();
        assert_done(&block.at, &lossdrill(&["check", "--config", &file.display().to_string()]));
    }
}

/// Every `lossdrill …` between backticks, as far as its flags can be read: it is asked for its help.
#[test]
fn its_commands_exist() {
    let readme = text("README.md");
    let spans = readme.split('`').skip(1).step_by(2).filter(|span| span.starts_with("lossdrill "));
    let mut commands = 0;
    for span in spans {
        let words = span.trim_start_matches("lossdrill ");
        let script = format!("exec {} {} --help", servers::PROGRAM, words.replace('…', ""));
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
        assert_done(span, &output);
        commands += 1;
    }
    assert!(commands > 10, "{commands}");
}
