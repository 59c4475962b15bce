//! `CloudWatch` Logs, as far as it tells what a function wrote. Changes nothing.

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::signed::{Service, Signed};

/// AWS General Reference, "Amazon CloudWatch Logs endpoints and quotas".
pub(super) const SERVICE: Service = Service {
    id: "CloudWatch Logs",
    signing: "logs",
    host: "logs",
    other_host: "logs",
    is_fips_in_gov: true,
};

/// `CloudWatch` Logs of one environment. Cheap to make; reaches nothing before the first call.
#[derive(Debug)]
pub(crate) struct Logs(Signed);

/// Which events (CloudWatch Logs API reference, `FilterLogEvents`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// The group's name.
    pub(crate) group: &'a str,
    /// Those since this moment, in milliseconds since 1970; none for all.
    pub(crate) since: Option<i64>,
    /// The most events of one page, at most 10,000; none for that many.
    pub(crate) limit: Option<u32>,
}

/// A page of them, oldest first.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    /// What was found; a page may be empty and not the last one.
    #[serde(default)]
    pub(crate) events: Vec<Event>,
    /// What the next page is asked for with; none on the last one.
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}

/// What was written at once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Unique; a server that imitates AWS may give none.
    #[serde(default)]
    pub(crate) event_id: Option<String>,
    /// The stream that it was written to.
    #[serde(default)]
    pub(crate) log_stream_name: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(crate) timestamp: Option<i64>,
    /// The text.
    #[serde(default)]
    pub(crate) message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    log_group_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

impl Logs {
    /// Over these calls.
    pub(super) fn new(calls: Signed) -> Self {
        Self(calls)
    }

    /// A page of events; `next` is the token of the page before.
    pub(crate) async fn filter(&self, filter: Filter<'_>, next: Option<&str>) -> Result<Page> {
        let input = Input {
            log_group_name: filter.group,
            start_time: filter.since,
            limit: filter.limit,
            next_token: next,
        };
        self.0
            .json(
                "logs:FilterLogEvents",
                filter.group,
                "Logs_20140328.FilterLogEvents",
                &input,
            )
            .await
    }
}
