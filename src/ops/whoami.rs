//! `squad whoami`: which identity the environment's credentials are, and what it may do there.
//!
//! Asks only what changes nothing. A permission to write is probed on a function that cannot exist: IAM answers whether
//! it is allowed before Lambda looks for the function.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::clients::aws::{self, Called, Identity, Session, Source, Why};
use crate::clients::store::{self, Objects};
use crate::clock::Clock;
use crate::error::{self, Error};

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
) -> error::Result<Outcome> {
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

/// A call that changes nothing: the IAM action, what squad needs it for, and the call.
type Probe<'a> = (&'static str, &'static str, BoxFuture<'a, aws::Result<()>>);

async fn permissions(
    session: &Session,
    objects: Option<&Objects>,
    clock: &dyn Clock,
) -> Vec<Permission> {
    let lambda = session.lambda().await;
    let nobody = format!("squad-whoami-{}", ulid::Ulid::generate());
    let mut probes = reads(&lambda, &nobody);
    probes.extend(evidence(session, &nobody, clock.now().as_second()).await);
    probes.extend(writes(&lambda, &nobody));
    probes.extend(record(objects));
    join_all(
        probes
            .into_iter()
            .map(|(action, why, call)| async move { probed(action, why, call.await) }),
    )
    .await
}

/// A call as a probe.
fn probe<'a, T, E>(
    action: &'static str,
    why: &'static str,
    resource: &'a str,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Probe<'a>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let call = async move { call.await.called(action, resource).map(drop) };
    (action, why, call.boxed())
}

fn reads<'a>(lambda: &aws_sdk_lambda::Client, nobody: &'a str) -> Vec<Probe<'a>> {
    let alias = lambda.get_alias().function_name(nobody).name("live");
    vec![
        probe(
            "lambda:GetAccountSettings",
            "see the account's limits",
            "",
            lambda.get_account_settings().send(),
        ),
        probe(
            "lambda:ListFunctions",
            "list functions",
            "",
            lambda.list_functions().max_items(1).send(),
        ),
        probe(
            "lambda:GetFunction",
            "read a function",
            nobody,
            lambda.get_function().function_name(nobody).send(),
        ),
        probe(
            "lambda:GetAlias",
            "read who takes the traffic",
            nobody,
            alias.send(),
        ),
    ]
}

fn writes<'a>(lambda: &aws_sdk_lambda::Client, nobody: &'a str) -> Vec<Probe<'a>> {
    let code = lambda
        .update_function_code()
        .function_name(nobody)
        .image_uri("123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:none")
        .dry_run(true);
    let alias = lambda
        .update_alias()
        .function_name(nobody)
        .name("live")
        .function_version("1");
    vec![
        probe(
            "lambda:UpdateFunctionCode",
            "deploy code",
            nobody,
            code.send(),
        ),
        probe(
            "lambda:PublishVersion",
            "publish a revision",
            nobody,
            lambda.publish_version().function_name(nobody).send(),
        ),
        probe(
            "lambda:UpdateAlias",
            "shift traffic, roll back",
            nobody,
            alias.send(),
        ),
    ]
}

/// What status, rollouts and logs are read from.
async fn evidence<'a>(session: &Session, nobody: &'a str, now: i64) -> Vec<Probe<'a>> {
    use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name("Invocations");
    let stat = MetricStat::builder()
        .metric(metric.build())
        .period(60)
        .stat("Sum");
    let query = MetricDataQuery::builder().id("m").metric_stat(stat.build());
    let metrics = session.cloudwatch().await.get_metric_data();
    let metrics = metrics
        .metric_data_queries(query.build())
        .start_time(DateTime::from_secs(now - 120))
        .end_time(DateTime::from_secs(now));
    let logs = session.logs().await.filter_log_events();
    let logs = logs
        .log_group_name(format!("/aws/lambda/{nobody}"))
        .limit(1);
    let tags = session.tagging().await.get_resources();
    let tags = tags
        .resource_type_filters("lambda:function")
        .resources_per_page(1);
    vec![
        probe(
            "tag:GetResources",
            "find functions by their tags",
            "",
            tags.send(),
        ),
        probe(
            "cloudwatch:GetMetricData",
            "judge a rollout",
            "",
            metrics.send(),
        ),
        probe("logs:FilterLogEvents", "read logs", nobody, logs.send()),
    ]
}

/// Looks for the rollouts of a service that does not exist, where the store is a bucket.
fn record(objects: Option<&Objects>) -> Option<Probe<'_>> {
    let objects = objects.filter(|objects| objects.is_bucket())?;
    let call = async move {
        match objects.list("rollout/squad-whoami/").await {
            Err(store::Error::Aws(error)) => Err(error),
            // Nothing else goes wrong with a bucket.
            _ => Ok(()),
        }
    };
    Some(("s3:ListBucket", "read the record", call.boxed()))
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
            let said = (allowed != Some(true)).then(|| {
                let error = Error::from(error);
                let mut texts = vec![error.message];
                texts.extend(error.causes);
                texts.join(": ")
            });
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
