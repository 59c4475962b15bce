//! The platform against servers that behave as AWS does: the contract, and what happens to it when others are at work.

mod busy;
#[path = "../../../../tests/aws/client.rs"]
#[allow(dead_code, reason = "the journeys use the rest of it")]
mod client;
mod contract;
mod counted;
mod marked;
mod ministack;
mod provisioned;
mod prune;
mod race;
mod sharing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Lambda, Settings, Target, store};
use crate::clients::aws::{self, Session};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::traffic::{Split, Weights};
use crate::env::Env;
use crate::platform::{Commit, Platform};
use client::{Aws, REGION};

/// What files say of the services here: the functions have their names.
const SERVICES: [&str; 33] = [
    "asleep",
    "back",
    "buckets",
    "commit",
    "consumers",
    "counted",
    "drain",
    "failing",
    "forced",
    "foreign",
    "gone",
    "kept",
    "many",
    "marked",
    "named",
    "never",
    "nobody",
    "overtaken",
    "pay",
    "pruned",
    "publish",
    "race",
    "raced",
    "remembered",
    "retire",
    "routes",
    "shared",
    "staging",
    "talking",
    "tested",
    "unable",
    "warm",
    "wrong",
];

/// An environment at a server.
struct There {
    directory: tempfile::TempDir,
    environment: Environment,
    env: Env,
}

impl There {
    /// At the stand-in.
    fn new(aws: &Aws) -> Self {
        Self::at(&aws.environment(), client::ACCOUNT)
    }

    /// Where these variables lead to.
    fn at(variables: &[(String, String)], account: &str) -> Self {
        let pairs: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let directory = tempfile::tempdir().unwrap();
        Self {
            environment: Environment {
                org: None,
                name: "cloud".parse().unwrap(),
                platform: PlatformKind::Lambda,
                account: Some(account.to_owned()),
                region: Some(REGION.to_owned()),
                audit: Some(directory.path().join("store").display().to_string()),
                ..Environment::builtin_local()
            },
            env: Env::of(&pairs),
            directory,
        }
    }

    /// The platform, as another process would have it.
    fn platform(&self) -> Arc<Lambda> {
        let settings = aws::Settings::of(&self.environment, &self.env, None);
        let session = Session::new(settings.without_pace());
        Arc::new(Lambda::new(Settings {
            objects: store(&self.environment, self.directory.path(), &session).unwrap(),
            session,
            targets: SERVICES
                .into_iter()
                .map(|service| (name(service), Target::named(service)))
                .collect(),
        }))
    }
}

/// The names of the calls since the record was cleared, in order.
fn calls(aws: &Aws) -> Vec<String> {
    aws.calls()
        .iter()
        .map(|call| format!("{}:{}", call.service, call.operation))
        .collect()
}

/// A function with so many versions that somebody else published, and no alias.
fn function(aws: &Aws, name: &str, versions: u64) {
    aws.functions(json!({ "name": name, "versions": versions }));
}

/// What the stand-in has as the alias `live`.
fn alias(aws: &Aws, function: &str) -> Value {
    aws.function(function)["aliases"]["live"].clone()
}

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn all(revision: u64) -> Split {
    Split::all(&[], RevisionNumber(revision))
}

fn shared(one: u64, other: u64, weight: u8) -> Split {
    Split {
        routes: Vec::new(),
        rest: Weights::new(BTreeMap::from([
            (RevisionNumber(one), 100 - weight),
            (RevisionNumber(other), weight),
        ]))
        .unwrap(),
    }
}

fn commit(split: Split, state: &str, who: &str) -> Commit {
    Commit {
        split,
        state: state.to_owned(),
        leaves: None,
        actor: Actor {
            name: who.to_owned(),
            host: "test".to_owned(),
            key: None,
        },
        operation: ulid::Ulid::generate().to_string(),
    }
}

async fn write(platform: &Lambda, service: &ServiceName, commit: &Commit) -> Token {
    let token = platform.observe(service).await.unwrap().token;
    platform
        .commit(service, &token, commit, &|_| {})
        .await
        .unwrap()
}
