//! Real servers for a test binary, by the project's own stage: provider `local`, up at the first
//! need, shared by all tests of the binary.
//!
//! They end when the test process ends, however it ends: the guardian reads the end of its pipe.
//! Needs what `ci/setup --local` prepares. Where that is missing a test says so on the terminal and
//! does nothing; with `LOSSDRILL_NEED_SERVERS=1` (as `ci/test` sets) it fails with the stage's error.
//! Not covered: servers by Docker, except that [`have`] looks for an engine.
#![allow(dead_code)] // each binary takes what it needs

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lossdrill::stage::{Guardian, Provider, Service, Stage, StageError, StageOptions};
use tokio::runtime::Runtime;

/// The program that has the guardian in it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lossdrill");

/// The servers of this test binary.
pub struct Servers {
    /// Its tasks serve the guardian for as long as the process lives; a test's own runtime does not.
    runtime: Runtime,
    guardian: Guardian,
    stage: Stage,
    mysql: OnceLock<Service>,
}

static SERVERS: OnceLock<Option<Servers>> = OnceLock::new();

/// The servers; none, and said so, where they are not prepared and need not be.
pub fn up() -> Option<&'static Servers> {
    SERVERS.get_or_init(start).as_ref()
}

fn start() -> Option<Servers> {
    let runtime = Runtime::new().expect("a runtime");
    let (guardian, stage) = apart(&runtime, async {
        let guardian = guardian("servers").await;
        let options = options(Provider::Local, &guardian, &shop_schema());
        // Never a warm stage: tests kill what they are given.
        let stage = Stage::up_fresh(options, &guardian).await;
        (guardian, stage)
    });
    match stage {
        Ok(stage) => Some(Servers { runtime, guardian, stage, mysql: OnceLock::new() }),
        Err(missing @ StageError::NotPrepared { .. }) => {
            // Not dropped: a test's own runtime forbids that to wait.
            runtime.shutdown_background();
            skip(&missing.to_string());
            None
        }
        Err(error) => panic!("the servers do not come up: {error}"),
    }
}

impl Servers {
    pub fn kafka(&self) -> &Service {
        self.stage.kafka()
    }

    /// One MySQL server for all tests of this binary, with the practice shop's tables in `shop`.
    pub fn mysql(&self) -> &Service {
        self.mysql.get_or_init(|| {
            apart(&self.runtime, self.stage.mysql("tests")).expect("a MySQL server starts")
        })
    }
}

/// Runs `task` on `runtime` from wherever the caller is: also from inside another runtime.
fn apart<T: Send>(runtime: &Runtime, task: impl Future<Output = T> + Send) -> T {
    let joined = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(task)).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A guardian for a run of this test process.
pub async fn guardian(name: &str) -> Guardian {
    let run_id = format!("test-{name}-{}", std::process::id());
    Guardian::start_with(Path::new(PROGRAM), &run_id).await.expect("the guardian guards")
}

pub fn options(provider: Provider, guardian: &Guardian, schema_sql: &str) -> StageOptions {
    StageOptions {
        provider,
        mysql_image: "mysql:9.7".to_owned(),
        kafka_image: "apache/kafka:4.4.0".to_owned(),
        run_id: guardian.run_id().to_owned(),
        schema_sql: schema_sql.to_owned(),
        external: None,
    }
}

/// The practice shop's tables.
pub fn shop_schema() -> String {
    let printed = Command::new(env!("CARGO_BIN_EXE_shop")).arg("schema").output();
    String::from_utf8(printed.expect("shop runs").stdout).expect("the DDL is text")
}

/// Where `ci/setup` puts what it prepares.
pub fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("LOSSDRILL_CACHE")
        .map_or_else(|| home().join(".cache/lossdrill"), PathBuf::from)
}

/// Are the servers of `provider` here? Else says what is missing, and fails where none may be.
pub fn have(provider: Provider) -> bool {
    let missing = match provider {
        Provider::Docker => {
            let answers = Command::new("docker").arg("version").output();
            let answers = answers.is_ok_and(|output| output.status.success());
            (!answers).then_some("no Docker engine answers")
        }
        _ => {
            let all = ["mysql.prepared", "kafka/prepared"];
            let all = all.iter().all(|file| cache().join(file).exists());
            (!all).then_some("no local servers are prepared: run `ci/setup --local`")
        }
    };
    missing.inspect(|missing| skip(missing)).is_none()
}

/// Says on the terminal, past the capture of the test harness, that a test does nothing.
pub fn skip(missing: &str) {
    let needed = std::env::var("LOSSDRILL_NEED_SERVERS").is_ok_and(|value| value == "1");
    assert!(!needed, "LOSSDRILL_NEED_SERVERS=1, and {missing}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "NOT TESTED, servers are missing: {test}: {missing}");
}
