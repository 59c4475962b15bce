//! Two whole deployers at once, from the plan to the record, on a stand-in for AWS: one of them wins, and the other one ends
//! with exit code 6 and says who won.

#[path = "../../../tests/aws/client.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "the journeys use the rest of it; other tests here use it as well"
)]
mod client;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::apply::{Tools, apply};
use super::fleet::Builds;
use super::{Options, Outcome, Pipeline, plan};
use crate::clients::aws::{self, Session};
use crate::clients::guard::Guard;
use crate::clock::SystemClock;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::name::ServiceName;
use crate::domain::plan::Allowed;
use crate::domain::release::Actor;
use crate::domain::service::{Analysis, Build, Function, Kind as ServiceKind, Run, Service};
use crate::env::Env;
use crate::error::{Kind, Result};
use crate::ops::audit::{self, Journal};
use crate::ops::{Cancel, Event, Reporter};
use crate::platform::lambda::Targets;
use crate::platform::{self, Places, Platform};
use client::Aws;

struct Silent;

impl Reporter for Silent {
    fn report(&self, _event: Event) {}
}

/// Somebody at a machine of their own.
struct Deployer {
    /// As an error names them.
    name: &'static str,
    platform: Arc<dyn Platform>,
    journal: Journal,
    options: Options,
}

impl Deployer {
    fn new(aws: &Aws, home: &Path, name: &'static str) -> Self {
        let environment = Environment {
            name: "cloud".parse().unwrap(),
            platform: PlatformKind::Lambda,
            account: Some(client::ACCOUNT.to_owned()),
            region: Some(client::REGION.to_owned()),
            audit: Some(home.join("store").display().to_string()),
            ..Environment::builtin_local()
        };
        let variables = aws.environment();
        let pairs: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let settings = aws::Settings::of(&environment, &Env::of(&pairs), None).without_pace();
        let machine = home.join(name);
        let places = Places {
            state: machine.join("state"),
            runtime: machine.join("runtime"),
            executable: PathBuf::new(),
            session: Some(Session::new(settings)),
        };
        let journal = Journal::open(audit::Settings {
            store: audit::Store::Directory(home.join("store")),
            session: None,
            log: environment.log_name(),
            state: places.state.clone(),
            actor: Actor {
                name: name.to_owned(),
                host: "laptop".to_owned(),
                key: None,
            },
            environment: environment.clone(),
        });
        Self {
            name,
            platform: platform::connect(&environment, &places, Targets::new()).unwrap(),
            journal: journal.unwrap(),
            options: Options {
                service: service(),
                directory: machine.join("receipts"),
                environment,
                artifact: None,
                rebuild: false,
                port: None,
                allowed: Allowed::default(),
                reason: None,
                pipeline: Pipeline::default(),
                repository: None,
                fetched: None,
                state: places.state,
                cache: machine.join("cache"),
                guard: Guard::new(PathBuf::new()),
            },
        }
    }

    /// The next release: other code and another setting.
    fn change(&mut self, release: u32) {
        let source = self.options.directory.join("src");
        std::fs::create_dir_all(&source).unwrap();
        let code = format!(
            "def handler(event, context):\n    return '{} {release}'\n",
            self.name
        );
        std::fs::write(source.join("handler.py"), code).unwrap();
        let function = self.options.service.function.as_mut().unwrap();
        function.timeout_seconds = 5 + release % 800;
    }

    async fn apply(&self, plan: &super::Plan) -> Result<Outcome> {
        let (_stop, cancel) = Cancel::new();
        let tools = Tools {
            platform: &*self.platform,
            journal: &self.journal,
            clock: &SystemClock::new(),
            reporter: &Silent,
            cancel,
            timeout: Duration::from_mins(2),
            builds: Builds::new(),
        };
        Box::pin(apply(&tools, &self.options, plan, None)).await
    }

    async fn plan(&self) -> super::Plan {
        plan(&*self.platform, &self.options).await.unwrap()
    }
}

fn service() -> Service {
    Service {
        name: ServiceName::new("receipts").unwrap(),
        squad: None,
        tier: None,
        kind: ServiceKind::Function,
        build: Build {
            command: Vec::new(),
            artifact: "src".into(),
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
            name: "receipts".into(),
            runtime: "python3.13".into(),
            handler: "handler.handler".into(),
            role: Some(format!("arn:aws:iam::{}:role/receipts", client::ACCOUNT)),
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
    }
}

/// Both have seen the same state before either changes anything, so that only one of them may.
async fn race(aws: &Aws, ana: &Deployer, bo: &Deployer) -> &'static str {
    let (plan_of_ana, plan_of_bo) = tokio::join!(ana.plan(), bo.plan());
    let before = aws.function("receipts")["aliases"]["live"]["FunctionVersion"].clone();
    let (one, two) = tokio::join!(ana.apply(&plan_of_ana), bo.apply(&plan_of_bo));
    let (winner, loser, won, lost) = match (one, two) {
        (Ok(won), Err(lost)) => (ana, bo, won, lost),
        (Err(lost), Ok(won)) => (bo, ana, won, lost),
        (one, two) => panic!("not one winner: {one:?}, {two:?}"),
    };
    assert_eq!(lost.kind, Kind::Conflict, "{lost:?}");
    assert_eq!(lost.kind.exit_code(), 6);
    assert!(
        lost.message.starts_with(&format!(
            "cannot deploy `receipts`: {} on laptop ",
            winner.name
        )),
        "{lost:?}"
    );
    assert!(lost.live.is_some() && !lost.hints.is_empty(), "{lost:?}");
    let alias = aws.function("receipts")["aliases"]["live"].clone();
    assert_eq!(alias["FunctionVersion"], won.revision.to_string());
    assert_ne!(alias["FunctionVersion"], before);
    // What is live is the winner's release, whole.
    let live = winner.platform.observe(&winner.options.service.name).await;
    let live = live.unwrap();
    let plan = if winner.name == ana.name {
        &plan_of_ana
    } else {
        &plan_of_bo
    };
    assert_eq!(
        live.sole().unwrap().digest,
        plan.wanted.digest,
        "{} won over {}",
        winner.name,
        loser.name
    );
    winner.name
}

/// A tenth of them by habit, and all of them with `tests/run --full`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_whole_deployers_one_wins_and_the_other_names_it_a_thousand_times() {
    let races = match std::env::var("SQUAD_TEST_FULL").as_deref() {
        Ok("1") => 1000,
        _ => 100,
    };
    let aws = Aws::start();
    aws.settings(json!({ "settle_ms": 0 }));
    let home = tempfile::tempdir().unwrap();
    let mut ana = Deployer::new(&aws, home.path(), "ana@acme.example");
    let mut bo = Deployer::new(&aws, home.path(), "bo@acme.example");
    ana.change(0);
    let first = ana.plan().await;
    ana.apply(&first).await.unwrap();
    let mut won = std::collections::BTreeMap::new();
    for number in 1..=races {
        ana.change(2 * number);
        bo.change(2 * number + 1);
        // Whoever is asked first is ahead by a moment.
        let (one, two) = if number % 2 == 0 {
            (&ana, &bo)
        } else {
            (&bo, &ana)
        };
        *won.entry(Box::pin(race(&aws, one, two)).await).or_insert(0) += 1;
        aws.forget_calls();
    }
    assert_eq!(won.values().sum::<u32>(), races, "{won:?}");
}
