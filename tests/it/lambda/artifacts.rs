//! What goes to AWS besides a small zip: container images, and packages that are too large for a call.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use snapbox::str;

use super::deploy::sources;
use super::{Cloud, QUIET};
use crate::support::aws::{ACCOUNT, REGION, Release};
use crate::support::wait_for;

const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/receipts";

/// A function that is an image.
fn image(cloud: &Cloud, reference: &str) -> PathBuf {
    cloud.home.write(
        "receipts/squad.toml",
        &format!(
            r#"schema = 1
[service]
name = "receipts"
kind = "function"
[build]
artifact = "{reference}"
[run.env]
GREETING = "{QUIET}"
[function]
role = "arn:aws:iam::123456789012:role/receipts"
architecture = "x86_64"
"#
        ),
    );
    cloud.home.work().join("receipts")
}

/// The tag means this digest from now on.
fn tag(cloud: &Cloud, tag: &str, digit: &str) {
    let digest = format!("sha256:{}", digit.repeat(64));
    cloud
        .aws
        .settings(json!({ "images": { format!("{REPOSITORY}:{tag}"): digest } }));
}

#[test]
fn an_image_is_deployed_by_its_digest_and_a_tag_that_moved_is_another_release() {
    let cloud = Cloud::new();
    tag(&cloud, "1.4", "a");
    let directory = image(&cloud, &format!("{REPOSITORY}:1.4"));
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
1
[exit 0]

"#]]);
    let function = cloud.aws.function("receipts");
    assert_eq!(function["latest"]["PackageType"], "Image", "{function}");
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    let mut calls = cloud.calls();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "ecr.DescribeImages",
            "lambda.GetAlias",
            "lambda.GetFunction",
            "sts.GetCallerIdentity",
        ]
    );
    // Somebody pushed the tag again.
    tag(&cloud, "1.4", "b");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   build.artifact receipts@sha256:[HASH] → receipts@sha256:[HASH]
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    let sent: Vec<_> = cloud
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == "UpdateFunctionCode")
        .filter_map(|call| call.parameter("ImageUri").map(str::to_owned))
        .collect();
    assert_eq!(sent, [format!("{REPOSITORY}@sha256:{}", "b".repeat(64))]);
    // By its digest nobody has to be asked, and it is what is live already.
    cloud.aws.forget_calls();
    let pinned = format!("{REPOSITORY}@sha256:{}", "b".repeat(64));
    image(&cloud, &pinned);
    cloud.squad_in(&directory, &["deploy"]).success();
    assert!(!cloud.calls().contains(&"ecr.DescribeImages".to_owned()));
    assert_eq!(cloud.sole(), "2");
    cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}

/// What is live has nothing to do with what the tag means: all of it is asked before any of it is answered.
#[test]
fn what_a_tag_means_is_asked_beside_what_is_live() {
    let cloud = Cloud::new();
    tag(&cloud, "1.4", "a");
    let directory = image(&cloud, &format!("{REPOSITORY}:1.4"));
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud
        .aws
        .rule(json!({ "nth": 1, "times": 4, "do": "hold-before" }));
    let mut command = cloud.aws.squad(&cloud.home, &["deploy", "--yes"]);
    command
        .current_dir(&directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let held = wait_for("all reads", Duration::from_secs(20), || {
        let held = cloud.aws.held();
        (held.len() == 4).then_some(held)
    });
    let mut operations: Vec<_> = held.into_iter().map(|call| call.operation).collect();
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "DescribeImages",
            "GetAlias",
            "GetCallerIdentity",
            "GetFunction",
        ]
    );
    cloud.aws.release(Release::Continue);
    assert!(child.wait().unwrap().success());
    assert_eq!(cloud.sole(), "1");
}

