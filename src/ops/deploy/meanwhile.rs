//! What became of the requests of a service while a deploy of it was under way: that a failed deploy harmed nobody is said
//! with the numbers, not claimed.
//!
//! Read only where the platform's numbers are there at once; a platform whose numbers come minutes later has none for this.

use super::Options;
use super::apply::Tools;
use crate::domain::counts::{self, Counts};
use crate::domain::live::Live;
use crate::error::LiveState;
use crate::ops::live_state;
use crate::platform::Numbers;

/// A reading before anything is changed; none where nothing is live, or the numbers come late.
pub(super) async fn reading(tools: &Tools<'_>, options: &Options, live: &Live) -> Option<Counts> {
    live.split.as_ref()?;
    if tools.platform.numbers(&options.service) != Numbers::default() {
        return None;
    }
    tools.platform.counts(&options.service.name).await.ok()
}

/// What is live now, with the requests that ended since the reading `before`, those of testers left out; without them when
/// there were none, or they cannot be told.
pub(super) async fn live_now(
    tools: &Tools<'_>,
    options: &Options,
    live: Option<&Live>,
    before: Option<&Counts>,
) -> LiveState {
    let name = &options.service.name;
    let state = live_state(name, live);
    let (Some(_), Some(before)) = (live, before) else {
        return state;
    };
    let Ok(now) = tools.platform.counts(name).await else {
        return state;
    };
    let interval = counts::since(before, &now);
    if interval.reset {
        return state;
    }
    let real = interval.series.iter().filter(|series| !series.forced);
    let (requests, failed) = real.fold((0, 0), |(requests, failed), series| {
        (requests + series.requests, failed + series.errors)
    });
    match requests {
        0 => state,
        requests => state.meanwhile(requests, failed),
    }
}
