//! `squad invoke`.

use std::io::Read as _;
use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::gone;
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::view::invoke::{Wire, pretty};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind, Result, own_lines};
use crate::fs;
use crate::ops::invoke::{EVENT_LIMIT, Options, invoke};
use crate::output::{Style, sanitize};
use crate::platform::Invocation;

/// Call a function once and print what it returns
///
/// Standard output is the JSON that the function returned; the end of its log goes to standard error. A function
/// that fails ends with exit code 1. Ctrl-C, SIGTERM and SIGHUP end the waiting with 130; what the function does goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad invoke
  $ squad invoke receipts --payload '{\"id\": 12}'
  $ squad invoke receipts --payload-file events/created.json --revision 7
  $ jq .detail event.json | squad invoke receipts --payload -")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Event as JSON, `-` to read it from standard input; `{}` if not given
    #[arg(
        long,
        value_name = "json",
        conflicts_with = "payload_file",
        allow_hyphen_values = true
    )]
    payload: Option<String>,
    /// File that holds the event, `-` for standard input
    #[arg(long, value_name = "file")]
    payload_file: Option<PathBuf>,
    /// This revision instead of the one that has the traffic
    #[arg(long, value_name = "revision")]
    revision: Option<u64>,
}

/// Runs `squad invoke`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let config = context.config_of_live(args.service.is_some(), "invoke")?;
        let environment = context.environment(&config)?;
        let service = context.service_name(&config, args.service.as_ref())?;
        let platform = context.platform(&environment)?;
        let options = Options {
            service,
            revision: args.revision.map(RevisionNumber),
            payload: payload(args)?,
            flag: environment.flag(),
        };
        let mut signals = Signals::listen()?;
        let work = invoke(&*platform, &options);
        let invocation = match unless_asked(Some(&mut signals), work).await {
            Some(Ok(invocation)) => invocation,
            Some(Err(error)) => {
                return Err(gone::told(
                    context,
                    std::slice::from_ref(&environment),
                    &options.service,
                    error,
                )
                .await);
            }
            None => {
                return Err(Error::new(
                    Kind::Interrupted,
                    "interrupted",
                    format!(
                        "stopped waiting for `{}`; what it does goes on",
                        options.service
                    ),
                ));
            }
        };
        show_log(context, &invocation);
        if context.output.is_json() {
            context
                .output
                .json(&Wire::new(&options.service, &environment, &invocation));
        }
        if invocation.error.is_some() {
            return Err(safe(Error::of_function(&options.service, &invocation)));
        }
        if !context.output.is_json() {
            show_payload(context, &invocation.payload);
        }
        context.output.status(&context.output.paint(
            Style::Dim,
            &format!(
                "{} answered in {} ms, request {}",
                invocation.ran(),
                invocation.duration_milliseconds,
                invocation.request_id
            ),
        ));
        Ok(0)
    })
}

/// The event, from wherever it comes.
fn payload(args: &Args) -> Result<String> {
    match (&args.payload, &args.payload_file) {
        (Some(text), _) if text == "-" => standard_input(),
        (Some(text), _) => Ok(text.clone()),
        (None, Some(path)) if path.as_os_str() == "-" => standard_input(),
        (None, Some(path)) => fs::read_to_string(path).map_err(|error| {
            Error::new(
                Kind::Usage,
                "payload-unreadable",
                format!("cannot read the payload: {}", Error::from(error).message),
            )
            .hint("`--payload-file -` reads it from standard input")
        }),
        (None, None) => Ok("{}".to_owned()),
    }
}

fn standard_input() -> Result<String> {
    let limit = u64::try_from(EVENT_LIMIT).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One byte more than Lambda takes is enough to know that it is too large.
    std::io::stdin()
        .lock()
        .take(limit.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(|error| {
            Error::new(
                Kind::Usage,
                "payload-not-json",
                format!("cannot read the payload from standard input: {error}"),
            )
        })?;
    Ok(text)
}

/// The end of the log; what it says of an error that is told below is not shown twice.
fn show_log(context: &Context, invocation: &Invocation) {
    for line in own_lines(invocation) {
        let line = format!("  {}", sanitize(line));
        context
            .output
            .status(&context.output.paint(Style::Dim, &line));
    }
}

/// To a program byte for byte as it was returned; to a person in lines, and unable to steer the terminal.
fn show_payload(context: &Context, payload: &str) {
    if context.output.is_terminal() {
        for line in pretty(payload).lines() {
            context.output.out(&sanitize(line));
        }
    } else {
        context.output.out(payload);
    }
}

/// What a function says about itself must not steer the terminal either.
fn safe(mut error: Error) -> Error {
    error.message = sanitize(&error.message);
    for line in &mut error.details {
        *line = sanitize(line);
    }
    error
}
