//! `squad deploy --all | --changed-since`: one plan for many services, a result for each.

use std::path::Path;

use futures_util::StreamExt;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::deploy::{Args, applied, consent, declined, goes_on, under_interrupts};
use crate::cli::print_error;
use crate::cli::prompt;
use crate::cli::view::deploy as view;
use crate::config::{self, Config};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::plan::Deploy;
use crate::error::{Error, Kind, Result};
use crate::ops::Cancel;
use crate::ops::audit::Journal;
use crate::ops::deploy::fleet::{self, Builds, Member};
use crate::ops::deploy::{self, Options, Outcome, Plan};
use crate::platform::Platform;

/// `squad.deploy-many/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    env: String,
    /// `succeeded`, `unchanged`, `planned`, `going-on` or `failed`.
    outcome: &'static str,
    /// In order of their names.
    services: Vec<serde_json::Value>,
}

/// One service of the plan.
struct Item {
    options: Options,
    plan: Result<Plan>,
}

impl Item {
    fn changes(&self) -> bool {
        matches!(&self.plan, Ok(plan) if matches!(plan.decision, Deploy::Change(_)))
    }
}

/// The error where no service is found: what makes a workspace of the services that are there.
fn nothing_to_deploy(config: &Config, here: &Path) -> Error {
    let patterns = config::members_below(here);
    let error = match config.workspace_root() {
        Some(root) => Error::new(
            Kind::Config,
            "no-service",
            format!(
                "cannot deploy: `[workspace] members` in `{}` names no directory with a `squad.toml`",
                root.join("squad.toml").display()
            ),
        ),
        None => Error::new(
            Kind::Config,
            "no-service",
            format!(
                "cannot deploy: there is no `squad.toml` with `[workspace]` in `{}` or above",
                here.display()
            ),
        ),
    };
    match (config.workspace_root(), patterns.is_empty()) {
        (None, false) => error.hint(format!("make a workspace of the services below: {}", workspace_file(&patterns))),
        (None, true) => error
            .hint("go to the repository that has the services, or deploy one by its name: `squad deploy SERVICE`"),
        (Some(_), _) => error.hint("write there where the services are, such as `members = [\"functions/*\"]`"),
    }
}

/// The command that writes the file of a workspace.
fn workspace_file(patterns: &[String]) -> String {
    let members: Vec<_> = patterns
        .iter()
        .map(|pattern| format!("\"{pattern}\""))
        .collect();
    format!(
        "`printf 'schema = 1\\n[workspace]\\nmembers = [{}]\\n' > squad.toml`",
        members.join(", ")
    )
}

/// Plans all, asks once, applies a few at a time, and reports each.
pub(crate) async fn run(
    context: &Context,
    args: &Args,
    config: &Config,
    environment: &Environment,
) -> Result<u8> {
    let platform = context.platform(environment)?;
    let members = chosen(context, args, config, environment)?;
    let mut options_of = Vec::with_capacity(members.len());
    for member in members {
        let located = config::Located {
            service: member.service,
            directory: member.directory,
        };
        context.check_name(config, &located)?;
        options_of.push(args.options(context, config, environment, located)?);
    }
    let items = planned(&*platform, options_of).await;
    let changing = show(context, &items);
    if changing == 0 || args.is_dry_run() {
        print(context, environment, &without_outcomes(&items), "planned");
        let failed = items.iter().any(|item| item.plan.is_err());
        return Ok(match (failed, changing > 0 && args.wants_exit_code()) {
            (true, _) => Kind::Failed.exit_code(),
            (false, true) => Kind::Differs.exit_code(),
            (false, false) => 0,
        });
    }
    agree(context, config, environment, &items, changing)?;
    let names = items
        .iter()
        .filter(|item| item.changes())
        .map(|item| item.options.service.name.clone())
        .collect();
    let mark = context.mark(environment, "deploy", names)?;
    if args.goes_on_alone() {
        let log = context
            .go_on_alone("--no-wait", &[], "workspace", mark)
            .map_err(|error| error.context("cannot deploy the workspace; nothing was begun"))?;
        goes_on(context, &format!("--all{}", environment.flag()), &log);
        if context.output.is_json() {
            print(context, environment, &without_outcomes(&items), "going-on");
        }
        return Ok(0);
    }
    let journal = context.journal(environment)?;
    context.settle_with(&*platform, &journal).await;
    let results = all_applied(context, args, &*platform, &journal, &items).await?;
    drop(mark);
    print(context, environment, &results, "planned");
    Ok(worst(&results))
}

/// One service, and how it ended; none where nothing was begun.
type Applied<'a> = (&'a Item, Option<Result<Outcome>>);

