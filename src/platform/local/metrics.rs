//! Counts and latency histograms for each route, verb and revision: for the judge, and as Prometheus text
//! (text exposition format 0.0.4).
//!
//! Counting costs a few atomic additions; nothing here locks on the way of a request.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;

/// Upper bounds of the histogram's buckets, in milliseconds; the last bucket has none.
const BOUNDS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000,
];

/// What a series is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The service.
    pub(crate) service: ServiceName,
    /// The route's name, or `rest`.
    pub(crate) route: String,
    /// The route's method; empty for the rest.
    pub(crate) method: String,
    /// The revision.
    pub(crate) revision: RevisionNumber,
    /// The request named the revision itself: not to be judged.
    pub(crate) forced: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// An answer with this status went out whole.
    Answered(u16),
    /// The proxy itself had to answer (502, 503, 504), or the answer broke off.
    Failed,
    /// The client went away before the answer was whole: not the service's fault.
    ClientClosed,
}

/// The numbers of one series; they only grow.
#[derive(Debug, Default)]
pub(crate) struct Series {
    classes: [AtomicU64; 5],
    failed: AtomicU64,
    client_closed: AtomicU64,
    slow: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The numbers of one series at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Requests that ended, those of clients that went away left out.
    pub(crate) requests: u64,
    /// Answers 5xx, and requests that the proxy had to answer.
    pub(crate) errors: u64,
    /// Requests that took longer than the service's `slow`, errors left out.
    pub(crate) slow: u64,
    /// Requests whose client went away.
    pub(crate) client_closed: u64,
    /// Requests by latency: the bucket's upper bound in milliseconds → count, not cumulative; none = the rest.
    pub(crate) latency: Vec<(Option<u64>, u64)>,
}

impl Series {
    /// Counts one request. `latency` is the time to the head of the answer; `slow` the service's threshold.
    pub(crate) fn record(&self, end: End, latency: Duration, slow: Option<Duration>) {
        let add = |counter: &AtomicU64| _ = counter.fetch_add(1, Ordering::Relaxed);
        let is_error = match end {
            End::ClientClosed => return add(&self.client_closed),
            End::Failed => {
                add(&self.failed);
                true
            }
            End::Answered(status) => {
                let class = usize::from((status / 100).clamp(1, 5) - 1);
                if let Some(counter) = self.classes.get(class) {
                    add(counter);
                }
                status >= 500
            }
        };
        if !is_error && slow.is_some_and(|slow| latency > slow) {
            add(&self.slow);
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        let bucket = BOUNDS.partition_point(|bound| bound * 1000 < micros);
        if let Some(counter) = self.buckets.get(bucket) {
            add(counter);
        }
    }

    /// The numbers now.
    pub(crate) fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failed = get(&self.failed);
        let bounds = BOUNDS.iter().copied().map(Some).chain([None]);
        Counts {
            requests: self.classes.iter().map(get).sum::<u64>() + failed,
            errors: self.classes.last().map(get).unwrap_or_default() + failed,
            slow: get(&self.slow),
            client_closed: get(&self.client_closed),
            latency: bounds.zip(self.buckets.iter().map(get)).collect(),
        }
    }
}

/// All series of one environment.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: RwLock<BTreeMap<Key, Arc<Series>>>,
}

impl Metrics {
    /// The series of a key, made if it is new. For when traffic changes, not for each request.
    pub(crate) fn series(&self, key: Key) -> Arc<Series> {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(series.entry(key).or_default())
    }

    /// All numbers of one service, in order of their keys.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the judge of rollouts reads it")
    )]
    pub(crate) fn of(&self, service: &ServiceName) -> Vec<(Key, Counts)> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series
            .iter()
            .filter(|(key, _)| key.service == *service)
            .map(|(key, series)| (key.clone(), series.counts()))
            .collect()
    }

    /// Forgets a service, or one revision of it.
    pub(crate) fn forget(&self, service: &ServiceName, revision: Option<RevisionNumber>) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|key, _| {
            key.service != *service || revision.is_some_and(|revision| key.revision != revision)
        });
    }

    /// Prometheus text exposition format 0.0.4.
    pub(crate) fn text(&self) -> String {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        header(
            &mut text,
            "squad_requests_total",
            "counter",
            "Requests by how they ended.",
        );
        for (key, series) in series.iter() {
            let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            for (class, counter) in (1..).zip(&series.classes) {
                line(
                    &mut text,
                    "squad_requests_total",
                    key,
                    &[("code", &format!("{class}xx"))],
                    get(counter),
                );
            }
            line(
                &mut text,
                "squad_requests_total",
                key,
                &[("code", "proxy")],
                get(&series.failed),
            );
            line(
                &mut text,
                "squad_requests_total",
                key,
                &[("code", "client_closed")],
                get(&series.client_closed),
            );
        }
        header(
            &mut text,
            "squad_slow_requests_total",
            "counter",
            "Answers slower than the service's `slow`.",
        );
        for (key, series) in series.iter() {
            line(
                &mut text,
                "squad_slow_requests_total",
                key,
                &[],
                series.slow.load(Ordering::Relaxed),
            );
        }
        header(
            &mut text,
            "squad_request_duration_seconds",
            "histogram",
            "Time to the head of the answer.",
        );
        for (key, series) in series.iter() {
            histogram(&mut text, key, series);
        }
        text
    }
}

