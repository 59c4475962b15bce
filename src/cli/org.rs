//! `squad org`: the orgs that this machine knows.

use std::time::Duration;

use clap::Subcommand;

use super::context::Context;
use super::signals::Signals;
use super::time::parse_span;
use super::view::number::counted;
use super::view::org as view;
use crate::clients::process::Children;
use crate::config::{self, Sources, person};
use crate::domain::name::OrgName;
use crate::domain::org::{Registered, Registry, Source};
use crate::domain::repository::without_secrets;
use crate::error::shell;
use crate::error::{Error, Kind, Result};
use crate::ops;
use crate::ops::registry::Registry as Services;
use crate::output::Style;

/// Manage the orgs that this machine knows
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad org add git@github.com:acme/org.git\n  $ squad org use acme"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Add),
    List(List),
    Refresh(Refresh),
    Remove(Remove),
    Show(Show),
    Use(Use),
}

/// Add an org from a directory or a git repository that holds its `org.toml`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad org add ../acme-org\n  $ squad org add https://github.com/acme/org --name acme"
)]
struct Add {
    /// Directory or git URL
    source: String,
    /// Name to add it under, when it is not the one in its file
    #[arg(long, value_name = "name")]
    name: Option<OrgName>,
    /// The longest that fetching a repository may take
    #[arg(long, value_name = "time", default_value = "1m", value_parser = parse_span)]
    timeout: Duration,
}

/// List the orgs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad org list\n  $ squad org list -o json")]
struct List {}

/// Fetch an org's repository now
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad org refresh\n  $ squad org refresh acme")]
struct Refresh {
    /// Org [default: the one in use]
    #[arg(value_name = "org")]
    name: Option<OrgName>,
    /// The longest that fetching a repository may take
    #[arg(long, value_name = "time", default_value = "1m", value_parser = parse_span)]
    timeout: Duration,
}

/// Take an org from this machine's list; nothing else is changed or deleted
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad org remove acme")]
struct Remove {
    /// Org
    #[arg(value_name = "org")]
    name: OrgName,
}

/// Show an org: its source, environments and squads
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad org show\n  $ squad org show acme -o json")]
struct Show {
    /// Org [default: the one in use]
    #[arg(value_name = "org")]
    name: Option<OrgName>,
}

/// Use an org wherever nothing else names one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad org use acme\n  $ squad org use --none")]
struct Use {
    /// Org
    #[arg(value_name = "org", required_unless_present = "none")]
    name: Option<OrgName>,
    /// No org: what was deployed without one is reached again
    #[arg(long, conflicts_with = "name")]
    none: bool,
}

/// Runs `squad org …`.
pub(crate) fn run(context: &Context, args: Args) -> Result<u8> {
    match args.verb {
        Verb::Add(args) => add(context, &args),
        Verb::List(_) => list(context),
        Verb::Refresh(args) => refresh(context, args.name, args.timeout),
        Verb::Remove(args) => remove(context, &args.name),
        Verb::Show(args) => show(context, args.name),
        Verb::Use(args) => match &args.name {
            Some(name) => choose(context, name),
            None => choose_none(context),
        },
    }
}

/// Where the list of orgs lies.
fn registry_path(context: &Context) -> Result<std::path::PathBuf> {
    let directories = context.directories_to_configure()?;
    Ok(directories.config.join(person::ORGS_FILE))
}

fn registry(context: &Context) -> Result<Registry> {
    let mut mistakes = Vec::new();
    let registry = person::registry(
        &context.directories()?,
        &context.directory()?,
        &mut mistakes,
    )
    .map_err(Error::from)?;
    if mistakes.is_empty() {
        Ok(registry)
    } else {
        Err(config::Error::Mistakes(mistakes).into())
    }
}

fn add(context: &Context, args: &Add) -> Result<u8> {
    // Before anything is fetched: a list that cannot be read is said with the place in it.
    registry(context)?;
    let directories = context.directories_to_configure()?;
    let directory = context.directory()?;
    let Some(source) = config::source(&args.source, &directory) else {
        return Err(Error::new(
            Kind::Config,
            "org-source",
            format!(
                "cannot add `{}`: it is no directory with an org.toml, and no address of a git repository",
                without_secrets(&args.source)
            ),
        )
        .hint("give the directory of its org.toml, or an address that git fetches from: `git ls-remote URL` shows what git sees"));
    };
    let stored = match &source {
        Source::Directory(_) => source.clone(),
        Source::Git(url) => {
            let stored = without_secrets(url);
            fetch(context, url, &stored, args.timeout)?;
            Source::Git(stored)
        }
    };
    let sources = Sources {
        directory: &directory,
        org: None,
        directories: &directories,
        env: &context.env,
    };
    let file = config::read_org(&stored, &sources)?;
    let alias = args.name.clone().unwrap_or_else(|| file.name.clone());
    let added = ops::org::add(&ops::org::AddOptions {
        registry: registry_path(context)?,
        alias: alias.clone(),
        named: args.name.is_some(),
        org: Registered {
            name: file.name.clone(),
            source: stored,
        },
    })?;
    let output = &context.output;
    let what = match (&added.moved_from, added.known) {
        (Some(from), _) => format!("moved from {from}"),
        (None, true) => "known already".to_owned(),
        (None, false) => "added".to_owned(),
    };
    output.status(&format!(
        "{} {what}: {alias}, {}, {}{}",
        output.paint(Style::Done, output.tick()),
        counted(file.environments.len() as u64, "environment"),
        counted(file.squads.len() as u64, "squad"),
        if added.in_use { ", in use" } else { "" }
    ));
    if added.in_use && !added.known {
        without_org(context)?;
    }
    if !added.in_use {
        output.hint(&format!("use it with `squad org use {alias}`"));
    }
    view::name(output, "squad.org_added/v1", &alias);
    Ok(0)
}

