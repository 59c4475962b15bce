//! The settings of a function that `squad.toml` does not name: kept as they are at AWS, and told where a deploy would bring
//! others than what serves has.
//!
//! Pure.

use aws_sdk_lambda::types::{FunctionConfiguration, ImageConfig};

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
            key: format!("{OF_OTHERS}{key}"),
            before: Some(before).filter(|before| !before.is_empty()),
            after: Some(after).filter(|after| !after.is_empty()),
        })
        .collect()
}

/// Each as a text; empty where it is not set. Lambda API, `FunctionConfiguration`.
pub(super) fn rows(found: &FunctionConfiguration) -> [(&'static str, String); 13] {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.join(" ")
    };
    let vpc = found.vpc_config();
    let joined = |words: Option<&[String]>| words.unwrap_or_default().join(" ");
    let image = found
        .image_config_response()
        .and_then(|answer| answer.image_config());
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
            "image's entry point",
            joined(image.map(ImageConfig::entry_point)),
        ),
        ("image's command", joined(image.map(ImageConfig::command))),
        (
            "image's directory",
            text(image.and_then(|image| image.working_directory())),
        ),
        ("log format and levels", logging(found)),
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

/// `Text` is what a function has that names no format; levels are for JSON alone (Lambda API, `LoggingConfig`).
fn logging(found: &FunctionConfiguration) -> String {
    let config = found.logging_config();
    let format = config.and_then(|logging| logging.log_format());
    let mut words = vec![format.map_or("Text", |format| format.as_str()).to_owned()];
    let own = config.and_then(|logging| logging.application_log_level());
    let system = config.and_then(|logging| logging.system_log_level());
    words.extend(own.map(|level| format!("application {}", level.as_str())));
    words.extend(system.map(|level| format!("system {}", level.as_str())));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{
        ApplicationLogLevel, ImageConfigResponse, LogFormat, LoggingConfig, SystemLogLevel,
    };

    use super::*;

    #[test]
    fn how_an_image_is_started_and_what_is_logged_are_settings_of_others() {
        let before = FunctionConfiguration::builder().build();
        let image = ImageConfig::builder()
            .entry_point("/entry.sh")
            .command("app.handler")
            .working_directory("/srv");
        let logging = LoggingConfig::builder()
            .log_format(LogFormat::Json)
            .application_log_level(ApplicationLogLevel::Debug)
            .system_log_level(SystemLogLevel::Warn);
        let after = FunctionConfiguration::builder()
            .image_config_response(
                ImageConfigResponse::builder()
                    .image_config(image.build())
                    .build(),
            )
            .logging_config(logging.build())
            .build();
        let told: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|one| (one.key, one.before, one.after))
            .collect();
        let row = |key: &str, before: Option<&str>, after: &str| {
            let text = |text: &str| text.to_owned();
            (
                format!("at AWS: {key}"),
                before.map(text),
                Some(text(after)),
            )
        };
        assert_eq!(
            told,
            [
                row("image's entry point", None, "/entry.sh"),
                row("image's command", None, "app.handler"),
                row("image's directory", None, "/srv"),
                row(
                    "log format and levels",
                    Some("Text"),
                    "JSON, application DEBUG, system WARN"
                ),
            ]
        );
        assert!(differences(&after, &after).is_empty());
    }
}
