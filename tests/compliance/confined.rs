//! A process that is kept to a limit goes free when its run ends, however the run ends.

use lossdrill::stage::groups::{Group, Limit, able};
use lossdrill::stage::guardian::END_LIMIT;
use lossdrill::stage::sweep::sweep;
use lossdrill::stage::{Guardian, ProcSpec};

use crate::servers;

const LIMIT: Limit = Limit::CpuPercent(5);

/// A guardian, and the group of a process below it.
async fn confined(name: &str) -> (Guardian, Group) {
    let guardian = servers::guardian(name).await;
    let sleeper = ProcSpec {
        name: "sleeper".to_owned(),
        program: "sleep".into(),
        args: vec!["60".to_owned()],
        log: guardian.state_dir().join("log"),
        ..ProcSpec::default()
    };
    let pid = guardian.spawn(sleeper).await.expect("sleep is a program").pid();
    let group = Group::confine(&guardian, pid, LIMIT).await.expect("a group is made");
    assert!(group.is_there() && group.holds());
    (guardian, group)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardian_removes_what_nobody_lifted() {
    if let Err(why) = able(LIMIT) {
        println!("NOT TESTED: {why}");
        return;
    }
    let (guardian, group) = confined("confined").await;
    assert!(guardian.bye().await, "nothing is left");
    assert!(!group.is_there());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifted_limit_is_gone_and_lifted_twice_is_fine() {
    if let Err(why) = able(LIMIT) {
        println!("NOT TESTED: {why}");
        return;
    }
    let (guardian, group) = confined("lifted").await;
    for _ in 0..2 {
        group.lift().await.expect("it is lifted");
        assert!(!group.is_there() && !group.holds());
    }
    assert!(guardian.bye().await, "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_removes_what_a_killed_guardian_left() {
    if let Err(why) = able(LIMIT) {
        println!("NOT TESTED: {why}");
        return;
    }
    let (guardian, group) = confined("killed").await;
    let (alive, spared) = confined("alive").await;
    // SAFETY: kill(2) on a process that this test started.
    unsafe { libc::kill(guardian.pid().cast_signed(), libc::SIGKILL) };
    tokio::time::timeout(END_LIMIT, guardian.gone()).await.expect("its end is told");
    assert!(group.is_there(), "nobody is left to remove it");
    let swept = sweep().await;
    assert!(swept.is_clean() && swept.runs.iter().any(|run| run == guardian.run_id()), "{swept}");
    assert!(!group.is_there());
    assert!(spared.is_there() && spared.holds(), "a living run's is spared");
    assert!(alive.bye().await, "nothing is left");
}
