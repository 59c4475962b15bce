//! The likely cause of a failed start, read out of the log by the shapes that runtimes print.
//!
//! A cause is named only where the shape is certain; a guess would send people the wrong way.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::domain::service::Variable;

/// A cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// One line.
    pub(super) text: String,
    /// What to do, if the log says that too.
    pub(super) remedy: Option<String>,
}

/// A shape of a line, and what it means.
struct Shape {
    pattern: &'static str,
    /// What the pattern caught means.
    means: Means,
}

/// What a shape catches.
#[derive(Clone, Copy)]
enum Means {
    /// The name of a variable that the process does not have.
    Variable,
    /// Words, put in for `$1`; and what to do, if the log says that too.
    Words(&'static str, Option<&'static str>),
}

/// The remedy for a variable that is not there.
const SET_IT: &str = "set it under [run.env] in squad.toml";
/// Names that differ more from each other are not taken for one another.
const SIMILAR: f64 = 0.85;

/// The order is that of certainty: the first one that is found wins.
const SHAPES: [Shape; 17] = [
    Shape {
        pattern: r"(?i)(?:missing|required|unset|undefined) (?:required )?(?:environment|env) ?var(?:iable)?:? ['`\x22]?([A-Z][A-Z0-9_]+)",
        means: Means::Variable,
    },
    Shape {
        pattern: r"(?i)(?:environment|env) ?var(?:iable)? ['`\x22]?([A-Z][A-Z0-9_]+)['`\x22]? (?:is )?(?:not set|not found|missing|required|must be set)",
        means: Means::Variable,
    },
    // Symfony.
    Shape {
        pattern: r#"Environment variable not found: "([A-Z][A-Z0-9_]+)""#,
        means: Means::Variable,
    },
    // Go, envconfig.
    Shape {
        pattern: r"required key ([A-Z][A-Z0-9_]+) missing value",
        means: Means::Variable,
    },
    // Java, Spring.
    Shape {
        pattern: r"Could not resolve placeholder '([A-Z][A-Z0-9_]+)'",
        means: Means::Variable,
    },
    // Kotlin.
    Shape {
        pattern: r#"getenv\("([A-Z][A-Z0-9_]+)"\) must not be null"#,
        means: Means::Variable,
    },
    // Anybody's own words; a name with an underscore, all in capitals, is no other thing.
    Shape {
        pattern: r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])['`\x22]? (?:is|was|must be) (?:not set|not defined|set|missing|required|unset|undefined)\b",
        means: Means::Variable,
    },
    // Python.
    Shape {
        pattern: r"^ModuleNotFoundError: No module named '([^']+)'",
        means: Means::Words(
            "the Python module `$1` is not installed in its environment",
            Some("add it to the service's requirements and lock them again"),
        ),
    },
    // Node.
    Shape {
        pattern: r"^Error: Cannot find module '([^']+)'",
        means: Means::Words("the module `$1` is not in the artifact", None),
    },
    // Java.
    Shape {
        pattern: r"Error: Could not find or load main class (\S+)",
        means: Means::Words("the class `$1` is not in the artifact", None),
    },
    Shape {
        pattern: r"(?i)(address already in use|EADDRINUSE|BindException)",
        means: Means::Words(
            "the port that it wants is taken ($1): it has to listen on the port in the variable PORT",
            None,
        ),
    },
    Shape {
        pattern: r#"^Exception in thread "[^"]*" (.+)"#,
        means: Means::Words("$1", None),
    },
    // Go.
    Shape {
        pattern: r"^panic: (.+)",
        means: Means::Words("$1", None),
    },
    // Rust.
    Shape {
        pattern: r"^thread '[^']*'.* panicked at (.+)",
        means: Means::Words("it panicked at $1", None),
    },
    // PHP.
    Shape {
        pattern: r"^(?:PHP )?Fatal error: +(.+)",
        means: Means::Words("$1", None),
    },
    // Python: the last line of any other traceback.
    Shape {
        pattern: r"^((?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception)(?:: .+)?)$",
        means: Means::Words("$1", None),
    },
    // A program that exits with its own words about what it was configured with.
    Shape {
        pattern: r"^((?i:fatal|configuration)(?i: error)?: .+)$",
        means: Means::Words("$1", None),
    },
];

/// Reads the cause out of what a revision wrote, oldest line first. `set` is what `squad.toml` sets: a variable that it does
/// set is never called missing.
pub(super) fn of(log: &[String], set: &BTreeMap<String, Variable>) -> Option<Cause> {
    let python = python_variable(log).and_then(|name| missing(&name, set));
    python.or_else(|| SHAPES.iter().find_map(|shape| read(shape, log, set)))
}

/// What one shape says of a log.
fn read(shape: &Shape, log: &[String], set: &BTreeMap<String, Variable>) -> Option<Cause> {
    let pattern = Regex::new(shape.pattern).ok()?;
    let caught = log.iter().rev().find_map(|line| pattern.captures(line))?;
    let caught = caught.get(1)?.as_str().trim_end();
    match shape.means {
        Means::Variable => missing(caught, set),
        Means::Words(text, remedy) => Some(Cause {
            text: text.replace("$1", &shortened(caught)),
            remedy: remedy.map(str::to_owned),
        }),
    }
}

/// The cause for a variable that the process did not find; none when `squad.toml` sets it, for then it is something else.
fn missing(name: &str, set: &BTreeMap<String, Variable>) -> Option<Cause> {
    if set.contains_key(name) {
        return None;
    }
    let similar = set
        .keys()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(alike, _)| *alike >= SIMILAR)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let but = similar.map_or_else(String::new, |(_, other)| {
        format!("; what it sets is {other}")
    });
    Some(Cause {
        text: format!("it needs the variable {name}, which `squad.toml` does not set{but}"),
        remedy: Some(SET_IT.to_owned()),
    })
}

