//! The settings of a function that `squad.toml` does not name: kept as they are at AWS, and told where a deploy would bring
//! others than what serves has.
//!
//! Pure.

use aws_sdk_lambda::types::FunctionConfiguration;

use crate::domain::plan::{Difference, OF_OTHERS};

/// What differs between what serves and what `$LATEST` has, and so the next version.
pub(super) fn differences(
    serving: &FunctionConfiguration,
    latest: &FunctionConfiguration,
) -> Vec<Difference> {
    rows(serving)
        .into_iter()
        .zip(rows(latest))
        .filter(|((_, before), (_, after))| before != after)
        .map(|((key, before), (_, after))| Difference {
            key: format!("{}{key}", OF_OTHERS),
            before: Some(before).filter(|before| !before.is_empty()),
            after: Some(after).filter(|after| !after.is_empty()),
        })
        .collect()
}

/// Each as a text; empty where it is not set. Lambda API, `FunctionConfiguration`.
pub(super) fn rows(found: &FunctionConfiguration) -> [(&'static str, String); 9] {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.join(" ")
    };
    let vpc = found.vpc_config();
    [
        (
            "dead-letter queue",
            text(
                found
                    .dead_letter_config()
                    .and_then(|queue| queue.target_arn()),
            ),
        ),
        (
            "ephemeral storage (MB)",
            // 512 is what a function has that names none.
            found
                .ephemeral_storage()
                .map_or_else(|| "512".to_owned(), |storage| storage.size().to_string()),
        ),
        (
            "file systems",
            found
                .file_system_configs()
                .iter()
                .map(|one| format!("{} at {}", one.arn(), one.local_mount_path()))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        ("KMS key", text(found.kms_key_arn())),
        (
            "log group",
            text(
                found
                    .logging_config()
                    .and_then(|logging| logging.log_group()),
            ),
        ),
        (
            "security groups",
            vpc.map_or_else(String::new, |vpc| sorted(vpc.security_group_ids())),
        ),
        (
            "SnapStart",
            found
                .snap_start()
                .and_then(|snap| snap.apply_on())
                .map_or_else(|| "None".to_owned(), |on| on.as_str().to_owned()),
        ),
        (
            "subnets",
            vpc.map_or_else(String::new, |vpc| sorted(vpc.subnet_ids())),
        ),
        (
            "tracing",
            found
                .tracing_config()
                .and_then(|tracing| tracing.mode())
                .map_or_else(|| "PassThrough".to_owned(), |mode| mode.as_str().to_owned()),
        ),
    ]
}
