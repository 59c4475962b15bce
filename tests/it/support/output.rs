//! What a run of the binary left behind, compared as a whole.

use std::path::Path;
use std::sync::LazyLock;

use regex_lite::Regex;
use snapbox::data::IntoData;

/// The exit code and both streams of one run.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The exit code; 128 + the number for a signal.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    pub(crate) root: std::path::PathBuf,
}

impl Output {
    pub(crate) fn of(output: &std::process::Output, root: &Path) -> Self {
        use std::os::unix::process::ExitStatusExt;
        Self {
            code: output
                .status
                .code()
                .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            root: root.to_owned(),
        }
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.failure(0)
    }

    /// Asserts one exit code.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> Self {
        assert_eq!(self.code, code, "the exit code of:\n{}", self.transcript());
        self
    }

    /// Asserts the whole output: see [`Output::transcript`] for its form. `[..]` matches within a line and
    /// `...` whole lines; `SNAPSHOTS=overwrite` rewrites the expectation in the source.
    #[track_caller]
    pub(crate) fn assert(self, expected: impl IntoData) -> Self {
        snapbox::Assert::new()
            .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
            .normalize_paths(false)
            .eq(self.transcript().into_data(), expected.into_data());
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}):\n{}", self.transcript()))
    }

    /// The last line of standard error as JSON: the error under `-o json`.
    #[track_caller]
    pub(crate) fn error_json(&self) -> serde_json::Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("not JSON ({error}):\n{}", self.transcript()))
    }

    /// Standard output without its line end.
    pub(crate) fn line(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }

    /// Everything as one text, with what changes from run to run replaced: standard error first, each line
    /// behind `› `, then standard output, then `[exit N]`.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for line in self.stderr.lines() {
            text.push_str(format!("› {line}").trim_end());
            text.push('\n');
        }
        text.push_str(&self.stdout);
        if !self.stdout.is_empty() && !self.stdout.ends_with('\n') {
            text.push_str("[no line end]\n");
        }
        text.push_str(&format!("[exit {}]\n", self.code));
        redact(&text, &self.root)
    }
}

/// Replaces what changes from run to run: paths of the home, times, ids, hashes, ports, durations.
pub(crate) fn redact(text: &str, root: &Path) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            // RFC 3339, `14:02:11`, `today 14:02`.
            (
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
                "[TIME]",
            ),
            (r"\b\d\d:\d\d(:\d\d(\.\d+)?)?\b", "[TIME]"),
            (
                r"\b(just now|(\d+(\.\d+)?|a|an) (ms|s|sec|second|min|minute|h|hour)s? ago)\b",
                "[AGO]",
            ),
            // UUID, ULID (also its first letters, as shown to people).
            (
                r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                "[ID]",
            ),
            (r"\b01[0-9A-HJKMNP-TV-Z]{4,24}\b", "[ID]"),
            // Digests and git hashes.
            (r"\b(sha256:)?[0-9a-f]{64}\b", "[HASH]"),
            // The id of a trace (W3C Trace Context).
            (r"\b[0-9a-f]{32}\b", "[HASH]"),
            (r"\b[0-9a-f]{40}\b", "[HASH]"),
            (r"\b[0-9a-f]{7,16}\b", "[HASH]"),
            (r"(127\.0\.0\.1|localhost):\d{2,5}\b", "$1:[PORT]"),
            (r"\bport \d{4,5}\b", "port [PORT]"),
            (r"\b(here|but on) \d{4,5}\b", "$1 [PORT]"),
            (r"\bprocess \d+\b", "process [PID]"),
            (r"/staging/deploy-\w{6}\b", "/staging/deploy-[ID]"),
            // Only a machine that is kept busy by others takes so long.
            (
                r"(?m)^(› )?waiting for the local platform, which brings up its services\n",
                "",
            ),
            // A step that took no time to speak of says nothing of it.
            (
                r"(?m)^((?:› )?(?:[a-z0-9-]+: )?[✔+] .*\S) +\d+(\.\d+)? (ms|s)$",
                "$1",
            ),
            (r#""(\w*port)":\d+"#, "\"$1\":[PORT]"),
            (
                r#""(\w*(?:seconds|milliseconds))":\d+(\.\d+)?"#,
                "\"$1\":[DURATION]",
            ),
            (r" +\d+(\.\d+)? (ms|s)\b", " [DURATION]"),
        ]
        .into_iter()
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .collect()
    });
    let home = root.join("h");
    let mut text = text.to_owned();
    for (path, with) in [
        (home.join("w"), "[WORK]"),
        (home, "[HOME]"),
        (root.join("r"), "[RUN]"),
        (root.to_owned(), "[ROOT]"),
    ] {
        text = text.replace(&path.display().to_string(), with);
    }
    for (pattern, with) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_what_changes_from_run_to_run() {
        let text = "op 01K8ZC at 2026-11-24T02:16:00.5Z, commit 3f1c2ab, /r/h/w/payments, \
                    http://127.0.0.1:40123/x,   1.9 s, {\"duration_seconds\":4.2} grace 20s, 3 min ago, 0.4 s ago";
        assert_eq!(
            redact(text, Path::new("/r")),
            "op [ID] at [TIME], commit [HASH], [WORK]/payments, http://127.0.0.1:[PORT]/x, [DURATION], \
             {\"duration_seconds\":[DURATION]} grace 20s, [AGO], [AGO]"
        );
    }
}
