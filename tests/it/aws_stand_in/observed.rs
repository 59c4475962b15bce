//! Invocations, and what CloudWatch says of them.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, LogType};
use serde_json::json;

use super::{
    BehaviorVersion, REGION, Region, RetryConfig, client, create, credentials, lambda, publish,
    release, run,
};
use crate::support::{Aws, tool};

const GOOD: &str = "def handler(event, context):\n    print('got', event['n'])\n    return {'sum': event['n'] + 1}\n";
const BAD: &str = "def handler(event, context):\n    raise ValueError('too many')\n";

fn query(name: &str, statistic: &str, dimensions: &[(&str, &str)]) -> MetricDataQuery {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(*value).build())
        .collect();
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name(name)
        .set_dimensions(Some(dimensions))
        .build();
    let wanted = MetricStat::builder()
        .metric(metric)
        .period(60)
        .stat(statistic)
        .build();
    MetricDataQuery::builder()
        .id("q")
        .metric_stat(wanted)
        .build()
}

/// The values of one query, oldest first, and how many answers they came in.
async fn values(aws: &Aws, query: MetricDataQuery, from: i64, to: i64) -> (Vec<f64>, usize) {
    let client = client!(aws_sdk_cloudwatch, aws);
    let mut pages = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_secs(from))
        .end_time(DateTime::from_secs(to))
        .scan_by(aws_sdk_cloudwatch::types::ScanBy::TimestampAscending)
        .into_paginator()
        .send();
    let (mut values, mut answers) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        answers += 1;
        for result in page.expect("a page").metric_data_results() {
            values.extend(result.values());
        }
    }
    (values, answers)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn a_weighted_alias_runs_both_versions_and_counts_them_apart() {
    if tool("aws_stand_in", "python3").is_none() {
        return;
    }
    let aws = Aws::start();
    let mut executed: BTreeMap<String, u32> = BTreeMap::new();
    run(async {
        let client = lambda(&aws);
        create(&client, "payments", GOOD).await;
        publish(&client, "payments").await;
        release(&client, "payments", BAD).await;
        let split = AliasRoutingConfiguration::builder().additional_version_weights("2", 0.25);
        let alias = client.create_alias().function_name("payments").name("live");
        let alias = alias.function_version("1").routing_config(split.build());
        alias.send().await.expect("an alias");
        for n in 0..60 {
            let call = client.invoke().function_name("payments").qualifier("live");
            let call = call
                .log_type(LogType::Tail)
                .payload(Blob::new(json!({ "n": n }).to_string()));
            let answer = call.send().await.expect("an answer");
            let version = answer.executed_version().expect("a version").to_owned();
            let payload = String::from_utf8(answer.payload().expect("a payload").as_ref().to_vec())
                .expect("text");
            if version == "1" {
                assert_eq!(
                    (answer.function_error(), payload),
                    (None, format!("{{\"sum\": {}}}", n + 1))
                );
            } else {
                assert_eq!(answer.function_error(), Some("Unhandled"));
                assert!(
                    payload.contains("\"errorType\": \"ValueError\""),
                    "{payload}"
                );
            }
            assert!(answer.log_result().is_some());
            *executed.entry(version).or_default() += 1;
        }
        let (bad, good) = (executed["2"], executed["1"]);
        assert!((5..=28).contains(&bad), "{executed:?}");
        let of = |version: &'static str| {
            vec![
                ("FunctionName", "payments"),
                ("Resource", "payments:live"),
                ("ExecutedVersion", version),
            ]
        };
        let (from, to) = (now() - 300, now() + 60);
        for (name, version, expected) in [
            ("Invocations", "1", good),
            ("Errors", "1", 0),
            ("Errors", "2", bad),
        ] {
            let found = values(&aws, query(name, "Sum", &of(version)), from, to)
                .await
                .0;
            let sum = found.iter().sum::<f64>() as u32;
            assert_eq!(sum, expected, "{name} of {version}");
        }
        let logs = client!(aws_sdk_cloudwatchlogs, aws);
        let found = logs
            .filter_log_events()
            .log_group_name("/aws/lambda/payments")
            .send()
            .await;
        let found = found.expect("events");
        let lines = |start: &str| {
            let messages = found.events().iter().filter_map(|event| event.message());
            messages
                .filter(|message| message.starts_with(start))
                .count()
        };
        assert_eq!(
            (lines("START"), lines("END"), lines("REPORT")),
            (60, 60, 60)
        );
        assert_eq!(lines("got "), good as usize);
    });
}

#[test]
fn a_function_that_is_too_slow_is_ended() {
    if tool("aws_stand_in", "python3").is_none() {
        return;
    }
    let aws = Aws::start();
    aws.functions(json!({
        "name": "slow",
        "source": "import time\ndef handler(event, context):\n    print('begun', flush=True)\n    time.sleep(30)\n",
        "configuration": { "Timeout": 1 },
    }));
    run(async {
        let client = lambda(&aws);
        let answer = client
            .invoke()
            .function_name("slow")
            .send()
            .await
            .expect("an answer");
        let payload = String::from_utf8(answer.payload().expect("a payload").as_ref().to_vec())
            .expect("text");
        assert_eq!(answer.function_error(), Some("Unhandled"));
        assert!(
            payload.contains("Task timed out after 1.00 seconds"),
            "{payload}"
        );
    });
}

#[test]
fn points_can_be_put_into_the_past_and_come_late() {
    let aws = Aws::start();
    let minute = now() / 60 * 60 - 600;
    let point = |minute: i64, version: &str| {
        json!({
            "function": "payments", "alias": "live", "version": version, "minute": minute,
            "invocations": 100, "errors": 3, "throttles": 1, "durations": [[100, 90], [500, 7], [501, 3]],
        })
    };
    aws.metrics(json!([
        point(minute, "1"),
        point(minute + 60, "1"),
        point(minute + 120, "1")
    ]));
    let mut late = point(minute + 180, "1");
    late["delay_seconds"] = json!(3600);
    aws.metrics(late);
    let dimensions = [
        ("FunctionName", "payments"),
        ("Resource", "payments:live"),
        ("ExecutedVersion", "1"),
    ];
    run(async {
        let read = |name: &'static str, statistic: &'static str| {
            values(
                &aws,
                query(name, statistic, &dimensions),
                minute,
                minute + 600,
            )
        };
        assert_eq!(read("Invocations", "Sum").await, (vec![100.0; 3], 1));
        assert_eq!(read("Errors", "SampleCount").await.0, vec![100.0; 3]);
        // The lower bound is exclusive, the upper inclusive.
        assert_eq!(read("Duration", "TC(500:)").await.0, vec![3.0; 3]);
        assert_eq!(read("Duration", "TC(100:500)").await.0, vec![7.0; 3]);
        assert_eq!(read("Duration", "TC(:100)").await.0, vec![90.0; 3]);
        assert_eq!(read("Duration", "p99").await.0, vec![501.0; 3]);
        aws.settings(json!({ "metric_page": 2 }));
        assert_eq!(read("Throttles", "Sum").await, (vec![1.0; 3], 2));
        let other = [("FunctionName", "payments"), ("ExecutedVersion", "1")];
        let silent = values(
            &aws,
            query("Invocations", "Sum", &other),
            minute,
            minute + 600,
        )
        .await;
        assert_eq!(silent, (Vec::new(), 1));
    });
}
