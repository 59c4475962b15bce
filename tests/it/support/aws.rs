//! The stand-in for AWS (`tests/aws/`), and `squad` in front of it.

#[path = "../../aws/client.rs"]
mod client;

use std::process::Command;

pub(crate) use client::{ACCOUNT, Aws, Call, Held, KEY, REGION, Release};

use super::{Home, SQUAD};

impl Aws {
    /// `squad` in this home with this AWS and no other, ready to be run or spawned.
    pub(crate) fn squad(&self, home: &Home, arguments: &[&str]) -> Command {
        let mut command = home.program(SQUAD);
        command.args(arguments).envs(self.environment());
        command
    }
}