/// The services that were deployed from this machine in an org, or without one, as a list.
fn deployed(context: &Context, org: Option<&OrgName>) -> Result<Option<String>> {
    let names = Services::new(&context.directories()?.state, org).names()?;
    let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    Ok((!shown.is_empty()).then(|| shown.join(", ")))
}

/// Says what the first org hides: it goes on serving.
fn without_org(context: &Context) -> Result<()> {
    if let Some(names) = deployed(context, None)? {
        context.output.hint(&format!(
            "deployed here without an org, and as it was: {names}; to look at it or stop it, `squad org use --none`"
        ));
    }
    Ok(())
}

/// Fetches an org's repository, however lately it was fetched, as what is known of the address `kept`. Ctrl-C ends it.
fn fetch(context: &Context, url: &str, kept: &str, timeout: Duration) -> Result<()> {
    let directories = context.directories()?;
    let shown = without_secrets(url);
    context.output.status(&format!("fetching {shown}"));
    let children = Children::guarded(&context.guard()?);
    let _end = children.end_on_drop();
    let cache = config::cache_of(kept, &directories);
    let (url, of, clock) = (url.to_owned(), shown.clone(), context.clock);
    let work = move || {
        let options = ops::org::RefreshOptions {
            url: &url,
            shown: &of,
            cache: &cache,
            file: config::ORG_FILE,
            snapshot_file: config::SNAPSHOT_FILE,
            timeout,
            children: &children,
        };
        ops::org::refresh(&options, &clock)
    };
    context.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            fetched = tokio::task::spawn_blocking(work) => {
                drop(fetched.map_err(Error::internal)??);
                Ok(())
            }
            _ = signals.asked() => Err(Error::new(
                Kind::Interrupted,
                "interrupted",
                format!("stopped fetching {shown}; nothing is changed"),
            )),
        }
    })
}

fn list(context: &Context) -> Result<u8> {
    let registry = registry(context)?;
    if registry.org.is_empty() {
        context.output.status("no org is known to this machine");
        context
            .output
            .hint("add one with `squad org add DIRECTORY_OR_URL`");
    }
    view::list(&context.output, &registry);
    Ok(0)
}

fn choose(context: &Context, name: &OrgName) -> Result<u8> {
    registry(context)?;
    ops::org::choose(&registry_path(context)?, name)?;
    let output = &context.output;
    output.status(&format!(
        "{} using the org {name}",
        output.paint(Style::Done, output.tick())
    ));
    let mut mistakes = Vec::new();
    let own = person::read(
        &context.directories()?,
        &context.directory()?,
        &mut mistakes,
    )?;
    if let (Some(other), Some(place)) = (&own.org, &own.org_place)
        && other != name
    {
        output.warn(&format!(
            "`{other}` stays in use: {} comes first",
            place.shown()
        ));
    }
    view::name(output, "squad.org_used/v1", name);
    Ok(0)
}

fn choose_none(context: &Context) -> Result<u8> {
    registry(context)?;
    ops::org::choose_none(&registry_path(context)?)?;
    let output = &context.output;
    output.status(&format!(
        "{} using no org",
        output.paint(Style::Done, output.tick())
    ));
    view::none(output);
    Ok(0)
}

fn remove(context: &Context, name: &OrgName) -> Result<u8> {
    registry(context)?;
    let (alias, org) = ops::org::remove(&registry_path(context)?, name)?;
    let output = &context.output;
    output.status(&format!(
        "{} removed from the list: {alias}",
        output.paint(Style::Done, output.tick())
    ));
    if let Some(names) = deployed(context, Some(&org.name))? {
        output.hint(&format!(
            "deployed from here in it, and as it was: {names}; to reach it again, `squad org add {} --name {alias}`",
            shell::quoted(&org.source.shown())
        ));
    }
    view::name(output, "squad.org_removed/v1", &alias);
    Ok(0)
}

/// The configuration with an org chosen, as `--org` would.
fn config_with(context: &Context, name: Option<OrgName>) -> Result<config::Config> {
    let Some(name) = name else {
        return context.config();
    };
    let registry = registry(context)?;
    if registry.find(&name).is_none() {
        return Err(ops::org::unknown(&name, &registry));
    }
    context.config_for(Some(name.as_str()))
}

fn refresh(context: &Context, name: Option<OrgName>, timeout: Duration) -> Result<u8> {
    let url = match &name {
        Some(name) => {
            let registry = registry(context)?;
            match registry.find(name) {
                Some((_, org)) => org.source.clone(),
                None => return Err(ops::org::unknown(name, &registry)),
            }
        }
        None => context.org_in_use()?.ok_or_else(none_in_use)?,
    };
    match &url {
        Source::Git(url) => fetch(context, url, url, timeout)?,
        Source::Directory(directory) => context.output.status(&format!(
            "nothing to fetch: the org lies in `{}`",
            directory.display()
        )),
    }
    show(context, name)
}

fn none_in_use() -> Error {
    Error::new(
        Kind::Config,
        "no-org",
        "cannot show the org: none is in use",
    )
    .hint("add one with `squad org add DIRECTORY_OR_URL`, or choose one with `squad org use ORG`")
}

fn show(context: &Context, name: Option<OrgName>) -> Result<u8> {
    let config = config_with(context, name)?;
    let Some(shown) = view::Org::of(&config) else {
        return Err(none_in_use());
    };
    shown.print(&context.output, context.clock());
    Ok(0)
}
