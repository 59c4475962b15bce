//! What to do where the platform has no room left for what is published.
//!
//! Reads only, and only after a deploy was refused for it.

use super::Options;
use crate::error::Error;
use crate::platform::{Platform, Room};

/// The id of the error of a full storage.
const FULL: &str = "aws-storage-full";
/// Revisions that are named.
const NAMED: usize = 10;

/// The error with how full it is, and what of this service could go.
pub(super) async fn told(platform: &dyn Platform, options: &Options, error: Error) -> Error {
    if error.id != FULL {
        return error;
    }
    match platform.room(&options.service.name).await {
        Some(room) => with_room(error, options, &room),
        None => error,
    }
}

fn with_room(error: Error, options: &Options, room: &Room) -> Error {
    let name = &options.service.name;
    let mut error = error.detail(format!(
        "{} of {} are used by all functions of the account here",
        size(room.used),
        size(room.limit)
    ));
    error.hints.clear();
    let numbers: Vec<_> = room
        .old
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    match (room.old.first(), room.old.len()) {
        (None, _) => error
            .detail(format!(
                "no revision of `{name}` can go: each is among the newest, or something refers to it"
            ))
            .hint(format!(
                "delete old versions of other functions; `squad doctor{}` says how to find the largest",
                options.environment.flag()
            )),
        (Some(first), count) => {
            let more = match count.saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            error
                .detail(format!(
                    "of `{name}` nothing refers to the old revisions {}{more}: {}",
                    numbers.join(", "),
                    size(room.of_old)
                ))
                .hint(format!("delete them, each with `{} {first}`", room.delete))
        }
    }
    .hint("or ask AWS for a higher quota of code storage")
}

/// `75.0 GB`, `12.3 MB`.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size with one decimal")]
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        1_073_741_824.. => format!("{:.1} GB", of(1 << 30)),
        _ => format!("{:.1} MB", of(1 << 20)),
    }
}
