//! The AWS clients of one environment, made when the first call needs them.
//!
//! Makes no decision; what an error means is said by whoever called.

use aws_config::{BehaviorVersion, Region};
use aws_smithy_types::error::display::DisplayErrorContext;
use tokio::sync::OnceCell;

use super::super::{Error, Result};

/// What an environment pins of AWS.
#[derive(Debug, Clone)]
pub(crate) struct Pins {
    /// Account id, 12 digits.
    pub(crate) account: String,
    /// Region, such as `eu-west-1`.
    pub(crate) region: String,
}

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    pub(super) tagging: aws_sdk_resourcegroupstagging::Client,
    sts: aws_sdk_sts::Client,
    guarded: OnceCell<()>,
    pins: Pins,
}

impl Clients {
    /// Loads credentials and settings as every AWS tool does; the region is the environment's.
    pub(super) async fn load(pins: &Pins) -> Self {
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(pins.region.clone()))
            .load()
            .await;
        Self {
            lambda: aws_sdk_lambda::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            tagging: aws_sdk_resourcegroupstagging::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            guarded: OnceCell::new(),
            pins: pins.clone(),
        }
    }

    /// Makes sure once that the credentials belong to the environment's account.
    pub(super) async fn guard(&self) -> Result<()> {
        self.guarded
            .get_or_try_init(|| async {
                let identity = self
                    .sts
                    .get_caller_identity()
                    .send()
                    .await
                    .map_err(failed)?;
                match identity.account() {
                    Some(account) if account == self.pins.account => Ok(()),
                    found => Err(Error::Invalid(format!(
                        "the credentials belong to the account {}, and the environment to {}",
                        found.unwrap_or("unknown"),
                        self.pins.account
                    ))),
                }
            })
            .await
            .copied()
    }
}

/// A call that did not succeed.
pub(super) fn failed(error: impl std::error::Error) -> Error {
    Error::Unreachable(DisplayErrorContext(&error).to_string())
}
