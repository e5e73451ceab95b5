//! The ledger's lines, its growth, and the reader on a real file.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::super::Progress;
use super::*;
use crate::probe::recorder::tests::Recording;

const COLLECTED: &str = concat!(
    r#"{"seq":1,"kind":"collected","order":"O","channel":"alipay","#,
    r#""amount":"199.00 CNY","txn":"T1","at_ms":5}"#
);
const PAID_OUT: &str = concat!(
    r#"{"seq":2,"kind":"paid-out","order":"O","refund":"R","channel":"alipay","#,
    r#""amount":"9.00 CNY","txn":"T2","at_ms":6}"#
);

const TRANSFERRED: &str = concat!(
    r#"{"seq":3,"kind":"transferred","bill":"B","merchant":"M","payee":"bank-1","channel":"alipay","#,
    r#""amount":"50.00 CNY","txn":"T3","at_ms":7}"#
);

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_are_postings_or_errors() {
    let posting = |line: &str| match told(line.as_bytes()).unwrap() {
        Event::Posted { posting } => posting,
        other => panic!("{other:?}"),
    };
    let paid = posting(PAID_OUT);
    assert_eq!(
        (paid.kind, paid.subject.to_string()),
        (PostingKind::PaidOut, "refund \"R\"".into())
    );
    let collected = posting(COLLECTED);
    assert_eq!((collected.amount, collected.reference), (Money::cny(19_900), "T1".into()));
    let Event::Booked { line } = told(TRANSFERRED.as_bytes()).unwrap() else { panic!("no line") };
    assert_eq!((line.ledger.as_str(), line.subject.to_string()), (TRANSFERS, "bill \"B\"".into()));
    assert_eq!((line.detail, line.strict), (Some("bank-1".to_owned()), true));
    for bad in [
        TRANSFERRED.replace(r#""payee":"bank-1","#, ""),
        PAID_OUT.replace(r#""refund":"R","#, ""),
        COLLECTED.replace("199.00 CNY", "199.00"),
        COLLECTED.replace("collected", "borrowed"),
        String::new(),
    ] {
        assert!(told(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn only_whole_lines_count_and_a_new_file_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let mut tail = Tail { path: path.clone(), offset: 0, rest: Vec::new() };
    let mut lines = || -> Vec<String> {
        let lines = tail.read().unwrap().into_iter();
        lines.map(|line| String::from_utf8(line).unwrap()).collect()
    };
    assert_eq!(lines(), [""; 0], "no file yet");
    append(&path, "one\ntw");
    assert_eq!(lines(), ["one"]);
    append(&path, "o\nthree\n");
    assert_eq!(lines(), ["two", "three"]);
    assert_eq!(lines(), [""; 0]);
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(lines(), ["new"]);
}

struct Following {
    recording: Recording,
    sync: mpsc::Sender<SyncRequest>,
    progress: watch::Receiver<Progress>,
    _task: tokio::task::JoinSet<()>,
}

impl Following {
    fn start(path: &Path) -> Following {
        let recording = Recording::start();
        let (sender, progress) = watch::channel(Progress::default());
        let reader = Reader {
            recorder: recording.recorder.clone(),
            progress: sender,
            activity: Arc::default(),
        };
        let (sync, requests) = mpsc::channel(1);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(Ledger::open(path.to_owned()).unwrap().run(reader, requests));
        Following { recording, sync, progress, _task: tasks }
    }

    async fn sync(&self) -> u64 {
        let (answer, answered) = oneshot::channel();
        self.sync.send(answer).await.unwrap();
        answered.await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn after_a_sync_all_that_was_written_is_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    append(&path, "an old line of another scenario\n");
    let following = Following::start(&path);
    for nth in 1..=50 {
        append(&path, &format!("{COLLECTED}\n{PAID_OUT}\n"));
        assert_eq!(following.sync().await, std::fs::metadata(&path).unwrap().len());
        assert_eq!(following.recording.events().len(), nth * 2);
    }
}

#[tokio::test]
async fn a_line_is_seen_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let following = Following::start(&path);
    let mut entries = following.recording.subscribe();
    append(&path, &format!("{COLLECTED}\n"));
    let limit = std::time::Duration::from_secs(5);
    let entry = tokio::time::timeout(limit, entries.recv()).await.expect("seen").unwrap();
    assert!(matches!(&entry.event, Event::Posted { posting } if posting.reference == "T1"));
}

#[tokio::test]
async fn a_line_that_means_nothing_breaks_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let following = Following::start(&path);
    append(&path, "{}\n");
    following.sync().await;
    let broken = following.progress.borrow().broken.clone();
    assert!(broken.is_some_and(|text| text.contains("the ledger's line `{}`")));
}
