//! `squad logs`.

use std::time::Duration;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::gone;
use crate::cli::rollback::parse_revision;
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::time::parse_span;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind, Result};
use crate::output::{Style, sanitize};
use crate::platform::{LogLine, LogQuery, Platform};

/// Show what a service wrote
///
/// With --follow it goes on until Ctrl-C, SIGTERM or SIGHUP, and ends with 0. Without it they end the reading with 130.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad logs
  $ squad logs payments --follow
  $ squad logs payments --revision 43 --since 15m
  $ squad logs payments -o json")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Of this revision only
    #[arg(long, value_name = "revision", value_parser = parse_revision)]
    revision: Option<u64>,
    /// Not older than this
    #[arg(long, value_name = "time", value_parser = parse_span)]
    since: Option<Duration>,
    /// The newest so many lines; 0 = all that are kept
    #[arg(long, value_name = "lines", default_value_t = 200, value_parser = parse_lines, allow_negative_numbers = true)]
    tail: u32,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

/// A number of lines.
fn parse_lines(text: &str) -> std::result::Result<u32, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not a number of lines, such as 50; 0 = all that are kept")
    })
}

/// `squad.log/v1`, one for each line.
#[derive(Debug, Serialize)]
struct Wire<'a> {
    schema: &'static str,
    service: &'a str,
    at: String,
    revision: String,
    stream: &'a str,
    text: &'a str,
}

/// Runs `squad logs`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let config = context.config_of_live(args.service.is_some(), "logs")?;
        let environment = context.environment(&config)?;
        let service = context.service_name(&config, args.service.as_ref())?;
        let platform = context.platform(&environment)?;
        let now = context.now();
        let query = LogQuery {
            revision: args.revision.map(RevisionNumber),
            since: args.since.and_then(|span| now.checked_sub(span).ok()),
            tail: (args.tail > 0).then_some(args.tail),
            follow: args.follow,
        };
        let mut lines = 0_u64;
        let mut print = |line: LogLine| {
            lines += 1;
            show(context, &service, &line);
            !context.output.is_closed()
        };
        let mut signals = Signals::listen_and_watch(&context.output)?;
        let work = platform.logs(&service, &query, &mut print);
        let result = match unless_asked(Some(&mut signals), work).await {
            Some(result) => result,
            // That is the end of following, not a failure, and nothing more is asked.
            None if args.follow || context.output.is_closed() => return Ok(0),
            None => {
                return Err(Error::new(
                    Kind::Interrupted,
                    "interrupted",
                    format!("stopped reading the log of `{service}`; there may be more of it"),
                ));
            }
        };
        if let Err(error) = result {
            // The person's mistake is said in words of its own. What AWS said needs no second question, which would only
            // take as long again.
            if !matches!(error, crate::platform::Error::Aws(_)) {
                explain(context, &*platform, &service, &query, &environment).await?;
            }
            let asked = format!("cannot read the log of `{service}`");
            return Err(Error::from(error).context(&asked));
        }
        if lines == 0 {
            explain(context, &*platform, &service, &query, &environment).await?;
            context.output.status(&format!(
                "`{service}` wrote nothing that matches in {}",
                environment.name
            ));
        }
        Ok(0)
    })
}

/// Why nothing was shown, when it is a mistake of the person: no such service, no such revision.
async fn explain(
    context: &Context,
    platform: &dyn Platform,
    service: &ServiceName,
    query: &LogQuery,
    environment: &Environment,
) -> Result<()> {
    let live = platform.observe(service).await?;
    let (name, flag) = (&environment.name, environment.flag());
    if live.revisions.is_empty() {
        let error = Error::new(
            Kind::Failed,
            "never-deployed",
            format!("cannot read the log of `{service}`: it is not deployed to {name}"),
        )
        .hint(format!("to deploy it: `squad deploy {service}{flag}`"));
        return Err(gone::told(context, std::slice::from_ref(environment), service, error).await);
    }
    if let Some(revision) = query.revision
        && live.revision(revision).is_none()
    {
        let known: Vec<_> = live
            .revisions
            .iter()
            .map(|one| one.number.to_string())
            .collect();
        return Err(Error::new(
            Kind::Usage,
            "no-such-revision",
            format!("cannot read the log of `{service}`: there is no revision {revision}"),
        )
        .cause(format!("kept are {}", known.join(", ")))
        .hint(format!(
            "of all that are kept: `squad logs {service}{flag}`"
        )));
    }
    Ok(())
}

fn show(context: &Context, service: &ServiceName, line: &LogLine) {
    if context.output.is_json() {
        context.output.json(&Wire {
            schema: "squad.log/v1",
            service: service.as_str(),
            at: line.at.to_string(),
            revision: line.revision.to_string(),
            stream: &line.stream,
            text: &line.text,
        });
        return;
    }
    let time = line
        .at
        .to_zoned(jiff::tz::TimeZone::system())
        .strftime("%H:%M:%S%.3f");
    let mark = format!("{time} {:>3}", line.revision);
    let style = if line.stream == "squad" {
        Style::Dim
    } else {
        Style::Name
    };
    // What was written at once (a stack trace) has one mark.
    let mut first = context.output.paint_out(style, &mark);
    for text in line.text.split(['\n', '\r']) {
        context.output.out(&format!("{first} {}", sanitize(text)));
        first = " ".repeat(mark.len());
    }
}
