//! The objects of a rollout, `rollout/<service>/<id>/…`: each is made once and never changed.

use crate::domain::audit::{hex, sha256};
use crate::domain::name::ServiceName;
use crate::domain::rollout::{Entry, Plan, State, What};
use crate::error::{Error, Kind, Result};
use crate::platform::Platform;

fn directory(service: &ServiceName, id: &str) -> String {
    format!("rollout/{service}/{id}")
}

/// The bytes of a plan, and the first 8 hex digits of their SHA-256, which the state carries.
pub(crate) fn plan_bytes(plan: &Plan) -> Result<(Vec<u8>, String)> {
    let bytes = serde_json::to_vec(plan).map_err(Error::internal)?;
    let digest: String = hex(&sha256(&bytes)).chars().take(8).collect();
    Ok((bytes, digest))
}

/// Keeps a plan.
pub(crate) async fn create_plan(platform: &dyn Platform, plan: &Plan, bytes: &[u8]) -> Result<()> {
    let path = format!("{}/plan.json", directory(&plan.service, &plan.id));
    platform.create_object(&path, bytes).await?;
    Ok(())
}

/// Reads the plan that a state relies on, and checks that it is that one.
pub(crate) async fn plan(
    platform: &dyn Platform,
    service: &ServiceName,
    state: &State,
) -> Result<Plan> {
    let path = format!("{}/plan.json", directory(service, &state.id));
    let damaged = |why: String| {
        Error::new(
            Kind::Failed,
            "rollout-damaged",
            format!(
                "cannot read the plan of the rollout {} of `{service}`: {why}",
                state.id
            ),
        )
        .hint(format!("an abort needs no plan: `squad stop {service}`"))
    };
    let bytes = platform
        .object(&path)
        .await?
        .ok_or_else(|| damaged("it is not there".to_owned()))?;
    let digest = hex(&sha256(&bytes));
    if !digest.starts_with(&state.plan) {
        return Err(damaged(format!(
            "its SHA-256 begins with {}, and the traffic names {}",
            digest.get(..8).unwrap_or(&digest),
            state.plan
        )));
    }
    serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
}

/// Appends an entry to a rollout's log; false when somebody else wrote one of that sequence first.
pub(crate) async fn append(
    platform: &dyn Platform,
    service: &ServiceName,
    id: &str,
    entry: &Entry,
) -> Result<bool> {
    let bytes = serde_json::to_vec(entry).map_err(Error::internal)?;
    Ok(platform
        .create_object(&log_path(service, id, entry.sequence), &bytes)
        .await?)
}

fn log_path(service: &ServiceName, id: &str, sequence: u64) -> String {
    format!("{}/log/{sequence:06}.json", directory(service, id))
}

/// The entries from a sequence on, in order. They end where one is missing.
pub(crate) async fn entries(
    platform: &dyn Platform,
    service: &ServiceName,
    id: &str,
    from: u64,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for sequence in from.. {
        let path = log_path(service, id, sequence);
        let Some(bytes) = platform.object(&path).await? else {
            break;
        };
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                Kind::Failed,
                "rollout-damaged",
                format!("cannot read `{path}` of the environment's store: {error}"),
            )
            .hint(format!("an abort needs no log: `squad stop {service}`"))
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// The newest look of a rollout's log, without reading all of it: the log has no gaps, so that its end is found by halving.
pub(crate) async fn newest_look(
    platform: &dyn Platform,
    service: &ServiceName,
    id: &str,
) -> Result<Option<Entry>> {
    let is_there = async |sequence: u64| -> Result<bool> {
        let path = log_path(service, id, sequence);
        Ok(platform.object(&path).await?.is_some())
    };
    let (mut count, mut beyond) = (0, 1);
    while is_there(beyond - 1).await? {
        (count, beyond) = (beyond, beyond * 2);
    }
    // The first `count` are there, and entry number `beyond` is not.
    while beyond - count > 1 {
        let middle = u64::midpoint(count, beyond);
        if is_there(middle - 1).await? {
            count = middle;
        } else {
            beyond = middle;
        }
    }
    for sequence in (0..count).rev() {
        let path = log_path(service, id, sequence);
        let Some(bytes) = platform.object(&path).await? else {
            break;
        };
        let entry: Option<Entry> = serde_json::from_slice(&bytes).ok();
        if let Some(entry) = entry.filter(|entry| matches!(entry.what, What::Look(_))) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The ids of the rollouts that a service had, newest first: ULIDs sort by time.
pub(crate) async fn ids(platform: &dyn Platform, service: &ServiceName) -> Result<Vec<String>> {
    let prefix = format!("rollout/{service}/");
    let mut ids: Vec<String> = platform
        .objects(&prefix)
        .await?
        .iter()
        .filter_map(|path| path.strip_prefix(&prefix)?.strip_suffix("/plan.json"))
        .map(str::to_owned)
        .collect();
    ids.sort_unstable();
    ids.reverse();
    Ok(ids)
}

/// The plan of a rollout that is over, without a state to check it against.
pub(crate) async fn old_plan(
    platform: &dyn Platform,
    service: &ServiceName,
    id: &str,
) -> Result<Option<Plan>> {
    let path = format!("{}/plan.json", directory(service, id));
    let bytes = platform.object(&path).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
