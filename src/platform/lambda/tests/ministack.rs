//! The contract on ministack (PyPI), a second implementation of the API that nobody here wrote.

use super::There;
use super::client::REGION;
use super::contract::Proof;
use crate::platform::lambda::publish::tests::ministack::Ministack;

/// An access key of twelve digits is that account there.
const ACCOUNT: &str = "123456789012";

/// Where it is not as AWS.
const DIFFERS: [(&str, &str); 1] = [(
    "a_wrong_commit_is_refused_and_changes_nothing",
    "ministack lets an alias point at a version that does not exist",
)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lambda_keeps_the_contract_on_ministack() {
    let Some(aws) = Ministack::start("lambda_keeps_the_contract_on_ministack") else {
        return;
    };
    let variables = [
        ("AWS_ENDPOINT_URL", aws.address.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let proof = Proof::new(There::at(&variables, ACCOUNT), &DIFFERS);
    proof.run("ministack").await;
}
