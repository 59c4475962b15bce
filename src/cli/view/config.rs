//! What `squad config` prints.

use serde::Serialize;

use crate::config::{Origin, Setting};
use crate::output::{Output, Style, sanitize};

/// `squad.config/v1`.
#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    values: Vec<Row>,
}

/// One effective value.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: serde_json::Value,
    origin: Where,
}

/// Where it comes from.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Where {
    BuiltIn,
    Flag {
        name: &'static str,
    },
    Variable {
        name: &'static str,
    },
    Command {
        name: &'static str,
    },
    File {
        path: String,
        line: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        org: Option<String>,
    },
}

impl From<&Origin> for Where {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::BuiltIn => Self::BuiltIn,
            Origin::Flag(name) => Self::Flag { name },
            Origin::Variable(name) => Self::Variable { name },
            Origin::Command(name) => Self::Command { name },
            Origin::File { path, line, org } => Self::File {
                path: path.clone(),
                line: *line,
                org: org.as_ref().map(ToString::to_string),
            },
        }
    }
}

/// Prints the effective values, one on each line, with their origins when they were asked for.
pub(crate) fn show(output: &Output, settings: &[Setting], with_origin: bool) {
    if output.is_json() {
        let values = settings
            .iter()
            .map(|setting| Row {
                key: setting.key.clone(),
                value: setting.json.clone(),
                origin: (&setting.origin).into(),
            })
            .collect();
        output.json(&Shown {
            schema: "squad.config/v1",
            values,
        });
        return;
    }
    let lines: Vec<String> = settings
        .iter()
        .map(|setting| format!("{} = {}", setting.key, sanitize(&setting.shown)))
        .collect();
    // Long values do not push the origins of all others off the screen.
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .filter(|width| *width <= 60)
        .max()
        .unwrap_or(0);
    for (line, setting) in lines.iter().zip(settings) {
        if with_origin {
            let padding = width.saturating_sub(line.chars().count());
            let origin = output.paint_out(Style::Dim, &sanitize(&setting.origin.to_string()));
            output.out(&format!("{line}{:padding$}  # {origin}", ""));
        } else {
            output.out(line);
        }
    }
}

/// `squad.config_check/v1`.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    schema: &'static str,
    files: &'a [String],
}

/// Prints the files that were found right.
pub(crate) fn checked(output: &Output, files: &[String]) {
    if output.is_json() {
        output.json(&Checked {
            schema: "squad.config_check/v1",
            files,
        });
        return;
    }
    for file in files {
        output.out(&sanitize(file));
    }
}
