//! A fault strikes, the run is killed with -9 at a random instant, and within ten seconds nothing of it is left: on this
//! machine, in the servers of a warm stage, and in given servers.
//!
//! The census shares no code with what heals: /proc and /tmp (`tests/kills/census.rs`), SQL and a Kafka client of its own.
//! `LOSSDRILL_FAULT_KILLS=1000 cargo test --test residue -- --nocapture` is the whole exercise; by default a slice of it
//! runs. Faults and instants are drawn from `LOSSDRILL_FAULT_SEED`, every other fault from those that change servers, books
//! or control groups; each fifth time the guardian is killed too, and `lossdrill faults heal --all` has to do. Not covered:
//! containers, which `tests/stage.rs` kills.
#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

#[path = "../kills/census.rs"]
mod census;
mod kafka;
mod killed;
mod mysql;
#[path = "../servers/mod.rs"]
mod servers;
mod worlds;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lossdrill::faults::{FaultSpec, Need, registry};
use lossdrill::forge::Seed;
use lossdrill::stage::Provider;
use tempfile::TempDir;

use census::Census;
use killed::{Run, draw};
use worlds::{Given, Warm, beyond};

/// The promise.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// A warm stage's server that was hurt is replaced by one that starts anew: seconds, on a busy machine many. What it
/// bears of the run counts from when it answers.
const BACK_LIMIT: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Of both worlds together; the slice ends within two minutes on two quiet processors.
const KILLS: usize = 24;
/// Each so manieth kill takes the guardian too.
const DOUBLE: usize = 5;

