//! What CloudWatch counted, as a rollout is judged by it: late enough, by what ran, and never twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::Aws;
use super::contract::Proof;
use super::{There, all, commit, name, shared, write};
use crate::clock::{Clock, SystemClock};
use crate::domain::counts::{CountSeries, Counts, since};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::{Phase, State};
use crate::domain::version::VersionNote;
use crate::platform::contract::{Behaviour, Proving};
use crate::platform::lambda::Lambda;
use crate::platform::{Error, Platform};

/// The second in which a minute began that lies so many minutes back.
fn minute(back: i64) -> i64 {
    (SystemClock::new().now().as_second() / 60 - back) * 60
}

/// The id of a rollout that began so many minutes ago.
fn id(back: i64) -> String {
    let at = u64::try_from(minute(back) * 1000).unwrap();
    ulid::Ulid::from_parts(at, 7).to_string()
}

/// A function of 30 s whose versions 1 and 2 share the traffic, in a rollout that began 20 minutes ago.
async fn rolling(aws: &Aws, platform: &Lambda, service: &ServiceName) {
    aws.functions(
        json!({ "name": service.as_str(), "versions": 2, "configuration": { "Timeout": 30 } }),
    );
    write(platform, service, &commit(all(1), "", "ana")).await;
    begun(platform, service, 20).await;
    aws.forget_calls();
}

/// The state of a rollout that began so many minutes ago.
async fn begun(platform: &Lambda, service: &ServiceName, back: i64) {
    let one = RevisionNumber(1);
    let mut state = State::planned(id(back), 1, one, RevisionNumber(2), "0a1b2c3d".into());
    state.phase = Phase::Holding;
    let commit = commit(shared(1, 2, 10), &state.encode(), "ana");
    write(platform, service, &commit).await;
}

/// What was counted of a version through the alias in a minute.
fn point(version: u64, back: i64, rest: Value) -> Value {
    let mut point = json!({
        "function": "pay", "alias": "live", "version": version.to_string(), "minute": minute(back), "delay_seconds": 0,
    });
    let members = point.as_object_mut().unwrap();
    members.extend(rest.as_object().unwrap().clone());
    point
}

/// Requests, bad ones, errors and slow ones of each version.
fn rows(series: &[CountSeries]) -> BTreeMap<u64, [u64; 4]> {
    let row = |one: &CountSeries| {
        let numbers = [one.requests, one.bad, one.errors, one.slow];
        (one.revision.0, numbers)
    };
    series.iter().map(row).collect()
}

async fn read(platform: &Lambda, service: &ServiceName) -> Counts {
    platform.counts(service).await.unwrap()
}

#[tokio::test]
async fn one_question_tells_invocations_errors_throttles_and_slow_ones_by_version() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    rolling(&aws, &platform, &service).await;
    aws.metrics(json!([
        point(
            1,
            9,
            json!({ "invocations": 90, "errors": 2, "throttles": 3, "durations": [[80, 90]] })
        ),
        point(
            2,
            9,
            json!({ "invocations": 10, "errors": 1, "durations": [[500, 4], [501, 6]] })
        ),
        point(2, 8, json!({ "invocations": 5 })),
    ]));
    let counts = read(&platform, &service).await;
    // Nothing is slow for a function that nobody said a limit for.
    assert_eq!(
        rows(&counts.series),
        BTreeMap::from([(1, [93, 5, 5, 0]), (2, [15, 1, 1, 0])])
    );
    let at = |version| counts.last_request_to(RevisionNumber(version)).unwrap();
    assert_eq!(at(2).duration_since(at(1)).as_secs(), 60);
    let asked: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == "GetMetricData")
        .collect();
    assert_eq!(asked.len(), 1);
    let of_version_2: Vec<_> = asked[0].parameters["MetricDataQueries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|query| &query["MetricStat"])
        .filter(|stat| stat["Metric"]["Dimensions"][2]["Value"] == "2")
        .collect();
    assert_eq!(of_version_2.len(), 3);
    for (stat, metric) in of_version_2
        .iter()
        .zip(["Invocations", "Errors", "Throttles"])
    {
        assert_eq!(
            **stat,
            json!({
                "Metric": {
                    "Namespace": "AWS/Lambda", "MetricName": metric,
                    "Dimensions": [
                        { "Name": "FunctionName", "Value": "pay" },
                        { "Name": "Resource", "Value": "pay:live" },
                        { "Name": "ExecutedVersion", "Value": "2" },
                    ],
                },
                "Period": 60, "Stat": "Sum",
            })
        );
    }
}

