//! Why a function is in its state, or its last change is where it is: our sentence for a known code, and what AWS says.

use crate::clients::aws::words;

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
