//! `squad deploy --adopt-alias`: the plan of who is moved, consent, and each move as it is made.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::deploy::{consent, declined};
use crate::cli::gone;
use crate::cli::print_error;
use crate::cli::prompt;
use crate::cli::view;
use crate::domain::doctor::{Caller, Moved};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::ops::adopt::{self, Made, Tools};
use crate::output::sanitize;
use crate::platform::Platform;

/// What is asked for.
pub(super) struct Wish<'a> {
    pub(super) service: ServiceName,
    pub(super) environment: &'a Environment,
    /// Take back what was moved.
    pub(super) undo: bool,
    pub(super) dry_run: bool,
    pub(super) reason: Option<String>,
}

/// `squad.adoption/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    /// `planned`, `unchanged`, `moved`, `taken-back` or `failed`.
    outcome: &'static str,
    /// The version that what answered the callers is kept as, or is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    callers: Vec<WireCaller>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WireCaller {
    who: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `to-move`, `moved`, `taken-back`, `failed` or `by-hand`.
    outcome: &'static str,
    /// What a person has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_to_do: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

/// Runs it; the exit code is that of the first move that failed.
pub(super) async fn run(context: &Context, wish: &Wish<'_>) -> Result<u8> {
    let platform = context.platform(wish.environment)?;
    if wish.undo {
        return take_back(context, wish, &*platform).await;
    }
    let found = adopt::callers(&*platform, wish.environment, &wish.service).await;
    let (callers, unkept) = match found {
        Ok(found) => found,
        Err(error) => {
            return Err(gone::told(
                context,
                std::slice::from_ref(wish.environment),
                &wish.service,
                error,
            )
            .await);
        }
    };
    for unread in &callers.unread {
        context.output.warn(&format!(
            "some callers cannot be seen: {}",
            sanitize(unread)
        ));
    }
    let (to_move, by_hand): (Vec<_>, Vec<_>) = callers
        .found
        .iter()
        .filter(|caller| caller.is_past)
        .partition(|caller| caller.can_be_moved());
    let address = match &unkept {
        Some(unkept) => format!("the alias `{}`", sanitize(&unkept.alias)),
        None => callers.address.clone().unwrap_or_default(),
    };
    if let Some(unkept) = &unkept {
        context.output.status(&view::unkept::kept_first(unkept));
    }
    for caller in &to_move {
        let verb = if caller.is_settings { "copy" } else { "move" };
        context
            .output
            .status(&format!("  {verb} {} to {address}", sanitize(&caller.who)));
    }
    let mut rows: Vec<_> = by_hand
        .iter()
        .map(|caller| row(caller, "by-hand"))
        .collect();
    let mut kept = unkept.as_ref().map(|unkept| unkept.kept_as.to_string());
    let is_idle = to_move.is_empty() && unkept.is_none();
    if is_idle || wish.dry_run {
        rows.extend(to_move.iter().map(|caller| row(caller, "to-move")));
        let outcome = if is_idle { "unchanged" } else { "planned" };
        if is_idle {
            context
                .output
                .status("nobody is left that squad could move");
        }
        print(context, wish, (outcome, kept), rows, callers.unread.clone());
        return Ok(0);
    }
    let question = question(&to_move, unkept.is_some());
    if !prompt::confirm(context, consent(wish.environment), &question)? {
        return Err(declined());
    }
    let journal = context.journal(wish.environment)?;
    context.settle_with(&*platform, &journal).await;
    let tools = Tools {
        platform: &*platform,
        journal: &journal,
        clock: context.clock(),
        reason: wish.reason.clone(),
    };
    if let Some(unkept) = &unkept {
        let revision = adopt::keep(&tools, &wish.service, unkept).await?;
        let tick = context.output.tick();
        context.output.status(&format!(
            "{tick} kept `{}` as version {revision}, with the alias `{}` on it",
            sanitize(&unkept.what),
            sanitize(&unkept.alias)
        ));
        kept = Some(revision.to_string());
    }
    let (mut code, mut outcome) = (0, "moved");
    let is_moving = !to_move.is_empty();
    let mut left = to_move.into_iter();
    while let Some(caller) = left.next() {
        match adopt::adopt(&tools, &wish.service, caller).await {
            Ok(_) => {
                let tick = context.output.tick();
                let done = if caller.is_settings {
                    "copied"
                } else {
                    "moved"
                };
                context
                    .output
                    .status(&format!("{tick} {done} {}", sanitize(&caller.who)));
                rows.push(row(caller, "moved"));
            }
            Err(error) => {
                if code == 0 {
                    code = error.kind.exit_code();
                }
                outcome = "failed";
                if !context.output.is_json() {
                    print_error(&context.output, &error);
                }
                let mut failed = row(caller, "failed");
                failed.error = Some(error.to_json());
                rows.push(failed);
                if caller.is_settings {
                    // Whoever moved now would lose them.
                    rows.extend(left.map(|caller| row(caller, "to-move")));
                    break;
                }
            }
        }
    }
    print(context, wish, (outcome, kept), rows, callers.unread.clone());
    if is_moving {
        context.output.hint(&format!(
            "take it back with `squad deploy {}{} --adopt-alias --undo`",
            wish.service,
            wish.environment.flag()
        ));
    }
    Ok(code)
}