fn histogram(text: &mut String, key: &Key, series: &Series) {
    let name = "squad_request_duration_seconds";
    let mut sum = 0;
    let bounds = BOUNDS
        .iter()
        .map(|bound| seconds(*bound))
        .chain(["+Inf".to_owned()]);
    for (bound, counter) in bounds.zip(&series.buckets) {
        sum += counter.load(Ordering::Relaxed);
        line(text, &format!("{name}_bucket"), key, &[("le", &bound)], sum);
    }
    let micros = series.micros.load(Ordering::Relaxed);
    let total = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    line(text, &format!("{name}_sum"), key, &[], total);
    line(text, &format!("{name}_count"), key, &[], sum);
}

/// Milliseconds as seconds, without zeros at the end.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(
    text: &mut String,
    name: &str,
    key: &Key,
    more: &[(&str, &str)],
    value: impl std::fmt::Display,
) {
    _ = write!(
        text,
        "{name}{{service=\"{}\",route=\"{}\",method=\"{}\",revision=\"{}\",forced=\"{}\"",
        key.service,
        escaped(&key.route),
        escaped(&key.method),
        key.revision,
        key.forced
    );
    for (label, value) in more {
        _ = write!(text, ",{label}=\"{}\"", escaped(value));
    }
    _ = writeln!(text, "}} {value}");
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(revision: u64) -> Key {
        Key {
            service: "payments".parse().unwrap(),
            route: "get-charge".to_owned(),
            method: "GET".to_owned(),
            revision: RevisionNumber(revision),
            forced: false,
        }
    }

    #[test]
    fn requests_are_counted_by_how_they_end() {
        let metrics = Metrics::default();
        let series = metrics.series(key(1));
        let slow = Some(Duration::from_millis(500));
        series.record(End::Answered(200), Duration::from_millis(1), slow);
        series.record(End::Answered(404), Duration::from_millis(600), slow);
        series.record(End::Answered(503), Duration::from_millis(700), slow);
        series.record(End::Failed, Duration::from_secs(90), slow);
        series.record(End::ClientClosed, Duration::from_secs(1), slow);
        let counts = series.counts();
        assert_eq!(
            (
                counts.requests,
                counts.errors,
                counts.slow,
                counts.client_closed
            ),
            (4, 2, 1, 1)
        );
        let filled: Vec<_> = counts
            .latency
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(filled, [(Some(1), 1), (Some(1000), 2), (None, 1)]);
        metrics.forget(&key(1).service, Some(RevisionNumber(2)));
        assert_eq!(metrics.of(&key(1).service).len(), 1);
        metrics.forget(&key(1).service, None);
        assert!(metrics.of(&key(1).service).is_empty());
    }

    #[test]
    fn the_text_is_that_of_the_exposition_format() {
        let metrics = Metrics::default();
        metrics
            .series(key(1))
            .record(End::Answered(200), Duration::from_millis(3), None);
        let text = metrics.text();
        let labels = "service=\"payments\",route=\"get-charge\",method=\"GET\",revision=\"1\",forced=\"false\"";
        for line in [
            "# TYPE squad_requests_total counter".to_owned(),
            format!("squad_requests_total{{{labels},code=\"2xx\"}} 1"),
            format!("squad_requests_total{{{labels},code=\"5xx\"}} 0"),
            format!("squad_request_duration_seconds_bucket{{{labels},le=\"0.002\"}} 0"),
            format!("squad_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("squad_request_duration_seconds_bucket{{{labels},le=\"60\"}} 1"),
            format!("squad_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1"),
            format!("squad_request_duration_seconds_sum{{{labels}}} 0.003000"),
            format!("squad_request_duration_seconds_count{{{labels}}} 1"),
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
