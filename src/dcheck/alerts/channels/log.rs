//! A file of lines: one JSON object for each alert, for a shipper of logs or a person.
//!
//! Owns the file, which is opened anew for each message: whoever rotates it needs to tell nobody. Acknowledged when the lines are on
//! the disk. Two tellings at once do not mix their lines.

use std::path::PathBuf;

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use crate::dcheck::alerts::webhook::from_webhook;
use crate::wire::Webhook;

pub struct LogFile {
    path: PathBuf,
    writing: Mutex<()>,
}

impl LogFile {
    pub fn new(path: PathBuf) -> LogFile {
        LogFile { path, writing: Mutex::new(()) }
    }

    pub async fn tell(&self, message: &Webhook) -> Result<(), String> {
        let mut lines = String::new();
        for alert in &message.alerts {
            let line = serde_json::to_string(&from_webhook(alert));
            lines.push_str(&line.expect("invariant: an alert is plain data"));
            lines.push('\n');
        }
        let _turn = self.writing.lock().await;
        let written = async {
            let mut file = self.open().await?;
            file.write_all(lines.as_bytes()).await?;
            file.flush().await?;
            file.sync_data().await
        };
        written.await.map_err(|error| self.named(&error))
    }

    pub async fn beat(&self) -> Result<(), String> {
        self.open().await.map(drop).map_err(|error| self.named(&error))
    }

    async fn open(&self) -> std::io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.path).await
    }

    fn named(&self, error: &std::io::Error) -> String {
        format!("alert log {}: {error}", self.path.display())
    }
}
