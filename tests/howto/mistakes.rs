//! A how-to that cannot be followed is told, with the block and what is wrong in it.

use std::fs;
use std::time::{Duration, Instant};

use super::page::blocks;
use super::scratch::Scratch;

const FILE: &str = "one\ntwo\nthree\ntwo\nfour\n";

/// The first mistake of a page in a checkout that holds `file.txt`; empty where there is none.
fn mistake(page: &str, limit: Duration) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (project, copy) = (dir.path().join("project"), dir.path().join("copy"));
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join("file.txt"), FILE).unwrap();
    let made =
        std::process::Command::new("git").args(["init", "-q"]).current_dir(&project).status();
    assert!(made.unwrap().success());
    let scratch = Scratch::copy(&project, &copy);
    let followed = blocks("page.md", page).and_then(|blocks| {
        scratch.apply(&blocks)?;
        blocks.iter().try_for_each(|block| scratch.execute(block, limit))
    });
    followed.err().unwrap_or_default()
}

const LIMIT: Duration = Duration::from_secs(60);

fn check(page: &str, expect: &str) {
    let page = page.replace("~~~", "```");
    let found = mistake(&page, LIMIT);
    let as_expected = if expect.is_empty() { found.is_empty() } else { found.starts_with(expect) };
    assert!(as_expected, "{page}\n--- expected: {expect}\n--- found: {found}");
}

#[test]
fn a_page_that_can_be_followed_is() {
    check("`new.txt`\n~~~text file=new.txt\nx\n~~~\n~~~sh\ntest \"$(cat new.txt)\" = x\n~~~", "");
    check(
        "`file.txt`\n~~~text file=file.txt append\nx\n~~~\n~~~sh\ntail -1 file.txt | grep x\n~~~",
        "",
    );
    check(
        "`file.txt`\n~~~diff file=file.txt\n one\n+new\n two\n@@\n-four\n+five\n~~~\n\
         ~~~sh prints=\"one new two three two five\"\necho $(cat file.txt)\n~~~",
        "",
    );
    check("~~~sh exit=3\nexit 3\n~~~\n~~~text\nfor the eye\n~~~", "");
}

#[test]
fn a_broken_block_is_named() {
    for (page, told) in [
        ("~~~sh\ntrue\n", "page.md:1: the block is never closed"),
        ("\n~~~text file=new.txt\n~~~", "page.md:2: the text above does not name `new.txt`"),
        ("`../a`\n~~~text file=../a\n~~~", "page.md:2: `../a` does not lead into the checkout"),
        ("~~~sh exits=1\n~~~", "page.md:1: `exits` is not known: write file="),
        ("~~~sh exit=one\n~~~", "page.md:1: `exit=one` is no number"),
        ("~~~sh prints=\"x\n~~~", "page.md:1: the quotation mark of `prints` is never closed"),
        ("~~~text prints=x\n~~~", "page.md:1: only an `sh` block"),
        ("~~~text append\n~~~", "page.md:1: `append` to which file?"),
        ("`file.txt`\n~~~text file=file.txt\n~~~", "page.md:2: `file.txt` is there already"),
        ("`no.txt`\n~~~text file=no.txt append\n~~~", "page.md:2: no.txt: No such file"),
        ("`no.txt`\n~~~diff file=no.txt\n one\n~~~", "page.md:2: no.txt: No such file"),
        ("`file.txt`\n~~~diff file=file.txt\n one\n-too\n~~~", "page.md:2: `too`, or what stands"),
        (
            "`file.txt`\n~~~diff file=file.txt\n one\n three\n~~~",
            "page.md:2: `one`, or what stands",
        ),
        ("`file.txt`\n~~~diff file=file.txt\n-two\n~~~", "page.md:2: `two` stands 2 times"),
        ("`file.txt`\n~~~diff file=file.txt\n+x\n~~~", "page.md:2: a change that names no line"),
        ("`file.txt`\n~~~diff file=file.txt\none\n~~~", "page.md:2: `one` begins with none"),
        ("~~~sh\ntrue\n~~~\n~~~sh\nfalse\ntrue\n~~~", "page.md:4: it exits 1, not 0"),
        ("~~~sh exit=1\ntrue\n~~~", "page.md:1: it exits 0, not 1"),
        ("~~~sh prints=\"a b\"\necho a; echo b\n~~~", "page.md:1: it does not print `a b`"),
    ] {
        check(page, told);
    }
}

#[test]
fn what_never_ends_is_ended_with_all_that_it_started() {
    let began = Instant::now();
    let found = mistake("```sh\nsleep 600 | sleep 600\n```\n", Duration::from_millis(200));
    assert!(found.starts_with("page.md:1: it had not ended after 200ms"), "{found}");
    assert!(began.elapsed() < LIMIT);
}
