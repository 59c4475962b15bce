//! What others set up on a function stays as it is when squad changes its code and its settings.

use serde_json::{Value, json};

use super::Cloud;
use super::callers::{FUNCTION, address, api, asynchronous, long, others, queue, topic};
use super::deploy::sources;
use crate::support::aws::Call;

/// Everything that `squad.toml` has no key for, or that it does not name here (Lambda API, `FunctionConfiguration`).
fn of_others() -> Value {
    json!({
        "Layers": [
            { "Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:tracer:7", "CodeSize": 1024 },
            { "Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:fonts:2", "CodeSize": 1024 },
        ],
        "VpcConfig": {
            "SubnetIds": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-01"], "VpcId": "vpc-01",
            "Ipv6AllowedForDualStack": true,
        },
        "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
        "TracingConfig": { "Mode": "Active" },
        "EphemeralStorage": { "Size": 2048 },
        "FileSystemConfigs": [{
            "Arn": "arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/models",
        }],
        "KMSKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
        "LoggingConfig": {
            "LogFormat": "JSON", "LogGroup": "/acme/all", "ApplicationLogLevel": "WARN", "SystemLogLevel": "INFO",
        },
        "SnapStart": { "ApplyOn": "PublishedVersions", "OptimizationStatus": "Off" },
        "Architectures": ["arm64"],
    })
}

/// The members of a configuration that [`of_others`] has. Whether a snapshot was made is told of versions alone.
fn seen(configuration: &Value) -> Value {
    let wanted = of_others();
    let members = wanted.as_object().unwrap().keys();
    let mut seen: Value = members
        .map(|name| (name.clone(), configuration[name].clone()))
        .collect();
    seen["SnapStart"]["OptimizationStatus"] = json!("Off");
    seen
}

/// What a recorded request set, by its body.
fn sent(call: &Call) -> Vec<String> {
    let (_, body) = call.request.split_once("\r\n\r\n").unwrap_or_else(|| {
        let text = call.request.split_once("\n\n");
        text.unwrap_or_else(|| panic!("{}", call.request))
    });
    let body: Value = serde_json::from_str(body).unwrap();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    keys
}

fn toml(cloud: &Cloud, memory: u32) {
    let path = cloud.home.work().join("receipts/squad.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("x86_64", "arm64")
        .replace("memory_mb = 128", &format!("memory_mb = {memory}"));
    std::fs::write(path, text).unwrap();
}

#[test]
fn what_others_set_up_stays_when_code_and_memory_change() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    toml(&cloud, 128);
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": of_others(),
    }));
    queue(&cloud, "receipts:live");
    others(
        &cloud,
        "/2021-10-31/functions/receipts/url?Qualifier=live",
        &json!({ "AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM", "Cors": { "AllowOrigins": ["*"] } }),
    );
    topic(&cloud, "?Qualifier=live");
    let before = cloud.aws.function("receipts");
    assert_eq!(seen(&before["latest"]), of_others());
    let mappings = || {
        let report = cloud.squad(&["doctor", "receipts", "-o", "json"]);
        let report = report.success().json();
        let checks = report["checks"].as_array().expect("checks");
        let callers = checks
            .iter()
            .find(|check| check["what"] == "callers of receipts")
            .expect("callers");
        let text = callers["detail"].to_string();
        assert!(text.contains("none past the alias"), "{report}");
        text
    };
    let callers = mappings();
    let _directory = sources(&cloud, "two");
    toml(&cloud, 256);
    cloud.aws.forget_calls();
    cloud.squad_in(&directory, &["deploy"]).success();
    let calls = cloud.aws.calls();
    let writes: Vec<_> = calls
        .iter()
        .filter(|call| call.service == "lambda")
        .filter(|call| {
            let reads = ["Get", "List"];
            !reads.iter().any(|read| call.operation.starts_with(read))
        })
        .collect();
    let names: Vec<_> = writes.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(
        names,
        [
            "UpdateFunctionConfiguration",
            "UpdateFunctionCode",
            "PublishVersion",
            "UpdateAlias"
        ]
    );
    assert_eq!(sent(writes[0]), ["MemorySize", "RevisionId"]);
    assert_eq!(
        sent(writes[1]),
        ["Architectures", "Publish", "RevisionId", "ZipFile"]
    );
    let after = cloud.aws.function("receipts");
    assert_eq!(seen(&after["latest"]), of_others());
    assert_eq!(after["latest"]["MemorySize"], 256);
    // The version that serves has it all too.
    assert_eq!(seen(&after["versions"][1]), of_others());
    assert_eq!(cloud.sole(), "2");
    for kept in ["urls", "policies"] {
        assert_eq!(after[kept], before[kept], "{kept}");
        assert!(after[kept]["live"].is_object() || after[kept]["live"].is_array());
    }
    assert_eq!(mappings(), callers);
    // And a rollback changes none of it.
    cloud.squad(&["rollback", "receipts"]).success();
    let back = cloud.aws.function("receipts");
    assert_eq!(back["latest"], after["latest"]);
    assert_eq!(back["urls"], before["urls"]);
}

