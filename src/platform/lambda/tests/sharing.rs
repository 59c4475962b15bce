//! Versions that cannot share an alias's traffic are refused before AWS is asked.

use serde_json::json;

use super::client::Aws;
use super::{There, alias, all, commit, name, shared, write};
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Platform};

#[tokio::test]
async fn versions_with_other_roles_or_queues_share_no_traffic() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("shared");
    aws.functions(json!({ "name": "shared", "versions": 1 }));
    let publish = |configuration: serde_json::Value| {
        aws.change(json!({ "kind": "configuration", "function": "shared", "configuration": configuration }));
        aws.change(json!({ "kind": "publish", "function": "shared" }));
    };
    let queue = json!({ "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:late" });
    publish(json!({ "Role": "arn:aws:iam::123456789012:role/other" }));
    publish(
        json!({ "Role": "arn:aws:iam::123456789012:role/stand-in", "DeadLetterConfig": queue }),
    );
    publish(json!({ "MemorySize": 1024 }));
    let token = write(&platform, &service, &commit(all(1), "", "ana")).await;
    let before = alias(&aws, "shared");
    aws.forget_calls();

    let revision = RevisionNumber;
    for (other, what) in [(2, "execution roles"), (3, "dead-letter queues")] {
        let expected = format!(
            "revisions 1 and {other} have different {what}, and a Lambda alias shares its traffic only between versions \
             that have the same"
        );
        let early = platform
            .check_shared(&service, revision(1), revision(other))
            .await;
        let late = platform
            .commit(
                &service,
                &token,
                &commit(shared(1, other, 5), "", "ana"),
                &|_| {},
            )
            .await;
        for refused in [early.err(), late.err()] {
            assert!(
                matches!(&refused, Some(Error::Unsplittable(said)) if *said == expected),
                "{refused:?}"
            );
        }
    }
    assert!(!aws.names().contains(&"lambda.UpdateAlias".to_owned()));
    assert_eq!(alias(&aws, "shared"), before);

    // Those that have the same do, and all at once is no sharing.
    platform
        .check_shared(&service, revision(3), revision(4))
        .await
        .unwrap();
    write(&platform, &service, &commit(all(3), "", "ana")).await;
    write(&platform, &service, &commit(shared(3, 4, 5), "", "ana")).await;
    assert_eq!(
        alias(&aws, "shared")["RoutingConfig"],
        json!({ "AdditionalVersionWeights": { "4": 0.05 } })
    );
    write(&platform, &service, &commit(all(2), "", "ana")).await;
}
