//! What the how-tos and the README tell is true: their blocks are applied to a copy of this checkout and executed there.
//!
//! All how-tos go into one copy, in order, and are built once. Needs what `ci/setup --local` prepares, and `python3`. Not
//! covered: prose; commands of the README that start servers are only read, not run.
#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

mod mistakes;
mod page;
mod readme;
mod scratch;
#[path = "../servers/mod.rs"]
mod servers;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lossdrill::stage::Provider;

use page::{Block, Does};
use scratch::Scratch;

/// In the order in which they build on each other.
const HOW_TOS: [&str; 6] = [
    "src/steps/ADDING.md",
    "src/faults/ADDING.md",
    "src/dcheck/engine/rules/ADDING.md",
    "src/dcheck/plans/ADDING.md",
    "scenarios/design/adding-a-loss-point.md",
    "examples/mini-reconciler/README.md",
];

/// One compilation of library, programs and unit tests, on a machine that does other things as well.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// The commands of one block.
const BLOCK_LIMIT: Duration = Duration::from_secs(10 * 60);

/// One invocation builds all that the blocks need. `tidy` brings the programs with it, and holds the new code to the
/// house's form.
const BUILD: &str =
    "cargo test --quiet --lib --test tidy --no-run && cargo test --quiet --test tidy";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn blocks() -> Vec<Block> {
    let read = |file| page::blocks(file, &text(file)).unwrap_or_else(|mistake| panic!("{mistake}"));
    HOW_TOS.into_iter().flat_map(read).collect()
}

#[test]
fn every_block_finds_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let copy = Scratch::copy(project(), dir.path());
    let blocks = blocks();
    copy.apply(&blocks).unwrap_or_else(|mistake| panic!("{mistake}"));
    for page in HOW_TOS {
        let of_page = |block: &&Block| block.at.starts_with(page);
        let runs = |block: &Block| matches!(block.does, Does::Run { .. });
        assert!(blocks.iter().filter(of_page).any(runs), "{page} proves nothing: it has no `sh`");
    }
}

#[test]
fn the_readme_leads_to_every_how_to() {
    let readme = text("README.md");
    let found =
        Command::new("git").args(["ls-files", "*ADDING.md"]).current_dir(project()).output();
    let listed = String::from_utf8(found.expect("git is there").stdout).unwrap();
    for page in HOW_TOS.into_iter().chain(listed.lines()) {
        assert!(HOW_TOS.contains(&page), "{page} is not executed: add it to HOW_TOS");
        assert!(readme.contains(page), "README.md does not name {page}");
    }
}

#[test]
fn the_how_tos_do_what_they_say() {
    if !servers::have(Provider::Local) {
        return;
    }
    let copy = Scratch::copy(project(), &Path::new(env!("CARGO_TARGET_TMPDIR")).join("howto"));
    let blocks = blocks();
    copy.apply(&blocks).unwrap_or_else(|mistake| panic!("{mistake}"));
    let built = copy.run(BUILD, BUILD_LIMIT);
    assert_eq!(built.exit, Some(0), "with all how-tos applied: {BUILD}\n{}", built.said);
    let failed: Vec<String> =
        blocks.iter().filter_map(|block| copy.execute(block, BLOCK_LIMIT).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
