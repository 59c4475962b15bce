//! The acts of the demo, in order.

use std::path::Path;

use super::Act;
use super::load::{self, Counts, Load};
use super::stage::{self, Stage};
use crate::error::{Error, Kind, Result, shell};
use crate::fs;
use crate::output::{Style, sanitize};

/// All acts; later parts of the product add theirs here.
pub(super) const ACTS: &[Act] = &[
    Act {
        heading: "1. An org, and a service from a golden path",
        play: scaffold,
    },
    Act {
        heading: "2. The first deploy",
        play: first_deploy,
    },
    Act {
        heading: "3. A change, with requests under way",
        play: second_deploy,
    },
    Act {
        heading: "4. A revision that cannot start, with requests under way",
        play: broken_deploy,
    },
    Act {
        heading: "5. Back",
        play: roll_back,
    },
    Act {
        heading: "6. Gradually: a good change on one route, and a driver that dies",
        play: super::rollouts::good,
    },
    Act {
        heading: "7. Gradually: a change that is bad on one verb",
        play: super::rollouts::bad,
    },
    Act {
        heading: "8. A function",
        play: function,
    },
    Act {
        heading: "9. What is live, what happened, and the record",
        play: record,
    },
];

/// What to try next.
pub(super) fn next_steps(root: &Path) -> Vec<String> {
    let clean = stage::clean_command(root);
    let payments = root.join("payments").display().to_string();
    let payments = shell::quoted(&payments);
    [
        "Try next:".to_owned(),
        format!("  cd {payments} && . ../env     go on in the demo's own org and state"),
        "  squad deploy                          after an edit of src/app".to_owned(),
        "  squad logs payments --follow          what it writes".to_owned(),
        "  squad status --watch                  what is live".to_owned(),
        "  squad audit list                      who did what".to_owned(),
        format!("  {clean}     removes all of it"),
    ]
    .into()
}

const ORG: &str = r#"# One file for each company: squads, environments, policy.
schema = 1

[org]
name = "acme"

[squad.ledger]
github_team = "acme/ledger"

[squad.cards]
github_team = "acme/cards"
"#;

fn scaffold(stage: &mut Stage<'_>) -> Result<()> {
    fs::write_durably(&stage.root.join("org/org.toml"), ORG.as_bytes(), 0o644)?;
    stage.squad("", &["org", "add", "org"], 0)?;
    stage.squad("", &["org", "use", "acme"], 0)?;
    stage.squad(
        "",
        &[
            "new",
            "python-http",
            "payments",
            "--set",
            "squad=ledger",
            "--set",
            "telemetry=both",
        ],
        0,
    )
}

/// `host:port` of a service of the demo.
pub(super) fn address(stage: &Stage<'_>, service: &str) -> Result<String> {
    let text = stage.quietly("", &["status", service, "--env", "local", "-o", "json"])?;
    let status: serde_json::Value = serde_json::from_str(&text).map_err(Error::internal)?;
    status
        .pointer("/services/0/address")
        .and_then(serde_json::Value::as_str)
        .and_then(|address| address.strip_prefix("http://"))
        .map(|address| address.trim_end_matches('/').to_owned())
        .ok_or_else(|| Error::internal(format!("`{service}` has no address")))
}

fn request(stage: &Stage<'_>, service: &str, path: &str) -> Result<()> {
    let address = address(stage, service)?;
    stage.show(&format!("curl http://{address}{path}"));
    let body = load::get(&address, path).map_err(|error| {
        Error::new(
            Kind::Failed,
            "demo-failed",
            format!("the demo stops: no answer: {error}"),
        )
    })?;
    stage.context.output.status(&sanitize(body.trim()));
    Ok(())
}

fn first_deploy(stage: &mut Stage<'_>) -> Result<()> {
    stage.say(
        "its Python packages are installed once; then the revision takes requests when it is ready",
    );
    stage.squad("payments", &["deploy"], 0)?;
    request(stage, "payments", "/charges/demo")
}

fn second_deploy(stage: &mut Stage<'_>) -> Result<()> {
    stage.edit(
        "payments/src/app/charges.py",
        "reference=\"an example\"",
        "reference=\"a better example\"",
        "the example charge gets another reference",
    )?;
    stage.git(
        "payments",
        &[
            "commit",
            "--quiet",
            "--all",
            "--message",
            "Say more in the example charge",
        ],
    )?;
    let load = Load::start(&address(stage, "payments")?, "/charges/demo");
    stage.squad("payments", &["deploy"], 0)?;
    request(stage, "payments", "/charges/demo")?;
    stage.squad("payments", &["deploy"], 0)?;
    report(stage, &load.stop())
}

fn broken_deploy(stage: &mut Stage<'_>) -> Result<()> {
    stage.edit(
        "payments/squad.toml",
        "CHARGE_LIMIT = ",
        "CHARGE_LIMIT_CENTS = ",
        "a variable that the service needs gets a wrong name",
    )?;
    let load = Load::start(&address(stage, "payments")?, "/charges/demo");
    stage.squad("payments", &["deploy"], Kind::Failed.exit_code())?;
    report(stage, &load.stop())?;
    stage.git("payments", &["checkout", "--quiet", "--", "squad.toml"])?;
    stage.say("the edit is undone with git");
    Ok(())
}

fn roll_back(stage: &mut Stage<'_>) -> Result<()> {
    let load = Load::start(&address(stage, "payments")?, "/charges/demo");
    stage.squad("payments", &["rollback", "--reason", "showing how"], 0)?;
    request(stage, "payments", "/charges/demo")?;
    report(stage, &load.stop())
}

fn function(stage: &mut Stage<'_>) -> Result<()> {
    stage.squad(
        "",
        &[
            "new",
            "python-function",
            "receipts",
            "--set",
            "squad=ledger",
        ],
        0,
    )?;
    stage.squad("receipts", &["deploy"], 0)?;
    stage.squad(
        "receipts",
        &[
            "invoke",
            "--payload",
            r#"{"charge": "demo", "amount": 1200}"#,
        ],
        0,
    )
}

fn record(stage: &mut Stage<'_>) -> Result<()> {
    stage.squad("", &["status", "--all"], 0)?;
    stage.squad("", &["history", "--all"], 0)?;
    stage.squad("", &["audit", "verify"], 0)
}

/// What the load generator counted; a failed request stops the demo.
pub(super) fn report(stage: &Stage<'_>, counts: &Counts) -> Result<()> {
    let by_revision: Vec<_> = counts
        .revisions
        .iter()
        .map(|(revision, count)| format!("{count} by revision {revision}"))
        .collect();
    let line = format!(
        "meanwhile {} ({}), {} failed",
        counts.answered_in_words(),
        by_revision.join(", "),
        counts.failed
    );
    if counts.failed > 0 {
        return Err(Error::new(
            Kind::Failed,
            "demo-failed",
            format!("the demo stops: {line}"),
        ));
    }
    let tick = stage
        .context
        .output
        .paint(Style::Done, stage.context.output.tick());
    stage.context.output.status(&format!("{tick} {line}"));
    Ok(())
}
