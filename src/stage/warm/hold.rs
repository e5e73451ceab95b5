//! The holder's own process.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::{Answer, HoldSpec, Request, StageError, WarmStage, dir, key, line, socket};
use crate::stage::kafka;
use crate::stage::service::Service;
use crate::stage::state::StateLock;
use crate::stage::{Guardian, Stage};

/// Serves a warm stage until `stage down`, SIGTERM, or the end of its guardian. Reads a
/// [`HoldSpec`] from standard input, and writes one line, a [`WarmStage`] or an error, to standard
/// output.
pub async fn hold() -> ExitCode {
    // SAFETY: a plain system call; it fails where this leads a session already, which is as good.
    unsafe { libc::setsid() };
    let mut text = String::new();
    let spec = std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string());
    let spec = spec.and_then(|_| serde_json::from_str(&text).map_err(|error| error.to_string()));
    let spec: HoldSpec = match spec {
        Ok(spec) => spec,
        Err(error) => return tell(Err(format!("read the holder's spec: {error}"))),
    };
    let lock = match StateLock::take(&dir()) {
        Ok(Some(lock)) => lock,
        Ok(None) => return tell(Err("another warm stage is coming up".to_owned())),
        Err(error) => return tell(Err(format!("lock {}: {error}", dir().display()))),
    };
    let code = match Holder::start(spec).await {
        Ok((holder, listener)) => {
            tell(Ok(holder.warm.clone()));
            holder.serve(listener).await
        }
        Err(error) => tell(Err(error.to_string())),
    };
    let _ = std::fs::remove_dir_all(dir());
    drop(lock);
    code
}

/// Says the one word that the starter waits for.
fn tell(word: Result<WarmStage, String>) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&line(&word)).and_then(|()| out.flush());
    if word.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// When a broker that was given back is looked at for topics: at once, and again.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4)];

struct Holder {
    warm: WarmStage,
    stage: Stage,
    guardian: Guardian,
    kafka_leases: AtomicUsize,
    /// The broker has a new user, or its topics are being deleted.
    cleaning: tokio::sync::Mutex<()>,
    /// MySQL servers that are leased now.
    lent: Mutex<Vec<Service>>,
    down: Notify,
}

impl Holder {
    async fn start(spec: HoldSpec) -> Result<(Arc<Holder>, UnixListener), StageError> {
        let run_id = format!("warm-{}", std::process::id());
        let options = spec.options(&run_id)?;
        let guardian = Guardian::start(&run_id).await?;
        let stage = Stage::up_fresh(options, &guardian).await?;
        // leased one by one later; what is ahead must be up before the stage calls itself warm
        stage.prewarm_to(spec.mysql_ahead);
        stage.await_ahead().await?;
        let facts = stage.facts();
        let provider = facts.first().map_or("", |facts| facts.provider.as_str());
        let key = key(&spec.mysql_image, &spec.kafka_image, &spec.schema_sql, provider);
        let warm = WarmStage {
            pid: std::process::id(),
            run_id,
            kafka: stage.kafka().endpoint,
            facts,
            mysql_ahead: spec.mysql_ahead,
            key,
        };
        let _ = std::fs::remove_file(socket());
        let listener = UnixListener::bind(socket()).map_err(StageError::io("bind", &socket()))?;
        let (part, ready) = (dir().join("stage.json.part"), dir().join("stage.json"));
        std::fs::write(&part, line(&warm)).map_err(StageError::io("write", &part))?;
        std::fs::rename(&part, &ready).map_err(StageError::io("rename", &part))?;
        let kafka_leases = AtomicUsize::new(0);
        let holder = Holder {
            warm,
            stage,
            guardian,
            kafka_leases,
            cleaning: tokio::sync::Mutex::new(()),
            lent: Mutex::default(),
            down: Notify::new(),
        };
        Ok((Arc::new(holder), listener))
    }

