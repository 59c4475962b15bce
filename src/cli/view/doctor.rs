//! What `squad doctor` prints.

use serde::Serialize;

use crate::domain::doctor::{Check, Finding, Outcome};
use crate::domain::environment::Environment;
use crate::output::{Output, Style, sanitize};

/// `squad.doctor/v1`.
#[derive(Debug, Serialize)]
struct Wire<'a> {
    schema: &'static str,
    env: &'a str,
    /// Whether nothing is wrong.
    healthy: bool,
    checks: Vec<WireCheck<'a>>,
}

#[derive(Debug, Serialize)]
struct WireCheck<'a> {
    what: &'a str,
    /// `fine`, `wrong` or `unknown`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [Finding],
}

/// Each check is a line; a finding says what, why it matters, and what to do.
pub(crate) fn print(output: &Output, environment: &Environment, checks: &[Check]) {
    let wrong: usize = checks
        .iter()
        .map(|check| match &check.outcome {
            Outcome::Wrong(findings) => findings.len(),
            Outcome::Fine(_) | Outcome::Unknown(_) => 0,
        })
        .sum();
    if output.is_json() {
        output.json(&Wire {
            schema: "squad.doctor/v1",
            env: environment.name.as_str(),
            healthy: wrong == 0,
            checks: checks.iter().map(wire).collect(),
        });
        return;
    }
    for check in checks {
        let what = sanitize(&check.what);
        match &check.outcome {
            Outcome::Fine(detail) => {
                let tick = output.paint_out(Style::Done, output.tick());
                output.out(&format!("{tick} {what}: {}", sanitize(detail)));
            }
            Outcome::Unknown(why) => {
                let mark = output.paint_out(Style::Warning, "?");
                output.out(&format!("{mark} {what}: cannot tell: {}", sanitize(why)));
            }
            Outcome::Wrong(findings) => {
                for finding in findings {
                    let cross = output.paint_out(Style::Error, output.cross());
                    output.out(&format!("{cross} {what}: {}", sanitize(&finding.what)));
                    output.out(&format!("    {}", sanitize(&finding.why)));
                    output.out(&format!("    next: {}", sanitize(&finding.next)));
                }
            }
        }
    }
    if wrong == 0 {
        output.status(&format!("nothing is wrong with {}", environment.spoken()));
    } else {
        let plural = if wrong == 1 { "thing is" } else { "things are" };
        output.status(&format!("{wrong} {plural} wrong"));
    }
}

fn wire(check: &Check) -> WireCheck<'_> {
    let (outcome, detail, findings): (_, _, &[Finding]) = match &check.outcome {
        Outcome::Fine(detail) => ("fine", Some(detail.as_str()), &[]),
        Outcome::Wrong(findings) => ("wrong", None, findings),
        Outcome::Unknown(why) => ("unknown", Some(why.as_str()), &[]),
    };
    WireCheck {
        what: &check.what,
        outcome,
        detail,
        findings,
    }
}