fn without_outcomes(items: &[Item]) -> Vec<Applied<'_>> {
    items.iter().map(|item| (item, None)).collect()
}

/// The services that are asked for: all, or those that changed.
fn chosen(
    context: &Context,
    args: &Args,
    config: &Config,
    environment: &Environment,
) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for (name, _) in config.services() {
        let located = config.service(Some(&name), &environment.name)?;
        members.push(Member {
            service: located.service,
            directory: located.directory,
        });
    }
    config.complete()?;
    if members.is_empty() {
        return Err(nothing_to_deploy(config, &context.directory()?));
    }
    if let ([member], None) = (members.as_slice(), config.workspace_root()) {
        context.output.hint(&format!(
            "`{}` is the only service, because no `squad.toml` above has `[workspace]`; it is written at the top of the repository, with `members = [\"functions/*\"]`",
            member.service.name
        ));
    }
    if let Some(reference) = args.since() {
        let here = context.directory()?;
        let root = config.workspace_root().unwrap_or(&here);
        let changed = fleet::changed_since(root, &members, reference)?;
        members.retain(|member| changed.contains(&member.service.name));
        context.output.status(&format!(
            "{} of the workspace's services changed since {reference}",
            members.len()
        ));
    }
    Ok(members)
}

/// Asks once for all, and claims what the services keep for themselves.
fn agree(
    context: &Context,
    config: &Config,
    environment: &Environment,
    items: &[Item],
    changing: usize,
) -> Result<()> {
    let plural = if changing == 1 { "service" } else { "services" };
    let question = format!("Deploy {changing} {plural}?");
    if !prompt::confirm(context, consent(environment), &question)? {
        return Err(declined());
    }
    for item in items {
        if let Ok(plan) = &item.plan {
            context
                .claim(config, &item.options)
                .map_err(|error| plan.not_begun(&item.options, error))?;
        }
    }
    Ok(())
}

/// Applies them, as many at once as the platform takes; in order of the names, whichever ended first.
async fn all_applied<'a>(
    context: &Context,
    args: &Args,
    platform: &dyn Platform,
    journal: &Journal,
    items: &'a [Item],
) -> Result<Vec<Applied<'a>>> {
    let builds = Builds::new();
    let mut results = under_interrupts(context, async |cancel: Cancel| {
        let work = items.iter().map(|item| {
            let turns = (cancel.clone(), builds.clone());
            async move {
                (
                    item,
                    apply(context, args, platform, journal, item, turns).await,
                )
            }
        });
        let stream = futures_util::stream::iter(work).buffer_unordered(platform.deploys_at_once());
        Ok(stream.collect::<Vec<_>>().await)
    })
    .await?;
    results.sort_by(|a, b| a.0.options.service.name.cmp(&b.0.options.service.name));
    Ok(results)
}

