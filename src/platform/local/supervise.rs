//! The life of the supervisor's process: detached from whoever started it, ended by `stop` or a signal.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use crate::platform::{Error, Result};

use super::successor;
use super::supervisor::{Settings, Supervisor};
use super::wire::Failure;

/// The threads of the proxy and everything else.
const THREADS: usize = 2;

/// Runs a supervisor to its end. Once it serves, or when it cannot, it says so in one line on standard output:
/// `null`, or the failure as JSON. In the foreground it stays in the terminal's session, so that Ctrl-C ends it.
pub(crate) fn supervise(settings: Settings, foreground: bool) -> Result<()> {
    if !foreground {
        // Fails only for the leader of a group, which is in nobody's way either.
        _ = rustix::process::setsid();
        close_inherited();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Error::Unreachable(error.to_string()))?;
    let served: Result<()> = runtime.block_on(async {
        let ended = ended()?;
        let inherited = if foreground {
            successor::take_free(&settings).await?
        } else {
            match successor::succeed(&settings).await? {
                Some(inherited) => inherited,
                None => {
                    say(None);
                    return Ok(());
                }
            }
        };
        let (supervisor, listener) = Supervisor::start(settings, inherited).await?;
        if !foreground {
            say(None);
        }
        supervisor.serve(listener, ended).await;
        Ok(())
    });
    // Nothing that still runs is worth waiting for: all processes have ended.
    runtime.shutdown_background();
    match served {
        Err(error) if !foreground => {
            tracing::error!("{error}");
            say(Some(error.into()));
            Ok(())
        }
        served => served,
    }
}

/// Closes every file that whoever started it had open by accident: a program that waits for the end of a pipe
/// (`make`, `faketime`, a shell's `>(…)`) would wait for as long as the supervisor and its services live.
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let numbers: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The one that listed them is closed already.
        _ = nix::unistd::close(number);
    }
}

/// Tells whoever started it.
fn say(failure: Option<Failure>) {
    let mut line = serde_json::to_vec(&failure).unwrap_or_default();
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    // Whoever started it may be gone.
    drop(out.write_all(&line).and_then(|()| out.flush()));
}

/// Returns when a signal asks for the end.
fn ended() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).map_err(|error| Error::Unreachable(error.to_string()));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
