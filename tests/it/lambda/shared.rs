//! Weights on the alias that another tool set, and no rollout of squad: no deploy goes over them.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

fn weights(cloud: &Cloud, version: &str, weights: serde_json::Value, description: Option<&str>) {
    let mut change = json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": version, "weights": weights,
    });
    if let Some(description) = description {
        change["description"] = description.into();
    }
    cloud.aws.change(change);
}

#[test]
fn a_deploy_does_not_end_the_rollout_of_another_tool() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    for answer in ["one", "two", "three"] {
        sources(&cloud, answer);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    sources(&cloud, "four");
    weights(&cloud, "3", json!({ "2": 0.2 }), None);
    let before = cloud.alias();
    cloud.aws.forget_calls();
    for more in [&["--dry-run"][..], &["--canary"], &[]] {
        let arguments = [&["deploy"], more].concat();
        cloud.squad_in(&directory, &arguments).failure(7).assert(str![[r#"
› error: cannot deploy `receipts`: somebody shifts its traffic outside squad, and a deploy would end that unseen
›   2  20 %, published by ana@example.com
›   3  80 %, published by ana@example.com
› live: revision 2 takes 20 % and revision 3 takes 80 %
› hint: let the tool that began it finish or go back, then run it again: `squad deploy receipts --env cloud`
› hint: or end it here: `squad stop receipts --env cloud` takes all traffic to revision 2, and `squad rollback receipts --env cloud --to 3` to 3
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/traffic-shared.md
[exit 7]

"#]]);
    }
    assert_eq!(cloud.alias(), before);
    assert!(cloud.aws.names().iter().all(|name| {
        ["lambda.Get", "lambda.List", "sts.Get"]
            .iter()
            .any(|read| name.starts_with(read))
    }));
    // Both ways out that it names, and the way back from there.
    cloud
        .squad(&["rollback", "receipts", "--to", "3"])
        .success()
        .assert(str![[r#"
› receipts → cloud: a split → revision 3 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 3
›   done in [DURATION]
3
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "3");
    cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(cloud.sole(), "2");
    // Nothing of squad in the alias.
    weights(&cloud, "3", json!({ "2": 0.1 }), Some("canary by sam"));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `receipts`: somebody shifts its traffic outside squad, and a deploy would end that unseen
›   2  10 %, published by ana@example.com
›   3  90 %, published by ana@example.com
›   somebody replaced what squad had written in the alias: `canary by sam`
› live: revision 2 takes 10 % and revision 3 takes 90 %
› hint: let the tool that began it finish or go back, then run it again: `squad deploy receipts --env cloud`
› hint: or end it here: `squad stop receipts --env cloud` takes all traffic to revision 2, and `squad rollback receipts --env cloud --to 3` to 3
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/traffic-shared.md
[exit 7]

"#]]);
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .success();
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn what_shared_the_traffic_can_be_gone_back_to() {
    let cloud = Cloud::with_function(3);
    let directory = sources(&cloud, "one");
    weights(&cloud, "1", json!({ "2": 0.3 }), Some(""));
    cloud
        .squad(&["stop", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (somebody outside squad, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    weights(&cloud, "1", json!({ "2": 0.3 }), Some(""));
    cloud
        .squad(&["rollback", "receipts", "--to", "3"])
        .success();
    cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(cloud.sole(), "1");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "4");
}

/// The others of a plan are deployed all the same.
#[test]
fn with_all_it_is_one_result_beside_the_others() {
    let cloud = Cloud::new();
    let shop = super::many::shop(&cloud, 3, None);
    cloud.squad_in(&shop, &["deploy", "--all"]).success();
    cloud
        .aws
        .change(json!({ "kind": "publish", "function": "f02" }));
    cloud.aws.change(json!({
        "kind": "alias", "function": "f02", "alias": "live", "version": "1", "weights": { "2": 0.2 },
    }));
    for number in 1..=3 {
        cloud.home.write(
            format!("shop/functions/f{number:02}/src/handler.py"),
            "def handler(event, context):\n    return \"next\"\n",
        );
    }
    let output = cloud.squad_in(&shop, &["deploy", "--all", "-o", "json"]);
    let wire = output.json();
    let outcomes: Vec<_> = wire["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["service"].as_str().unwrap(),
                one["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("f01", "succeeded"),
            ("f02", "failed"),
            ("f03", "succeeded")
        ],
        "{wire}"
    );
    assert!(
        wire["services"][1].to_string().contains("traffic-shared"),
        "{wire}"
    );
    assert_eq!(output.code, 7);
    let alias = cloud.aws.function("f02")["aliases"]["live"].clone();
    assert_eq!(
        alias["RoutingConfig"]["AdditionalVersionWeights"],
        json!({ "2": 0.2 })
    );
}
