//! Tags on the function, for finding it again. Hints only: nothing depends on them, and that they cannot be set is
//! no failure.

use super::observed::Observed;
use super::work::Work;
use crate::clients::aws::Called;

/// Sets the tags that the function lacks. Those of others stay.
pub(super) async fn tag(work: &Work<'_>, found: &Observed) {
    // Without the permission to read them there is seldom one to set them.
    let Some(there) = &found.tags else { return };
    let missing: std::collections::HashMap<_, _> = work
        .tags
        .iter()
        .filter(|(key, value)| there.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if missing.is_empty() {
        return;
    }
    let answer = work
        .client
        .tag_resource()
        .resource(&found.arn)
        .set_tags(Some(missing))
        .send()
        .await
        .called("lambda:TagResource", work.function);
    if answer.is_err() {
        work.tell("the function's tags could not be set; that changes nothing about the deploy");
    }
}
