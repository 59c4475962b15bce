//! The questions to CloudWatch: one `GetMetricData` for all versions, page by page.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};
use jiff::Timestamp;

use super::super::{Lambda, Target};
use super::{MINUTE, Span};
use crate::clients::aws::Called;
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Result};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Invocations that began, failed or not.
    Invocations,
    /// Those that ended with an error or ran out of time.
    Errors,
    /// Requests that Lambda refused; they are no invocations.
    Throttles,
    /// Invocations that took longer than the service allows, and ended by themselves.
    Slow,
}

/// Of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// The function, however it was called.
    Function,
    /// The alias.
    Alias,
    /// One version, called through the alias.
    Version(RevisionNumber),
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) target: &'a Target,
    pub(super) span: Span,
    pub(super) versions: &'a [RevisionNumber],
    /// Milliseconds; none = nothing is slow.
    pub(super) slow: Option<u64>,
    /// Milliseconds after which each version is ended, where that is known: such an invocation is an error already, and not
    /// also a slow one.
    pub(super) timeouts: BTreeMap<RevisionNumber, u64>,
    /// The version that the alias stands for, where it takes all.
    pub(super) sole: Option<RevisionNumber>,
}

impl Ask<'_> {
    /// The durations that are slow and no timeout, as the statistic has them: the lower bound is left out, the upper one is
    /// not. None where no such duration is possible.
    fn slow(&self, of: Of) -> Option<(u64, Option<u64>)> {
        let slow = self.slow?;
        let timeout = match of {
            Of::Function => None,
            Of::Alias => match self.sole {
                Some(sole) => self.timeouts.get(&sole),
                None => self.timeouts.values().max(),
            },
            Of::Version(version) => self.timeouts.get(&version),
        };
        let last = timeout.map(|timeout| timeout.saturating_sub(1));
        last.is_none_or(|last| last > slow).then_some((slow, last))
    }
}

/// The points, by what they count and the minute in which it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Points(pub(super) BTreeMap<(Of, What), BTreeMap<Timestamp, u64>>);

impl Points {
    /// Invocations in all the time.
    pub(super) fn total(&self, of: Of) -> u64 {
        self.0
            .get(&(of, What::Invocations))
            .map_or(0, |points| points.values().sum())
    }

    /// The number of one minute; 0 where nothing was counted.
    pub(super) fn at(&self, of: Of, what: What, minute: Timestamp) -> u64 {
        self.0
            .get(&(of, what))
            .and_then(|points| points.get(&minute))
            .copied()
            .unwrap_or(0)
    }

    /// The minutes in which something was counted, in order.
    pub(super) fn minutes(&self, of: Of) -> Vec<Timestamp> {
        let mut minutes: Vec<_> = [What::Invocations, What::Errors, What::Throttles, What::Slow]
            .iter()
            .filter_map(|what| self.0.get(&(of, *what)))
            .flat_map(|points| points.keys().copied())
            .collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }
}

impl Lambda {
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Points> {
        let series = series(ask);
        let queries: Vec<_> = series
            .iter()
            .enumerate()
            .map(|(index, (of, what))| query(ask, index, *of, *what))
            .collect();
        let client = self.session().cloudwatch().await;
        let mut points = Points::default();
        let mut status = BTreeMap::new();
        let mut next = None;
        loop {
            let page = client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(DateTime::from_secs(ask.span.from.as_second()))
                .end_time(DateTime::from_secs(ask.span.to.as_second()))
                .scan_by(ScanBy::TimestampAscending)
                .set_next_token(next)
                .send()
                .await
                .called("cloudwatch:GetMetricData", &ask.target.function)?;
            for result in page.metric_data_results() {
                let key = result
                    .id()
                    .and_then(|id| id.strip_prefix('q'))
                    .and_then(|index| index.parse::<usize>().ok())
                    .and_then(|index| series.get(index))
                    .ok_or_else(|| {
                        Error::Invalid("CloudWatch answered what was not asked".to_owned())
                    })?;
                status.insert(*key, result.status_code.clone());
                let row = points.0.entry(*key).or_default();
                for (time, value) in result.timestamps().iter().zip(result.values()) {
                    let at = Timestamp::from_second(time.secs()).unwrap_or(ask.span.from);
                    *row.entry(super::minute(at)).or_default() += whole(*value);
                }
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        for ((_, what), status) in status {
            complete(what, status.as_ref())?;
        }
        Ok(points)
    }
}

/// Whether all of a series was read (`CloudWatch` API reference, `MetricDataResult`, `StatusCode`; the last page
/// decides). A part of it, taken for all, would be a counter that falls, or errors that nobody sees.
fn complete(what: What, status: Option<&StatusCode>) -> Result<()> {
    match status {
        None | Some(StatusCode::Complete) => Ok(()),
        Some(other) => Err(Error::Invalid(format!(
            "CloudWatch did not tell all of {} ({})",
            metric(what),
            other.as_str()
        ))),
    }
}

/// The metric that counts it.
fn metric(what: What) -> &'static str {
    match what {
        What::Invocations => "Invocations",
        What::Errors => "Errors",
        What::Throttles => "Throttles",
        What::Slow => "Duration",
    }
}

/// All that is asked, in the order of its ids.
fn series(ask: &Ask<'_>) -> Vec<(Of, What)> {
    let mut series = vec![(Of::Function, What::Invocations)];
    let mut whose = vec![Of::Alias];
    whose.extend(ask.versions.iter().map(|version| Of::Version(*version)));
    for of in whose {
        for what in [What::Invocations, What::Errors, What::Throttles, What::Slow] {
            if what != What::Slow || ask.slow(of).is_some() {
                series.push((of, what));
            }
        }
    }
    series
}

fn query(ask: &Ask<'_>, index: usize, of: Of, what: What) -> MetricDataQuery {
    let dimension =
        |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    let mut dimensions = vec![dimension("FunctionName", ask.target.function.clone())];
    if of != Of::Function {
        dimensions.push(dimension(
            "Resource",
            format!("{}:{}", ask.target.function, ask.target.alias),
        ));
    }
    if let Of::Version(version) = of {
        dimensions.push(dimension("ExecutedVersion", version.to_string()));
    }
    // CloudWatch User Guide, "CloudWatch statistics definitions": the trimmed count between two bounds, the lower one left
    // out.
    let statistic = match what {
        What::Slow => {
            let (slow, last) = ask.slow(of).unwrap_or_default();
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            format!("TC({slow}:{last})")
        }
        What::Invocations | What::Errors | What::Throttles => "Sum".to_owned(),
    };
    let named = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name(metric(what))
        .set_dimensions(Some(dimensions))
        .build();
    MetricDataQuery::builder()
        .id(format!("q{index}"))
        .metric_stat(
            MetricStat::builder()
                .metric(named)
                .period(i32::try_from(MINUTE).unwrap_or(60))
                .stat(statistic)
                .build(),
        )
        .return_data(true)
        .build()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, whole and not negative"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}
