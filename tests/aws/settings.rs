//! What a test can set (`PUT /_control/settings`, a merge of the members given).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All settings. Times are milliseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Every call answers that much later.
    pub(crate) latency_ms: u64,
    /// The same for single operations: `lambda.GetFunction`.
    pub(crate) latency_of: BTreeMap<String, u64>,
    /// Pending → Active, InProgress → Successful.
    pub(crate) settle_ms: u64,
    /// Pending → Active of a published version with SnapStart.
    pub(crate) snap_start_ms: u64,
    /// Until provisioned concurrency is READY.
    pub(crate) provision_ms: u64,
    /// Whether AWS's request quotas are kept.
    pub(crate) quotas: bool,
    /// `Retry-After` of a quota's 429, in seconds; none leaves the header out.
    pub(crate) quota_retry_after: Option<u64>,
    /// Chance.
    pub(crate) faults: Chance,
    /// `service:Operation` that nobody may call (IAM); `lambda:*` for a whole service.
    pub(crate) denied: Vec<String>,
    /// Without the right to `lambda:ListTags`, `GetFunction` leaves the tags out and says nothing of it.
    pub(crate) tags_left_out: bool,
    /// The next so many creates of functions find a role that Lambda cannot assume yet.
    pub(crate) role_not_ready: u64,
    /// What the next update, publication or creation settles as.
    pub(crate) fail_next: Option<Failing>,
    /// A function that is Failed can be updated (AWS's pages do not say).
    pub(crate) failed_can_be_updated: bool,
    /// The next provisioned concurrency request fails with this reason.
    pub(crate) fail_provisioning: Option<String>,
    /// A description alone makes `PublishVersion` publish (AWS's page does not say).
    pub(crate) description_publishes: bool,
    /// `ExecutedVersion` is published for an alias without weights too.
    pub(crate) executed_version_always: bool,
    /// Points of metrics can be read that many seconds after the moment they are about.
    pub(crate) metric_delay_seconds: f64,
    /// Values in one answer of `GetMetricData`.
    pub(crate) metric_page: usize,
    /// Metrics that `GetMetricData` cannot read: `InternalError` without values.
    pub(crate) metric_broken: Vec<String>,
    /// Events in one answer of `FilterLogEvents`.
    pub(crate) log_page: usize,
    /// `FilterLogEvents` answers an empty page with a token first.
    pub(crate) log_empty_page: bool,
    /// Items in one answer of `GetResources` at most.
    pub(crate) tag_page: usize,
    /// The digest that an image's tag means now: `repo:tag` → `sha256:…`.
    pub(crate) images: BTreeMap<String, String>,
    /// Which version a weighted alias takes, and all ids.
    pub(crate) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            latency_of: BTreeMap::new(),
            settle_ms: 100,
            snap_start_ms: 500,
            provision_ms: 300,
            quotas: false,
            quota_retry_after: None,
            faults: Chance::default(),
            denied: Vec::new(),
            tags_left_out: false,
            role_not_ready: 0,
            fail_next: None,
            failed_can_be_updated: true,
            fail_provisioning: None,
            description_publishes: false,
            executed_version_always: false,
            metric_delay_seconds: 0.0,
            metric_page: 100_800,
            metric_broken: Vec::new(),
            log_page: 10_000,
            log_empty_page: false,
            tag_page: 100,
            images: BTreeMap::new(),
            seed: 1,
        }
    }
}

/// Random faults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Chance {
    /// 0 to 1: of all calls that `services` lets through.
    pub(crate) rate: f64,
    pub(crate) seed: u64,
    /// Of these one at random.
    pub(crate) kinds: Vec<Kind>,
    /// Empty: all services.
    pub(crate) services: Vec<String>,
    /// No more than this many faults in a row for one operation; none: no limit.
    pub(crate) in_a_row: Option<u64>,
}

impl Default for Chance {
    fn default() -> Self {
        Self {
            rate: 0.0,
            seed: 1,
            kinds: vec![
                Kind::Throttled,
                Kind::ThrottledRetryAfter,
                Kind::Broken,
                Kind::Unavailable,
                Kind::ResetBefore,
                Kind::ResetAfter,
                Kind::InProgress,
            ],
            services: Vec::new(),
            in_a_row: None,
        }
    }
}

/// A kind of random fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// 429 (or what the service has for it).
    Throttled,
    /// 429 with `Retry-After: 1`.
    ThrottledRetryAfter,
    /// 500, nothing applied.
    Broken,
    /// 500, although it was applied.
    BrokenAfter,
    /// 503, nothing applied.
    Unavailable,
    /// The connection is reset, nothing applied.
    ResetBefore,
    /// It is applied, then the connection is reset.
    ResetAfter,
    /// 409 `ResourceConflictException`; only Lambda's writes have it, other calls stay whole.
    InProgress,
}

/// How something settles badly.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failing {
    /// `StateReasonCode` or `LastUpdateStatusReasonCode`, such as `InvalidImage`.
    pub(crate) code: String,
    pub(crate) reason: String,
}
