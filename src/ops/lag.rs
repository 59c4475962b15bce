//! Waiting for traffic that a platform keeps where it was for a while after the commit.
//!
//! Reads only.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::{Event, Reporter};
use crate::platform::Platform;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is live once all traffic is where it was sent; an error that says where it still is when that takes too long, or will
/// not happen.
pub(crate) async fn arrived(
    platform: &dyn Platform,
    clock: &dyn Clock,
    reporter: &dyn Reporter,
    service: &ServiceName,
    mut live: Live,
    within: Duration,
) -> Result<Live> {
    let until = clock.monotonic() + within;
    let mut is_told = false;
    while let Some(lag) = &live.lag {
        if lag.failed.is_some() || clock.monotonic() >= until {
            return Err(Error::new(
                Kind::Unhealthy,
                "traffic-lags",
                format!("the traffic was changed, but {}", lag.told()),
            )
            .hint(format!("look again: `squad status {service}`")));
        }
        if !is_told {
            reporter.report(Event::Going {
                what: "traffic",
                detail: lag.told(),
            });
            is_told = true;
        }
        let left = until.saturating_sub(clock.monotonic());
        tokio::time::sleep(LOOK_EVERY.min(left)).await;
        live = platform.observe(service).await?;
    }
    Ok(live)
}

/// The error of traffic that is not where it was sent, with commands that mean this environment wherever they are typed.
pub(crate) fn in_environment(mut error: Error, service: &ServiceName, flag: &str) -> Error {
    match error.id {
        "traffic-lags" => error.hints = vec![format!("look again: `squad status {service}{flag}`")],
        "not-provisioned" => {
            error.hints = vec![
                format!("ask for it again: `squad deploy {service}{flag}`"),
                format!("or go back to what served before: `squad rollback {service}{flag}`"),
            ];
        }
        _ => {}
    }
    error
}
