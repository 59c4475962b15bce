//! Metrics as CloudWatch keeps them: series of observations by minute.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Namespace, name, dimensions in order of their names.
pub(crate) type Series = (String, String, Vec<(String, String)>);

/// One value, seen so many times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// From when it can be read; none: the usual delay.
    pub(crate) visible: Option<u64>,
    pub(crate) value: f64,
    pub(crate) count: f64,
}

/// All series of a region.
#[derive(Debug, Default)]
pub(crate) struct Metrics(pub(crate) BTreeMap<Series, Vec<Point>>);

/// Invocations of one function that are to be counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) function: String,
    /// The alias or version that was asked for.
    pub(crate) qualifier: Option<String>,
    /// What ran, where the alias has weights.
    pub(crate) executed: Option<String>,
    pub(crate) at: u64,
    pub(crate) visible: Option<u64>,
    pub(crate) invocations: u64,
    pub(crate) errors: u64,
    pub(crate) throttles: u64,
    /// Milliseconds, and how many had them.
    pub(crate) durations: Vec<(f64, f64)>,
}

impl Metrics {
    pub(crate) fn push(&mut self, series: Series, point: Point) {
        if point.count > 0.0 {
            self.0.entry(series).or_default().push(point);
        }
    }

    /// "Types of metrics for Lambda functions" (monitoring-metrics-types.html): Invocations, Errors, Throttles and
    /// Duration; throttled requests count neither as Invocations nor as Errors. Errors and Throttles of 0 are
    /// published too, as is seen on AWS; the page says only that they are binary indicators. "Viewing metrics"
    /// (monitoring-metrics-view.html), dimensions: FunctionName; Resource (a version or an alias); ExecutedVersion
    /// ("to compare error rates for two versions of a function that are both targets of a weighted alias"); none.
    /// "The timestamp on a metric reflects when the function was invoked."
    pub(crate) fn count(&mut self, counted: &Counted) {
        let name = ("FunctionName".to_owned(), counted.function.clone());
        let resource = match &counted.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", counted.function),
            None => counted.function.clone(),
        };
        let resource = ("Resource".to_owned(), resource);
        let mut dimensions = vec![
            vec![],
            vec![name.clone()],
            vec![name.clone(), resource.clone()],
        ];
        if let Some(executed) = &counted.executed {
            let executed = ("ExecutedVersion".to_owned(), executed.clone());
            dimensions.push(vec![executed, name, resource]);
        }
        let good = counted.invocations.saturating_sub(counted.errors);
        let ones = [
            ("Invocations", 1.0, counted.invocations),
            ("Errors", 1.0, counted.errors),
            ("Errors", 0.0, good),
            ("Throttles", 1.0, counted.throttles),
            ("Throttles", 0.0, counted.invocations),
        ];
        for dimensions in dimensions {
            let mut add = |metric: &str, value: f64, count: f64| {
                let series = (
                    "AWS/Lambda".to_owned(),
                    metric.to_owned(),
                    dimensions.clone(),
                );
                let (at, visible) = (counted.at, counted.visible);
                self.push(
                    series,
                    Point {
                        at,
                        visible,
                        value,
                        count,
                    },
                );
            };
            for (metric, value, count) in ones {
                add(metric, value, count as f64);
            }
            for (value, count) in &counted.durations {
                add("Duration", *value, *count);
            }
        }
    }
}

/// `POST /_control/metrics`: one point or a list of them.
pub(crate) fn points(body: &Value, now: u64) -> Result<Vec<(Value, Counted)>, String> {
    let list = match body {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    list.into_iter()
        .map(|point| {
            let number = |name: &str| point[name].as_u64().unwrap_or(0);
            let text = |name: &str| point[name].as_str().map(str::to_owned);
            let at = point["minute"]
                .as_f64()
                .map_or(now, |seconds| (seconds * 1000.0) as u64);
            let weighted = point["weighted"].as_bool().unwrap_or(true);
            let durations = point["durations"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| match entry.as_array() {
                    Some(pair) => (
                        pair.first().and_then(Value::as_f64).unwrap_or(0.0),
                        pair.get(1).and_then(Value::as_f64).unwrap_or(1.0),
                    ),
                    None => (entry.as_f64().unwrap_or(0.0), 1.0),
                })
                .collect();
            let counted = Counted {
                function: text("function").ok_or("which function?")?,
                qualifier: text("alias").or_else(|| text("version")),
                executed: text("version").filter(|_| weighted && point["alias"].is_string()),
                at,
                visible: point["delay_seconds"]
                    .as_f64()
                    .map(|delay| now + (delay * 1000.0) as u64),
                invocations: number("invocations"),
                errors: number("errors"),
                throttles: number("throttles"),
                durations,
            };
            Ok((point, counted))
        })
        .collect()
}

/// A statistic over observations (CloudWatch User Guide, "CloudWatch statistics definitions"); none for one that the
/// stand-in does not know.
pub(crate) fn statistic(name: &str, points: &[&Point]) -> Option<f64> {
    let sum: f64 = points.iter().map(|point| point.value * point.count).sum();
    let samples: f64 = points.iter().map(|point| point.count).sum();
    let values = || points.iter().map(|point| point.value);
    match name {
        "Sum" => Some(sum),
        "SampleCount" => Some(samples),
        "Average" => Some(sum / samples),
        "Minimum" => Some(values().fold(f64::INFINITY, f64::min)),
        "Maximum" => Some(values().fold(f64::NEG_INFINITY, f64::max)),
        _ => {
            if let Some(range) = name
                .strip_prefix("TC(")
                .and_then(|rest| rest.strip_suffix(')'))
            {
                return trimmed_count(range, points);
            }
            let share: f64 = name.strip_prefix('p')?.parse().ok()?;
            let mut sorted: Vec<&&Point> = points.iter().collect();
            sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
            let wanted = (samples * share / 100.0).ceil().max(1.0);
            let mut seen = 0.0;
            sorted
                .into_iter()
                .find(|point| {
                    seen += point.count;
                    seen >= wanted
                })
                .map(|point| point.value)
        }
    }
}

/// Statistics-definitions.html: the trimmed count is the number of data points in the chosen range; the lower bound
/// is exclusive and the upper inclusive, as for the percentile rank there; a missing bound is open. Percentages are
/// not known here.
fn trimmed_count(range: &str, points: &[&Point]) -> Option<f64> {
    let (low, high) = range.split_once(':')?;
    let bound = |text: &str, open: f64| {
        if text.is_empty() {
            Some(open)
        } else {
            text.parse().ok()
        }
    };
    let (low, high): (f64, f64) = (bound(low, f64::NEG_INFINITY)?, bound(high, f64::INFINITY)?);
    let inside = |point: &&&Point| point.value > low && point.value <= high;
    Some(points.iter().filter(inside).map(|point| point.count).sum())
}

/// Dimensions of a request, sorted.
pub(crate) fn dimensions(given: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = given
        .as_array()
        .into_iter()
        .flatten()
        .map(|dimension| {
            let text = |name: &str| dimension[name].as_str().unwrap_or("").to_owned();
            (text("Name"), text("Value"))
        })
        .collect();
    found.sort();
    found
}

/// As the API shows a series.
pub(crate) fn show(series: &Series) -> Value {
    let dimensions: Vec<Value> = series
        .2
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    json!({ "Namespace": series.0, "MetricName": series.1, "Dimensions": dimensions })
}
