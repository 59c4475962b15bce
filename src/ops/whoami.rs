//! `squad whoami`: which identity the environment's credentials are, and what it may do there.
//!
//! Asks only what changes nothing. A permission to write is probed on a function that cannot exist: IAM answers whether
//! it is allowed before Lambda looks for the function.

use aws_smithy_types::DateTime;

use crate::clients::aws::{self, Called, Identity, Session, Source, Why};
use crate::clients::store::Objects;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Where the credentials came from.
    pub(crate) source: Option<Source>,
    /// The region that is asked.
    pub(crate) region: Option<String>,
    /// The account that the org file pins.
    pub(crate) pinned: Option<String>,
    /// What it may do; empty in another account than the pinned one, which is not asked.
    pub(crate) may: Vec<Permission>,
}

impl Outcome {
    /// Whether the credentials are of the account that the org file pins.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned
            .as_ref()
            .is_none_or(|pinned| *pinned == self.identity.account)
    }
}

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    /// The IAM action, such as `lambda:UpdateAlias`.
    pub(crate) action: &'static str,
    /// What squad needs it for.
    pub(crate) why: &'static str,
    /// Whether it is allowed; none when that could not be found out.
    pub(crate) allowed: Option<bool>,
    /// What AWS said, where it is not allowed or could not be found out.
    pub(crate) said: Option<String>,
}

/// Finds it out.
pub(crate) async fn run(
    session: &Session,
    objects: Option<&Objects>,
    clock: &dyn Clock,
) -> Result<Outcome> {
    let identity = session.identity().await?;
    let mut outcome = Outcome {
        identity,
        source: session.source().await,
        region: session.region().map(str::to_owned),
        pinned: session.account().map(str::to_owned),
        may: Vec::new(),
    };
    if outcome.is_pinned() {
        outcome.may = permissions(session, objects, clock).await;
    }
    Ok(outcome)
}

/// The refusal for credentials of another account, in the words of every command that changes something.
pub(crate) async fn refusal(session: &Session) -> Option<Error> {
    session.guard().await.err().map(Error::from)
}

async fn permissions(
    session: &Session,
    objects: Option<&Objects>,
    clock: &dyn Clock,
) -> Vec<Permission> {
    let lambda = session.lambda().await;
    let nobody = format!("squad-whoami-{}", ulid::Ulid::generate());
    let settings = lambda.get_account_settings().send();
    let list = lambda.list_functions().max_items(1).send();
    let function = lambda.get_function().function_name(&nobody).send();
    let alias = lambda
        .get_alias()
        .function_name(&nobody)
        .name("live")
        .send();
    let code = lambda
        .update_function_code()
        .function_name(&nobody)
        .image_uri("123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:none")
        .dry_run(true)
        .send();
    let publish = lambda.publish_version().function_name(&nobody).send();
    let shift = lambda
        .update_alias()
        .function_name(&nobody)
        .name("live")
        .function_version("1")
        .send();
    let now = clock.now().as_second();
    let metrics = metrics(session, now);
    let logs = session.logs().await;
    let logs = logs
        .filter_log_events()
        .log_group_name(format!("/aws/lambda/{nobody}"))
        .limit(1)
        .send();
    let tags = session.tagging().await;
    let tags = tags
        .get_resources()
        .resource_type_filters("lambda:function")
        .resources_per_page(1)
        .send();
    let (settings, list, function, alias, code, publish, shift, metrics, logs, tags, store) = tokio::join!(
        settings,
        list,
        function,
        alias,
        code,
        publish,
        shift,
        metrics,
        logs,
        tags,
        store(objects),
    );
    let name = nobody.as_str();
    let answers = [
        (
            "lambda:GetAccountSettings",
            "see the account's limits",
            settings.called("lambda:GetAccountSettings", "").map(drop),
        ),
        (
            "lambda:ListFunctions",
            "list functions",
            list.called("lambda:ListFunctions", "").map(drop),
        ),
        (
            "lambda:GetFunction",
            "read a function",
            function.called("lambda:GetFunction", name).map(drop),
        ),
        (
            "lambda:GetAlias",
            "read who takes the traffic",
            alias.called("lambda:GetAlias", name).map(drop),
        ),
        (
            "tag:GetResources",
            "find functions by their tags",
            tags.called("tag:GetResources", "").map(drop),
        ),
        ("cloudwatch:GetMetricData", "judge a rollout", metrics),
        (
            "logs:FilterLogEvents",
            "read logs",
            logs.called("logs:FilterLogEvents", name).map(drop),
        ),
        (
            "lambda:UpdateFunctionCode",
            "deploy code",
            code.called("lambda:UpdateFunctionCode", name).map(drop),
        ),
        (
            "lambda:PublishVersion",
            "publish a revision",
            publish.called("lambda:PublishVersion", name).map(drop),
        ),
        (
            "lambda:UpdateAlias",
            "shift traffic, roll back",
            shift.called("lambda:UpdateAlias", name).map(drop),
        ),
    ];
    let mut found: Vec<Permission> = answers
        .into_iter()
        .map(|(action, why, answer)| probed(action, why, answer))
        .collect();
    found.extend(store);
    found
}

async fn metrics(session: &Session, now: i64) -> aws::Result<()> {
    use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name("Invocations")
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(60)
        .stat("Sum")
        .build();
    let query = MetricDataQuery::builder().id("m").metric_stat(stat).build();
    let sent = session
        .cloudwatch()
        .await
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_secs(now - 120))
        .end_time(DateTime::from_secs(now))
        .send()
        .await;
    sent.called("cloudwatch:GetMetricData", "").map(|_| ())
}

/// Looks for the rollouts of a service that cannot exist.
async fn store(objects: Option<&Objects>) -> Option<Permission> {
    let objects = objects.filter(|objects| objects.is_bucket())?;
    let listed = match objects.list("rollout/squad-whoami/").await {
        Ok(_) => Ok(()),
        Err(crate::clients::store::Error::Aws(error)) => Err(error),
        Err(_) => return None,
    };
    Some(probed("s3:ListBucket", "keep the record", listed))
}

/// What an answer says about a permission. That there is no such thing, or that the request is no good, is said only to
/// whoever may ask.
fn probed(action: &'static str, why: &'static str, answer: aws::Result<()>) -> Permission {
    let (allowed, said) = match answer {
        Ok(()) => (Some(true), None),
        Err(error) => {
            let allowed = match error.why.as_ref() {
                Why::NotFound | Why::Invalid | Why::InProgress | Why::Lost => Some(true),
                Why::Denied { .. } => Some(false),
                _ => None,
            };
            let said = (allowed != Some(true)).then(|| Error::from(error.clone()).message);
            (allowed, said)
        }
    };
    Permission {
        action,
        why,
        allowed,
        said,
    }
}
