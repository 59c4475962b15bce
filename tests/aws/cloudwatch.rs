//! CloudWatch (Smithy RPC v2 CBOR, as `aws-sdk-cloudwatch` 1.140 speaks it): reading metrics.
//!
//! Path: `/service/GraniteServiceVersion20100801/operation/<operation>` (Smithy, RPC v2 CBOR protocol).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cbor;
use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::metric::{Metrics, Point, Series, dimensions, show, statistic};
use crate::request::{Reply, Request};
use crate::settings::Settings;
use crate::world::{Identity, World};

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let name = match request.path.last()?.as_str() {
        "GetMetricData" => "GetMetricData",
        "ListMetrics" => "ListMetrics",
        "PutMetricData" => "PutMetricData",
        _ => return None,
    };
    let body = cbor::decode(&request.body).unwrap_or_default();
    let mut operation = Operation::new(name);
    for member in [
        "StartTime",
        "EndTime",
        "Namespace",
        "MetricName",
        "NextToken",
        "ScanBy",
    ] {
        if let Some(value) = body.get(member) {
            operation = operation.with(member, value.clone());
        }
    }
    if let Some(queries) = body.get("MetricDataQueries") {
        operation = operation.with("MetricDataQueries", queries.clone());
    }
    Some(operation)
}

fn reply(body: &Value) -> Reply {
    Reply::empty(200)
        .with("smithy-protocol", "rpc-v2-cbor")
        .with_body("application/cbor", cbor::encode(body))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(400, "ValidationError", message)
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    let body = cbor::decode(&request.body).ok_or_else(|| invalid("The request is not CBOR"))?;
    let World {
        settings, regions, ..
    } = world;
    let metrics = &mut World::region_in(regions, &identity.account, &request.region).metrics;
    match operation.name {
        "GetMetricData" => get(&body, metrics, settings),
        "ListMetrics" => list(&body, metrics),
        _ => put(&body, metrics),
    }
}

fn is_visible(point: &Point, settings: &Settings, now: u64) -> bool {
    let usual = point.at + (settings.metric_delay_seconds * 1000.0) as u64;
    point.visible.unwrap_or(usual) <= now
}

/// One query's values by the start of their period, in seconds.
fn values(
    query: &Value,
    metrics: &Metrics,
    settings: &Settings,
    (start, end): (u64, u64),
) -> Result<BTreeMap<u64, f64>, Failure> {
    let wanted = &query["MetricStat"];
    if wanted.is_null() {
        return Err(invalid(
            "The stand-in knows no metric math: a query needs MetricStat",
        ));
    }
    let period = wanted["Period"].as_u64().unwrap_or(0);
    // API reference, MetricStat, Period: 1, 5, 10, 20, 30 or any multiple of 60.
    if !(matches!(period, 1 | 5 | 10 | 20 | 30) || (period > 0 && period.is_multiple_of(60))) {
        return Err(invalid(format!(
            "The parameter MetricDataQueries.member.1.MetricStat.Period has an invalid value: {period}"
        )));
    }
    let metric = &wanted["Metric"];
    let text = |name: &str| metric[name].as_str().unwrap_or("").to_owned();
    // All dimensions count: a metric with others is another metric (CloudWatch concepts, Dimensions).
    let series: Series = (
        text("Namespace"),
        text("MetricName"),
        dimensions(&metric["Dimensions"]),
    );
    let now = clock::now();
    let mut periods: BTreeMap<u64, Vec<&Point>> = BTreeMap::new();
    for point in metrics.0.get(&series).into_iter().flatten() {
        let second = point.at / 1000;
        if second >= start && second < end && is_visible(point, settings, now) {
            periods
                .entry(second - second % period)
                .or_default()
                .push(point);
        }
    }
    let name = wanted["Stat"].as_str().unwrap_or("");
    periods
        .into_iter()
        .map(|(at, points)| {
            let value = statistic(name, &points)
                .ok_or_else(|| invalid(format!("The value {name} for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported.")))?;
            Ok((at, value))
        })
        .collect()
}

