//! Lambda: the real binary against the stand-in for AWS.

mod adopt;
mod apis;
mod artifacts;
mod asynchronous;
mod brakes;
mod busy;
pub(crate) mod callers;
mod cut_off;
pub(crate) mod deploy;
mod drift;
mod elsewhere;
mod faults;
mod fetched;
mod first;
mod fleet;
mod golden;
mod gone_back;
mod gradual;
mod invoke;
mod kept;
mod killed;
mod leaks;
mod left;
mod located;
mod logs;
mod many;
mod middle;
mod ministack;
mod node;
mod overwritten;
mod provisioned;
mod races;
mod reused;
mod shared;
mod stages;
mod stop;
mod told;
mod unchanged;
mod unmarked;
mod unpublished;
mod untouched;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kill::{points, seed};
use crate::support::aws::{ACCOUNT, Aws, REGION};
use crate::support::{Home, Output};

/// The value of a variable that must never be seen anywhere but at AWS.
const QUIET: &str = "5up3r-qu13t-value";

/// What is tried at many points: at all of them in `tests/run --full`, else at 20 by the seed that it prints.
fn some<T: Clone>(all: Vec<T>) -> Vec<T> {
    if std::env::var("SQUAD_TEST_FULL").is_ok_and(|value| value == "1") {
        return all;
    }
    let chosen = points(seed(), all.len() as u64, 20).into_iter();
    let places = chosen.map(|place| usize::try_from(place - 1).expect("small"));
    places.map(|place| all[place].clone()).collect()
}

/// A home with an org whose environment `cloud` lies at the stand-in.
pub(crate) struct Cloud {
    pub(crate) home: Home,
    pub(crate) aws: Aws,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let mut home = Home::new();
        home.write(
            "org/org.toml",
            &format!(
                "schema = 1\n[org]\nname = \"acme\"\n[env.cloud]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"{REGION}\"\naudit = \"../../store\"\n"
            ),
        );
        let org = home.work().join("org");
        home.set("SQUAD_ORG", &org.display().to_string());
        home.set("SQUAD_ENV", "cloud");
        Self {
            home,
            aws: Aws::start(),
        }
    }

    /// A function that others made: versions 1 to `versions`, the alias `live` on the last one.
    pub(crate) fn with_function(versions: u64) -> Self {
        let cloud = Self::new();
        cloud.aws.functions(json!({
            "name": "receipts",
            "versions": versions,
            "alias": "live",
            "configuration": { "Environment": { "Variables": { "TOKEN": QUIET } } },
        }));
        cloud.aws.forget_calls();
        cloud
    }

    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    pub(crate) fn squad(&self, arguments: &[&str]) -> Output {
        // It is a remote environment, and nobody is there to be asked.
        let mut command = self.aws.squad(&self.home, arguments);
        let output = self.home.run(command.arg("--yes"));
        assert!(!output.stdout.contains(QUIET) && !output.stderr.contains(QUIET));
        output
    }

    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    pub(crate) fn squad_in(&self, directory: &PathBuf, arguments: &[&str]) -> Output {
        let mut command = self.aws.squad(&self.home, arguments);
        let output = self.home.run(command.arg("--yes").current_dir(directory));
        assert!(!output.stdout.contains(QUIET) && !output.stderr.contains(QUIET));
        output
    }

    /// The alias as AWS has it.
    fn alias(&self) -> Value {
        self.aws.function("receipts")["aliases"]["live"].clone()
    }

    /// The version that takes all the traffic.
    pub(crate) fn sole(&self) -> String {
        let alias = self.alias();
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].clone();
        assert!(
            weights.as_object().is_none_or(serde_json::Map::is_empty),
            "{alias}"
        );
        alias["FunctionVersion"].as_str().unwrap().to_owned()
    }

    /// The names of all calls since they were forgotten, those of one moment in order of their names.
    fn calls(&self) -> Vec<String> {
        let names = self.aws.names();
        self.aws.forget_calls();
        names
    }

    /// Nothing that squad keeps holds the value of a variable.
    fn is_quiet(&self) {
        for directory in [self.home.state(), self.home.path().join("store")] {
            let files = crate::support::all_files_below(&directory);
            assert!(!files.is_empty(), "{}", directory.display());
            for file in files {
                let bytes = std::fs::read(&file).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(QUIET), "{}", file.display());
            }
        }
    }
}
