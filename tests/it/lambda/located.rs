//! Which function a service is, on machines that have no `squad.toml` of it: never that of another environment.

use std::path::{Path, PathBuf};

use snapbox::str;

use super::Cloud;
use super::deploy::sources;

/// Two environments of one account, with a function each.
fn two_environments() -> (Cloud, PathBuf) {
    let cloud = Cloud::new();
    let org = cloud.home.work().join("org/org.toml");
    let text = std::fs::read_to_string(&org).unwrap();
    let staging = text
        .split_once("[env.cloud]")
        .map(|(_, rest)| rest.replace("../../store", "../../staging-store"))
        .unwrap();
    std::fs::write(&org, format!("{text}[env.staging]{staging}")).unwrap();
    let directory = sources(&cloud, "one");
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let named = format!("{text}[env.staging.function]\nname = \"receipts-staging\"\n");
    std::fs::write(&file, named).unwrap();
    (cloud, directory)
}

/// The same person's second machine: nothing is known there.
fn elsewhere(cloud: &Cloud) {
    for directory in [cloud.home.state(), cloud.home.path().join("cache")] {
        drop(std::fs::remove_dir_all(directory));
    }
}

fn version(cloud: &Cloud, function: &str) -> String {
    cloud.aws.function(function)["aliases"]["live"]["FunctionVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn deploy_twice(cloud: &Cloud, directory: &PathBuf, environment: &str) {
    for answer in ["one", "two"] {
        let handler = format!("def handler(event, context):\n    return \"{answer}\"\n");
        std::fs::write(Path::new(directory).join("src/handler.py"), handler).unwrap();
        cloud
            .squad_in(directory, &["deploy", "--env", environment])
            .success();
    }
}

#[test]
fn a_rollback_on_another_machine_moves_the_function_of_its_own_environment() {
    let (cloud, directory) = two_environments();
    deploy_twice(&cloud, &directory, "cloud");
    deploy_twice(&cloud, &directory, "staging");
    elsewhere(&cloud);
    cloud
        .squad(&["rollback", "receipts", "--env", "staging"])
        .success();
    assert_eq!(version(&cloud, "receipts-staging"), "1");
    assert_eq!(version(&cloud, "receipts"), "2");
}

#[test]
fn a_function_that_was_not_deployed_from_the_environment_is_not_changed_by_its_name() {
    let (cloud, directory) = two_environments();
    deploy_twice(&cloud, &directory, "cloud");
    elsewhere(&cloud);
    cloud
        .squad(&["rollback", "receipts", "--env", "staging"])
        .failure(7)
        .assert(str![[r#"
› receipts → staging: revision 2 → 1 (ana@example.com, [AGO])
› error: cannot roll back `receipts`: which function `receipts` is in this environment is not known here: `receipts:live` may be another environment's, and its store knows of no deploy
› live: revision 2 serves all traffic
› hint: run the same command in the service's repository, where `squad.toml` names the function
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-unclear.md
[exit 7]

"#]]);
    assert_eq!(version(&cloud, "receipts"), "2");
    cloud.aws.forget_calls();
    cloud
        .squad(&["invoke", "receipts", "--env", "staging"])
        .failure(7)
        .assert(str![[r#"
› error: cannot invoke `receipts`: which function `receipts` is in this environment is not known here: `receipts:live` may be another environment's, and its store knows of no deploy
› hint: run the same command in the service's repository, where `squad.toml` names the function
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-unclear.md
[exit 7]

"#]]);
    assert!(!cloud.calls().contains(&"lambda.Invoke".to_owned()));
    // Where it was deployed from, it is.
    cloud
        .squad(&["rollback", "receipts", "--env", "cloud"])
        .success();
    assert_eq!(version(&cloud, "receipts"), "1");
}

/// A tag says nothing about the environment, the store does.
#[test]
fn a_fleet_shows_the_functions_of_its_own_environment() {
    let (cloud, directory) = two_environments();
    deploy_twice(&cloud, &directory, "cloud");
    elsewhere(&cloud);
    cloud
        .squad(&["status", "--all", "--env", "staging"])
        .success()
        .assert(str![[r#"
› 1 function with the tag of a service not shown: deployed from another environment of the account
› nothing was deployed to staging (account [HASH], eu-west-1) yet
[exit 0]

"#]]);
    deploy_twice(&cloud, &directory, "staging");
    cloud
        .squad(&["rollback", "receipts", "--env", "cloud"])
        .success();
    elsewhere(&cloud);
    for environment in ["cloud", "staging"] {
        let wire = cloud
            .squad(&["status", "--all", "--env", environment, "-o", "json"])
            .success()
            .json();
        let live = if environment == "cloud" { "1" } else { "2" };
        assert_eq!(
            wire["services"][0]["traffic"],
            serde_json::json!({ live: 100 })
        );
        assert_eq!(wire["services"].as_array().unwrap().len(), 1);
    }
}
