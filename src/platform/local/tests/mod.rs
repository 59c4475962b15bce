//! The local platform as a whole: the contract, and what happens to it when things go wrong. Real supervisors,
//! real processes.

mod client;
mod rollout;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use client::{get, get_with};

use crate::clients::process;
use crate::domain::live::Health;
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};
use crate::domain::service::Variable;
use crate::fs;
use crate::platform::contract::{self, Behaviour, Proving};
use crate::platform::local::state::tests::{commit_to, release};
use crate::platform::local::{Local, Settings, sockets};
use crate::platform::{Error, LogQuery, Platform};

/// A service that answers every request with the variable ANSWER.
const SERVICE: &str = r#"
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        body = os.environ["ANSWER"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
if "fail" in sys.argv:
    os.environ["MISSING"]
print("answering " + os.environ["ANSWER"], flush=True)
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A local environment in a directory of its own, stopped at the end.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    local: Arc<Local>,
}

/// The squad binary beside the test binary, built when it is older.
fn executable() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap();
            let target = test.parent().unwrap().parent().unwrap();
            let binary = target.join("squad");
            let written = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified());
            if written(&binary).ok() < written(&test).ok() {
                let mut build = process::command(env!("CARGO"));
                // With an example, so that the features are those of `cargo test`: without, all of squad is compiled once
                // more, and replaces the binary that the integration tests use.
                build.args(["build", "--quiet", "--bin", "squad", "--example", "tracer"]);
                build.current_dir(env!("CARGO_MANIFEST_DIR"));
                if target.ends_with("release") {
                    build.arg("--release");
                }
                process::output(&mut build).unwrap();
            }
            binary
        })
        .clone()
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("app")).unwrap();
        let script = directory.path().join("app/serve.py");
        fs::write_durably(&script, SERVICE.as_bytes(), 0o644).unwrap();
        let local = Self::connect(directory.path());
        Self { directory, local }
    }

    fn connect(directory: &std::path::Path) -> Arc<Local> {
        Arc::new(Local::new(Settings {
            state: directory.join("state/local/local"),
            runtime: directory.join("run"),
            executable: executable(),
            name: "local".into(),
        }))
    }

    /// Where everything of it lies.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The platform, for the tests of others.
    pub(crate) fn connected(&self) -> Arc<dyn Platform> {
        Arc::clone(&self.local) as _
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state/local/local")
    }

    /// A release of a service that answers `a`.
    pub(crate) fn release(&self, service: &str, digest: &str) -> Release {
        Proving::release(
            self,
            &ServiceName::new(service).unwrap(),
            digest,
            Behaviour::Answers("a"),
        )
    }

    async fn kill_supervisor(&self) -> u32 {
        let pid = self.local.status().await.unwrap().unwrap().pid;
        let raw = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
        until(|| sockets::started_at(pid).is_none() || is_zombie(pid)).await;
        pid
    }

    /// All traffic of a service to a revision.
    async fn shift(&self, service: &str, revision: u64) {
        let service = ServiceName::new(service).unwrap();
        let token = self.local.observe(&service).await.unwrap().token;
        self.local
            .commit(&service, &token, &commit_to(revision, None), &|_| {})
            .await
            .unwrap();
    }

    /// The processes that run a service's script from this home.
    fn processes(&self) -> Vec<u32> {
        let artifacts = self.state().join("services");
        sockets::processes()
            .into_iter()
            .filter(|process| {
                std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&artifacts))
            })
            .filter_map(|process| process.file_name()?.to_str()?.parse().ok())
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let local = Arc::clone(&self.local);
        // A test may fail in the middle: nothing of it may go on running.
        let stopping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(async { drop(local.stop().await) });
        });
        drop(stopping.join());
    }
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat").as_ref()).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.starts_with(" Z"))
    })
}

/// Waits for something that has no event.
async fn until(mut what: impl FnMut() -> bool) {
    for _ in 0..400 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not happen within 10 s");
}

#[async_trait]
impl Proving for Home {
    fn platform(&self) -> Arc<dyn Platform> {
        Arc::clone(&self.local) as _
    }

    fn release(&self, service: &ServiceName, digest: &str, behaviour: Behaviour) -> Release {
        let mut release = release(service.as_str(), &format!("sha256:{digest}"));
        release.artifact = self.directory.path().join("app");
        release.service.run.command = vec!["python3".into(), "serve.py".into()];
        release.service.run.env = match behaviour {
            Behaviour::Answers(text) => {
                BTreeMap::from([("ANSWER".into(), Variable::Value(text.into()))])
            }
            Behaviour::NeedsVariable => {
                release.service.run.command.push("fail".into());
                BTreeMap::new()
            }
        };
        release
    }

    async fn get(&self, address: &str, path: &str, forced: Option<&str>) -> Result<String, String> {
        get(address, path, forced).await
    }

