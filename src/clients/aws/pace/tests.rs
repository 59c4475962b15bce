use std::time::Instant;

use super::*;

const START: u64 = 1_800_000_000 * SECOND;
const FLEET: Priority = Priority::Fleet { rate: 25 };

/// The times at which one caller goes that asks at once whenever it may, for so many seconds.
fn goes(times: &mut Times, lane: Lane, priority: Priority, seconds: u64) -> Vec<u64> {
    let mut now = START;
    let mut went = Vec::new();
    while now < START + seconds * SECOND {
        match times.take(lane, priority, now) {
            Turn::Now => went.push(now),
            Turn::At(wait) => {
                now += wait;
                went.push(now);
            }
            Turn::Ask(wait) => now += wait,
        }
    }
    went.retain(|time| *time < START + seconds * SECOND);
    went
}

/// The most calls in any one second.
fn densest(went: &[u64]) -> usize {
    went.iter()
        .map(|from| {
            went.iter()
                .filter(|time| (*from..from + SECOND).contains(*time))
                .count()
        })
        .max()
        .unwrap_or(0)
}

#[test]
fn a_request_counts_against_the_quota_that_aws_counts_it_against() {
    for (method, uri, lane) in [
        (
            "GET",
            "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/pay?Qualifier=live",
            Some(Lane::GetFunction),
        ),
        (
            "GET",
            "http://127.0.0.1:4566/2015-03-31/functions/pay/policy",
            Some(Lane::GetPolicy),
        ),
        (
            "GET",
            "/2015-03-31/functions/pay/aliases/live",
            Some(Lane::Control),
        ),
        (
            "GET",
            "/2015-03-31/functions?MaxItems=1",
            Some(Lane::Control),
        ),
        (
            "PUT",
            "/2015-03-31/functions/pay/aliases/live",
            Some(Lane::Control),
        ),
        ("POST", "/2015-03-31/functions/pay/invocations", None),
        (
            "POST",
            "/2021-11-15/functions/pay/response-streaming-invocations",
            None,
        ),
    ] {
        assert_eq!(Lane::of(method, uri), lane, "{uri}");
    }
}

#[test]
fn no_second_has_more_calls_than_the_lane_allows() {
    for (lane, priority, most, total) in [
        (Lane::Control, Priority::Deploy, 12, 120),
        (Lane::GetFunction, Priority::Deploy, 80, 800),
        (Lane::GetFunction, FLEET, 26, 250),
        (Lane::GetFunction, Priority::Fleet { rate: 500 }, 80, 800),
        (Lane::Control, FLEET, 7, 60),
    ] {
        let went = goes(&mut Times::default(), lane, priority, 10);
        assert!(
            densest(&went) <= most,
            "{lane:?} {priority:?} {}",
            densest(&went)
        );
        assert!(
            went.len().abs_diff(total) <= total / 20,
            "{lane:?} {priority:?}: {} calls in 10 s",
            went.len()
        );
    }
}

#[test]
fn the_fleet_is_looked_at_slowly_beside_a_deploy_which_does_not_wait() {
    let mut times = Times::default();
    goes(
        &mut times,
        Lane::GetFunction,
        Priority::Fleet { rate: 80 },
        1,
    );
    let now = START + SECOND;
    assert_eq!(
        times.take(Lane::GetFunction, Priority::Deploy, now),
        Turn::Now
    );
    let mut went = 0;
    let mut at = now;
    while at < now + SECOND {
        match times.take(Lane::GetFunction, Priority::Fleet { rate: 80 }, at) {
            Turn::Ask(wait) => at += wait,
            _ => went += 1,
        }
    }
    assert!(went <= 12, "{went} calls beside a deploy");
}

#[test]
fn a_throttle_halves_the_fleet_and_time_brings_it_back() {
    let mut times = Times::default();
    times.throttled(START);
    assert_eq!(times.share(START), 500);
    times.throttled(START + SECOND / 10);
    assert_eq!(times.share(START), 500, "one wave of answers counts once");
    times.throttled(START + SECOND / 2);
    assert_eq!(times.share(START + SECOND / 2), 250);
    assert_eq!(times.share(START + 4 * SECOND), 550);
    assert_eq!(times.share(START + 60 * SECOND), FULL);
}

#[test]
fn a_damaged_file_or_a_clock_that_was_set_back_means_no_calls_yet() {
    for bytes in [&b""[..], b"x", &[0xff; WORDS * 8]] {
        assert_eq!(Times::decode(bytes).encode(), Times::default().encode());
    }
    let mut times = Times::default();
    for _ in 0..12 {
        times.take(Lane::Control, Priority::Deploy, START + 3600 * SECOND);
    }
    assert_eq!(
        times.take(Lane::Control, Priority::Deploy, START),
        Turn::Now
    );
}

#[tokio::test]
async fn processes_share_one_pace_through_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let began = Instant::now();
    let turns = (0..20).map(|n| {
        // A value of its own for each, as if in a process of its own.
        let pace = Pace::new(Some(&cache), "123456789012-eu-west-1");
        async move {
            pace.turn(Lane::Control, Priority::Deploy).await;
            (n, began.elapsed())
        }
    });
    let went = futures_util::future::join_all(turns).await;
    let late = went
        .iter()
        .filter(|(_, elapsed)| *elapsed >= Duration::from_millis(900))
        .count();
    assert_eq!(late, 8, "{went:?}");
}
