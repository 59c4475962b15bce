//! How long a call may take: longer where it carries a package, because a slow line needs its time.
//!
//! Two limits end a call: one for each attempt, one for all of them. Both grow with what is sent. The SDK's own protection
//! against stalled uploads is no help here: it watches the pieces of a body, and a package is one piece, which a
//! connection takes at once, however slowly it then leaves the machine.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::create_function::CreateFunctionInput;
use aws_sdk_lambda::operation::update_function_code::UpdateFunctionCodeInput;
use aws_sdk_lambda::types::FunctionCode;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, Input,
};
use aws_smithy_types::config_bag::ConfigBag;

/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(4);
/// How long one attempt may take that sends next to nothing.
const ATTEMPT: Duration = Duration::from_mins(1);
/// How long such a call may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(150);
/// What the slowest line carries each second: half a megabit.
const SLOWEST: u64 = 64 * 1024;

/// The time that it takes to send so many bytes on the slowest line.
pub(super) fn sending(bytes: u64) -> Duration {
    Duration::from_secs(bytes / SLOWEST)
}

/// The limits of a call that sends so many bytes; all attempts together have the time to send them twice.
pub(super) fn limits(bytes: u64) -> TimeoutConfig {
    let sending = sending(bytes);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT + sending)
        .operation_timeout(OPERATION + sending * 2)
        .build()
}

/// Gives calls of Lambda that carry a package the time to send it.
#[derive(Debug)]
pub(super) struct Patience;

impl Intercept for Patience {
    fn name(&self) -> &'static str {
        "Patience"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let package = package(context.input());
        if package > 0 {
            // In JSON: three bytes are four letters.
            let sent = u64::try_from(package).unwrap_or(u64::MAX / 4) * 4 / 3;
            cfg.interceptor_state().store_put(limits(sent));
        }
        Ok(())
    }
}

/// The bytes of the package that a call carries.
fn package(input: &Input) -> usize {
    let update = input.downcast_ref::<UpdateFunctionCodeInput>();
    let create = input.downcast_ref::<CreateFunctionInput>();
    let package = update
        .and_then(UpdateFunctionCodeInput::zip_file)
        .or_else(|| create?.code().and_then(FunctionCode::zip_file));
    package.map_or(0, |package| package.as_ref().len())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_lambda::config::retry::RetryConfig;
    use aws_sdk_lambda::config::{
        AsyncSleep, BehaviorVersion, Credentials, Region, SharedAsyncSleep, Sleep,
    };
    use aws_sdk_lambda::error::SdkError;
    use aws_sdk_lambda::primitives::Blob;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    /// A line that carries nothing.
    #[derive(Debug)]
    struct Dead;

    impl HttpConnector for Dead {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::new(std::future::pending())
        }
    }

    /// A clock that runs a thousand times as fast, and knows what was waited for.
    #[derive(Debug, Clone, Default)]
    struct Fast(Arc<Mutex<Vec<u64>>>);

    impl AsyncSleep for Fast {
        fn sleep(&self, duration: Duration) -> Sleep {
            self.0.lock().unwrap().push(duration.as_secs());
            Sleep::new(tokio::time::sleep(duration / 1000))
        }
    }

    /// The limits, in seconds, of a call with such a package: of all attempts, and of one.
    async fn waited(package: usize) -> Vec<u64> {
        let fast = Fast::default();
        let client = aws_sdk_lambda::Client::from_conf(
            aws_sdk_lambda::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("eu-west-1"))
                .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
                .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Dead)))
                .sleep_impl(SharedAsyncSleep::new(fast.clone()))
                .retry_config(RetryConfig::disabled())
                .timeout_config(limits(0))
                .interceptor(Patience)
                .build(),
        );
        let call = client
            .update_function_code()
            .function_name("receipts")
            .zip_file(Blob::new(vec![0; package]));
        let error = call.send().await.unwrap_err();
        assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
        let waited = fast.0.lock().unwrap();
        waited
            .iter()
            .copied()
            .filter(|one| *one >= 60)
            .take(2)
            .collect()
    }

    #[tokio::test]
    async fn a_package_has_the_time_that_a_slow_line_needs() {
        const MEGABYTE: usize = 1024 * 1024;
        assert_eq!(waited(0).await, [150, 60]);
        // A second for each 48 KiB, which are 64 KiB as they are sent.
        assert_eq!(waited(6 * MEGABYTE).await, [150 + 2 * 128, 60 + 128]);
        assert_eq!(waited(48 * MEGABYTE).await, [150 + 2 * 1024, 60 + 1024]);
    }
}