/// Everything is allowed here, and nothing of it comes true: `whoami` asks for each write there is.
#[test]
fn to_ask_what_is_allowed_changes_nothing() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    for qualifier in ["", "?Qualifier=live"] {
        topic(&cloud, qualifier);
        address(&cloud, qualifier);
        asynchronous(&cloud, qualifier, 1);
    }
    queue(&cloud, "receipts");
    queue(&cloud, "receipts:live");
    for kind in ["http", "rest"] {
        let integrations = [long(FUNCTION)];
        api(
            &cloud,
            json!({ "id": kind, "name": kind, "kind": kind, "integrations": integrations }),
        );
    }
    // What others tell of it: the mappings have no state of their own to look at.
    let all = || {
        let callers = cloud
            .squad(&["doctor", "receipts", "-o", "json"])
            .failure(3);
        let apis = cloud.aws.control("GET", "apis", &Value::Null);
        (cloud.aws.function("receipts"), callers.json(), apis)
    };
    let before = all();
    cloud.aws.forget_calls();
    let found = cloud.squad_in(&directory, &["whoami", "-o", "json"]);
    let found = found.success().json();
    let permissions = found["permissions"].as_array().unwrap();
    assert!(permissions.iter().all(|one| one["allowed"] != false));
    // Each write was refused by the service itself, or has nothing to write.
    let written: Vec<_> = cloud
        .aws
        .calls()
        .iter()
        .filter(|call| call.status.is_some_and(|status| status < 300))
        .map(|call| call.operation.clone())
        .filter(|name| {
            !["Get", "List", "Filter"]
                .iter()
                .any(|read| name.starts_with(read))
        })
        .collect();
    let mut written: Vec<_> = written.iter().map(String::as_str).collect();
    written.sort_unstable();
    assert_eq!(written, ["Invoke", "TagResource", "UntagResource"]);
    assert_eq!(all(), before);
}

/// `squad.toml` names none of the three: they are as others set them, and the plan has nothing to say of them.
#[test]
fn memory_timeout_and_architecture_that_nobody_names_stay() {
    let cloud = Cloud::new();
    cloud.aws.functions(
        json!({ "name": "receipts", "versions": 1, "alias": "live", "configuration": {
            "MemorySize": 1024, "Timeout": 60, "Architectures": ["x86_64"],
        }}),
    );
    let directory = sources(&cloud, "ours");
    let manifest = std::fs::read_to_string(directory.join("squad.toml")).unwrap();
    let named = ["memory_mb", "timeout", "architecture"];
    let lines = manifest
        .lines()
        .filter(|line| !named.iter().any(|key| line.starts_with(key)));
    cloud
        .home
        .write("receipts/squad.toml", &lines.collect::<Vec<_>>().join("\n"));
    let output = cloud.squad_in(&directory, &["deploy"]).success();
    for key in named {
        assert!(!output.stderr.contains(key), "{}", output.stderr);
    }
    let version = cloud.aws.function("receipts")["versions"][1].clone();
    let has = (
        &version["MemorySize"],
        &version["Timeout"],
        &version["Architectures"],
    );
    assert_eq!(has, (&json!(1024), &json!(60), &json!(["x86_64"])));
    // A function that is made gets the defaults.
    let fresh = Cloud::new();
    fresh.home.write(
        "receipts/squad.toml",
        &std::fs::read_to_string(directory.join("squad.toml")).unwrap(),
    );
    fresh.home.write(
        "receipts/src/handler.py",
        "def handler(event, context):\n    return 1\n",
    );
    let directory = fresh.home.work().join("receipts");
    fresh.squad_in(&directory, &["deploy"]).success();
    let version = fresh.aws.function("receipts")["versions"][0].clone();
    let has = (
        &version["MemorySize"],
        &version["Timeout"],
        &version["Architectures"],
    );
    assert_eq!(has, (&json!(512), &json!(30), &json!(["arm64"])));
}
