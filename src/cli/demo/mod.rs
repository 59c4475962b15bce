//! `squad demo`: the main job on real input. Runs the real commands, as a person would type them, in a directory of
//! its own, and stops at the first one that does not end as it should.
//!
//! Everything it makes is below that directory: its own configuration, state and audit log. Only the package cache
//! is shared with the person's own.

mod acts;
mod load;
mod rollouts;
mod stage;
mod stop;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::progress::seconds;
use crate::error::Result;
use crate::output::Style;
use stage::Stage;

/// See the main job on real input, on this machine alone
///
/// Makes an org and two services, deploys them, breaks one, rolls back, and shows the record. Takes about a
/// minute. Nothing outside the directory that it names is touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad demo
  $ squad demo --clean")]
pub(crate) struct Args {
    /// Stop what the demo started and remove all of it
    #[arg(long)]
    clean: bool,
    /// Where; a directory that does not exist yet
    #[arg(long, value_name = "directory")]
    directory: Option<PathBuf>,
}

/// `squad.demo/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    directory: String,
    /// `played`, `removed` or `absent`.
    outcome: &'static str,
}

impl Wire {
    fn new(root: &Path, outcome: &'static str) -> Self {
        Self {
            schema: "squad.demo/v1",
            directory: root.display().to_string(),
            outcome,
        }
    }
}

/// One part of the demo: a heading, and the commands below it. Later parts of the product add theirs to
/// [`acts::ACTS`].
struct Act {
    heading: &'static str,
    play: fn(&mut Stage<'_>) -> Result<()>,
}

/// Runs `squad demo`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let root = match &args.directory {
        Some(directory) => {
            std::path::absolute(directory).map_err(crate::fs::at("find", directory))?
        }
        None => context.directories()?.state.join("demo"),
    };
    if args.clean {
        let there = stage::clean(context, &root)?;
        let (outcome, told) = if there {
            ("removed", format!("removed {}", root.display()))
        } else {
            ("absent", format!("there is no demo at {}", root.display()))
        };
        context.output.status(&told);
        if context.output.is_json() {
            context.output.json(&Wire::new(&root, outcome));
        }
        return Ok(0);
    }
    let mut stage = Stage::set(context, &root)?;
    context
        .output
        .status(&format!("everything below {}", root.display()));
    let started = context.clock().monotonic();
    for act in acts::ACTS {
        context.output.status("");
        context
            .output
            .status(&context.output.paint(Style::Bold, act.heading));
        (act.play)(&mut stage)?;
    }
    let took = context.clock().monotonic().saturating_sub(started);
    context.output.status("");
    context.output.status(&format!(
        "{} the demo took {}",
        context.output.paint(Style::Done, context.output.tick()),
        seconds(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    ));
    for line in acts::next_steps(&root) {
        context.output.status(&line);
    }
    if context.output.is_json() {
        context.output.json(&Wire::new(&root, "played"));
    } else {
        context.output.out(&root.display().to_string());
    }
    Ok(0)
}