#[test]
fn an_image_that_lambda_cannot_take_is_refused_before_anything_is_written() {
    let cloud = Cloud::new();
    tag(&cloud, "1.4", "a");
    for (reference, words) in [
        (
            "ghcr.io/acme/receipts:1.4".to_owned(),
            "Lambda takes images from ECR alone",
        ),
        (
            REPOSITORY.replace("eu-west-1", "us-east-1") + ":1.4",
            "the image is in us-east-1, and Lambda takes it from the region of the function alone, eu-west-1",
        ),
        (
            format!("{REPOSITORY}:1.5"),
            "there is no image `receipts:1.5` in the registry of 123456789012 in eu-west-1",
        ),
        (
            format!("{REPOSITORY}s:1.4"),
            "there is no image `receiptss:1.4` in the registry of 123456789012 in eu-west-1",
        ),
    ] {
        let directory = image(&cloud, &reference);
        let output = cloud.squad_in(&directory, &["deploy"]).failure(1);
        assert!(output.stderr.contains(words), "{}", output.transcript());
    }
    let directory = image(&cloud, &format!("{REPOSITORY}:1.4"));
    cloud
        .aws
        .settings(json!({ "denied": ["ecr:DescribeImages"] }));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(4)
        .assert(str![[r#"
› error: cannot deploy `receipts`: the call ecr:DescribeImages of `receipts` failed: arn:aws:iam::[HASH]:user/stand-in may not do ecr:DescribeImages
›   caused by: User: arn:aws:iam::[HASH]:user/stand-in is not authorized to perform: ecr:DescribeImages because no identity-based policy allows the ecr:DescribeImages action (AccessDeniedException, request [ID])
› hint: ask the account's owner to allow `ecr:DescribeImages` on `receipts` for arn:aws:iam::[HASH]:user/stand-in
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-denied.md
[exit 4]

"#]]);
    assert!(cloud.aws.names().iter().all(|name| {
        ["Create", "Update", "Publish", "Put", "Delete"]
            .iter()
            .all(|verb| !name.contains(verb))
    }));
}

/// Bytes that do not get smaller (xorshift64, Marsaglia 2003).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = Vec::with_capacity(bytes);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise
}

fn with_model(cloud: &Cloud, megabytes: usize) -> PathBuf {
    let directory = sources(cloud, "one");
    std::fs::write(directory.join("src/model.bin"), noise(megabytes << 20)).unwrap();
    directory
}

#[test]
fn a_package_over_the_limit_of_a_call_goes_through_the_bucket_once() {
    let cloud = Cloud::new();
    let directory = with_model(&cloud, 52);
    // A directory is nothing that AWS could read, so nothing is sent.
    let output = cloud.squad_in(&directory, &["deploy"]).failure(7);
    assert!(
        output.stderr.contains("set `audit = \"s3://…\"`") && !output.stderr.contains("sending"),
        "{}",
        output.transcript()
    );
    let cloud = Cloud::new();
    cloud.aws.bucket("acme-audit", true);
    let directory = with_model(&cloud, 52);
    cloud.home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n[env.cloud]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"{REGION}\"\naudit = \"s3://acme-audit/squad\"\n"
        ),
    );
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending 54 MB to the environment's bucket
› ◌ revision         creating the function `receipts`
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    let calls = cloud.aws.calls();
    let created = calls
        .iter()
        .find(|call| call.operation == "CreateFunction")
        .expect("it was created");
    let (_, body) = created.request.split_once("\n\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let code = &body["Code"];
    assert_eq!(code["S3Bucket"], "acme-audit");
    let key = code["S3Key"].as_str().unwrap();
    assert!(
        key.starts_with("squad/")
            && key.contains("lambda/receipts/")
            && Path::new(key).extension().is_some_and(|kind| kind == "zip"),
        "{key}"
    );
    assert!(code["S3ObjectVersion"].is_string(), "{code}");
    assert!(code["ZipFile"].is_null());
    // The same content again, for another setting: it lies there already.
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("memory_mb = 128", "memory_mb = 256")).unwrap();
    cloud.aws.forget_calls();
    let output = cloud.squad_in(&directory, &["deploy"]).success();
    assert!(
        !output.stderr.contains("sending"),
        "{}",
        output.transcript()
    );
    assert_eq!(cloud.sole(), "2");
    let sent: Vec<_> = cloud
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.service == "s3" && call.request.len() > 1 << 20)
        .map(|call| call.name())
        .collect();
    assert_eq!(sent, Vec::<String>::new());
    cloud.squad(&["audit", "verify"]).success();
}

/// A snapshot is made while the version is pending; callers go on with the old one until it is there.
#[test]
fn the_traffic_waits_for_the_snapshot_of_a_version() {
    let cloud = Cloud::new();
    cloud.aws.functions(json!({
        "name": "receipts",
        "versions": 1,
        "alias": "live",
        "configuration": { "SnapStart": { "ApplyOn": "PublishedVersions" } },
    }));
    cloud.aws.settings(json!({ "snap_start_ms": 1500 }));
    let directory: &Path = &sources(&cloud, "one");
    cloud
        .squad_in(&directory.to_owned(), &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, somebody outside squad, [AGO])
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    let names = cloud.aws.names();
    let place = |name: &str| names.iter().rposition(|found| found == name);
    let published = place("lambda.PublishVersion").expect("it was published");
    let moved = place("lambda.UpdateAlias").expect("the traffic moved");
    assert!(
        names[published..moved]
            .iter()
            .filter(|name| name.contains("GetFunction"))
            .count()
            > 1,
        "{names:?}"
    );
    let version = cloud.aws.function("receipts")["versions"][1].clone();
    assert_eq!(
        version["SnapStart"]["OptimizationStatus"], "On",
        "{version}"
    );
}
