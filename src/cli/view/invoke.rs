//! How an invocation is shown.

use serde::Serialize;
use serde_json::Value;

use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::platform::Invocation;

/// `squad.invoke/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    /// The revision that ran; absent where the traffic goes to what is no revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// AWS request id.
    request_id: String,
    /// `duration_milliseconds` under its first name, which stays within `v1`.
    duration_ms: u64,
    duration_milliseconds: u64,
    /// `Unhandled` when the function failed; the payload then is its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What it returned; a text where that is no JSON.
    payload: Value,
    /// Oldest first.
    log_tail: Vec<String>,
}

impl Wire {
    /// Of one invocation.
    pub(crate) fn new(
        service: &ServiceName,
        environment: &Environment,
        invocation: &Invocation,
    ) -> Self {
        Self {
            schema: "squad.invoke/v1",
            service: service.to_string(),
            env: environment.name.to_string(),
            revision: invocation.revision.map(|revision| revision.to_string()),
            request_id: invocation.request_id.clone(),
            duration_ms: invocation.duration_milliseconds,
            duration_milliseconds: invocation.duration_milliseconds,
            error: invocation.error.clone(),
            payload: serde_json::from_str(&invocation.payload)
                .unwrap_or_else(|_| Value::String(invocation.payload.clone())),
            log_tail: invocation.log_tail.clone(),
        }
    }
}

/// JSON with line breaks and two spaces a level, every token as it was: numbers keep their digits, objects
/// their order. What is no JSON stays as it is.
pub(crate) fn pretty(text: &str) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    // An opening bracket waits for what follows: `{}` stays on one line.
    let mut opened = false;
    for letter in text.chars() {
        if in_string {
            out.push(letter);
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        if letter.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(letter, '}' | ']');
        depth = depth.saturating_sub(usize::from(closes));
        if opened != closes {
            line(&mut out, depth);
        }
        opened = matches!(letter, '{' | '[');
        depth += usize::from(opened);
        in_string = letter == '"';
        out.push(letter);
        match letter {
            ',' => line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn pretty_changes_nothing_but_white_space() {
        for (given, wanted) in [
            ("1.10", "1.10"),
            ("\"a, b: {c}\"", "\"a, b: {c}\""),
            ("{ }", "{}"),
            ("[[],{}]", "[\n  [],\n  {}\n]"),
            (
                r#"{"z":12345678901234567890123,"a" : [1, 2],"q":"\"}\\","e":""}"#,
                "{\n  \"z\": 12345678901234567890123,\n  \"a\": [\n    1,\n    2\n  ],\n  \"q\": \"\\\"}\\\\\",\n  \"e\": \"\"\n}",
            ),
            ("no {json}", "no {json}"),
        ] {
            assert_eq!(pretty(given), wanted);
        }
    }

    proptest::proptest! {
        #[test]
        fn pretty_means_the_same(text in "[\\[\\]{}\",:\\\\a1 ]{0,24}") {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            proptest::prop_assert_eq!(value(&pretty(&text)), value(&text));
        }
    }
}
