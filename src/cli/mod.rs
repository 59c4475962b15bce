//! Arguments in, exit code out: the only code that knows clap, dialoguer and indicatif.

mod adopt;
mod audit;
mod completions;
mod config;
mod context;
mod demo;
mod deploy;
mod deploy_many;
mod doctor;
mod env;
mod fetched;
mod gone;
mod help;
mod history;
mod interrupt;
mod invoke;
mod local;
mod logs;
mod man;
mod new;
mod org;
mod progress;
mod prompt;
mod rollback;
mod rollout;
mod signals;
mod silence;
mod status;
mod stop;
mod template;
mod time;
mod usage;
mod view;
mod whoami;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::clock::SystemClock;
use crate::config::person;
use crate::domain::repository::without_secrets;
use crate::env::Env;
use crate::error::{Error, Kind, Result, shell};
use crate::output::{Color, Format, Output, Place, Settings, Style, sanitize};
use context::Context;
use interrupt::Effect;

/// Scaffold services, deploy them, roll changes out, and get into production with a record
#[derive(Debug, Parser)]
#[command(
    name = "squad",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that mean the same thing everywhere.
#[derive(Debug, clap::Args)]
struct Global {
    /// Org: a name, a directory or a git URL
    #[arg(long, global = true, value_name = "org", help_heading = "Global flags")]
    org: Option<String>,
    /// Environment
    #[arg(long, global = true, value_name = "env", help_heading = "Global flags")]
    env: Option<String>,
    /// Form of the answer [default: text]
    #[arg(long, short, global = true, value_enum, help_heading = "Global flags")]
    output: Option<OutputFormat>,
    /// When to colour [default: auto]
    #[arg(long, global = true, value_enum, help_heading = "Global flags")]
    color: Option<When>,
    /// Go on without asking
    // Said twice is said: a command that goes on in the background says it once more.
    #[arg(
        long,
        short,
        global = true,
        overrides_with = "yes",
        help_heading = "Global flags"
    )]
    yes: bool,
    /// Never ask, even on a terminal
    #[arg(long, global = true, help_heading = "Global flags")]
    no_input: bool,
    /// Errors and data only
    #[arg(
        long,
        short,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global flags"
    )]
    quiet: bool,
    /// Say more (can be repeated)
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Global flags")]
    verbose: u8,
}

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// One variant for each verb or noun, in alphabetical order.
#[derive(Debug, Subcommand)]
enum Command {
    Audit(audit::Args),
    Completions(completions::Args),
    Config(config::Args),
    Demo(demo::Args),
    Deploy(deploy::Args),
    Doctor(doctor::Args),
    Env(env::Args),
    Help(help::Args),
    History(history::Args),
    Invoke(invoke::Args),
    Local(local::Args),
    Logs(logs::Args),
    Man(man::Args),
    New(new::Args),
    Org(org::Args),
    Rollback(rollback::Args),
    Rollout(rollout::Args),
    Status(status::Args),
    Stop(stop::Args),
    Template(template::Args),
    Whoami(whoami::Args),
}

impl Command {
    /// Whether it says that it was stopped: not what is over at once, nor a process that serves others and ends by their
    /// rules.
    fn ends_with_words(&self) -> bool {
        match self {
            Self::Completions(_) | Self::Help(_) | Self::Man(_) => false,
            Self::Local(args) => !args.is_for_squad_itself(),
            _ => true,
        }
    }

    /// What it does, for the words with which it is stopped.
    fn effect(&self) -> Effect {
        match self {
            Self::Deploy(_) | Self::Rollback(_) | Self::Rollout(_) | Self::Stop(_) => {
                Effect::Records
            }
            Self::Local(_) => Effect::Changes,
            _ => Effect::Looks,
        }
    }

    /// Whether it stops what is going on.
    fn is_brake(&self) -> bool {
        match self {
            Self::Rollback(_) | Self::Stop(_) => true,
            Self::Rollout(args) => args.is_brake(),
            _ => false,
        }
    }

    /// Whether a cache that belongs to another user does not stop it.
    fn does_without_cache(&self) -> bool {
        self.is_brake() || matches!(self, Self::Doctor(_))
    }
}

