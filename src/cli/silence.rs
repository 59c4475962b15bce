//! What is waited for in silence is said: a network that is not there, before the first call has taken its time to fail, and
//! a local platform that brings up its services.

use std::convert::Infallible;
use std::sync::PoisonError;
use std::time::Duration;

use crate::cli::context::Context;
use crate::clients::aws::Session;
use crate::platform::local;

/// How long who is asked may be silent before it is said.
const SILENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How many times: later, what is waited for is not the first answer.
const LOOKS: u32 = 120;

/// Says once which host is waited for, when AWS has answered nothing at all for a while; the same of a local platform
/// that is being started. Never ends.
pub(super) async fn told(context: &Context) -> Infallible {
    let mut starting = 0;
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK_EVERY).await;
        starting = if local::is_starting() {
            starting + 1
        } else {
            0
        };
        if starting * LOOK_EVERY >= SILENCE && !context.output.has_begun() {
            context
                .output
                .status("waiting for the local platform, which brings up its services");
            break;
        }
        let silent = {
            let sessions = context
                .sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut silent = sessions.values().filter_map(Session::silent);
            silent.find(|(_, silence)| *silence >= SILENCE)
        };
        // A screen that is drawn says by itself what it waits for.
        if let Some((host, _)) = silent.filter(|_| !context.output.has_begun()) {
            context
                .output
                .status(&format!("waiting for {host}: no answer from AWS yet"));
            break;
        }
    }
    std::future::pending().await
}