async fn take_back(context: &Context, wish: &Wish<'_>, platform: &dyn Platform) -> Result<u8> {
    let journal = context.journal(wish.environment)?;
    let made = adopt::made(platform, &journal, &wish.service).await?;
    let of = |made: &Made, outcome| WireCaller {
        who: made.who.clone(),
        id: None,
        outcome,
        left_to_do: None,
        error: None,
    };
    for one in &made {
        context
            .output
            .status(&format!("  take back {}", sanitize(&one.who)));
    }
    if made.is_empty() || wish.dry_run {
        let outcome = if made.is_empty() {
            "unchanged"
        } else {
            "planned"
        };
        if made.is_empty() {
            context
                .output
                .status("the record holds no move that could be taken back");
        }
        let rows = made.iter().map(|one| of(one, "moved")).collect();
        print(context, wish, (outcome, None), rows, Vec::new());
        return Ok(0);
    }
    if !prompt::confirm(context, consent(wish.environment), "Take them back?")? {
        return Err(declined());
    }
    // Before anything is recorded.
    platform.guard().await?;
    context.settle_with(platform, &journal).await;
    let tools = Tools {
        platform,
        journal: &journal,
        clock: context.clock(),
        reason: wish.reason.clone(),
    };
    let mut rows = Vec::new();
    let (mut code, mut outcome) = (0, "taken-back");
    let mut is_needed = false;
    for one in &made {
        let stays = match one.moved {
            Moved::Permission { .. } if is_needed => {
                Some("stays: an API that was not taken back may need it")
            }
            Moved::Settings(_) if code != 0 => {
                Some("stay: a caller that was not taken back may need them")
            }
            _ => None,
        };
        if let Some(stays) = stays {
            context
                .output
                .status(&format!("{} {stays}", sanitize(&one.who)));
            rows.push(of(one, "moved"));
            continue;
        }
        match adopt::take_back(&tools, &wish.service, one).await {
            Ok(()) => rows.push(of(one, "taken-back")),
            // One that somebody changed since does not hold up the others.
            Err(error) => {
                if code == 0 {
                    code = error.kind.exit_code();
                }
                outcome = "failed";
                is_needed |= matches!(one.moved, Moved::Integration { .. });
                if !context.output.is_json() {
                    print_error(&context.output, &error);
                }
                let mut failed = of(one, "failed");
                failed.error = Some(error.to_json());
                rows.push(failed);
            }
        }
    }
    print(context, wish, (outcome, None), rows, Vec::new());
    Ok(code)
}

fn question(to_move: &[&Caller], is_kept: bool) -> String {
    if is_kept {
        return match to_move.len() {
            0 => "Make the alias?".to_owned(),
            _ => "Make the alias, and move them?".to_owned(),
        };
    }
    let callers = to_move.iter().filter(|caller| !caller.is_settings);
    match callers.count() {
        0 => "Copy the settings?".to_owned(),
        1 => "Move 1 caller?".to_owned(),
        count => format!("Move {count} callers?"),
    }
}

fn row(caller: &Caller, outcome: &'static str) -> WireCaller {
    WireCaller {
        who: caller.who.clone(),
        id: Some(caller.id.clone()),
        outcome,
        left_to_do: caller.left_to_do.clone(),
        error: None,
    }
}

fn print(
    context: &Context,
    wish: &Wish<'_>,
    (outcome, kept): (&'static str, Option<String>),
    callers: Vec<WireCaller>,
    unread: Vec<String>,
) {
    if context.output.is_json() {
        context.output.json(&Wire {
            schema: "squad.adoption/v1",
            service: wish.service.to_string(),
            env: wish.environment.name.to_string(),
            outcome,
            kept,
            callers,
            unread,
        });
        return;
    }
    for caller in &callers {
        context
            .output
            .out(&format!("{}  {}", caller.outcome, sanitize(&caller.who)));
    }
    for left in callers
        .iter()
        .filter_map(|caller| caller.left_to_do.as_ref())
    {
        context
            .output
            .status(&format!("still to do by hand: {}", sanitize(left)));
    }
}
