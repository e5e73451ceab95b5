//! A private MySQL and Kafka, started by the recipes and killed when dropped.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The two real servers.
pub struct Servers(Arc<Running>);

pub struct Running {
    recipes: PathBuf,
    folder: tempfile::TempDir,
    pub mysql: String,
    pub kafka: String,
}

impl Servers {
    pub fn start() -> Option<Servers> {
        let recipes = PathBuf::from(std::env::var_os("LOSSDRILL_RECIPES")?);
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running { recipes, folder, mysql: String::new(), kafka: String::new() };
        running.mysql = running.server("mysql", &["start"]);
        running.kafka = running.server("kafka", &["start"]);
        Some(Servers(Arc::new(running)))
    }

    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.0)
    }
}

impl Running {
    /// Runs `<kind>-local.sh ACTION DIR ARGS`; returns what it prints.
    fn server(&self, kind: &str, args: &[&str]) -> String {
        let script = self.recipes.join(format!("{kind}-local.sh"));
        let folder = self.folder.path().join(kind);
        // Through a file: a pipe would stay open as long as the server lives.
        let out = self.folder.path().join(format!("{kind}.out"));
        let status = Command::new("bash")
            .arg(&script)
            .arg(args[0])
            .arg(&folder)
            .args(&args[1..])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&out).unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{} {args:?}", script.display());
        std::fs::read_to_string(out).unwrap().trim().to_owned()
    }

    pub fn kill(&self, kind: &str) {
        self.server(kind, &["stop", "KILL"]);
    }

    pub fn restart(&self, kind: &str) {
        self.server(kind, &["start"]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (kind, address) in [("mysql", &self.mysql), ("kafka", &self.kafka)] {
            if !address.is_empty() && !std::thread::panicking() {
                self.kill(kind);
            }
        }
    }
}
