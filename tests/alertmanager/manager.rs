//! One Alertmanager: a process, its folder, and an inbox for what it tells its own receiver.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use lossdrill::wire::{Webhook, WebhookAlert};
use serde_json::Value;
use tempfile::TempDir;

use crate::servers;

const PROGRAM: &str = "prometheus-alertmanager";
/// Far above what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Is the package installed? Else says so, and fails where none may be missing.
pub fn is_here() -> bool {
    let answers = Command::new(PROGRAM).arg("--version").output();
    let answers = answers.is_ok_and(|output| output.status.success());
    if !answers {
        servers::skip("no Alertmanager is installed: run `ci/setup --alertmanager`");
    }
    answers
}

pub struct Manager {
    dir: TempDir,
    port: u16,
    process: Option<Child>,
    http: reqwest::Client,
    /// What its receiver was told.
    told: Arc<Mutex<Vec<WebhookAlert>>>,
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Manager {
    pub async fn new(resolve_timeout: &str) -> Manager {
        let dir = tempfile::tempdir().unwrap();
        let told: Arc<Mutex<Vec<WebhookAlert>>> = Arc::default();
        let inbox = listen(told.clone()).await;
        let config = format!(
            "global: {{resolve_timeout: {resolve_timeout}}}\n\
             route: {{receiver: inbox, group_by: ['...'], group_wait: 0s, group_interval: 1s}}\n\
             receivers:\n  - name: inbox\n    webhook_configs:\n      \
             - {{url: '{inbox}', send_resolved: true}}\n"
        );
        fs::write(dir.path().join("alertmanager.yml"), config).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut manager = Manager { dir, port, process: None, http, told };
        manager.start().await;
        manager
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it says that it is ready.
    pub async fn start(&mut self) {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={}", path("alertmanager.yml")))
            .arg(format!("--storage.path={}", path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Alertmanager starts");
        self.process = Some(child);
        let (from, ready) = (Instant::now(), format!("{}/-/ready", self.url()));
        while !self.http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            let log = || fs::read_to_string(path("log")).unwrap_or_default();
            assert!(from.elapsed() < LIMIT, "not ready: {}", log());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Takes its folder of data away.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(self.dir.path().join("data"));
    }

    /// What it shows as not ended.
    pub async fn alerts(&self) -> Vec<Value> {
        let answer = self.http.get(format!("{}/api/v2/alerts", self.url())).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn subjects(&self, rule: &str) -> Vec<String> {
        let alerts = self.alerts().await.into_iter();
        let of_rule = alerts.filter(|alert| alert["labels"]["alertname"] == rule);
        let mut found: Vec<String> = of_rule
            .map(|alert| alert["labels"]["subject"].as_str().unwrap_or_default().to_owned())
            .collect();
        found.sort();
        found
    }

    /// Until it shows exactly these subjects of a rule.
    pub async fn shows(&self, rule: &str, subjects: &[&str]) {
        let from = Instant::now();
        loop {
            let found = self.subjects(rule).await;
            if found == subjects {
                return;
            }
            assert!(from.elapsed() < LIMIT, "{found:?} are shown, not {subjects:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until its receiver was told so of a subject.
    pub async fn tells(&self, status: &str, subject: &str) {
        let from = Instant::now();
        let is_it = |alert: &WebhookAlert| {
            alert.status == status && alert.labels.get("subject").is_some_and(|id| id == subject)
        };
        while !self.told.lock().unwrap().iter().any(is_it) {
            let told = self.told.lock().unwrap().clone();
            assert!(from.elapsed() < LIMIT, "{subject} is not {status}: {told:#?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn listen(told: Arc<Mutex<Vec<WebhookAlert>>>) -> String {
    type Told = State<Arc<Mutex<Vec<WebhookAlert>>>>;
    async fn take(State(told): Told, body: Json<Webhook>) {
        told.lock().unwrap().extend(body.0.alerts);
    }
    let router = Router::new().route("/", post(take)).with_state(told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}
