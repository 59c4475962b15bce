//! What people ask of a live rollout, from any machine: pause, resume, promote, rebase. An abort is in `brake`.

use super::change::{self, Carried};
use super::{Tools, read_some, refused};
use crate::domain::name::ServiceName;
use crate::domain::rollout::{Command, State, machine};
use crate::error::{Error, Kind, Result};
use crate::ops::live_state;

/// How often a write that loses to another one is tried again.
const ATTEMPTS: u32 = 20;

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commanded {
    /// Where the rollout is now.
    pub(crate) state: State,
    /// False where it was so already.
    pub(crate) changed: bool,
}

/// Carries out a command. A driver that writes meanwhile is waited for: the command is put on top of what it wrote.
pub(crate) async fn command(
    tools: &Tools<'_>,
    service: &ServiceName,
    flag: &str,
    command: Command,
    reason: Option<&str>,
) -> Result<Commanded> {
    let asked = format!("cannot {} the rollout of `{service}`", verb(command));
    for _ in 0..ATTEMPTS {
        let mut rollout = read_some(tools.platform, service, flag)
            .await
            .map_err(|error| error.context(&asked))?;
        let to = machine::command(&rollout.plan, &rollout.state, command)
            .map_err(|refusal| refused(&asked, &rollout, refusal, flag))?;
        let Some(to) = to else {
            return Ok(Commanded {
                state: rollout.state,
                changed: false,
            });
        };
        let carried = change::carry_out(tools, &mut rollout, &to, reason)
            .await
            .map_err(|error| {
                error
                    .context(&asked)
                    .live(live_state(service, Some(&rollout.live)))
            })?;
        match carried {
            Carried::Done => {
                return Ok(Commanded {
                    state: rollout.state,
                    changed: true,
                });
            }
            Carried::Overtaken => {}
            Carried::Unrecorded(error) => {
                return Err(error
                    .context(&asked)
                    .live(live_state(service, Some(&rollout.live))));
            }
        }
    }
    Err(Error::new(
        Kind::Conflict,
        "conflict",
        format!("{asked}: others changed it {ATTEMPTS} times meanwhile"),
    ))
}

fn verb(command: Command) -> &'static str {
    match command {
        Command::Pause => "pause",
        Command::Resume => "resume",
        Command::Promote | Command::PromoteFull => "promote",
        Command::EndWatch => "end the watch of",
        Command::Abort | Command::Supersede => "abort",
        Command::Rebase => "rebase",
    }
}
