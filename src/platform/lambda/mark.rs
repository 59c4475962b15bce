//! Who looks at many functions at once is told which of them a rollout is live of: a tag of the function, set before the
//! rollout is live and taken away when it is over.
//!
//! A hint, never what anything is decided by. Where the tag cannot be set, an object in the environment's store stands in for
//! it: `unmarked/<service>/<rollout>`, and `unmarked/<service>/<rollout>-over` once no rollout is live any more. A tag that
//! stays where it should be gone costs one read of an alias, and shows nothing wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;

use super::seen::Seen;
use super::{Lambda, ROLLOUT_TAG};
use crate::clients::aws::{self, Called, words};
use crate::domain::alias::Note;
use crate::domain::name::ServiceName;
use crate::domain::rollout::State;
use crate::platform::Result;

/// Below which the store says of which rollouts there is no tag.
const DIRECTORY: &str = "unmarked/";
/// What the name of an object ends with once the rollout is not live any more.
const OVER: &str = "-over";
/// How long the store may take: a brake is done before it, and a look at the fleet begins after it.
const WITHIN: Duration = Duration::from_secs(2);

/// Whether a rollout is live.
pub(super) fn is_live(note: &Note) -> bool {
    !State::kept(&note.state).is_empty()
}

/// Whether the tag of a live rollout is on a function.
pub(super) fn is_marked(found: &GetFunctionOutput) -> bool {
    let tags = found.tags();
    tags.is_some_and(|tags| tags.contains_key(ROLLOUT_TAG))
}

impl Lambda {
    /// Says in a tag that a rollout is live, before it is. What cannot be said there is said in the store; then the answer is
    /// what people are to be told once the rollout is live.
    pub(super) async fn mark_rollout(
        &self,
        service: &ServiceName,
        seen: &Seen,
        before: &Note,
        after: &Note,
    ) -> Option<String> {
        if is_live(before) || !is_live(after) {
            return None;
        }
        let client = self.session().lambda().await;
        let tagged = client
            .tag_resource()
            .resource(self.function_arn(&seen.target.function))
            .tags(ROLLOUT_TAG, "live")
            .send()
            .await
            .called("lambda:TagResource", &seen.target.function);
        let error = tagged.err()?;
        let is_noted = match State::live_id(&after.state) {
            Some(id) => self.note_unmarked(service, id).await.is_ok(),
            None => false,
        };
        Some(unmarked(service, &error, is_noted))
    }

    /// Takes the hint away once no rollout is live any more. Whether one was cannot be told where somebody else wrote over
    /// what the alias said. Where the tag was there, nothing of it is in the store, which is not listed then.
    pub(super) async fn unmark_rollout(&self, service: &ServiceName, seen: &Seen, after: &Note) {
        if is_live(after) {
            return;
        }
        let client = self.session().lambda().await;
        let untag = client
            .untag_resource()
            .resource(self.function_arn(&seen.target.function))
            .tag_keys(ROLLOUT_TAG)
            .send();
        let over = async {
            if !seen.is_marked {
                drop(tokio::time::timeout(WITHIN, self.note_over(service)).await);
            }
        };
        drop(tokio::join!(untag, over));
    }

    async fn note_unmarked(&self, service: &ServiceName, rollout: &str) -> Result<()> {
        let path = format!("{DIRECTORY}{service}/{rollout}");
        let noted = tokio::time::timeout(WITHIN, self.store_object(&path, b"")).await;
        noted.map_err(|_| crate::platform::Error::Timeout(WITHIN))??;
        Ok(())
    }

    async fn note_over(&self, service: &ServiceName) -> Result<()> {
        let directory = format!("{DIRECTORY}{service}/");
        let paths = self.objects.list(&directory).await;
        for path in open(&paths.map_err(super::stored)?) {
            self.store_object(&format!("{path}{OVER}"), b"").await?;
        }
        Ok(())
    }

    /// The services with a rollout of which the tag says nothing, as far as the store tells in time.
    pub(super) async fn unmarked(&self) -> BTreeSet<ServiceName> {
        let listed = tokio::time::timeout(WITHIN, self.objects.list(DIRECTORY)).await;
        let Ok(Ok(paths)) = listed else {
            return BTreeSet::new();
        };
        open(&paths)
            .filter_map(|path| ServiceName::new(path.split('/').nth(1)?).ok())
            .collect()
    }
}

/// The paths of rollouts that are not said to be over.
fn open(paths: &[String]) -> impl Iterator<Item = &String> {
    let over: BTreeSet<_> = paths
        .iter()
        .filter_map(|path| path.strip_suffix(OVER))
        .collect();
    paths
        .iter()
        .filter(move |path| !path.ends_with(OVER) && !over.contains(path.as_str()))
}

/// What it means that the tag is not there.
fn unmarked(service: &ServiceName, error: &aws::Error, is_noted: bool) -> String {
    let found = if is_noted {
        "finds the rollout by the environment's store instead; who cannot read that is shown the weights from before it"
    } else {
        "does not find the rollout, and shows the weights from before it"
    };
    format!(
        "`{service}` cannot be tagged `{ROLLOUT_TAG}`: {}; `squad status --all` {found}",
        words::sentence(error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_open_until_the_store_says_that_it_is_over() {
        let paths: Vec<_> = ["a/01A", "a/01A-over", "a/01B", "b/01C"]
            .iter()
            .map(|path| format!("{DIRECTORY}{path}"))
            .collect();
        let open: Vec<_> = open(&paths).cloned().collect();
        assert_eq!(open, ["unmarked/a/01B", "unmarked/b/01C"]);
    }
}
