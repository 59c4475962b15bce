//! The values of variables: at AWS, in the calls that carry the environment, and nowhere else.

use serde_json::json;
use snapbox::str;

use super::deploy::sources;
use super::unpublished::with_smoke;
use super::{Cloud, QUIET};

/// Another one, which is only in what AWS refuses.
const LOUD: &str = "l0ud-secret-of-four-kilobytes";

/// No file that squad wrote holds a value: state, caches, the audit store, logs. The sources do, which is where the
/// person wrote it.
fn is_nowhere(cloud: &Cloud, value: &str) {
    let mut looked_at = 0;
    for file in crate::support::all_files_below(cloud.home.root()) {
        if file.ends_with("receipts/squad.toml") || !file.is_file() {
            continue;
        }
        let bytes = std::fs::read(&file).expect("a file that can be read");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(value), "{}", file.display());
        looked_at += 1;
    }
    // A scan of nothing would pass.
    assert!(looked_at > 20, "{looked_at} files");
}

/// The calls that hold a value.
fn carriers(cloud: &Cloud, value: &str) -> Vec<String> {
    let mut names: Vec<_> = cloud
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.request.contains(value))
        .map(|call| call.name())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_values_of_variables_go_to_the_function_and_nowhere_else() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    for (word, memory) in [("one", "128"), ("two", "256")] {
        sources(&cloud, word);
        let file = directory.join("squad.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let memory = format!("memory_mb = {memory}");
        std::fs::write(&file, text.replace("memory_mb = 128", &memory)).unwrap();
        drop(cloud.squad_in(&directory, &["deploy", "-vv"]).success());
    }
    for (arguments, code) in [
        (&["status", "receipts", "-o", "json"][..], 0),
        (&["status", "--all"], 0),
        (&["history", "--all", "-o", "json"], 0),
        (&["invoke", "receipts"], 0),
        (&["logs", "receipts"], 0),
        (&["rollback", "receipts"], 0),
        (&["whoami"], 0),
        (&["doctor"], 0),
        (&["audit", "verify"], 0),
    ] {
        // Each of them looks at its own output (`Cloud::squad`).
        let output = cloud.squad(arguments);
        assert_eq!(output.code, code, "{}", output.transcript());
    }
    // Not even the change of the memory sends them again.
    assert_eq!(carriers(&cloud, QUIET), ["lambda.CreateFunction"]);
    is_nowhere(&cloud, QUIET);
}

/// A variable that another tool set is sent again with each change, and is nobody's to show either.
#[test]
fn values_that_others_set_are_not_repeated() {
    const OTHERS: &str = "user=app  password=\"of-0thers\"";
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(
        json!({ "kind": "configuration", "function": "receipts", "configuration": {
        "Environment": { "Variables": { "DATABASE": OTHERS } } } }),
    );
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let value = LOUD.repeat(139);
    std::fs::write(
        &file,
        text.replace("[run.env]", &format!("[run.env]\nNOTE = \"{value}\"")),
    )
    .unwrap();
    let output = cloud.squad_in(&directory, &["deploy"]).failure(1);
    assert!(
        output.stderr.contains("exceeded the 4KB limit"),
        "{}",
        output.transcript()
    );
    assert!(
        !output.stderr.contains("of-0thers"),
        "{}",
        output.transcript()
    );
    is_nowhere(&cloud, "of-0thers");
}

/// What its file says has spaces, so that a message of AWS that was cut and put on one line has it in pieces.
#[test]
fn a_long_value_of_words_is_not_repeated_in_pieces() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let words: Vec<_> = (0..420).map(|number| format!("l0ud{number:05}")).collect();
    let value = words.join("  ");
    std::fs::write(
        &file,
        text.replace("[run.env]", &format!("[run.env]\nNOTE = \"{value}\"")),
    )
    .unwrap();
    for format in ["text", "json"] {
        let output = cloud
            .squad_in(&directory, &["deploy", "-o", format])
            .failure(1);
        assert!(
            output.stderr.contains("exceeded the 4KB limit"),
            "{}",
            output.transcript()
        );
        assert!(
            !output.transcript().contains("l0ud0"),
            "{}",
            output.transcript()
        );
    }
    is_nowhere(&cloud, "l0ud00007");
}

/// A function that prints all that it was given: what others gave it is in no error.
#[test]
fn what_a_failed_smoke_test_prints_has_no_value_of_others() {
    const OTHERS: &str = "of-0thers-t0ken";
    let cloud = Cloud::new();
    let directory = with_smoke(&cloud, "def handler(event, context):\n    return 'one'\n");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(
        json!({ "kind": "configuration", "function": "receipts", "configuration": {
        "Environment": { "Variables": { "TOKEN": OTHERS } } } }),
    );
    with_smoke(
        &cloud,
        "import os\n\ndef handler(event, context):\n    print('it is', os.environ['TOKEN'])\n    raise ValueError(os.environ['TOKEN'])\n",
    );
    let output = cloud.squad_in(&directory, &["deploy"]);
    assert!(
        output.stderr.contains("ValueError: …"),
        "{}",
        output.transcript()
    );
    assert!(output.stderr.contains("it is …"), "{}", output.transcript());
    assert!(
        !output.transcript().contains(OTHERS),
        "{}",
        output.transcript()
    );
    is_nowhere(&cloud, OTHERS);
}

/// More than 4 KB: AWS repeats what it refuses, values included.
#[test]
fn what_aws_says_of_a_refused_environment_is_not_repeated() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    drop(cloud.squad_in(&directory, &["deploy"]).success());
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let value = LOUD.repeat(180);
    std::fs::write(
        &file,
        text.replace("[run.env]", &format!("[run.env]\nNOTE = \"{value}\"")),
    )
    .unwrap();
    let output = cloud.squad_in(&directory, &["deploy"]);
    assert!(!output.stderr.contains(LOUD) && !output.stdout.contains(LOUD));
    output.failure(1).assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   run.env.NOTE is new: #876a21
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         changing the settings
› error: cannot deploy `receipts`: cannot change the configuration of the function `receipts`: AWS does not accept it
›   caused by: Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: … (InvalidParameterValueException, request [ID])
› live: revision 1 serves all traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-invalid.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "1");
    assert!(
        carriers(&cloud, LOUD)
            .iter()
            .all(|name| name == "lambda.UpdateFunctionConfiguration")
    );
    is_nowhere(&cloud, LOUD);
    is_nowhere(&cloud, QUIET);
}