/// The limit is that of the version that is judged, and one that took exactly as long is not slow.
#[tokio::test]
async fn slow_ones_are_counted_by_the_limit_that_the_canary_was_published_with() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    aws.functions(json!({ "name": "pay", "versions": 1, "configuration": { "Timeout": 30 } }));
    let proof = Proof::new(There::new(&aws), &[]);
    let mut release = proof.release(&service, "two", Behaviour::Answers("two"));
    release.service.analysis.slow_milliseconds = Some(500);
    platform.keep_configuration(&release).await.unwrap();
    aws.change(json!({ "kind": "code", "function": "pay", "source": "# two" }));
    let client = platform.session().lambda().await;
    let note = VersionNote::of(&release, "").encode();
    let published = client
        .publish_version()
        .function_name("pay")
        .description(note);
    assert_eq!(published.send().await.unwrap().version(), Some("2"));
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    begun(&platform, &service, 20).await;
    aws.metrics(json!([
        point(
            1,
            9,
            json!({ "invocations": 90, "durations": [[80, 80], [900, 10]] })
        ),
        point(
            2,
            9,
            json!({ "invocations": 10, "errors": 1, "durations": [[500, 4], [501, 6]] })
        ),
    ]));
    let counts = read(&platform, &service).await;
    assert_eq!(
        rows(&counts.series),
        BTreeMap::from([(1, [90, 10, 0, 10]), (2, [10, 7, 1, 6])])
    );
}

/// An invocation that ran out of time is an error, and longer than any limit: it is one bad request.
#[tokio::test]
async fn a_timeout_is_bad_once() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    aws.functions(json!({ "name": "pay", "versions": 1, "configuration": { "Timeout": 1 } }));
    let proof = Proof::new(There::new(&aws), &[]);
    let mut release = proof.release(&service, "two", Behaviour::Answers("two"));
    release.service.analysis.slow_milliseconds = Some(500);
    platform.keep_configuration(&release).await.unwrap();
    aws.change(json!({ "kind": "code", "function": "pay", "source": "# two" }));
    let client = platform.session().lambda().await;
    let note = VersionNote::of(&release, "").encode();
    let published = client
        .publish_version()
        .function_name("pay")
        .description(note);
    assert_eq!(published.send().await.unwrap().version(), Some("2"));
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    begun(&platform, &service, 20).await;
    aws.metrics(json!([
        point(
            2,
            9,
            json!({ "invocations": 100, "errors": 10, "durations": [[20, 85], [700, 5], [1000, 9], [1003, 1]] })
        ),
    ]));
    let counts = read(&platform, &service).await;
    assert_eq!(
        rows(&counts.series),
        BTreeMap::from([(2, [100, 15, 10, 5])])
    );
}