/// The whole command line as clap knows it: for completions, man pages and the reference.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let env = Env::read();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let output = |is_json| output_of_mistake(&env, is_json);
            return ExitCode::from(usage::report(&error, &arguments, output));
        }
    };
    let habits = habits(&env);
    let settings = Settings {
        format: match cli.global.output.or(habits.0) {
            Some(OutputFormat::Json) => Format::Json,
            Some(OutputFormat::Text) | None => Format::Text,
        },
        color: Color::from(cli.global.color.or(habits.1)),
        verbosity: if cli.global.quiet {
            -1
        } else {
            i8::try_from(cli.global.verbose).unwrap_or(2)
        },
        no_input: cli.global.no_input,
    };
    let place = || Place {
        org: cli.global.org.as_deref().map(|org| {
            let shown = without_secrets(org);
            shell::quoted(&shown).into_owned()
        }),
        environment: (cli.global.env.as_deref()).map(|name| shell::quoted(name).into_owned()),
    };
    let output = Output::new(settings, &env, place());
    if cli.command.ends_with_words()
        && let Err(error) =
            interrupt::end_with_words(Output::new(settings, &env, place()), cli.command.effect())
    {
        print_error(&output, &error);
        return ExitCode::from(error.kind.exit_code());
    }
    let context = Context {
        env,
        output,
        clock: SystemClock::new(),
        org: cli.global.org,
        environment: cli.global.env,
        yes: cli.global.yes,
        sessions: Mutex::default(),
        is_brake: cli.command.is_brake(),
        does_without_cache: cli.command.does_without_cache(),
        guard: OnceLock::new(),
    };
    let result = dispatch(&context, cli.command).and_then(|code| match context.output.lost() {
        None => Ok(code),
        Some(why) => Err(Error::new(
            Kind::Failed,
            "output-lost",
            format!("cannot write the answer to standard output: {why}"),
        )
        .hint("the command did its work: look at it with `squad status` before you repeat it")),
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print_error(&context.output, &error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

impl From<Option<When>> for Color {
    fn from(when: Option<When>) -> Self {
        match when {
            Some(When::Always) => Self::Always,
            Some(When::Never) => Self::Never,
            Some(When::Auto) | None => Self::Auto,
        }
    }
}

/// What a command line that cannot be understood is answered with: its own flags are not known.
fn output_of_mistake(env: &Env, is_json: bool) -> Output {
    let habits = habits(env);
    let settings = Settings {
        format: match habits.0 {
            Some(OutputFormat::Json) => Format::Json,
            _ if is_json => Format::Json,
            _ => Format::Text,
        },
        color: Color::from(habits.1),
        verbosity: 0,
        no_input: true,
    };
    Output::new(settings, env, Place::default())
}

/// The form and the colour that the person's own configuration asks for. Its mistakes are reported by the
/// commands that read all of the configuration.
fn habits(env: &Env) -> (Option<OutputFormat>, Option<When>) {
    let person = env.directories().and_then(|directories| {
        person::read(&directories, &directories.config, &mut Vec::new()).ok()
    });
    let (output, color) = person.map_or((None, None), |person| (person.output, person.color));
    (
        output.and_then(|text| OutputFormat::from_str(text, false).ok()),
        color.and_then(|text| When::from_str(text, false).ok()),
    )
}

/// The one dispatch: each arm is one call.
fn dispatch(context: &Context, command: Command) -> Result<u8> {
    match command {
        Command::Completions(args) => completions::run(context, &args),
        Command::Audit(args) => audit::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Deploy(args) => deploy::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Help(args) => help::run(context, &args),
        Command::History(args) => history::run(context, &args),
        Command::Invoke(args) => invoke::run(context, &args),
        Command::Local(args) => local::run(context, args),
        Command::Logs(args) => logs::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::New(args) => new::run(context, &args),
        Command::Rollback(args) => rollback::run(context, &args),
        Command::Rollout(args) => rollout::run(context, args),
        Command::Status(args) => status::run(context, &args),
        Command::Stop(args) => stop::run(context, &args),
        Command::Template(args) => template::run(context, &args),
        Command::Whoami(args) => whoami::run(context, &args),
        Command::Config(args) => config::run(context, args),
        Command::Env(args) => env::run(context, args),
        Command::Org(args) => org::run(context, args),
    }
}

/// GitHub Actions: "Workflow commands", `::error title={title}::{message}`; what would end the line or the title is escaped
/// as its toolkit does.
fn github_line(error: &Error) -> String {
    let message = safe(&error.message)
        .replace('%', "%25")
        .replace('\n', "%0A");
    format!("::error title=squad {}::{message}", error.id)
}

/// An error repeats what others wrote (a build, a file of the repository, a service's log): it moves no terminal. Its own
/// line ends stay.
fn safe(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitize).collect();
    lines.join("\n")
}

/// Shows an error: in words, or as one line of JSON.
pub(crate) fn print_error(output: &Output, error: &Error) {
    if output.is_json() {
        let mut error = error.clone();
        for hint in &mut error.hints {
            *hint = output.at_place(hint).into_owned();
        }
        output.error_line(&serde_json::to_string(&error.wire()).unwrap_or_default());
        return;
    }
    output.error_line(&format!(
        "{} {}",
        output.paint(Style::Error, "error:"),
        safe(&error.message)
    ));
    for line in &error.details {
        output.error_line(&format!("  {}", safe(line)));
    }
    for cause in &error.causes {
        output.error_line(&format!("  caused by: {}", safe(cause)));
    }
    if let Some(live) = &error.live {
        output.error_line(&format!(
            "{} {}",
            output.paint(Style::Bold, "live:"),
            safe(&live.text)
        ));
    }
    for hint in &error.hints {
        output.error_line(&format!(
            "{} {}",
            output.paint(Style::Name, "hint:"),
            safe(hint)
        ));
    }
    output.error_line(&format!("docs: {}", error.docs()));
    if output.is_github_job() {
        output.error_line(&github_line(error));
    }
}
