//! What `squad local` prints.

use serde::Serialize;

use crate::cli::context::Context;
use crate::output::table::{Align, render};
use crate::platform::local::{self, SupervisorStatus};

/// `squad.local/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Wire<'a> {
    schema: &'static str,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<Service<'a>>>,
}

#[derive(Debug, Serialize)]
struct Service<'a> {
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    live: Vec<String>,
    running_revisions: u32,
}

impl<'a> Wire<'a> {
    /// Of a supervisor that runs.
    pub(crate) fn running(status: &'a SupervisorStatus) -> Self {
        Self {
            schema: "squad.local/v1",
            running: true,
            pid: Some(status.pid),
            version: Some(&status.version),
            started_at: Some(status.started_at.to_string()),
            address: status.address.as_deref(),
            resident_bytes: status.resident_bytes,
            state: Some(status.state.display().to_string()),
            services: Some(
                status
                    .services
                    .iter()
                    .map(|service| Service {
                        service: service.service.as_str(),
                        address: service.address.as_deref(),
                        live: service.live.iter().map(ToString::to_string).collect(),
                        running_revisions: service.running,
                    })
                    .collect(),
            ),
        }
    }

    /// When none runs.
    pub(crate) fn stopped() -> Self {
        Self {
            schema: "squad.local/v1",
            running: false,
            pid: None,
            version: None,
            started_at: None,
            address: None,
            resident_bytes: None,
            state: None,
            services: None,
        }
    }
}

/// `squad.local-prune/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Pruned {
    schema: &'static str,
    revisions: u64,
    bytes: u64,
}

impl Pruned {
    /// How many revisions are gone, and how many bytes are free again, of all services.
    pub(crate) fn of(revisions: u64, bytes: u64) -> Self {
        Self {
            schema: "squad.local-prune/v1",
            revisions,
            bytes,
        }
    }
}

/// `squad.local-reset/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Reset {
    schema: &'static str,
    /// Where the one before is now; null where it was gone.
    journal: Option<String>,
}

impl Reset {
    /// Of what was done.
    pub(crate) fn of(reset: &local::Reset) -> Self {
        let aside = reset.aside.as_ref();
        Self {
            schema: "squad.local-reset/v1",
            journal: aside.map(|path| path.display().to_string()),
        }
    }
}

/// The supervisor in a line or two, for people.
pub(crate) fn summary(status: &SupervisorStatus) -> Vec<String> {
    let memory = status
        .resident_bytes
        .map(|resident| format!(", {} of memory", bytes(resident)))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "the local platform runs as process {}{memory}; its log is {}/supervisor.log",
        status.pid,
        status.state.display()
    )];
    if let Some(address) = &status.address {
        let place = address.replacen("localhost", "<service>.localhost", 1);
        lines.push(format!(
            "  each service is at {place}, too; metrics at {address}/metrics"
        ));
    }
    lines
}

/// The services, for people.
pub(crate) fn table(context: &Context, status: &SupervisorStatus) {
    if status.services.is_empty() {
        context.output.status("no service was deployed to it yet");
        return;
    }
    let header = [
        ("SERVICE", Align::Left),
        ("LIVE", Align::Left),
        ("ADDRESS", Align::Left),
    ];
    let or_none = |text: String| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            text
        }
    };
    let rows: Vec<_> = status
        .services
        .iter()
        .map(|service| {
            let live: Vec<String> = service.live.iter().map(ToString::to_string).collect();
            vec![
                service.service.to_string(),
                or_none(live.join(", ")),
                or_none(service.address.clone().unwrap_or_default()),
            ]
        })
        .collect();
    let output = &context.output;
    let width = output.is_terminal().then(|| output.width());
    output.out(&render(&header, &rows, width));
}

/// Such as `12.3 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const MEGA: u64 = 1_000_000;
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..MEGA => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / MEGA, bytes % MEGA / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_rounded_for_people() {
        for (number, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (12_345_678, "12.3 MB"),
        ] {
            assert_eq!(bytes(number), wanted);
        }
    }
}
