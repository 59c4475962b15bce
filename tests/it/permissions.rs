//! What squad needs at AWS: what the code calls, what `squad whoami` asks for and what `docs/aws.md` lists are the same.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::Value;

use crate::layers::{code_of, source};
use crate::support::{files_below, repository};

/// Needed by nobody: every identity may ask who it is.
const FREE: &str = "sts:GetCallerIdentity";
/// Needed for what AWS itself does in the name of who deploys, so that no call has this name: giving a function its role, and
/// reading a package from a bucket with versioning.
const BY_AWS: [&str; 2] = ["iam:PassRole", "s3:GetObjectVersion"];
/// A key of a condition, which is written like an action.
const CONDITION: &str = "iam:PassedToService";
/// Operations whose action is called otherwise (Service Authorization Reference), and those of other services than Lambda.
const OTHERWISE: [(&str, &str); 4] = [
    ("invoke", "lambda:InvokeFunction"),
    ("get_metric_data", "cloudwatch:GetMetricData"),
    ("get_resources", "tag:GetResources"),
    ("get_caller_identity", FREE),
];

/// The action of an operation of the SDK: `update_alias` is `lambda:UpdateAlias`.
fn action_of(operation: &str) -> String {
    if let Some((_, action)) = OTHERWISE.iter().find(|(name, _)| *name == operation) {
        return (*action).to_owned();
    }
    let words = operation.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    format!("lambda:{}", words.collect::<String>())
}

/// Every action that the code names in a call, and every operation that it calls without a name; with the file.
fn called() -> BTreeMap<String, String> {
    let name = Regex::new(
        r#""((?:lambda|iam|s3|sts|logs|cloudwatch|tag|ecr):[A-Z][A-Za-z]+|apigateway:[A-Z]+)""#,
    );
    // An operation is a method without arguments, on a line of its own.
    let operation = Regex::new(
        r"(?m)^\s*\.((?:get|list|create|update|put|delete|add|remove|publish|tag|untag)_[a-z_]+|invoke)\(\)$",
    );
    let (name, operation) = (name.expect("a pattern"), operation.expect("a pattern"));
    let mut found = BTreeMap::new();
    for file in ["platform/lambda", "clients/aws"]
        .iter()
        .flat_map(|below| files_below(&source().join(below), "rs"))
        // The first has words for errors, the second reads the policies of other people.
        .filter(|file| !file.ends_with("clients/aws/words.rs"))
        .filter(|file| !file.ends_with("triggers/apis.rs"))
    {
        let code = code_of(&file);
        let named = name.captures_iter(&code).map(|found| found[1].to_owned());
        let sent = operation.captures_iter(&code);
        let sent = sent.map(|found| action_of(&found[1]));
        for action in named.chain(sent) {
            found.insert(action, file.display().to_string());
        }
    }
    found
}

/// What `squad whoami` says in a home where the record lies in a bucket.
fn asked() -> Vec<Value> {
    let (aws, home) = (crate::whoami::stand_in(), crate::whoami::home());
    let arguments = ["whoami", "--env", "prod", "-o", "json"];
    let json = home.run(&mut aws.squad(&home, &arguments)).success().json();
    json["permissions"].as_array().expect("permissions").clone()
}

#[test]
fn whoami_asks_for_what_the_code_calls_and_the_page_lists_it() {
    let called = called();
    let asked = asked();
    let text = |one: &Value, key: &str| one[key].as_str().expect("text").to_owned();
    let actions: BTreeSet<String> = asked.iter().map(|one| text(one, "action")).collect();
    assert_eq!(actions.len(), asked.len(), "none twice");
    let forgotten: Vec<_> = called
        .iter()
        .filter(|(action, _)| *action != FREE && !actions.contains(*action))
        .collect();
    assert!(
        forgotten.is_empty(),
        "`squad whoami` does not ask for {forgotten:?}: add them to src/ops/whoami"
    );
    let idle: Vec<_> = actions
        .iter()
        .filter(|action| !BY_AWS.contains(&action.as_str()) && !called.contains_key(*action))
        .collect();
    assert!(idle.is_empty(), "nothing calls {idle:?}");

    let mut table = "| action | to | needed by |\n|---|---|---|\n".to_owned();
    for one in &asked {
        let commands = one["commands"].as_array().expect("commands");
        let commands: Vec<_> = commands
            .iter()
            .map(|command| command.as_str().expect("text"))
            .collect();
        assert!(
            !commands.is_empty() && !text(one, "purpose").is_empty(),
            "{one}"
        );
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            text(one, "action"),
            text(one, "purpose"),
            commands.join(", ")
        ));
    }
    crate::generated::table_in("docs/aws.md", &table);
    for (file, text) in of_templates() {
        assert_eq!(
            named_for_who_deploys(&text),
            needed_to_deploy(&asked),
            "{file}"
        );
    }
}

/// What a golden path says of the permissions of its function, by file.
fn of_templates() -> Vec<(String, String)> {
    let templates = repository().join("templates");
    let mut found = Vec::new();
    for path in std::fs::read_dir(templates).expect("templates") {
        let path = path.expect("an entry").path();
        let is_function = path.to_string_lossy().ends_with("-function");
        if is_function {
            let file = path.join("files/docs/permissions.md.tmpl");
            let text = std::fs::read_to_string(&file).expect("a page of permissions");
            found.push((file.display().to_string(), text));
        }
    }
    assert!(!found.is_empty());
    found
}

/// The actions that its section on who deploys names.
fn named_for_who_deploys(text: &str) -> BTreeSet<String> {
    let (_, section) = text.split_once("\n## Who deploys\n").expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let action = Regex::new(r#"["`]([a-z0-9]+:[A-Z][A-Za-z]+)["`]"#).expect("a pattern");
    let found = action.captures_iter(section);
    found
        .map(|found| found[1].to_owned())
        .filter(|action| action != CONDITION)
        .collect()
}

/// The same of all that moves traffic: a workflow that deploys also takes back what it deployed. A function of a golden path
/// is a package, so that no image is looked up.
fn needed_to_deploy(asked: &[Value]) -> BTreeSet<String> {
    let is_command = |command: &Value| {
        let moving = ["deploy", "rollback", "rollout", "stop"];
        moving.iter().any(|one| command == one)
    };
    let needed = asked.iter().filter(|one| {
        let commands = one["commands"].as_array().expect("commands");
        commands.iter().any(is_command) && one["action"] != "ecr:DescribeImages"
    });
    needed
        .map(|one| one["action"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn an_operation_is_told_by_its_action() {
    for (operation, action) in [
        ("update_alias", "lambda:UpdateAlias"),
        ("invoke", "lambda:InvokeFunction"),
        (
            "delete_function_event_invoke_config",
            "lambda:DeleteFunctionEventInvokeConfig",
        ),
    ] {
        assert_eq!(action_of(operation), action);
    }
    let called = called();
    for action in ["lambda:UntagResource", "apigateway:PATCH", "s3:PutObject"] {
        assert!(called.contains_key(action), "{action}");
    }
}
