//! The terminal while a run goes on: entries in, lines out.

use std::io::{IsTerminal, Stdout, stdout};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::journal::{Entry, Event, Journal};
use crate::report::terminal::{Live, Style};

/// A terminal that attends a run.
pub struct Attending(JoinHandle<Live<Stdout>>);

/// Tells the run in `dir` from its whole journal, as if it went on now.
pub fn replay(entries: Vec<Entry>, dir: &Path) {
    let style = Style { tty: false, color: false };
    let mut live = Live::new(stdout(), style, Some(dir.display().to_string()));
    for entry in entries.into_iter().map(Arc::new) {
        // A terminal that went away ends nothing.
        let _ = live.see(&entry);
    }
    let _ = live.finish();
}

impl Attending {
    /// Shows every entry of `journal` from now on, until the run has ended.
    pub fn start(journal: &Journal) -> Attending {
        let mut entries = journal.subscribe();
        let tty = stdout().is_terminal();
        let style = Style { tty, color: tty && std::env::var_os("NO_COLOR").is_none() };
        let run_dir = journal.path().parent().map(|dir| dir.display().to_string());
        Attending(tokio::spawn(async move {
            let mut live = Live::new(stdout(), style, run_dir);
            loop {
                match entries.recv().await {
                    Ok(entry) => {
                        // A terminal that went away must not end the run.
                        let _ = live.see(&entry);
                        if matches!(entry.event, Event::RunEnded { .. }) {
                            return live;
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return live,
                }
            }
        }))
    }

    /// Prints the closing screen, once the reports are written.
    pub async fn finish(self) {
        if let Ok(mut live) = self.0.await {
            let _ = live.finish();
        }
    }
}
