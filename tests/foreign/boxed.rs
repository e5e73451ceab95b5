//! A reconciler in a container: the built-in one in an image of this test's own, which knows nothing but what its command
//! line says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lossdrill::journal::Verdict;
use lossdrill::stage::Provider;

use crate::{Run, servers};

/// Restarted and paused as a container is, and relied on after it.
const FEATURE: &str = r#"@lp:refund-paid-twice @tier:gate
Feature: A reconciler in a container

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And fault "mysql.commit.ambiguous" is active
      | table | refund_payout |

  Scenario: It pauses, it is restarted, and a refund is paid twice
    Given fault "app.refund-payout.retried-anew" is active
    When fault "process.dcheck.paused-briefly" strikes
    And fault "process.dcheck.restarted" strikes
    And refund "R-1" of 199.00 CNY on order "O-1" is paid out
    Then alert "refund-paid-twice" is raised in time for refund "R-1"
    And plan "refund-breaker" is effective in time for channel "alipay"
    And no other alert is raised

  @control
  Scenario: It pauses, it is restarted, and a refund is paid once
    Given fault "app.refund-payout.retried-alike" is active
    When fault "process.dcheck.paused-briefly" strikes
    And fault "process.dcheck.restarted" strikes
    And refund "R-1" of 199.00 CNY on order "O-1" is paid out
    Then no alert is raised
"#;

/// An image with `dcheck`, the libraries that it names, and the shipped rules and plans; it goes with the test.
struct Image(String);

impl Image {
    fn of_dcheck(root: &Path) -> Image {
        let program = Path::new(servers::PROGRAM).with_file_name("dcheck");
        let listed = Command::new("ldd").arg(&program).output().expect("ldd tells its libraries");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for library in libraries.map(PathBuf::from) {
            put(&library, &root.join(library.strip_prefix("/").expect("it is absolute")));
        }
        put(&program, &root.join("dcheck"));
        for folder in ["rules", "plans"] {
            let all = std::fs::read_dir(Path::new("scenarios").join(folder)).unwrap().flatten();
            for file in all.filter(|entry| entry.path().is_file()) {
                put(&file.path(), &root.join(folder).join(file.file_name()));
            }
        }
        let name = format!("lossdrill-boxed:{}", std::process::id());
        let mut tar = Command::new("tar")
            .args(["-cC", root.to_str().unwrap(), "."])
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar is there");
        let made = Command::new("docker")
            .args(["import", "--change", r#"ENTRYPOINT ["/dcheck"]"#, "-", &name])
            .stdin(tar.stdout.take().expect("it is piped"))
            .output()
            .expect("docker is there");
        assert!(tar.wait().unwrap().success());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Image(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

fn put(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("it has a folder")).unwrap();
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

fn config(image: &str) -> String {
    format!(
        r#"system_under_test:
  kind: container
  image: {image}
  command:
    - run
    - --rules=/rules
    - --plans=/plans
    - --cdc=${{mysql.cdc}}
    - --sql=${{mysql.url}}
    - --kafka=${{kafka.bootstrap}}
    - --topic-prefix=${{topic.prefix}}
    - --topics=${{topics}}
    - --group=${{group}}
    - --alerts=${{alerts.url}}
    - --plan-events=${{plans.url}}
    - --target=shop=${{shop.url}}
    - --listen=${{listen}}
    - --drill-clock
  ready: http://127.0.0.1:${{port}}/healthz
  clock: {{advance: {{method: POST, url: "http://127.0.0.1:${{port}}/clock/advance"}}}}
"#
    )
}

#[test]
fn a_reconciler_in_a_container_is_reached_hurt_and_taken_away() {
    if !servers::have(Provider::Local) || !servers::have(Provider::Docker) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (root, features) = (dir.path().join("root"), dir.path().join("features"));
    std::fs::create_dir(&features).unwrap();
    std::fs::write(features.join("boxed.feature"), FEATURE).unwrap();
    let run = |image: &str| {
        let file = dir.path().join("lossdrill.yaml");
        std::fs::write(&file, config(image)).unwrap();
        let (file, features) = (file.to_str().unwrap(), features.to_str().unwrap());
        let given = ["--provider", "local", "--config", file, "--features", features];
        Run::of(&[&given[..], &["--drills", "no/drills"]].concat())
    };
    let image = Image::of_dcheck(&root);
    let done = run(&image.0);
    let told = done.told();
    assert_eq!(told.len(), 2, "{}", done.said());
    assert!(told.iter().all(|one| one.verdict == Verdict::Pass), "{told:?}\n{}", done.said());
    let left = ["ps", "-aq", "--filter", &format!("ancestor={}", image.0)];
    let left = Command::new("docker").args(left).output().expect("docker is there");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "containers are left");
    // One that cannot be had is no pass, and is named.
    let missing = run("lossdrill-boxed:none");
    let (told, said) = (missing.told(), missing.said());
    assert!(told.iter().all(|one| one.verdict != Verdict::Pass), "{said}");
    assert!(
        missing.output.status.code() != Some(0) && said.contains("lossdrill-boxed:none"),
        "{said}"
    );
}
