//! Commands that are told to a person mean the place that the person is at.
//!
//! Whoever names an org or an environment on the command line and copies the next command out of what squad says must not
//! end in another org's production. Each `squad …` between backticks gets the flags that it lacks.

use std::borrow::Cow;

/// What was named on the command line, and has to be named again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// `--org`, without a password, as a shell takes it.
    pub(crate) org: Option<String>,
    /// `--env`, as a shell takes it.
    pub(crate) environment: Option<String>,
}

/// Commands that mean the same at every place.
const ANYWHERE: [&str; 7] = [
    "completions",
    "demo",
    "help",
    "man",
    "new",
    "org",
    "template",
];

/// Commands that mean an org, and no environment of it.
const OF_AN_ORG: [&str; 2] = ["config", "env"];

impl Place {
    /// The text with every command in it completed.
    pub(crate) fn completed<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if (self.org.is_none() && self.environment.is_none()) || !text.contains("`squad ") {
            return Cow::Borrowed(text);
        }
        let mut completed = String::with_capacity(text.len() + 32);
        // What is between backticks has an odd number.
        for (number, part) in text.split('`').enumerate() {
            if number > 0 {
                completed.push('`');
            }
            completed.push_str(part);
            if number % 2 == 1 {
                completed.push_str(&self.lacking(part));
            }
        }
        Cow::Owned(completed)
    }

    fn lacking(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let (Some("squad"), Some(verb)) = (words.next(), words.next()) else {
            return String::new();
        };
        let is_of_the_machine = command.starts_with("squad audit key");
        if is_of_the_machine
            || verb.starts_with('-')
            || verb.starts_with('<')
            || ANYWHERE.contains(&verb)
        {
            return String::new();
        }
        let mut flags = String::new();
        let lacks = |flag: &str| !command.split_whitespace().any(|word| word == flag);
        for (flag, value) in [("--org", &self.org), ("--env", &self.environment)] {
            let is_meant = flag == "--org" || !OF_AN_ORG.contains(&verb);
            if let Some(value) = value
                && is_meant
                && lacks(flag)
            {
                flags.push_str(&format!(" {flag} {value}"));
            }
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_the_flags_that_they_lack() {
        let both = Place {
            org: Some("beta".to_owned()),
            environment: Some("prod".to_owned()),
        };
        let org = Place {
            org: Some("'../my org'".to_owned()),
            environment: None,
        };
        for (place, text, wanted) in [
            (&both, "nothing here", "nothing here"),
            (&both, "`squad audit key`", "`squad audit key`"),
            (
                &both,
                "undo: `squad rollback pay --env prod`",
                "undo: `squad rollback pay --env prod --org beta`",
            ),
            (
                &both,
                "`squad logs pay`, or `squad status --all`; `ls -l`",
                "`squad logs pay --org beta --env prod`, or `squad status --all --org beta --env prod`; `ls -l`",
            ),
            (
                &both,
                "`squad org use acme` and `squad --version`",
                "`squad org use acme` and `squad --version`",
            ),
            (
                &both,
                "`squad` alone, squad stop",
                "`squad` alone, squad stop",
            ),
            (&both, "`squad env list`", "`squad env list --org beta`"),
            (
                &org,
                "`squad env list`",
                "`squad env list --org '../my org'`",
            ),
            (&Place::default(), "`squad env list`", "`squad env list`"),
        ] {
            assert_eq!(place.completed(text), wanted);
        }
    }
}
