//! The contract suite on Lambda.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::There;
use super::client::Aws;
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, Provenance, Release, RevisionNumber};
use crate::domain::service::{Analysis, Build, Function, Kind, Run, Service};
use crate::platform::Platform;
use crate::platform::contract::{self, Behaviour, Proving};
use crate::platform::lambda::Lambda;

/// A case that cannot be true, and why.
type Differs = (&'static str, &'static str);

/// Of Lambda itself.
pub(super) const LAMBDA: [Differs; 4] = [
    (
        "a_release_that_does_not_start_says_why",
        "a version runs when it is called; with a smoke event `publish` says why it does not (its own tests)",
    ),
    (
        "publishes_at_once_get_numbers_of_their_own",
        "all publishes go through the one `$LATEST`: of two at once with other content one gives way, and says to whom (its own tests)",
    ),
    (
        "requests_are_counted_by_revision",
        "CloudWatch has numbers minutes later (the tests of `metrics` and the journeys)",
    ),
    (
        "the_history_has_the_running_minute",
        "CloudWatch has numbers minutes later (the tests of `metrics` and the journeys)",
    ),
];

/// Those that Lambda's capabilities rule out.
const RULED_OUT: [&str; 6] = [
    "each_route_has_weights_of_its_own",
    "a_header_forces_a_revision",
    "a_header_names_the_rollout",
    "a_gate_lets_named_consumers_through",
    "a_gate_lets_buckets_of_callers_through",
    "a_header_reaches_a_new_route_past_its_gate",
];

/// Lambda on one server.
pub(super) struct Proof {
    there: There,
    platform: Arc<Lambda>,
    differs: Vec<Differs>,
}

/// A function that answers every event with the text in the file `answer` beside it.
const HANDLER: &str = r#"
import os, time
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "answer")) as file:
    ANSWER = file.read()
print("answering " + ANSWER, flush=True)
def handler(event, context):
    if event.get("path") == "/slow":
        time.sleep(1)
    return ANSWER
"#;

impl Proof {
    /// What is not true on this server, beside what is not true on Lambda.
    pub(super) fn new(there: There, more: &[Differs]) -> Self {
        Self {
            platform: there.platform(),
            there,
            differs: LAMBDA.iter().chain(more).copied().collect(),
        }
    }

    /// Runs the suite, and names what was left out.
    pub(super) async fn run(&self, server: &str) {
        let skipped = Box::pin(contract::run(self)).await;
        let left_out = self.differs.iter().map(|(case, _)| *case);
        let expected: Vec<_> = left_out.chain(RULED_OUT).collect();
        assert_eq!(skipped, expected);
        for (case, why) in &self.differs {
            contract::note(&format!("differs: Lambda on {server}: {case}: {why}"));
        }
    }

    fn artifact(&self, service: &ServiceName, digest: &str, behaviour: Behaviour) -> PathBuf {
        let directory = self
            .there
            .directory
            .path()
            .join(format!("{service}-{digest}"));
        std::fs::create_dir_all(&directory).unwrap();
        let Behaviour::Answers(answer) = behaviour else {
            panic!("not on Lambda");
        };
        // The digest is in it: what differs in nothing is one version at AWS.
        std::fs::write(directory.join("handler.py"), HANDLER).unwrap();
        std::fs::write(directory.join("answer"), answer).unwrap();
        std::fs::write(directory.join("digest"), digest).unwrap();
        directory
    }
}

#[async_trait]
impl Proving for Proof {
    fn platform(&self) -> Arc<dyn Platform> {
        Arc::clone(&self.platform) as Arc<dyn Platform>
    }

    fn release(&self, service: &ServiceName, digest: &str, behaviour: Behaviour) -> Release {
        let hex = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, digest.as_bytes());
        let hex = crate::clients::source::hex(hex.as_ref());
        Release {
            service: Service {
                name: service.clone(),
                squad: None,
                tier: None,
                kind: Kind::Function,
                build: Build {
                    command: Vec::new(),
                    artifact: ".".into(),
                    inputs: Vec::new(),
                    python_lock: None,
                },
                run: Run {
                    command: Vec::new(),
                    port: 8080,
                    ready: "/readyz".into(),
                    grace_seconds: 20,
                    start_seconds: 60,
                    env: [].into(),
                },
                function: Some(Function {
                    name: service.to_string(),
                    runtime: "python3.13".into(),
                    handler: "handler.handler".into(),
                    role: Some("arn:aws:iam::123456789012:role/stand-in".into()),
                    unsaid: Vec::new(),
                    memory_mb: 128,
                    timeout_seconds: 5,
                    architecture: "x86_64".into(),
                    alias: "live".into(),
                    concurrency: 2,
                    layers: None,
                    env_remove: Vec::new(),
                    smoke: None,
                    provisioned_concurrency: None,
                }),
                routes: Vec::new(),
                rollout: None,
                analysis: Analysis::default(),
            },
            digest: format!("sha256:{hex}"),
            artifact: self.artifact(service, digest, behaviour),
            python_environment: None,
            package: None,
            smoke: None,
            provenance: Provenance::default(),
            actor: Actor {
                name: "ana".into(),
                host: "laptop".into(),
                key: None,
            },
            operation: ulid::Ulid::generate().to_string(),
        }
    }

    async fn get(&self, address: &str, path: &str, _: Option<&str>) -> Result<String, String> {
        let service = address.split(':').nth(6).ok_or("no function in the ARN")?;
        let service = ServiceName::new(service).map_err(|error| error.to_string())?;
        let event = serde_json::json!({ "path": path }).to_string();
        let answer = self
            .platform
            .invoke(&service, None, &event)
            .await
            .map_err(|error| error.to_string())?;
        match answer.error {
            None => serde_json::from_str(&answer.payload).map_err(|error| error.to_string()),
            Some(error) => Err(format!("{error}: {}", answer.payload)),
        }
    }

    async fn wake(&self, service: &ServiceName, revision: RevisionNumber) {
        self.platform
            .invoke(service, Some(revision), "{}")
            .await
            .unwrap();
    }

    fn differs(&self) -> Vec<Differs> {
        self.differs.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lambda_keeps_the_contract() {
    let aws = Aws::start();
    let proof = Proof::new(There::new(&aws), &[]);
    proof.run("the stand-in").await;
}
