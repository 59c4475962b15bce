//! Names of things, checked once where they enter, so that no other code has to.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name: {rule}{}", self.meant())]
pub(crate) struct InvalidName {
    /// What was given.
    pub(crate) text: String,
    /// The rule in words.
    pub(crate) rule: &'static str,
}

impl InvalidName {
    /// `; did you mean …?` where only capital letters make it none.
    pub(crate) fn meant(&self) -> String {
        let small = self.text.to_ascii_lowercase();
        if is_label(&small) {
            format!("; did you mean `{small}`?")
        } else {
            String::new()
        }
    }
}

const RULE: &str =
    "use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end";

/// Says whether `text` is a DNS label (RFC 1123) that starts with a letter: valid as a Kubernetes
/// namespace, a host name and a directory everywhere.
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    inner
        && bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|b| *b != b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub(crate) struct $name(
            #[schemars(regex(pattern = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"))] String,
        );

        impl $name {
            /// Checks `text` and returns it as a name.
            pub(crate) fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                if is_label(&text) { Ok(Self(text)) } else { Err(InvalidName { text, rule: RULE }) }
            }

            /// The name as text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name of a service: unique in its org.
    ServiceName
);
name!(
    /// The name of a squad: the people who own a service.
    SquadName
);
name!(
    /// The name of an environment, such as `prod`; `local` is built in.
    EnvironmentName
);
name!(
    /// The name of an org: one company's file of squads and environments.
    OrgName
);
name!(
    /// The name of a route of a service, such as `get-charge`.
    RouteName
);

impl EnvironmentName {
    /// The environment that every machine has: the embedded local platform.
    pub(crate) fn local() -> Self {
        Self("local".to_owned())
    }
}

impl RouteName {
    /// `route-3`: for a route that has no better name; `index` counts from 0.
    pub(crate) fn numbered(index: usize) -> Self {
        Self(format!("route-{}", index + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_labels_only() {
        for good in ["a", "payments", "a1-b2", &"a".repeat(63)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1a",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "ä",
            "a b",
            &"a".repeat(64),
            "a/b",
        ] {
            assert!(ServiceName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn small_letters_are_proposed_where_they_are_all_that_is_wrong() {
        let rule = format!("`Pay` is not a name: {RULE}; did you mean `pay`?");
        assert_eq!(ServiceName::new("Pay").unwrap_err().to_string(), rule);
        let rule = format!("`1A` is not a name: {RULE}");
        assert_eq!(ServiceName::new("1A").unwrap_err().to_string(), rule);
    }
}
