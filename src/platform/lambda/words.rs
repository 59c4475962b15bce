//! Why a version is how it is, in words.

use aws_sdk_lambda::types::FunctionConfiguration;

use crate::domain::live::Health;
use crate::platform::Diagnosis;

/// Why it is in its state: what Lambda says, or the code that it names.
pub(super) fn of_state(version: &FunctionConfiguration) -> String {
    reason(
        version
            .state_reason_code()
            .map(aws_sdk_lambda::types::StateReasonCode::as_str),
        version.state_reason(),
        "Lambda gives no reason",
    )
}

/// Why the last change is where it is.
pub(super) fn of_update(version: &FunctionConfiguration) -> String {
    reason(
        version
            .last_update_status_reason_code()
            .map(aws_sdk_lambda::types::LastUpdateStatusReasonCode::as_str),
        version.last_update_status_reason(),
        "the last change failed, and Lambda gives no reason",
    )
}

fn reason(code: Option<&str>, message: Option<&str>, otherwise: &str) -> String {
    match super::publish::reason::of(code, message) {
        nothing if nothing.is_empty() => otherwise.to_owned(),
        reason => reason,
    }
}

/// What to do about the reason that AWS names, where that is known.
fn to_do(version: &FunctionConfiguration, health: Health) -> Option<&'static str> {
    let code = if health == Health::Degraded {
        let code = version.last_update_status_reason_code();
        code.map(aws_sdk_lambda::types::LastUpdateStatusReasonCode::as_str)
    } else {
        let code = version.state_reason_code();
        code.map(aws_sdk_lambda::types::StateReasonCode::as_str)
    };
    super::publish::reason::hint(code)
}

/// Why a version does not serve; none when it does.
pub(super) fn diagnosis(function: &str, version: &FunctionConfiguration) -> Option<Diagnosis> {
    let (health, problem) = super::observe::health(version);
    if matches!(health, Health::Ok | Health::Stopped) {
        return None;
    }
    let number = version.version().unwrap_or_default();
    let problem = problem.unwrap_or_default();
    let summary = match health {
        Health::Starting => format!("version {number} is not ready: {problem}"),
        Health::Degraded => format!("the last change of version {number} failed: {problem}"),
        _ => format!("version {number} cannot run: {problem}"),
    };
    Some(Diagnosis {
        id: "revision-does-not-start".to_owned(),
        summary,
        cause: Some(problem),
        evidence: Vec::new(),
        hint: Some(match (to_do(version, health), health) {
            (Some(hint), Health::Failed) => {
                format!("{hint}; then a new version of the same: `squad deploy --rebuild`")
            }
            (Some(hint), _) => hint.to_owned(),
            (None, Health::Failed) => {
                "AWS does not bring it back; a new version of the same: `squad deploy --rebuild`"
                    .to_owned()
            }
            (None, _) => format!(
                "look at it: `aws lambda get-function --function-name {function} --qualifier {number}`"
            ),
        }),
    })
}
