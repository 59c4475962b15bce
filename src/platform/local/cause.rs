//! The likely cause of a failed start, read out of the log by the shapes that runtimes print.
//!
//! A cause is named only where the shape is certain; a guess would send people the wrong way.

use regex_lite::Regex;

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
    /// `$1` is what the pattern caught.
    text: &'static str,
    remedy: Option<&'static str>,
}

const SET_IT: Option<&str> = Some("set it under [run.env] in squad.toml");

/// The order is that of certainty: the first one that is found wins.
const SHAPES: [Shape; 12] = [
    Shape {
        pattern: r"(?i)(?:missing|required|unset|undefined) (?:required )?environment variable:? ['`\x22]?([A-Z][A-Z0-9_]+)",
        text: "it needs the variable $1, which `squad.toml` does not set",
        remedy: SET_IT,
    },
    Shape {
        pattern: r"(?i)environment variable ['`\x22]?([A-Z][A-Z0-9_]+)['`\x22]? (?:is )?(?:not set|missing|required|must be set)",
        text: "it needs the variable $1, which `squad.toml` does not set",
        remedy: SET_IT,
    },
    // Java, Spring.
    Shape {
        pattern: r"Could not resolve placeholder '([A-Z][A-Z0-9_]+)'",
        text: "it needs the variable $1, which `squad.toml` does not set",
        remedy: SET_IT,
    },
    // Python.
    Shape {
        pattern: r"^ModuleNotFoundError: No module named '([^']+)'",
        text: "the Python module `$1` is not installed in its environment",
        remedy: Some("add it to the service's requirements and lock them again"),
    },
    // Node.
    Shape {
        pattern: r"^Error: Cannot find module '([^']+)'",
        text: "the module `$1` is not in the artifact",
        remedy: None,
    },
    // Java.
    Shape {
        pattern: r"Error: Could not find or load main class (\S+)",
        text: "the class `$1` is not in the artifact",
        remedy: None,
    },
    Shape {
        pattern: r"(?i)(address already in use|EADDRINUSE|BindException)",
        text: "the port that it wants is taken ($1): it has to listen on the port in the variable PORT",
        remedy: None,
    },
    Shape {
        pattern: r#"^Exception in thread "[^"]*" (.+)"#,
        text: "$1",
        remedy: None,
    },
    // Go.
    Shape {
        pattern: r"^panic: (.+)",
        text: "$1",
        remedy: None,
    },
    // Rust.
    Shape {
        pattern: r"^thread '[^']*'.* panicked at (.+)",
        text: "it panicked at $1",
        remedy: None,
    },
    // PHP.
    Shape {
        pattern: r"^(?:PHP )?Fatal error: +(.+)",
        text: "$1",
        remedy: None,
    },
    // Python: the last line of any other traceback.
    Shape {
        pattern: r"^((?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception)(?:: .+)?)$",
        text: "$1",
        remedy: None,
    },
];

/// Reads the cause out of what a revision wrote, oldest line first.
pub(super) fn of(log: &[String]) -> Option<Cause> {
    if let Some(variable) = python_variable(log) {
        return Some(Cause {
            text: format!("it needs the variable {variable}, which `squad.toml` does not set"),
            remedy: SET_IT.map(str::to_owned),
        });
    }
    SHAPES.iter().find_map(|shape| {
        let pattern = Regex::new(shape.pattern).ok()?;
        let caught = log.iter().rev().find_map(|line| pattern.captures(line))?;
        let caught = caught.get(1)?.as_str().trim_end();
        Some(Cause {
            text: shape.text.replace("$1", &shortened(caught)),
            remedy: shape.remedy.map(str::to_owned),
        })
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
        of(&log).map(|cause| cause.text)
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
        ] {
            assert_eq!(cause(log), None, "{log}");
        }
    }
}