/// `KeyError: 'X'` means a variable when it comes out of `os.environ`, or when a process that starts looks for a
/// name that only a variable has, all in capitals.
fn python_variable(log: &[String]) -> Option<String> {
    let capitals = Regex::new(r"\bKeyError: '([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])'\s*$").ok()?;
    let last = log.iter().rev().find_map(|line| capitals.captures(line));
    if let Some(name) = last.as_ref().and_then(|caught| caught.get(1)) {
        return Some(name.as_str().to_owned());
    }
    let pattern = Regex::new(r"^KeyError: '([A-Za-z_][A-Za-z0-9_]*)'$").ok()?;
    let (at, name) = log.iter().enumerate().rev().find_map(|(at, line)| {
        let name = pattern.captures(line.trim_end())?.get(1)?.as_str();
        Some((at, name.to_owned()))
    })?;
    let traceback = log.iter().take(at).rev().take(8);
    let environ = ["os.environ", "<frozen os>", "/os.py\"", "environ["];
    traceback
        .into_iter()
        .any(|line| environ.iter().any(|sign| line.contains(sign)))
        .then_some(name)
}

/// A cause is one line of bearable length.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(log: &str) -> Option<String> {
        let log: Vec<String> = log.lines().map(str::to_owned).collect();
        of(&log, &BTreeMap::new()).map(|cause| cause.text)
    }

    fn set(names: &[&str]) -> BTreeMap<String, Variable> {
        let value = |name: &&str| ((*name).to_owned(), Variable::Value("1".to_owned()));
        names.iter().map(value).collect()
    }

    #[test]
    fn a_variable_that_is_set_is_not_called_missing_and_a_similar_one_is_named() {
        let log = ["configuration: CHARGE_LIMIT is not set: it must be a whole number".to_owned()];
        let text = |names: &[&str]| of(&log, &set(names)).unwrap().text;
        assert_eq!(
            text(&["OTHER"]),
            "it needs the variable CHARGE_LIMIT, which `squad.toml` does not set"
        );
        assert_eq!(
            text(&["OTHER", "CHARGE_LIMIT_CENTS"]),
            "it needs the variable CHARGE_LIMIT, which `squad.toml` does not set; what it sets is CHARGE_LIMIT_CENTS"
        );
        assert_eq!(text(&["CHARGE_LIMIT"]), log[0]);
    }

    #[test]
    fn the_shapes_of_runtimes_are_read() {
        let variable = "it needs the variable DB_URL, which `squad.toml` does not set";
        for (log, wanted) in [
            (
                "Traceback (most recent call last):\n  File \"/a/app.py\", line 3, in <module>\n    x = os.environ['DB_URL']\n  File \"/usr/lib/python3.11/os.py\", line 679, in __getitem__\n    raise KeyError(key) from None\nKeyError: 'DB_URL'",
                variable,
            ),
            (
                "  File \"<frozen os>\", line 685, in __getitem__\nKeyError: 'DB_URL'",
                variable,
            ),
            (
                "    price = prices['apple']\nKeyError: 'apple'",
                "KeyError: 'apple'",
            ),
            ("app/config.py:12  KeyError: 'DB_URL'", variable),
            ("fatal: environment variable DB_URL is not set", variable),
            ("missing required environment variable: DB_URL", variable),
            ("Error: Missing env var DB_URL", variable),
            (
                "env: required environment variable \"DB_URL\" is not set",
                variable,
            ),
            ("required key DB_URL missing value", variable),
            ("DB_URL must be set", variable),
            (
                "java.lang.NullPointerException: System.getenv(\"DB_URL\") must not be null",
                variable,
            ),
            (
                "PHP Fatal error:  Uncaught EnvNotFoundException: Environment variable not found: \"DB_URL\".",
                variable,
            ),
            (
                "configuration: the port has to be a number",
                "configuration: the port has to be a number",
            ),
            (
                "java.lang.IllegalArgumentException: Could not resolve placeholder 'DB_URL' in value \"${DB_URL}\"",
                variable,
            ),
            (
                "Traceback (most recent call last):\nModuleNotFoundError: No module named 'fastapi'",
                "the Python module `fastapi` is not installed in its environment",
            ),
            (
                "OSError: [Errno 98] Address already in use",
                "the port that it wants is taken (Address already in use): it has to listen on the port in the variable PORT",
            ),
            (
                "Exception in thread \"main\" java.lang.IllegalStateException: no database\n\tat a.B.c(B.java:3)",
                "java.lang.IllegalStateException: no database",
            ),
            (
                "panic: runtime error: index out of range\n\ngoroutine 1 [running]:",
                "runtime error: index out of range",
            ),
            (
                "  File \"a.py\", line 1\nSyntaxError: invalid syntax",
                "SyntaxError: invalid syntax",
            ),
            (
                "psycopg.OperationalError: connection refused",
                "psycopg.OperationalError: connection refused",
            ),
        ] {
            assert_eq!(cause(log).as_deref(), Some(wanted), "{log}");
        }
    }

    #[test]
    fn a_log_without_a_known_shape_has_no_cause() {
        for log in [
            "",
            "listening on 8080",
            "an Error occurred, see above",
            "stopped",
            "HTTP is required",
            "the log level is not set",
        ] {
            assert_eq!(cause(log), None, "{log}");
        }
    }
}