    async fn get_as(
        &self,
        address: &str,
        path: &str,
        caller: Option<&str>,
    ) -> Result<String, String> {
        get_with(address, path, caller.map(|caller| ("x-consumer", caller))).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract() {
    let home = Home::new();
    assert!(
        Box::pin(contract::run(&home)).await.is_empty(),
        "the local platform can do all of it"
    );
}

#[tokio::test]
async fn looking_at_an_environment_that_never_was_starts_nothing() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    assert!(
        home.local
            .observe(&service)
            .await
            .unwrap()
            .revisions
            .is_empty()
    );
    assert!(home.local.services().await.unwrap().is_empty());
    assert_eq!(home.local.status().await.unwrap(), None);
    assert!(!home.state().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_clients_at_once_start_one_supervisor() {
    let home = Home::new();
    let starting = (0..10).map(|_| {
        let local = Home::connect(home.directory.path());
        async move { local.start().await.unwrap().pid }
    });
    let pids = futures_util::future::join_all(starting).await;
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_comes_back_with_everything_and_leaves_no_orphan() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    let published = home
        .local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    let address = published.address.unwrap();
    home.shift("shop", 1).await;
    let before = home.local.observe(&service).await.unwrap();
    assert_eq!(home.processes().len(), 1);

    let killed = home.kill_supervisor().await;
    until(|| home.processes().is_empty()).await;

    let after = home.local.observe(&service).await.unwrap();
    assert_eq!(after, before);
    assert_ne!(home.local.status().await.unwrap().unwrap().pid, killed);
    assert_eq!(get(&address, "/", None).await.unwrap(), "a");
    assert_eq!(home.processes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supervisor_and_watchers_killed_together_leave_no_orphan() {
    let home = Home::new();
    home.local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    let [process] = home.processes()[..] else {
        panic!("{:?}", home.processes())
    };
    let status = fs::read_to_string(format!("/proc/{process}/stat").as_ref()).unwrap();
    let watcher: i32 = status
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let supervisor = home.local.status().await.unwrap().unwrap().pid;
    for pid in [i32::try_from(supervisor).unwrap(), watcher] {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    until(|| home.processes().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_traffic_that_dies_is_started_again_and_no_request_fails() {
    let home = Home::new();
    let published = home
        .local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    home.shift("shop", 1).await;
    let [process] = home.processes()[..] else {
        panic!("{:?}", home.processes())
    };
    let raw = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    until(|| !home.processes().contains(&process)).await;
    let address = published.address.unwrap();
    assert_eq!(get(&address, "/", None).await.unwrap(), "a");
    let live = home
        .local
        .observe(&ServiceName::new("shop").unwrap())
        .await
        .unwrap();
    assert_eq!(live.revisions[0].health, Health::Ok);
    let mut said = Vec::new();
    let mut note = |line: crate::platform::LogLine| {
        said.push(line.text);
        true
    };
    let service = ServiceName::new("shop").unwrap();
    home.local
        .logs(&service, &LogQuery::default(), &mut note)
        .await
        .unwrap();
    assert!(
        said.iter()
            .any(|text| text.starts_with("ended with signal 9 (SIGKILL)")),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_publishes_at_once_all_serve_and_stop_ends_all() {
    let home = Home::new();
    let publishing = (0..20).map(|n| {
        let local = Home::connect(home.directory.path());
        let release = home.release(&format!("s{n}"), "a");
        async move { local.publish(&release, &|_| {}).await.unwrap() }
    });
    let published = futures_util::future::join_all(publishing).await;
    let mut addresses: Vec<_> = published
        .into_iter()
        .filter_map(|one| one.address)
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 20);
    assert_eq!(home.processes().len(), 20);
    assert!(home.local.stop().await.unwrap());
    assert!(home.processes().is_empty());
    assert!(!home.local.stop().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_port_that_is_taken_names_its_owner_and_is_used_again_once_it_is_free() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    let published = home
        .local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    home.shift("shop", 1).await;
    let address = published.address.unwrap();
    home.local.stop().await.unwrap();
    let taking = std::net::TcpListener::bind(address.strip_prefix("http://").unwrap()).unwrap();
    let live = home.local.observe(&service).await.unwrap();
    assert_eq!(live.revisions[0].health, Health::Failed);
    let problem = live.revisions[0].problem.clone().unwrap();
    assert!(
        problem.contains(&format!("(process {})", std::process::id())),
        "{problem}"
    );
    let refused = home
        .local
        .publish(&home.release("shop", "b"), &|_| {})
        .await;
    assert!(
        matches!(refused, Err(Error::PortTaken { owner: Some(_), .. })),
        "{refused:?}"
    );
    drop(taking);
    assert_eq!(
        home.local.observe(&service).await.unwrap().revisions[0].health,
        Health::Ok
    );
    assert_eq!(get(&address, "/", None).await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_refused_and_can_be_set_aside() {
    let home = Home::new();
    home.local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    home.local.stop().await.unwrap();
    let path = home.state().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write_durably(&path, &bytes, 0o600).unwrap();
    let service = ServiceName::new("shop").unwrap();
    let Err(Error::CorruptJournal {
        path: named,
        offset,
        ..
    }) = home.local.observe(&service).await
    else {
        panic!("accepted");
    };
    assert_eq!((named, offset), (path.clone(), 16));
    let now = "2025-01-02T03:04:05Z".parse().unwrap();
    let reset = home.local.reset_journal(now).unwrap();
    assert!(reset.aside.unwrap().exists() && path.exists());
    let again = home
        .local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    assert_eq!(
        again.revision,
        RevisionNumber(2),
        "a number is never used again"
    );
    assert!(
        home.local.reset_journal(now).is_err(),
        "not while it is in use"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_of_not_starting_has_its_diagnosis() {
    let home = Home::new();
    let cases: [(&str, &[&str], &str); 5] = [
        (
            "exits",
            &["sh", "-c", "echo no database; exit 3"],
            "process-exited",
        ),
        ("killed", &["sh", "-c", "kill -SEGV $$"], "killed-by-signal"),
        ("missing", &["bin/nothing"], "command-not-found"),
        ("deaf", &["sleep", "60"], "port-not-opened"),
        ("unready", &["python3", "unready.py"], "never-ready"),
    ];
    let unready = SERVICE.replace("send_response(200)", "send_response(503)");
    fs::write_durably(
        &home.directory.path().join("app/unready.py"),
        unready.as_bytes(),
        0o644,
    )
    .unwrap();
    let starting = cases.map(|(name, command, id)| {
        let mut release = home.release(name, "a");
        release.service.run.command = command.iter().map(|word| (*word).to_owned()).collect();
        release.service.run.start_seconds = 2;
        let local = Arc::clone(&home.local);
        async move {
            match local.publish(&release, &|_| {}).await {
                Err(Error::DoesNotStart { diagnosis, .. }) => {
                    assert_eq!(diagnosis.id, id, "{diagnosis:?}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    });
    futures_util::future::join_all(starting).await;
    assert!(
        home.processes().is_empty(),
        "what does not start is stopped"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_hears_what_is_written_from_now_on() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    home.local
        .publish(&home.release("shop", "a"), &|_| {})
        .await
        .unwrap();
    let local = Home::connect(home.directory.path());
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        let query = LogQuery {
            follow: true,
            tail: Some(1),
            ..LogQuery::default()
        };
        let service = ServiceName::new("shop").unwrap();
        local
            .logs(&service, &query, &mut |line| tell.send(line).is_ok())
            .await
    });
    let first = heard.recv().await.unwrap();
    assert_eq!(first.revision, RevisionNumber(1));
    home.local
        .retire(&service, RevisionNumber(1))
        .await
        .unwrap();
    let stopped = async { while heard.recv().await.unwrap().text != "stopped" {} };
    tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap();
    following.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_reach_the_process_and_nothing_else() {
    let home = Home::new();
    let secret = home.directory.path().join("password");
    fs::write_durably(&secret, b"correct-horse\n", 0o600).unwrap();
    let mut release = home.release("shop", "a");
    release.service.run.env.insert(
        "ANSWER".into(),
        Variable::Secret(format!("file:{}", secret.display())),
    );
    let published = home.local.publish(&release, &|_| {}).await.unwrap();
    home.shift("shop", 1).await;
    assert_eq!(
        get(&published.address.unwrap(), "/", None).await.unwrap(),
        "correct-horse"
    );
    for file in ["journal", "supervisor.log", "services/shop/log/log.jsonl"] {
        let bytes = fs::read(&home.state().join(file)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("correct-horse"), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_meets_a_stop_goes_on_with_the_next_supervisor() {
    let home = Home::new();
    home.local
        .publish(&home.release("first", "a"), &|_| {})
        .await
        .unwrap();
    let mut slow = home.release("shop", "a");
    let start = "sleep 1; exec python3 serve.py";
    slow.service.run.command = vec!["sh".into(), "-c".into(), start.into()];
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    let publishing = {
        let local = Home::connect(home.directory.path());
        tokio::spawn(async move {
            let tell = move |progress| told.send(progress).unwrap();
            local.publish(&slow, &tell).await
        })
    };
    // The artifact is stored and the process is on its way up.
    while !matches!(
        tells.recv().await,
        Some(crate::platform::Progress::Starting { .. })
    ) {}
    let before = home.local.status().await.unwrap().unwrap().pid;
    assert!(home.local.stop().await.unwrap());
    let published = publishing.await.unwrap().unwrap();
    assert_eq!(published.revision, RevisionNumber(1));
    let after = home.local.status().await.unwrap().unwrap().pid;
    assert_ne!(after, before);
}
