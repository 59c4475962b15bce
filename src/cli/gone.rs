//! A service that its platform has nothing of: nobody knows it, or another one may be meant, or it was live once as the audit
//! log has it. Then somebody removed it with another tool or began a new journal, and "it is not there" alone would hide that.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::time::relative;
use crate::config::{self, UnknownService};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::Error;
use crate::ops::audit::{Journal, Query};
use crate::ops::history;

/// How long the audit log may take to answer: what is added to an error must not hold it up.
const WITHIN: Duration = Duration::from_secs(5);

/// The error with what the log knows, where it says that nothing of the service is in these environments. Where neither the
/// files nor the records have the name, that is the error: `service-unknown`, whatever was asked for. A log that cannot be
/// read adds nothing.
pub(super) async fn told(
    context: &Context,
    environments: &[Environment],
    service: &ServiceName,
    mut error: Error,
) -> Error {
    let [first, ..] = environments else {
        return error;
    };
    if !matches!(error.id, "nothing-live" | "never-deployed") {
        return error;
    }
    let flag = match environments {
        [one] => one.flag(),
        _ => String::new(),
    };
    let mut recorded = Some(Vec::new());
    let unknown = context.without_sources(service, first);
    for environment in environments {
        let known = async {
            let journal = context.record(environment).ok()?;
            if let Some(line) = last_live(context, &journal, service).await? {
                error.details.push(line);
            }
            match &unknown {
                Some(_) => names(&journal).await,
                None => Some(Vec::new()),
            }
        };
        let known = tokio::time::timeout(WITHIN, known).await.ok().flatten();
        recorded = recorded.zip(known).map(|(all, more)| [all, more].concat());
    }
    let Some(unknown) = unknown else {
        return error;
    };
    match recorded {
        Some(names) if !names.contains(service) => nowhere(unknown, environments, &names)
            .hint(format!("see what was deployed: `squad status --all{flag}`")),
        // To deploy it by its name would not find it.
        _ => Error {
            hints: vec![format!(
                "`squad status --all{flag}` shows what is there; to deploy it, go to the directory of its sources"
            )],
            ..error
        },
    }
}

/// Neither these files nor the records of these environments have the service.
pub(super) fn nowhere(
    unknown: UnknownService,
    environments: &[Environment],
    recorded: &[ServiceName],
) -> Error {
    let places: Vec<_> = environments.iter().map(Environment::spoken).collect();
    let unknown = UnknownService {
        place: Some(places.join(", ")),
        ..unknown.or_nearest(recorded)
    };
    config::Error::UnknownService(Box::new(unknown)).into()
}

/// The services that a log has something of.
async fn names(journal: &Journal) -> Option<Vec<ServiceName>> {
    let events = journal.events(&Query::default()).await.ok()?;
    let changes = events
        .into_iter()
        .filter_map(|recorded| recorded.event.change());
    let mut names: Vec<_> = changes.map(|change| change.service).collect();
    names.sort();
    names.dedup();
    Some(names)
}

/// What a log has of the service's last revision that served, as a line; none inside where it was never live.
async fn last_live(
    context: &Context,
    journal: &Journal,
    service: &ServiceName,
) -> Option<Option<String>> {
    let Some(last) = history::last_live(journal, service).await.ok()? else {
        return Some(None);
    };
    let what = last.event.short_kind();
    let since = match last.forgotten {
        Some((at, actor)) => format!(
            "the journal of this platform was set aside since (`squad local prune --reset-journal` by {actor}, {}), so it has to be \
             deployed again",
            relative(at, context.now()),
        ),
        None => "it was removed since, and not by squad".to_owned(),
    };
    Some(Some(format!(
        "revision {} was live, as the audit log has it ({} by {}, {}): {since}",
        last.revision,
        what.split('.').next().unwrap_or(what),
        last.actor,
        relative(last.event.time, context.now()),
    )))
}
