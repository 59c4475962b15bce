//! What `squad doctor` prints.

use serde::Serialize;

use crate::domain::doctor::{Check, Finding, Outcome};
use crate::domain::environment::Environment;
use crate::output::{Output, Style, sanitize};

/// `squad.doctor/v1`.
#[derive(Debug, Serialize)]
struct Wire<'a> {
    schema: &'static str,
    /// None where it was not looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<&'a str>,
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
pub(crate) fn print(output: &Output, environment: Option<&Environment>, checks: &[Check]) {
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
            env: environment.map(|environment| environment.name.as_str()),
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
    let is_unknown = |check: &&Check| matches!(check.outcome, Outcome::Unknown(_));
    let unknown = checks.iter().filter(is_unknown).count();
    let place = environment.map_or_else(|| "this machine".to_owned(), Environment::spoken);
    output.status(&summary(wrong, unknown, &place));
}

/// What all of it means: what could not be looked at is not fine.
fn summary(wrong: usize, unknown: usize, place: &str) -> String {
    let things = |count: usize| if count == 1 { "thing" } else { "things" };
    let left = match unknown {
        0 => String::new(),
        count => format!("; {count} {} could not be looked at", things(count)),
    };
    match wrong {
        0 if unknown == 0 => format!("nothing is wrong with {place}"),
        0 => format!("nothing wrong was found in {place}{left}"),
        1 => format!("1 thing is wrong{left}"),
        count => format!("{count} things are wrong{left}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_looked_at_is_not_called_fine() {
        for (wrong, unknown, wanted) in [
            (0, 0, "nothing is wrong with acme/prod"),
            (
                0,
                2,
                "nothing wrong was found in acme/prod; 2 things could not be looked at",
            ),
            (1, 1, "1 thing is wrong; 1 thing could not be looked at"),
            (3, 0, "3 things are wrong"),
        ] {
            assert_eq!(summary(wrong, unknown, "acme/prod"), wanted);
        }
    }
}