/// Metrics bear the time at which the invocation began, so that a minute is complete when what began in it must have
/// ended: the longest timeout of the versions, and a minute for CloudWatch.
#[tokio::test]
async fn nothing_younger_than_the_functions_timeout_is_read() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    aws.functions(json!({ "name": "pay", "versions": 1 }));
    aws.change(
        json!({ "kind": "configuration", "function": "pay", "configuration": { "Timeout": 300 } }),
    );
    aws.change(json!({ "kind": "publish", "function": "pay" }));
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    begun(&platform, &service, 30).await;
    aws.metrics(json!([
        point(1, 12, json!({ "invocations": 7 })),
        point(1, 4, json!({ "invocations": 100, "errors": 100 })),
        point(2, 3, json!({ "invocations": 100, "errors": 100 })),
    ]));
    let horizon = || (SystemClock::new().now().as_second() - 360) / 60 * 60;
    let earliest = horizon();
    let counts = read(&platform, &service).await;
    assert!(
        (earliest..=horizon()).contains(&counts.at.as_second()),
        "{counts:?}"
    );
    assert_eq!(rows(&counts.series), BTreeMap::from([(1, [7, 0, 0, 0])]));
}

/// Points come late, and those of one metric later than those of another: what is read again is added once.
#[tokio::test]
async fn what_comes_late_is_added_once() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    rolling(&aws, &platform, &service).await;
    aws.metrics(json!([
        point(1, 9, json!({ "invocations": 90 })),
        point(2, 9, json!({ "invocations": 10 })),
    ]));
    let first = read(&platform, &service).await;
    let again = read(&platform, &service).await;
    let interval = since(&first, &again);
    assert!(!interval.reset);
    assert_eq!(
        rows(&interval.series),
        BTreeMap::from([(1, [0; 4]), (2, [0; 4])])
    );
    // A minute that was read already, and one before it.
    aws.metrics(json!([
        point(2, 9, json!({ "invocations": 4, "errors": 3 })),
        point(2, 12, json!({ "invocations": 2, "errors": 2 })),
    ]));
    let late = read(&platform, &service).await;
    let interval = since(&again, &late);
    assert!(!interval.reset);
    assert_eq!(
        rows(&interval.series),
        BTreeMap::from([(1, [0; 4]), (2, [6, 5, 5, 0])])
    );
    assert_eq!(rows(&late.series)[&2], [16, 5, 5, 0]);
}

#[tokio::test]
async fn pages_make_no_difference() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    rolling(&aws, &platform, &service).await;
    let points: Vec<_> = (4..16)
        .flat_map(|back| {
            [1, 2].map(|version| {
                point(
                    version,
                    back,
                    json!({ "invocations": back, "errors": version }),
                )
            })
        })
        .collect();
    aws.metrics(json!(points));
    let whole = read(&platform, &service).await;
    aws.settings(json!({ "metric_page": 5 }));
    let paged = read(&platform, &service).await;
    assert_eq!(whole.series, paged.series);
    assert_eq!(rows(&whole.series)[&2], [114, 24, 24, 0]);
}

/// Silence about both versions, while the alias is called, is a dimension that is missing; a part of a series is none
/// of it; and what CloudWatch no longer has is no zero.
#[tokio::test]
async fn what_cannot_be_told_is_an_error_and_no_number() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, service) = (there.platform(), name("pay"));
    rolling(&aws, &platform, &service).await;
    let refused = async || match platform.counts(&service).await {
        Err(Error::Invalid(said) | Error::Unsupported(said)) => said,
        other => panic!("{other:?}"),
    };
    aws.metrics(json!({
        "function": "pay", "alias": "live", "minute": minute(9), "invocations": 40, "delay_seconds": 0,
    }));
    assert_eq!(
        refused().await,
        "CloudWatch counted 40 invocations of the alias `live` and does not tell by which version"
    );
    aws.metrics(json!([point(1, 9, json!({ "invocations": 40 }))]));
    assert_eq!(
        rows(&read(&platform, &service).await.series)[&1],
        [40, 0, 0, 0]
    );
    aws.settings(json!({ "metric_broken": ["Errors"] }));
    assert_eq!(
        refused().await,
        "CloudWatch did not tell all of Errors (InternalError)"
    );
    aws.settings(json!({ "metric_broken": [] }));
    begun(&platform, &service, 16 * 24 * 60).await;
    let said = refused().await;
    assert!(
        said.starts_with("CloudWatch keeps single minutes for 15 days"),
        "{said}"
    );
}
