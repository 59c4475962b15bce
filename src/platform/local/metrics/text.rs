//! The counters as Prometheus text (text exposition format 0.0.4).

use std::fmt::Write;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BOUNDS, Key, Metrics, Series};

impl Metrics {
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
            let slow = series.slow.iter().map(get).chain([0]);
            for ((class, counter), slow) in (1..).zip(&series.classes).zip(slow) {
                line(
                    &mut text,
                    "squad_requests_total",
                    key,
                    &[("code", &format!("{class}xx"))],
                    get(counter) + slow,
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
                series.sum().slow,
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
    use std::time::Duration;

    use super::super::tests::key;
    use super::super::{End, Metrics};

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
