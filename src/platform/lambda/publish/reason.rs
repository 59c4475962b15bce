//! Why a function is in its state, or its last change is where it is: our sentence for a known code, and what AWS says.

use std::fmt;

use crate::clients::aws::words;

/// Why something is not as it should be, and what to do about it, where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::platform::lambda) struct Cause {
    /// A clause; empty where AWS says nothing.
    said: String,
    /// What a person can do; none where it goes away by itself, or nobody knows.
    pub(in crate::platform::lambda) hint: Option<&'static str>,
}

impl Cause {
    /// From a reason code and AWS's own text.
    pub(in crate::platform::lambda) fn of(code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            said: of(code, message),
            hint: hint(code),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.said)
    }
}

/// What to do about a code, where that is known.
pub(in crate::platform::lambda) fn hint(code: Option<&str>) -> Option<&'static str> {
    code.and_then(words::reason)?.hint
}

/// From a reason code and AWS's own text; empty when it gives neither.
pub(in crate::platform::lambda) fn of(code: Option<&str>, message: Option<&str>) -> String {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    match (code.and_then(words::reason), message) {
        (Some(reason), Some(message)) => format!("{} ({message})", reason.summary),
        (Some(reason), None) => reason.summary.to_owned(),
        (None, Some(message)) => message.to_owned(),
        (None, None) => code.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_is_a_sentence_and_an_unknown_one_is_what_aws_says() {
        assert_eq!(
            of(Some("SubnetOutOfIPAddresses"), Some("subnet-1 is full")),
            "a subnet of the function has no free address left (subnet-1 is full)"
        );
        assert_eq!(of(Some("New"), Some("Something.")), "Something.");
        assert_eq!(of(Some("New"), None), "New");
        assert_eq!(of(None, Some(" ")), "");
    }
}
