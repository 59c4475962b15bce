//! The acts about gradual rollouts: a good one whose driver is killed in the middle, and a bad one.

use std::time::Duration;

use super::acts::{address, report};
use super::load::Load;
use super::stage::Stage;
use crate::error::{Error, Kind, Result};
use crate::output::Style;

/// A charge as the service takes it.
const CHARGE: &str = r#"{"amount": 1200, "currency": "EUR"}"#;
/// The longest that a rollout of the demo may take to get where it is wanted.
const LIMIT: Duration = Duration::from_mins(1);
/// How often the demo looks.
const GLANCE: Duration = Duration::from_millis(200);

/// Requests to both verbs, the whole time.
struct Loads {
    get: Load,
    post: Load,
}

impl Loads {
    fn start(stage: &Stage<'_>) -> Result<Self> {
        let address = address(stage, "payments")?;
        Ok(Self {
            get: Load::start(&address, "/charges/demo"),
            post: Load::post(&address, "/charges", CHARGE),
        })
    }
}

/// A good canary on one route is promoted, although its driver is killed.
pub(super) fn good(stage: &mut Stage<'_>) -> Result<()> {
    stage.edit(
        "payments/squad.toml",
        "[analysis]\n",
        "[analysis]\nharm = 5.0\nwatch = \"3s\"\n",
        "for the demo the judge is content with less: 5 points of harm instead of 1, and a watch of 3 s; the holds below are 2 s instead of minutes",
    )?;
    stage.edit(
        "payments/src/app/charges.py",
        "reference=\"a better example\"",
        "reference=\"the best example\"",
        "the example charge gets another reference",
    )?;
    commit(stage, "Say even more in the example charge")?;
    let loads = Loads::start(stage)?;
    stage.say("requests go to both verbs the whole time");
    loads.get.wait_for(80);
    loads.post.wait_for(80);
    let driver = stage.begin(
        "payments",
        &[
            "deploy",
            "--canary",
            "--route",
            "GET /charges/{id}=20,50",
            "--steps",
            "20,50",
            "--hold",
            "2s",
        ],
    )?;
    let mut driver = Driver(driver);
    wait_for(stage, "holding")?;
    stage.show(&format!("kill -9 {}", driver.0.id()));
    driver.kill();
    stage.say("whoever drove it is gone; the weights stay as they are, and anybody can go on");
    stage.squad(
        "payments",
        &["rollout", "status"],
        Kind::Pending.exit_code(),
    )?;
    stage.squad("payments", &["rollout", "drive"], 0)?;
    report(stage, &loads.get.stop())?;
    report(stage, &loads.post.stop())
}

/// A canary that is bad on one verb is aborted; the other verb never moved.
pub(super) fn bad(stage: &mut Stage<'_>) -> Result<()> {
    stage.edit(
        "payments/src/app/charges.py",
        "        if new.amount > config.charge_limit:\n",
        "        if new.amount:\n            raise RuntimeError(\"the acquirer is not configured\")\n        if new.amount > config.charge_limit:\n",
        "POST /charges raises an error",
    )?;
    commit(stage, "Talk to another acquirer")?;
    let loads = Loads::start(stage)?;
    loads.get.wait_for(80);
    loads.post.wait_for(80);
    stage.squad(
        "payments",
        &[
            "deploy",
            "--canary",
            "--route",
            "POST /charges=20,50",
            "--steps",
            "20,50",
            "--hold",
            "2s",
        ],
        Kind::Unhealthy.exit_code(),
    )?;
    stage.say("GET was not part of it:");
    report(stage, &loads.get.stop())?;
    let post = loads.post.stop();
    let line = format!(
        "POST: {}, {} failed before the judge went back",
        post.answered_in_words(),
        post.failed
    );
    let tick = stage
        .context
        .output
        .paint(Style::Done, stage.context.output.tick());
    stage.context.output.status(&format!("{tick} {line}"));
    stage.squad("payments", &["rollout", "list"], 0)?;
    stage.squad("payments", &["stop"], 0)
}

fn commit(stage: &Stage<'_>, message: &str) -> Result<()> {
    stage.git(
        "payments",
        &["commit", "--quiet", "--all", "--message", message],
    )
}

/// Waits until the rollout is in a phase with some of the traffic on the canary.
fn wait_for(stage: &Stage<'_>, phase: &str) -> Result<()> {
    let clock = stage.context.clock();
    let until = clock.monotonic() + LIMIT;
    let wanted = format!("\"phase\":\"{phase}\"");
    while clock.monotonic() < until {
        let text = stage.look("payments", &["rollout", "status", "-o", "json"])?;
        if text.contains(&wanted) {
            return Ok(());
        }
        std::thread::park_timeout(GLANCE);
    }
    Err(Error::new(
        Kind::Failed,
        "demo-failed",
        format!(
            "the demo stops: the rollout was not {phase} within {} s",
            LIMIT.as_secs()
        ),
    ))
}

/// A process that does not outlive the demo.
struct Driver(std::process::Child);

impl Driver {
    fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}