    async fn serve(self: Arc<Self>, listener: UnixListener) -> ExitCode {
        let Ok(mut term) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { break };
                    tokio::spawn(self.clone().connection(stream));
                }
                () = self.down.notified() => break,
                () = self.guardian.gone() => break,
                _ = term.recv() => break,
            }
        }
        let _ = std::fs::remove_file(dir().join("stage.json"));
        if self.guardian.bye().await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// One lease, from its first line to the end of its connection.
    async fn connection(self: Arc<Self>, stream: UnixStream) {
        let mut stream = BufReader::new(stream);
        let Some(first) = read(&mut stream).await else { return };
        let (service, after) = match first {
            Request::Down => {
                let _ = write(&mut stream, &Answer::Done).await;
                return self.down.notify_one();
            }
            Request::LeaseKafka => {
                let _clean = self.cleaning.lock().await;
                self.kafka_leases.fetch_add(1, Ordering::Relaxed);
                (Ok(self.stage.kafka().clone()), After::TakeBack)
            }
            Request::LeaseOwnKafka { name } => (self.stage.own_kafka(&name).await, After::Remove),
            Request::LeaseCluster { name } => return self.lend_cluster(&mut stream, &name).await,
            Request::LeaseMysql => {
                let lent = self.stage.mysql("leased").await;
                self.lent().extend(lent.as_ref().ok().cloned());
                (lent, After::Replace)
            }
            Request::LeaseReplica { of } => (self.replica(of).await, After::Remove),
            _ => return,
        };
        match service {
            Ok(service) => {
                serve_lease(&mut stream, &service, Answer::Leased(service.endpoint)).await;
                match after {
                    After::TakeBack => self.take_back(&service).await,
                    After::Remove => drop(service.remove().await),
                    After::Replace => {
                        self.lent().retain(|lent| lent.endpoint != service.endpoint);
                        let _ = service.remove().await;
                        self.stage.prewarm_to(self.warm.mysql_ahead);
                    }
                }
            }
            Err(error) => {
                let _ = write(&mut stream, &Answer::Failed(error.to_string())).await;
            }
        }
    }

    fn lent(&self) -> MutexGuard<'_, Vec<Service>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn replica(&self, of: SocketAddr) -> Result<Service, StageError> {
        let primary = self.lent().iter().find(|lent| lent.endpoint == of).cloned();
        let unknown = || StageError::Warm(format!("no server of this stage is at {of}"));
        self.stage.replica(&primary.ok_or_else(unknown)?).await
    }

    /// Several brokers as one lease, by the first of them.
    async fn lend_cluster(&self, stream: &mut BufReader<UnixStream>, name: &str) {
        match self.stage.own_cluster(name).await {
            Ok(brokers) => {
                let endpoints = brokers.iter().map(|broker| broker.endpoint).collect();
                if let Some(first) = brokers.first() {
                    serve_lease(stream, first, Answer::LeasedAll(endpoints)).await;
                }
                for broker in brokers {
                    let _ = broker.remove().await;
                }
            }
            Err(error) => {
                let _ = write(stream, &Answer::Failed(error.to_string())).await;
            }
        }
    }

    /// The shared broker runs again after whatever its user did, and the last user's topics go.
    async fn take_back(&self, service: &Service) {
        let _ = service.resume().await;
        if !service.is_running().await {
            let _ = service.restart().await;
        }
        self.kafka_leases.fetch_sub(1, Ordering::Relaxed);
        // What a killed user had ordered last may be carried out after it is gone.
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            let _clean = self.cleaning.lock().await;
            if self.kafka_leases.load(Ordering::Relaxed) > 0 {
                return;
            }
            let _ = kafka::delete_topics(service.endpoint).await;
        }
    }
}

/// What becomes of a leased server.
enum After {
    TakeBack,
    Remove,
    /// By another one, at the lease's end: the run that had it needs the processors no more.
    Replace,
}

async fn serve_lease(stream: &mut BufReader<UnixStream>, service: &Service, lent: Answer) {
    let mut answer = lent;
    while write(stream, &answer).await {
        let Some(request) = read(stream).await else { return };
        let done = match request {
            Request::Kill => service.kill().await,
            Request::Pause => service.pause().await,
            Request::Resume => service.resume().await,
            Request::Restart => service.restart().await,
            Request::Remove => service.remove().await,
            Request::IsRunning => {
                answer = Answer::Running(service.is_running().await);
                continue;
            }
            Request::Logs { lines } => {
                answer = Answer::Text(service.logs(lines).await);
                continue;
            }
            _ => return,
        };
        answer = done.map_or_else(|error| Answer::Failed(error.to_string()), |()| Answer::Done);
    }
}

async fn read(stream: &mut BufReader<UnixStream>) -> Option<Request> {
    let mut text = String::new();
    stream.read_line(&mut text).await.ok()?;
    serde_json::from_str(&text).ok()
}

async fn write(stream: &mut BufReader<UnixStream>, answer: &Answer) -> bool {
    stream.write_all(&line(answer)).await.is_ok()
}
