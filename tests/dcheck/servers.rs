//! One MySQL and one Kafka for the whole test, stopped when it ends.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Servers {
    pub mysql: String,
    pub kafka: String,
    started: Vec<(PathBuf, tempfile::TempDir)>,
}

impl Servers {
    pub fn find() -> Option<Servers> {
        let env = |name| std::env::var(name).ok();
        if let (Some(mysql), Some(kafka)) =
            (env("LOSSDRILL_TEST_MYSQL"), env("LOSSDRILL_TEST_KAFKA"))
        {
            return Some(Servers { mysql, kafka, started: Vec::new() });
        }
        let recipes = PathBuf::from(env("LOSSDRILL_RECIPES")?);
        let mut started = Vec::new();
        let mut start = |script: &str| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let script = recipes.join(script);
            let address = run(&script, &["start", &dir.path().to_string_lossy()]);
            started.push((script, dir));
            address
        };
        let (mysql, kafka) = (start("mysql-local.sh"), start("kafka-local.sh"));
        Some(Servers { mysql, kafka, started })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (script, dir) in &self.started {
            run(script, &["stop", &dir.path().to_string_lossy(), "KILL"]);
        }
    }
}

fn run(script: &Path, args: &[&str]) -> String {
    let out = Command::new("bash").arg(script).args(args).output().expect("bash runs");
    assert!(out.status.success(), "{script:?} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}
