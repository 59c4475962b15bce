//! Lambda's request quotas as token buckets.
//!
//! "Lambda quotas", API requests (gettingstarted-limits.html#api-requests): GetFunction 100 requests per second,
//! GetPolicy 15, "Remainder of the control plane API requests (excludes invocation, GetFunction, and GetPolicy
//! requests)" 15 per second across all APIs; none can be raised. Each is for one account and region. A bucket holds
//! one second's worth.

use std::collections::BTreeMap;

/// Buckets by (account, region, name).
#[derive(Debug, Default)]
pub(crate) struct Quotas(BTreeMap<(String, String, &'static str), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    /// Milliseconds since 1970.
    at: u64,
}

/// The bucket that a Lambda operation draws from, and its rate per second.
fn bucket_of(operation: &str) -> Option<(&'static str, f64)> {
    match operation {
        "Invoke" => None,
        "GetFunction" => Some(("GetFunction", 100.0)),
        "GetPolicy" => Some(("GetPolicy", 15.0)),
        _ => Some(("control plane", 15.0)),
    }
}

impl Quotas {
    /// Whether a call may pass now.
    pub(crate) fn admits(
        &mut self,
        account: &str,
        region: &str,
        operation: &str,
        now: u64,
    ) -> bool {
        let Some((name, rate)) = bucket_of(operation) else {
            return true;
        };
        let bucket = self
            .0
            .entry((account.to_owned(), region.to_owned(), name))
            .or_insert(Bucket {
                tokens: rate,
                at: now,
            });
        let passed = now.saturating_sub(bucket.at) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + passed * rate).min(rate);
        bucket.at = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}