/// API reference, GetMetricData: StartTime "inclusive", EndTime "exclusive"; a start less than 15 days ago is rounded
/// down to the whole minute; ScanBy is TimestampDescending when not given; up to 500 queries.
fn get(body: &Value, metrics: &Metrics, settings: &Settings) -> Result<Reply, Failure> {
    let queries = body["MetricDataQueries"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if queries.is_empty() || queries.len() > 500 {
        return Err(invalid(
            "The collection MetricDataQueries must not have a size greater than 500.",
        ));
    }
    let time = |name: &str| {
        body[name]
            .as_f64()
            .ok_or_else(|| invalid(format!("{name} is missing")))
    };
    let (start, end) = (time("StartTime")? as u64, time("EndTime")?.ceil() as u64);
    if end <= start {
        return Err(invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let start = start - start % 60;
    let ascending = body["ScanBy"] == "TimestampAscending";
    let from: usize = match body["NextToken"].as_str() {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|token| token.parse().ok())
            .ok_or_else(|| {
                Failure::new(
                    400,
                    "InvalidNextToken",
                    "The next token specified is invalid.",
                )
            })?,
    };
    let asked = body["MaxDatapoints"]
        .as_u64()
        .map_or(usize::MAX, |most| most as usize);
    let to = from.saturating_add(settings.metric_page.min(asked));
    let (mut results, mut seen) = (Vec::new(), 0);
    for query in queries
        .iter()
        .filter(|query| query["ReturnData"] != json!(false))
    {
        let mut points: Vec<(u64, f64)> = values(query, metrics, settings, (start, end))?
            .into_iter()
            .collect();
        if !ascending {
            points.reverse();
        }
        let (first, last) = (seen, seen + points.len());
        seen = last;
        let begin = from.clamp(first, last) - first;
        let stop = to.clamp(first, last) - first;
        let silent = points.is_empty() && from == 0;
        if begin == stop && !silent {
            continue;
        }
        let page = points.get(begin..stop).unwrap_or(&[]);
        let name = query["MetricStat"]["Metric"]["MetricName"].as_str();
        let label = query["Label"].as_str().or(name);
        // API reference, MetricDataResult, StatusCode.
        let is_broken =
            name.is_some_and(|name| settings.metric_broken.iter().any(|one| one == name));
        if is_broken {
            results.push(json!({
                "Id": query["Id"], "Label": label, "Timestamps": [], "Values": [], "StatusCode": "InternalError",
            }));
            continue;
        }
        results.push(json!({
            "Id": query["Id"],
            "Label": label,
            "Timestamps": page.iter().map(|(at, _)| json!({ "$time": at })).collect::<Vec<_>>(),
            "Values": page.iter().map(|(_, value)| json!(value)).collect::<Vec<_>>(),
            "StatusCode": if to < last { "PartialData" } else { "Complete" },
        }));
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if to < seen {
        answer["NextToken"] = json!(format!("page-{to}"));
    }
    Ok(reply(&answer))
}

/// API reference, ListMetrics: up to 500 in one answer; a dimension without a value is a filter by name.
fn list(body: &Value, metrics: &Metrics) -> Result<Reply, Failure> {
    let wanted = body["Dimensions"].as_array().cloned().unwrap_or_default();
    let is = |name: &str, found: &str| body[name].as_str().is_none_or(|wanted| wanted == found);
    let found: Vec<Value> = metrics
        .0
        .keys()
        .filter(|series| {
            is("Namespace", &series.0)
                && is("MetricName", &series.1)
                && wanted.iter().all(|filter| {
                    series.2.iter().any(|(name, value)| {
                        filter["Name"] == json!(name)
                            && filter["Value"]
                                .as_str()
                                .is_none_or(|wanted| wanted == value)
                    })
                })
        })
        .map(show)
        .collect();
    let from: usize = body["NextToken"]
        .as_str()
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let page: Vec<&Value> = found.iter().skip(from).take(500).collect();
    let mut answer = json!({ "Metrics": page });
    if from + 500 < found.len() {
        answer["NextToken"] = json!((from + 500).to_string());
    }
    Ok(reply(&answer))
}

/// Bodies that the SDK compresses (10 KB and more) are not read.
fn put(body: &Value, metrics: &mut Metrics) -> Result<Reply, Failure> {
    let namespace = body["Namespace"].as_str().unwrap_or("").to_owned();
    for datum in body["MetricData"].as_array().into_iter().flatten() {
        let name = datum["MetricName"].as_str().unwrap_or("").to_owned();
        let series = (namespace.clone(), name, dimensions(&datum["Dimensions"]));
        let at = datum["Timestamp"]
            .as_f64()
            .map_or_else(clock::now, |seconds| (seconds * 1000.0) as u64);
        let pairs: Vec<(f64, f64)> = match datum["Values"].as_array() {
            Some(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    (
                        value.as_f64().unwrap_or(0.0),
                        datum["Counts"][index].as_f64().unwrap_or(1.0),
                    )
                })
                .collect(),
            None => vec![(datum["Value"].as_f64().unwrap_or(0.0), 1.0)],
        };
        for (value, count) in pairs {
            metrics.push(
                series.clone(),
                Point {
                    at,
                    visible: None,
                    value,
                    count,
                },
            );
        }
    }
    Ok(reply(&json!({})))
}
