//! `squad rollout` and `squad stop`: whole rollouts with real processes and real requests.

mod brakes;
mod gates;
mod gradual;
mod lint;
mod live_view;
mod people;
mod report;
mod takeover;
mod watched;

use std::time::Duration;

use regex_lite::Regex;

use crate::support::journey::{port, row};
use crate::support::{Home, Load, Output, TestService, wait_for};

/// Two routes, short holds, and a harm that a few hundred requests can show.
pub(crate) const ROLLOUT: &str = r#"
[[route]]
name = "get-charge"
method = "GET"
path = "/charges/{id}"

[[route]]
name = "refund"
method = "POST"
path = "/charges/{id}/refund"

[rollout]
steps = [{ weight = 20, hold = "2s" }, { weight = 50, hold = "2s" }]

[analysis]
harm = 5.0
watch = "2s"
"#;

/// A service with two routes whose first revision is live.
pub(crate) fn live(home: &Home, more: &str) -> TestService {
    let mut service = TestService::new(home, "payments");
    service.toml(home, &format!("{ROLLOUT}{more}"));
    let _deployed = home.squad_in(&service.directory, ["deploy"]).success();
    service
}

/// Requests to both routes, about 150 each second and route.
pub(crate) struct Traffic {
    pub(crate) get: Load,
    pub(crate) post: Load,
}

impl Traffic {
    /// Starts, and returns once the platform has counted some of each.
    pub(crate) fn start(home: &Home) -> Self {
        let port = port(home, "payments");
        let pause = Duration::from_millis(10);
        let traffic = Self {
            get: Load::start(port, "/charges/7", 2, pause),
            post: Load::start_with(port, "POST", "/charges/7/refund", 2, pause),
        };
        traffic.get.wait_for_more(100);
        traffic.post.wait_for_more(100);
        traffic
    }

    /// Ends; no request may have failed.
    pub(crate) fn stop_without_failures(self) {
        let _get = self.get.stop_without_failures();
        let _post = self.post.stop_without_failures();
    }
}

/// The output without the lines about what goes on, and without what depends on how fast the machine is.
pub(crate) fn quiet(output: &Output) -> Output {
    let patterns = [
        (r"\d+\.\d requests/s", "[RATE] requests/s"),
        (r"about [^;()]+( \(unlucky: [^)]*\))?;", "about [TIME];"),
        (r"one after the other: .*", "one after the other: [TIME]"),
        (
            r"[\d,]+ requests? to rule out",
            "[COUNT] requests to rule out",
        ),
        (r"\d+ handled", "[COUNT] handled"),
        (r"at worst \d+ harmed", "at worst [COUNT] harmed"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with));
    let keep = |text: &str| {
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with('◌'))
            .map(|line| format!("{line}\n"))
            .collect();
        patterns.iter().fold(text, |text, (pattern, with)| {
            pattern.replace_all(&text, *with).into_owned()
        })
    };
    Output {
        stderr: keep(&output.stderr),
        ..output.clone()
    }
}

/// `squad rollout status -o json`; null while there is no rollout.
pub(crate) fn status(home: &Home) -> serde_json::Value {
    let output = home.squad(["rollout", "status", "payments", "-o", "json"]);
    serde_json::from_str(&output.stdout).unwrap_or_default()
}

/// Waits until the rollout is in a phase.
#[track_caller]
pub(crate) fn wait_for_phase(home: &Home, phase: &str) -> serde_json::Value {
    wait_for(
        &format!("the phase {phase}"),
        Duration::from_mins(1),
        || Some(status(home)).filter(|status| status["phase"] == phase),
    )
}

/// Percent of the requests of a route, or of the rest, that a revision gets.
#[track_caller]
pub(crate) fn weight(home: &Home, unit: &str) -> u64 {
    let status = status(home);
    let units = status["units"].as_array().expect("units").clone();
    let found = units.iter().find(|one| one["unit"] == unit);
    found.expect("the unit")["weight"]
        .as_u64()
        .expect("a weight")
}

/// The kinds of the audit log's events, oldest first.
pub(crate) fn recorded(home: &Home) -> Vec<String> {
    let events = home
        .squad(["audit", "list", "--limit", "200", "-o", "json"])
        .success()
        .json();
    let events = events["events"].as_array().expect("events").clone();
    let mut kinds: Vec<String> = events
        .iter()
        .map(|event| event["event"]["type"].as_str().expect("a type").to_owned())
        .collect();
    kinds.reverse();
    kinds
}

/// Whether one revision serves everything, and which.
pub(crate) fn serves(home: &Home) -> Option<String> {
    let row = row(home, "payments");
    let traffic = row["traffic"].as_object()?.clone();
    traffic
        .iter()
        .find(|(_, weight)| **weight == 100)
        .map(|(revision, _)| revision.clone())
}

/// Waits until the drivers in the background have seen the end.
#[track_caller]
pub(crate) fn wait_for_drivers(home: &Home) {
    wait_for("the drivers' end", Duration::from_secs(30), || {
        row(home, "payments")["going_on"].is_null().then_some(())
    });
}
