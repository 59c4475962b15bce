//! Each request of the protocol to its operation, and the operation's result back into frames.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::Sender;

use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Invocation, LogLine, LogQuery};

use super::function::{InvokeOptions, Refused};
use super::host::{Host, Tell};
use super::log::{self, OWN};
use super::protocol::{Frame, Request};
use super::supervisor::{Supervisor, unless_stopping};
use super::wire::Failure;

/// How long an invocation waits for a free process.
const FREE_PROCESS: Duration = Duration::from_secs(30);

/// Does what was asked for. The frames go nowhere when the client is gone; the operation goes on.
pub(super) async fn answer(
    supervisor: &Arc<Supervisor>,
    request: Request,
    frames: &Sender<Frame>,
) -> Result<(), Failure> {
    if supervisor.is_stopping() && !matches!(request, Request::Stop) {
        return Err(Failure::Stopping);
    }
    let failed = |error: Error| unless_stopping(supervisor, error);
    let tell: Tell = {
        let frames = frames.clone();
        // A client that does not read misses signs of life, nothing else.
        Arc::new(move |progress| drop(frames.try_send(Frame::Progress(progress))))
    };
    match request {
        Request::Observe { service } => {
            done(frames, &supervisor.observe(&service).await.map_err(failed)?).await
        }
        Request::Services => done(frames, &supervisor.names().await).await,
        Request::Publish { release } => {
            let host = supervisor.service(&release.service.name);
            done(
                frames,
                &host.publish(*release, &tell).await.map_err(failed)?,
            )
            .await
        }
        Request::Prepare { service, revision } => {
            let host = known(supervisor, &service, revision)
                .await
                .map_err(failed)?;
            done(
                frames,
                &host.prepare(revision, &tell).await.map_err(failed)?,
            )
            .await
        }
        Request::Commit {
            service,
            token,
            commit,
        } => {
            // A service that was never published has no revision that could take traffic.
            let first = commit.split.revisions().first().copied();
            let host = known(supervisor, &service, first.unwrap_or(RevisionNumber(0)))
                .await
                .map_err(failed)?;
            done(frames, &host.commit(token, *commit).await.map_err(failed)?).await
        }
        Request::Retire { service, revision } => {
            let host = known(supervisor, &service, revision)
                .await
                .map_err(failed)?;
            done(frames, &host.retire(revision).await.map_err(failed)?).await
        }
        Request::Diagnose { service, revision } => {
            let host = known(supervisor, &service, revision)
                .await
                .map_err(failed)?;
            done(frames, &host.diagnose(revision).await.map_err(failed)?).await
        }
        Request::Follow { service, query } => follow(supervisor, &service, query, frames).await,
        Request::Invoke {
            service,
            revision,
            payload,
        } => {
            let answer = invoke(supervisor, &service, revision, payload).await;
            done(frames, &answer.map_err(failed)?).await
        }
        Request::Counts { service } => done(frames, &supervisor.metrics().counts(&service)).await,
        Request::History { service, seconds } => {
            let since = Duration::from_secs(seconds);
            done(frames, &supervisor.metrics().history(&service, since)).await
        }
        Request::SetPort { service, port } => {
            let host = supervisor.service(&service);
            done(frames, &host.set_port(port).await.map_err(failed)?).await
        }
        Request::Status => done(frames, &supervisor.status().await).await,
        Request::PruneLogs => done(frames, &supervisor.prune_logs().map_err(failed)?).await,
        Request::Prunable => done(frames, &supervisor.prunable().await).await,
        Request::Prune { service } => {
            let host = supervisor.service(&service);
            done(frames, &host.prune().await.map_err(failed)?).await
        }
        Request::Stop => {
            supervisor.stop(frames.clone());
            Ok(())
        }
        // Sockets go beside bytes, not within frames: see `Supervisor::hand_over`.
        Request::HandOver => Err(Failure::Unsupported("sockets in a frame".to_owned())),
    }
}

/// The host of a service that was published; `revision` is what cannot be there otherwise.
async fn known(
    supervisor: &Supervisor,
    service: &ServiceName,
    revision: RevisionNumber,
) -> Result<Arc<Host>, Error> {
    let host = supervisor.known_host(service).await;
    host.ok_or(Error::NoRevision(revision))
}

/// The same where no revision is asked for.
async fn published(supervisor: &Supervisor, service: &ServiceName) -> Result<Arc<Host>, Error> {
    let host = supervisor.known_host(service).await;
    host.ok_or_else(|| Error::Invalid(format!("`{service}` was never deployed here")))
}

async fn done(frames: &Sender<Frame>, answer: &(impl Serialize + Sync)) -> Result<(), Failure> {
    let value = serde_json::to_value(answer)
        .map_err(|error| Failure::Unreachable(format!("its answer cannot be written: {error}")))?;
    drop(frames.send(Frame::Done(value)).await);
    Ok(())
}

async fn follow(
    supervisor: &Arc<Supervisor>,
    service: &ServiceName,
    query: LogQuery,
    frames: &Sender<Frame>,
) -> Result<(), Failure> {
    let (files, mut lines) = published(supervisor, service).await?.log().follow();
    drop(frames.send(Frame::Files(files)).await);
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = frames.closed() => return Ok(()),
            () = supervisor.ends() => return Err(Failure::Stopping),
        };
        let line = match line {
            Ok(line) => line,
            Err(RecvError::Lagged(lines)) => LogLine {
                at: supervisor.now(),
                revision: RevisionNumber(0),
                stream: OWN.to_owned(),
                text: match lines {
                    1 => format!(
                        "1 line was too fast to be followed; `squad logs {service}` shows it"
                    ),
                    _ => format!(
                        "{lines} lines were too fast to be followed; `squad logs {service}` shows them"
                    ),
                },
            },
            Err(RecvError::Closed) => return done(frames, &()).await,
        };
        if line.revision == RevisionNumber(0) || log::matches(&query, &line) {
            drop(frames.send(Frame::Line(line)).await);
        }
    }
}

async fn invoke(
    supervisor: &Arc<Supervisor>,
    service: &ServiceName,
    revision: Option<RevisionNumber>,
    payload: String,
) -> Result<Invocation, Error> {
    let mut ticket = [0];
    // Without randomness every invocation goes to the first revision, which is still a right answer.
    _ = aws_lc_rs::rand::fill(&mut ticket);
    let [ticket] = ticket;
    let host = published(supervisor, service).await?;
    // Kept until the call is over: a revision without traffic would be ended meanwhile.
    let (revision, pool, _needed) = host.function(revision, ticket % 100).await?;
    let options = InvokeOptions {
        wait: FREE_PROCESS,
        log_tail: true,
        ..InvokeOptions::default()
    };
    match pool.invoke(Bytes::from(payload), options).await {
        Ok(answer) => Ok(Invocation {
            revision: Some(revision),
            payload: String::from_utf8_lossy(&answer.payload).into_owned(),
            error: answer.failure.map(|failure| failure.as_aws().to_owned()),
            duration_milliseconds: u64::try_from(answer.duration.as_millis()).unwrap_or(u64::MAX),
            request_id: answer.request_id,
            log_tail: answer.log_tail,
        }),
        Err(Refused::TooLarge { size }) => Err(Error::Invalid(format!(
            "the payload has {size} bytes, and AWS Lambda takes at most 6291456"
        ))),
        Err(refused) => Err(Error::Unreachable(refused.to_string())),
    }
}
