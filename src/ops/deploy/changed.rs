//! Sources that somebody changes while they are deployed: what runs would not be what the plan, the record and the next
//! deploy say.
//!
//! What the build itself writes among the sources, every time, is no such change ([`super::leavings`]).

use super::{Options, Plan, sources};
use crate::clients::git::Repository;
use crate::clients::source;
use crate::error::{Error, Kind, Result};

/// Files that are named; the rest is counted.
const NAMED: usize = 3;

/// Who may have written among the sources since the plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    /// Nobody: nothing was built.
    Nobody,
    /// The build command, what it wrote the last time.
    Command,
}

/// Refuses where a file of the plan's sources holds something else now, and the builder is not known to write it.
pub(super) async fn check(options: &Options, plan: &Plan, builder: Builder) -> Result<()> {
    let build = &options.service.build;
    if build.command.is_empty() && super::build::image(options).is_some() {
        // An image that is built elsewhere is all of the release.
        return Ok(());
    }
    let (options, plan) = (options.clone(), plan.clone());
    tokio::task::spawn_blocking(move || look(&options, &plan, builder))
        .await
        .map_err(Error::internal)?
}

fn look(options: &Options, plan: &Plan, builder: Builder) -> Result<()> {
    let now = source::contents(&plan.files, &sources::stamps(options))
        .map_err(|error| refusal(options, None, &[]).cause(error.to_string()))?;
    if now.digest == plan.contents.digest {
        return Ok(());
    }
    let names = plan.contents.changed(&now, &plan.files).into_iter();
    let names = names.map(|path| source::relative(&options.directory, path));
    let names: Vec<_> = names
        .map(|path| path.display().to_string())
        .filter(|name| {
            let mut wrote = plan.build_wrote.iter();
            builder == Builder::Nobody || !wrote.any(|one| one.name == *name)
        })
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(refusal(options, plan.repository.as_ref(), &names))
}

fn refusal(options: &Options, repository: Option<&Repository>, names: &[String]) -> Error {
    let quoted: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let which = if quoted.is_empty() {
        "the sources".to_owned()
    } else {
        quoted.join(", ") + &more
    };
    let error = Error::new(
        Kind::Conflict,
        "sources-changed",
        format!(
            "{which} changed after the plan was made, so that what would run is not what was planned"
        ),
    );
    let error = error.hint(format!(
        "to deploy the sources as they are now: `{}`",
        options.command()
    ));
    if !are_untracked(options, repository, names) {
        return error;
    }
    error.hint("a file that is written meanwhile, such as this command's own output, goes elsewhere, or into .gitignore")
}

/// Whether there are such files, and git has none of them.
fn are_untracked(options: &Options, repository: Option<&Repository>, names: &[String]) -> bool {
    let paths: Vec<_> = names
        .iter()
        .map(|name| options.directory.join(name))
        .collect();
    !paths.is_empty()
        && repository.is_some_and(|repository| {
            repository
                .tracked(&paths)
                .is_ok_and(|found| found.is_empty())
        })
}
