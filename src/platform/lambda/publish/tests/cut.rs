//! Killed before or after every call: the same command run again converges, with one version.

use serde_json::json;

use super::bench::{Deploy, FUNCTION, StandIn, revision};

/// Runs `deploy`, and stops it at its `nth` call, before or after AWS applied it. False when it ended before that.
async fn stopped_at(aws: &StandIn, deploy: &Deploy, nth: u64, how: &str) -> bool {
    aws.rule(json!({ "service": "lambda", "nth": nth, "do": how }));
    let address = aws.address.clone();
    let deploy = deploy.clone();
    let running = tokio::spawn(async move { deploy.run(&address).await });
    let stopped = loop {
        if running.is_finished() {
            break false;
        }
        let held = aws.control("GET", "held?wait_ms=50", &json!(null));
        if !held["held"].as_array().unwrap().is_empty() {
            break true;
        }
        tokio::task::yield_now().await;
    };
    running.abort();
    drop(running.await);
    aws.control("DELETE", "rules", &json!(null));
    if stopped {
        // What had arrived when the process died is applied, or is not.
        let applied = if how == "hold-before" {
            "drop"
        } else {
            "continue"
        };
        aws.control("POST", "release", &json!({ "how": applied }));
    }
    stopped
}

async fn converges(before: Option<Deploy>, deploy: Deploy) {
    let mut points = 0;
    for how in ["hold-before", "hold-after"] {
        for nth in 1.. {
            let aws = StandIn::start();
            if let Some(before) = &before {
                revision(Box::pin(before.run(&aws.address)).await);
            }
            if !Box::pin(stopped_at(&aws, &deploy, nth, how)).await {
                break;
            }
            points += 1;
            revision(Box::pin(deploy.run(&aws.address)).await);
            let versions = aws.versions();
            let ours = versions
                .iter()
                .filter(|(_, digest)| *digest == deploy.digest);
            assert_eq!(ours.count(), 1, "{how} call {nth}: {versions:?}");
            let function = aws.function();
            assert_eq!(
                function["latest"]["MemorySize"],
                json!(deploy.wanted.memory)
            );
            assert_eq!(function["latest"]["FunctionName"], FUNCTION);
        }
    }
    assert!(points >= 10, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deploy_cut_anywhere_converges() {
    converges(None, Deploy::of("a")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_code_and_settings_cut_anywhere_converges() {
    let mut deploy = Deploy::of("b");
    deploy.wanted.memory = Some(1024);
    converges(Some(Deploy::of("a")), deploy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_release_of_the_same_content_cut_anywhere_converges() {
    let mut deploy = Deploy::of("a");
    deploy.digest = "sha256:0123456789".into();
    converges(Some(Deploy::of("a")), deploy).await;
}
