//! The contract on ministack (PyPI), a second implementation of the API that nobody here wrote.

use super::There;
use super::client::REGION;
use super::contract::Proof;
use crate::platform::lambda::publish::tests::ministack::{ACCOUNT, Ministack};

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
    let variables = aws.environment(REGION);
    let proof = Proof::new(There::at(&variables, ACCOUNT), &DIFFERS);
    proof.run("ministack").await;
}
