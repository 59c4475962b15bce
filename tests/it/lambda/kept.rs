//! A rollout that nobody drives, kept once and put back as often as a test needs it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::Cloud;
use super::gradual::counted;
use crate::support::Output;
use crate::support::aws::Release;

/// The alias and all files of one moment.
pub(super) struct Kept {
    alias: Value,
    directory: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) {
    if from.exists() {
        let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(done.unwrap().success());
    }
}

impl Cloud {
    /// Three versions; 2 serves, and has a past.
    pub(super) fn with_history() -> Self {
        let cloud = Self::with_function(3);
        cloud
            .squad(&["rollback", "receipts", "--to", "2"])
            .success();
        let history: Vec<_> = (3..60).map(|back| counted(back, None, 600, 1)).collect();
        cloud.aws.metrics(Value::Array(history));
        cloud
    }

    /// Starts a command, and leaves it to itself.
    pub(super) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.aws.squad(&self.home, arguments);
        command
            .arg("--yes")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// A rollout of 3 that was started, and whose driver died before it did anything.
    pub(super) fn planned() -> Self {
        let cloud = Self::with_history();
        // The first one starts it, the second one would be the driver's.
        cloud
            .aws
            .rule(json!({ "operation": "UpdateAlias", "nth": 2, "do": "hold-before" }));
        let mut child = cloud.begin(&[
            "rollout",
            "start",
            "receipts",
            "--revision",
            "3",
            "--again",
            "--reason",
            "it was the partner",
            "--steps",
            "10,50",
            "--hold",
            "1m",
        ]);
        assert!(!cloud.aws.wait_held(Duration::from_mins(1)).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        cloud.aws.release(Release::Drop);
        cloud.aws.forget_rules();
        cloud
    }

    /// The same, one step on: 3 takes 10 %.
    pub(super) fn holding() -> Self {
        let cloud = Self::planned();
        cloud.drive().success();
        assert_eq!(cloud.weights(), json!({ "3": 0.1 }));
        cloud
    }

    /// One look of a driver.
    pub(super) fn drive(&self) -> Output {
        self.squad(&["rollout", "drive", "receipts", "--once", "--take-over"])
    }

    /// The additional weights of the alias.
    pub(super) fn weights(&self) -> Value {
        self.alias()["RoutingConfig"]["AdditionalVersionWeights"].clone()
    }

    fn places(&self) -> [PathBuf; 2] {
        [self.home.path().join("store"), self.home.state()]
    }

    /// Keeps everything as it is now.
    pub(super) fn keep(&self) -> Kept {
        let directory = tempfile::tempdir().unwrap();
        for (number, place) in self.places().iter().enumerate() {
            copy(place, &directory.path().join(number.to_string()));
        }
        Kept {
            alias: self.alias(),
            directory,
        }
    }

    /// Puts everything back.
    pub(super) fn put_back(&self, kept: &Kept) {
        for (number, place) in self.places().iter().enumerate() {
            if place.exists() {
                std::fs::remove_dir_all(place).unwrap();
            }
            copy(&kept.directory.path().join(number.to_string()), place);
        }
        let weights = &kept.alias["RoutingConfig"]["AdditionalVersionWeights"];
        self.aws.change(json!({
            "kind": "alias", "function": "receipts", "alias": "live",
            "version": kept.alias["FunctionVersion"],
            "weights": if weights.is_object() { weights.clone() } else { json!({}) },
            "description": kept.alias["Description"],
        }));
        self.aws.forget_calls();
    }

    /// Runs a command and kills it at its n-th call; false when it ended without one. What was on its way arrives.
    pub(super) fn kill_at(&self, arguments: &[&str], point: &str, nth: usize) -> bool {
        self.kill_when(arguments, json!({ "nth": nth, "do": point }))
    }

    /// The same at the call that a rule holds.
    pub(super) fn kill_when(&self, arguments: &[&str], rule: Value) -> bool {
        self.aws.rule(rule);
        let mut child = self.begin(arguments);
        let held = loop {
            let held = self.aws.wait_held(Duration::from_millis(200));
            if !held.is_empty() || child.try_wait().unwrap().is_some() {
                break held;
            }
        };
        child.kill().ok();
        child.wait().unwrap();
        self.aws.release(Release::Apply);
        self.aws.forget_rules();
        !held.is_empty()
    }

    /// Whether a rollout is live.
    pub(super) fn is_rolling(&self) -> bool {
        let status = self.squad(&["status", "receipts", "-o", "json"]).json();
        status["services"][0]["rollout"].is_object()
    }

    /// `left` of each revision, as `status` says it.
    pub(super) fn left(&self) -> Vec<String> {
        let status = self
            .squad(&["status", "receipts", "-o", "json"])
            .success()
            .json();
        let revisions = status["services"][0]["revisions"]
            .as_array()
            .unwrap()
            .clone();
        revisions
            .iter()
            .filter(|one| one["left"] == json!(true))
            .map(|one| one["revision"].as_str().unwrap().to_owned())
            .collect()
    }
}