/// The exit code for all of them: that of Ctrl-C wins, because the others were not begun.
fn worst(results: &[Applied<'_>]) -> u8 {
    results
        .iter()
        .filter_map(|(item, outcome)| match (&item.plan, outcome) {
            (Err(error), _) | (_, Some(Err(error))) => Some(error.kind.exit_code()),
            _ => None,
        })
        .max_by_key(|code| u8::from(*code == Kind::Interrupted.exit_code()))
        .unwrap_or(0)
}

/// The plans, in order of the names. They are made beside each other: each is a few reads of the platform, which has its
/// own pace, and the sources.
async fn planned(platform: &dyn Platform, options_of: Vec<Options>) -> Vec<Item> {
    let work = options_of.into_iter().map(|options| async move {
        let plan = deploy::plan(platform, &options)
            .await
            .and_then(|plan| all_at_once(&options, plan));
        Item { options, plan }
    });
    let plans = futures_util::stream::iter(work).buffered(platform.deploys_at_once());
    plans.collect().await
}

/// A service that goes out gradually takes a driver of its own.
fn all_at_once(options: &Options, plan: Plan) -> Result<Plan> {
    match &plan.decision {
        Deploy::Change(change) if change.gradual => {
            let error = Error::new(
                Kind::Refused,
                "gradual-only",
                format!(
                    "`{}` is protected and the service has a `[rollout]`, so it goes out by itself",
                    options.environment.name
                ),
            )
            .hint(format!("`{}`", options.command()))
            .hint(format!(
                "or, if it cannot wait: `{} --all-at-once --reason \"…\"`",
                options.command()
            ));
            Err(plan.not_begun(options, error))
        }
        _ => Ok(plan),
    }
}

/// Applies one item; none when it has nothing to do. What was not begun when Ctrl-C came is not begun any more.
async fn apply(
    context: &Context,
    args: &Args,
    platform: &dyn Platform,
    journal: &Journal,
    item: &Item,
    (cancel, builds): (Cancel, Builds),
) -> Option<Result<Outcome>> {
    let plan = item.plan.as_ref().ok()?;
    if !matches!(plan.decision, Deploy::Change(_)) {
        return None;
    }
    if cancel.is_cancelled() {
        let name = &item.options.service.name;
        let error = deploy::build::stopped("the others were stopped before it was begun");
        return Some(Err(error.context(&format!("cannot deploy `{name}`"))));
    }
    let name = item.options.service.name.as_str();
    Some(
        applied(
            context,
            args,
            platform,
            journal,
            &item.options,
            plan,
            name,
            (cancel, builds, None),
        )
        .await,
    )
}

/// One line for each service; returns how many change.
fn show(context: &Context, items: &[Item]) -> usize {
    let mut changing = 0;
    for item in items {
        // What cannot be planned is shown whole, with the results.
        let Ok(plan) = &item.plan else { continue };
        if let Some(line) = view::nothing(&item.options, plan) {
            context.output.status(&line);
            continue;
        }
        changing += 1;
        let width = context.output.width();
        for line in view::plan_lines(&item.options, plan, context.now(), width) {
            context.output.status(&line);
        }
    }
    changing
}

/// The results. `undone` is the word for what was to be done, and was not done here.
fn print(
    context: &Context,
    environment: &Environment,
    results: &[Applied<'_>],
    undone: &'static str,
) {
    let mut services = Vec::new();
    let (mut failed, mut succeeded, mut planned) = (0, 0, 0);
    let mut not_begun = Vec::new();
    for (item, outcome) in results {
        let name = &item.options.service.name;
        match (&item.plan, outcome) {
            (Ok(_), Some(Err(error)))
                if error.kind == Kind::Interrupted && error.live.is_none() =>
            {
                not_begun.push(name.as_str());
                let mut value = error.to_json();
                if let Some(object) = value.as_object_mut() {
                    object.insert("service".into(), name.to_string().into());
                    object.insert("outcome".into(), "not-begun".into());
                }
                services.push(value);
            }
            (Err(error), _) | (_, Some(Err(error))) => {
                failed += 1;
                let mut value = error.to_json();
                if let Some(object) = value.as_object_mut() {
                    object.insert("service".into(), name.to_string().into());
                    object.insert("outcome".into(), "failed".into());
                }
                services.push(value);
                if !context.output.is_json() {
                    print_error(&context.output, error);
                    context
                        .output
                        .out(&format!("{name} failed: {}", error.message));
                }
            }
            (Ok(plan), outcome) => {
                let outcome = outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
                let mut wire = view::Wire::new(&item.options, plan, outcome);
                if undone == "going-on" && item.changes() {
                    wire = wire.goes_on();
                }
                services.push(serde_json::to_value(&wire).unwrap_or_default());
                match (&plan.decision, outcome) {
                    (Deploy::Change(_), Some(outcome)) => {
                        succeeded += usize::from(outcome.done_by.is_none());
                        if !context.output.is_json() {
                            context.output.out(&format!("{name} {}", outcome.revision));
                        }
                    }
                    (Deploy::Change(_), None) => planned += 1,
                    (Deploy::UpToDate { revision } | Deploy::Superseded { revision }, _) => {
                        if !context.output.is_json() {
                            context.output.out(&format!("{name} {revision}"));
                        }
                    }
                }
            }
        }
    }
    let word = match (failed + not_begun.len(), succeeded, planned) {
        (1.., _, _) => "failed",
        (0, 1.., _) => "succeeded",
        (0, 0, 1..) => undone,
        (0, 0, 0) => "unchanged",
    };
    if context.output.is_json() {
        context.output.json(&Wire {
            schema: "squad.deploy-many/v1",
            env: environment.name.to_string(),
            outcome: word,
            services,
        });
    } else {
        let unchanged = results.len() - succeeded - failed - planned - not_begun.len();
        context.output.status(&if planned > 0 {
            format!("{planned} to deploy, {failed} failed, {unchanged} unchanged")
        } else {
            format!("{succeeded} deployed, {failed} failed, {unchanged} unchanged")
        });
        if !not_begun.is_empty() {
            let names = not_begun.join(", ");
            context
                .output
                .status(&format!("{} not begun: {names}", not_begun.len()));
        }
        if environment.platform == PlatformKind::Local && planned == 0 {
            context.output.status("on this machine only");
        }
    }
}
