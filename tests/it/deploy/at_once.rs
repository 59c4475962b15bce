//! Two people deploy the very same at once: one of them makes the change, and the record says which.

use std::time::Duration;

use crate::support::journey::{begin, end, live, results};
use crate::support::{Home, TestService, wait_for};

#[test]
fn the_second_of_two_same_deploys_changes_nothing_and_its_record_says_so() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    // Long enough for both to be planned and recorded before one of them commits.
    service.behave(&home, "slow-start:3");
    let deploy = ["deploy", "-o", "json"];
    let both = [deploy, deploy].map(|deploy| begin(&home, &service.directory, deploy));
    wait_for("both are recorded", Duration::from_secs(20), || {
        let going = results(&home);
        (going.iter().filter(|word| *word == "going-on").count() == 2).then_some(())
    });
    let mut outputs = both.map(|child| end(&home, child).success().json());
    assert_eq!(live(&home, "payments").as_deref(), Some("2"));
    outputs.sort_by_key(|output| output["outcome"].to_string());
    let [made, unchanged] = outputs;
    assert_eq!(made["outcome"], "succeeded", "{made}");
    assert_eq!(unchanged["outcome"], "unchanged", "{unchanged}");
    assert_eq!(unchanged["revision"], "2", "{unchanged}");
    assert_eq!(unchanged["done_by"], made["operation"], "{unchanged}");
    let history = home
        .squad(["history", "payments", "-o", "json"])
        .success()
        .json();
    let operations = history["operations"].as_array().expect("operations");
    let of = |id: &serde_json::Value| {
        let found = operations.iter().find(|one| one["operation"] == *id);
        found.expect("it is recorded").clone()
    };
    assert!(of(&made["operation"])["done_by"].is_null());
    assert_eq!(
        of(&unchanged["operation"])["done_by"],
        made["operation"],
        "{history}"
    );
    let shown = home.squad(["history", "payments"]).success().stdout;
    let by = made["operation"].as_str().expect("an id");
    assert_eq!(shown.matches("→ 2 in local").count(), 1, "{shown}");
    assert!(
        shown.contains(&format!("nothing to do: operation {by} had done the same")),
        "{shown}"
    );
    home.squad(["audit", "verify"]).success();
}