/// One test at a time, with a folder for temporary files of its own: what bears its name is this test's, whoever else is
/// at work on this machine.
struct Apart {
    _folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

fn apart() -> Apart {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::Builder::new().prefix("drill").tempdir_in("/tmp").expect("a folder");
    // SAFETY: the other tests of this program wait for the lock, and read nothing meanwhile.
    unsafe { std::env::set_var("TMPDIR", folder.path()) };
    Apart { _folder: folder, _alone: alone }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// It changes a server, the books or a control group: what could stay.
fn could_stay(spec: &FaultSpec) -> bool {
    matches!(
        spec.needs,
        Need::Server | Need::ChangeLog(_) | Need::Broker | Need::Limits(_) | Need::Books
    )
}

/// Where runs are killed, and what is to be seen there.
trait World {
    const NAME: &'static str;
    /// What the sweep says of a run whose guardian was killed too.
    const SWEPT: &'static str;
    fn allows(spec: &FaultSpec) -> bool;
    fn start(&self, spec: &FaultSpec) -> Run;
    /// Everything that a run could change; errors while a server is not there, or not ready.
    fn look(&self) -> Result<Vec<String>, String>;
    /// What is on this machine now and was not in `before`.
    fn strays(&self, before: &Census) -> Vec<String>;
}

fn kill_in<W: World>(world: &W, kills: usize) {
    let seed = Seed::of_scenario(number("LOSSDRILL_FAULT_SEED", 1) as u64, W::NAME);
    let choice = std::env::var("LOSSDRILL_FAULT").unwrap_or_default();
    let chosen = |spec: &&FaultSpec| W::allows(spec) && spec.id.contains(&choice);
    let all: Vec<&FaultSpec> = registry::all().iter().filter(chosen).collect();
    let staying: Vec<&FaultSpec> = all.iter().copied().filter(|spec| could_stay(spec)).collect();
    let calm = world.look().expect("the servers are up");
    for kill in 0..kills {
        let among = if kill % 2 == 0 && !staying.is_empty() { &staying } else { &all };
        let (spec, instant) = draw(&seed, kill, among);
        let before = Census::take();
        let mut run = world.start(spec);
        run.reach_inject();
        std::thread::sleep(instant);
        let is_double = kill % DOUBLE == DOUBLE - 1 && run.kill_with_guardian();
        if is_double {
            let told = heal_all();
            assert!(told.contains(W::SWEPT), "{}: {told}", spec.id);
        } else {
            run.kill();
        }
        let began = Instant::now();
        let mut there = began;
        loop {
            let strays = world.strays(&before);
            let is_stray = !strays.is_empty();
            let (left, is_there) = match world.look() {
                Ok(now) => ([strays, beyond(&calm, &now)].concat(), true),
                Err(why) => ([strays, vec![why]].concat(), false),
            };
            if left.is_empty() {
                break;
            }
            let (id, left) = (&spec.id, left.join("\n"));
            let what = format!("kill {kill} {} {id} after {instant:?}", W::NAME);
            let said = census::guardians_said();
            let since = if is_stray { began } else { there };
            assert!(since.elapsed() < GONE_LIMIT, "{what}: left behind:\n{left}\n{said}");
            assert!(began.elapsed() < BACK_LIMIT, "{what}: not there again: {left}\n{said}");
            if !is_there {
                there = Instant::now();
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        let (who, gone) = (if is_double { ", the guardian too" } else { "" }, began.elapsed());
        println!("kill {kill} {} {}: {instant:?}{who}: clean after {gone:?}", W::NAME, spec.id);
    }
}

fn heal_all() -> String {
    let sweep = Command::new(servers::PROGRAM).args(["faults", "heal", "--all"]).output();
    let sweep = sweep.expect("the sweep runs");
    let told = String::from_utf8_lossy(&sweep.stdout).into_owned();
    assert!(sweep.status.success(), "the sweep: {told}");
    told
}

#[test]
fn a_killed_run_leaves_nothing_on_a_warm_stage() {
    let _apart = apart();
    if !servers::have(Provider::Local) {
        return;
    }
    let kills = number("LOSSDRILL_FAULT_KILLS", KILLS);
    kill_in(&Warm::up(), kills / 2);
}

#[test]
fn a_killed_run_leaves_nothing_on_given_servers() {
    let _apart = apart();
    let Some(given) = Given::new("given_kills") else { return };
    let kills = number("LOSSDRILL_FAULT_KILLS", KILLS);
    kill_in(&given, kills - kills / 2);
}

/// Each kind of residue, left by hand: the census sees it, and sees that it is gone.
#[test]
fn the_census_sees_each_kind_of_residue() {
    let _apart = apart();
    let Some(given) = Given::new("given_census") else { return };
    let calm = given.look().expect("the servers are up");
    assert_eq!(beyond(&calm, &given.look().expect("they are up")), Vec::<String>::new());
    for (sql, seen, undo) in [
        (
            "SET GLOBAL sort_buffer_size = 65536",
            "variable sort_buffer_size",
            "SET GLOBAL sort_buffer_size = DEFAULT",
        ),
        ("SET GLOBAL read_only = ON", "variable read_only", "SET GLOBAL read_only = OFF"),
        (
            "ALTER TABLE keep.things ADD COLUMN note INT",
            "new: table",
            "ALTER TABLE keep.things DROP COLUMN note",
        ),
        (
            "UPDATE keep.things SET amount = 20",
            "rows of `keep`.`things`",
            "UPDATE keep.things SET amount = 2",
        ),
        ("CREATE SCHEMA left_over", "new: schema left_over", "DROP SCHEMA left_over"),
        ("CREATE USER left_over", "account left_over", "DROP USER left_over"),
        ("DROP TABLE keep.others", "gone: table", "CREATE TABLE keep.others (id INT)"),
    ] {
        given.run(sql);
        let left = beyond(&calm, &given.look().expect("they are up"));
        assert!(left.iter().any(|line| line.contains(seen)), "{sql}: {left:?}");
        given.run(undo);
        assert_eq!(beyond(&calm, &given.look().expect("they are up")), Vec::<String>::new());
    }
    for (leave, seen) in given.residues() {
        let kept = leave(&given);
        let left = beyond(&calm, &given.look().expect("they are up"));
        assert!(left.iter().any(|line| line.contains(seen)), "{seen}: {left:?}");
        drop(kept);
    }
}
