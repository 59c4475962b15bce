//! `squad rollout report`.

use crate::cli::context::Context;
use crate::cli::view::rollout as view;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::rollout::{list, objects};

/// Tell the whole story of a rollout, live or over
///
/// Every step with its numbers, both revisions beside each other over time, and who did what. As text, as JSON, or with
/// --html as one page that needs nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout report
  $ squad rollout report 01KB3R5Y7T --service payments --html > refunds.html")]
pub(crate) struct Args {
    /// Rollout, or the beginning of its id; the newest one if not given
    #[arg(value_name = "rollout")]
    rollout: Option<String>,
    /// Service; the one of the current directory if not given
    #[arg(long, value_name = "service")]
    service: Option<ServiceName>,
    /// One HTML page on standard output
    #[arg(long)]
    html: bool,
}

/// Runs `squad rollout report`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) =
            super::find(context, args.service.as_ref(), "rollout report --service")?;
        let platform = context.platform(&environment)?;
        let rows = list::list(&*platform, std::slice::from_ref(&name), usize::MAX).await?;
        let wanted = args
            .rollout
            .as_deref()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let row = rows.iter().find(|row| row.plan.id.starts_with(&wanted));
        let Some(row) = row else {
            let mut error = if wanted.is_empty() {
                let message = format!("`{name}` had no rollout yet");
                Error::new(Kind::Refused, "no-rollout", message)
            } else {
                let message = format!("`{name}` had no rollout `{wanted}`");
                Error::new(Kind::Usage, "no-rollout", message)
            };
            for row in rows.iter().take(5) {
                error = error.detail(row.plan.id.clone());
            }
            return Err(error.hint(format!(
                "`squad rollout list {name}{}` shows those that it had",
                environment.flag()
            )));
        };
        let entries = objects::entries(&*platform, &name, &row.plan.id, 0).await?;
        if args.html {
            context
                .output
                .raw(view::html(row, &entries, &environment).as_bytes());
        } else if context.output.is_json() {
            context
                .output
                .json(&view::ReportWire::new(row, &entries, &environment));
        } else {
            let width = context.output.is_terminal().then(|| context.output.width());
            for line in view::report_lines(row, &entries, width) {
                context.output.out(&line);
            }
        }
        Ok(0)
    })
}
