//! Every action that squad needs at AWS: what for, and which commands.
//!
//! `tests/it/permissions.rs` compares this list with the calls that the code makes, so that it cannot fall behind.

/// Whatever looks at one function.
const EVERY: &[&str] = &["deploy", "rollback", "rollout", "stop", "status"];
/// Whatever moves traffic.
const TRAFFIC: &[&str] = &["deploy", "rollback", "rollout", "stop"];
const DEPLOY: &[&str] = &["deploy"];
const DEPLOY_OR_ROLLOUT: &[&str] = &["deploy", "rollout"];
const FLEET: &[&str] = &["status --all", "doctor --all"];
const ADOPT: &[&str] = &["deploy --adopt-alias"];
const UNDO: &[&str] = &["deploy --adopt-alias --undo"];
const ADOPT_OR_UNDO: &[&str] = &["deploy --adopt-alias", "deploy --adopt-alias --undo"];
const CALLERS: &[&str] = &["deploy", "doctor", "deploy --adopt-alias"];
const DOCTOR_OR_ADOPT: &[&str] = &["doctor", "deploy --adopt-alias"];
const RECORD: &[&str] = &["deploy", "rollback", "rollout", "stop", "history", "audit"];

/// An action of IAM, what squad does with it, and the commands that do so.
type Need = (&'static str, &'static str, &'static [&'static str]);

/// In the order in which they are told.
const NEEDS: [Need; 44] = [
    (
        "lambda:GetAccountSettings",
        "see the account's limits",
        &["doctor"],
    ),
    ("lambda:ListFunctions", "list functions", FLEET),
    ("lambda:GetFunction", "read a function", EVERY),
    ("lambda:GetAlias", "read who takes the traffic", EVERY),
    ("lambda:ListVersionsByFunction", "see the revisions", EVERY),
    ("lambda:ListAliases", "see what may not be deleted", DEPLOY),
    (
        "lambda:GetProvisionedConcurrencyConfig",
        "wait for what is provisioned",
        TRAFFIC,
    ),
    (
        "lambda:ListProvisionedConcurrencyConfigs",
        "see what may not be deleted",
        DEPLOY_OR_ROLLOUT,
    ),
    ("lambda:ListTags", "see which rollouts are live", FLEET),
    ("tag:GetResources", "find functions by their tags", FLEET),
    ("cloudwatch:GetMetricData", "judge a rollout", &["rollout"]),
    ("logs:FilterLogEvents", "read logs", &["logs", "deploy"]),
    ("lambda:GetPolicy", "see who calls it", CALLERS),
    (
        "lambda:ListEventSourceMappings",
        "see who calls it",
        CALLERS,
    ),
    ("lambda:ListFunctionUrlConfigs", "see who calls it", CALLERS),
    (
        "lambda:GetFunctionEventInvokeConfig",
        "see how events are delivered",
        DOCTOR_OR_ADOPT,
    ),
    ("apigateway:GET", "see which APIs call it", CALLERS),
    ("lambda:UpdateFunctionCode", "deploy code", DEPLOY),
    (
        "lambda:UpdateFunctionConfiguration",
        "deploy a configuration",
        DEPLOY,
    ),
    ("lambda:PublishVersion", "publish a revision", DEPLOY),
    ("lambda:CreateAlias", "go live first", DEPLOY),
    ("lambda:UpdateAlias", "shift traffic, roll back", TRAFFIC),
    (
        "lambda:PutProvisionedConcurrencyConfig",
        "keep environments ready",
        DEPLOY_OR_ROLLOUT,
    ),
    (
        "lambda:DeleteProvisionedConcurrencyConfig",
        "keep no environments ready",
        DEPLOY_OR_ROLLOUT,
    ),
    ("lambda:TagResource", "tag a function", DEPLOY_OR_ROLLOUT),
    (
        "lambda:UntagResource",
        "end the tag of a rollout",
        &["rollout", "stop"],
    ),
    (
        "lambda:InvokeFunction",
        "call a function",
        &["invoke", "deploy", "rollback"],
    ),
    (
        "lambda:GetEventSourceMapping",
        "move an event source",
        ADOPT_OR_UNDO,
    ),
    (
        "lambda:UpdateEventSourceMapping",
        "move an event source",
        ADOPT_OR_UNDO,
    ),
    ("lambda:AddPermission", "let callers call the alias", ADOPT),
    (
        "lambda:RemovePermission",
        "take the alias's permission back",
        UNDO,
    ),
    (
        "lambda:PutFunctionEventInvokeConfig",
        "deliver events as before",
        ADOPT,
    ),
    (
        "lambda:DeleteFunctionEventInvokeConfig",
        "take its settings back",
        UNDO,
    ),
    (
        "lambda:CreateFunctionUrlConfig",
        "give the alias an address",
        ADOPT,
    ),
    (
        "lambda:DeleteFunctionUrlConfig",
        "take the alias's address back",
        UNDO,
    ),
    (
        "apigateway:PATCH",
        "point an API at the alias",
        ADOPT_OR_UNDO,
    ),
    (
        "ecr:DescribeImages",
        "tell what an image's tag means",
        DEPLOY,
    ),
    ("s3:ListBucket", "read the record", RECORD),
    ("s3:GetObject", "read the record", RECORD),
    ("lambda:CreateFunction", "make a function", DEPLOY),
    ("iam:PassRole", "give a function its role", DEPLOY),
    ("lambda:DeleteFunction", "delete an old revision", DEPLOY),
    ("s3:PutObject", "write the record", RECORD),
    (
        "s3:GetObjectVersion",
        "let AWS read a package over 50 MB",
        DEPLOY,
    ),
];

/// Where an action is told among the others.
pub(super) fn place(action: &str) -> usize {
    let found = NEEDS.iter().position(|need| need.0 == action);
    found.unwrap_or(NEEDS.len())
}

/// What an action is needed for, and by which commands.
pub(super) fn of(action: &str) -> (&'static str, &'static [&'static str]) {
    NEEDS
        .get(place(action))
        .map_or(("", EVERY), |need| (need.1, need.2))
}
