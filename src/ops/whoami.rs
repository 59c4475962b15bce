//! `squad whoami`: which identity the environment's credentials are, and what it may do there.
//!
//! Asks only what changes nothing. A permission to write is probed with a `RevisionId` or a version that cannot be: IAM
//! answers whether it is allowed before Lambda looks at the function. Where no function is at hand, one that cannot exist is
//! asked for: a policy that names functions then says no.

use std::collections::HashMap;

use aws_sdk_lambda::types::InvocationType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::clients::aws::{self, Called, Identity, LogFilter, Session, Source, Why};
use crate::clients::store::{self, Objects};
use crate::clock::Clock;
use crate::error::{self, Error};
use crate::platform::lambda::Target;

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
    /// The function that was asked for; none where it was one that does not exist.
    pub(crate) function: Option<Target>,
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
    function: Option<Target>,
    clock: &dyn Clock,
) -> error::Result<Outcome> {
    let identity = session.identity().await?;
    let mut outcome = Outcome {
        identity,
        source: session.source().await,
        region: session.region().map(str::to_owned),
        pinned: session.account().map(str::to_owned),
        function,
        may: Vec::new(),
    };
    if outcome.is_pinned() {
        let asked = Asked::of(&outcome);
        outcome.may = permissions(session, objects, &asked, clock).await;
    }
    Ok(outcome)
}

/// The refusal for credentials of another account, in the words of every command that changes something.
pub(crate) async fn refusal(session: &Session) -> Option<Error> {
    session.guard().await.err().map(Error::from)
}

/// A call that changes nothing: the IAM action, what squad needs it for, and the call.
type Probe<'a> = (&'static str, &'static str, BoxFuture<'a, aws::Result<()>>);

/// The function that is asked for.
struct Asked {
    target: Target,
    arn: String,
}

/// A version that no function has.
const NEVER: &str = "999999999";
/// A `RevisionId` that nothing has.
const STALE: &str = "00000000-0000-0000-0000-000000000000";

impl Asked {
    fn of(found: &Outcome) -> Self {
        let target = found.function.clone().unwrap_or_else(|| Target {
            function: format!("squad-whoami-{}", ulid::Ulid::generate()),
            alias: "live".to_owned(),
        });
        let region = found.region.as_deref().unwrap_or_default();
        let arn = format!(
            "arn:{}:lambda:{region}:{}:function:{}",
            found.identity.arn.split(':').nth(1).unwrap_or("aws"),
            found.identity.account,
            target.function
        );
        Self { target, arn }
    }
}

async fn permissions(
    session: &Session,
    objects: Option<&Objects>,
    asked: &Asked,
    clock: &dyn Clock,
) -> Vec<Permission> {
    let lambda = session.lambda().await;
    let mut probes = reads(&lambda, asked);
    probes.extend(evidence(session, &asked.target.function, clock.now().as_second()).await);
    probes.extend(callers(&lambda, asked));
    probes.extend(writes(&lambda, asked));
    probes.extend(hints(&lambda, asked));
    probes.extend(record(objects));
    let mut found = join_all(
        probes
            .into_iter()
            .map(|(action, why, call)| async move { probed(action, why, call.await) }),
    )
    .await;
    found.extend(unasked(objects));
    found
}

/// What cannot be asked for without doing it, where it is allowed.
fn unasked(objects: Option<&Objects>) -> impl Iterator<Item = Permission> {
    let record = objects.filter(|objects| objects.is_bucket());
    [
        ("lambda:CreateFunction", "make a function"),
        ("iam:PassRole", "give a function its role"),
        ("lambda:DeleteFunction", "delete an old revision"),
    ]
    .into_iter()
    .chain(record.map(|_| ("s3:PutObject", "write the record")))
    .map(|(action, why)| Permission {
        action,
        why,
        allowed: None,
        said: Some("to ask is to do it".to_owned()),
    })
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

/// What status and every plan are made from.
fn reads<'a>(lambda: &aws_sdk_lambda::Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let Target { function, alias } = &asked.target;
    let of_alias = lambda.get_alias().function_name(function).name(alias);
    let provisioned = lambda
        .get_provisioned_concurrency_config()
        .function_name(function)
        .qualifier(alias);
    let all_provisioned = lambda
        .list_provisioned_concurrency_configs()
        .function_name(function);
    let settings = lambda.get_account_settings();
    let functions = lambda.list_functions().max_items(1);
    let whole = lambda.get_function().function_name(function);
    let versions = lambda.list_versions_by_function().function_name(function);
    let aliases = lambda.list_aliases().function_name(function);
    let tags = lambda.list_tags().resource(&asked.arn);
    vec![
        probe(
            "lambda:GetAccountSettings",
            "see the account's limits",
            "",
            settings.send(),
        ),
        probe(
            "lambda:ListFunctions",
            "list functions",
            "",
            functions.send(),
        ),
        probe(
            "lambda:GetFunction",
            "read a function",
            function,
            whole.send(),
        ),
        probe(
            "lambda:GetAlias",
            "read who takes the traffic",
            function,
            of_alias.send(),
        ),
        probe(
            "lambda:ListVersionsByFunction",
            "see the revisions",
            function,
            versions.max_items(1).send(),
        ),
        probe(
            "lambda:ListAliases",
            "see what may not be deleted",
            function,
            aliases.max_items(1).send(),
        ),
        probe(
            "lambda:GetProvisionedConcurrencyConfig",
            "wait for what is provisioned",
            function,
            provisioned.send(),
        ),
        probe(
            "lambda:ListProvisionedConcurrencyConfigs",
            "see what may not be deleted",
            function,
            all_provisioned.max_items(1).send(),
        ),
        probe(
            "lambda:ListTags",
            "see which rollouts are live",
            function,
            tags.send(),
        ),
    ]
}

/// What tells who calls past the alias.
fn callers<'a>(lambda: &aws_sdk_lambda::Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let function = &asked.target.function;
    let policy = lambda.get_policy().function_name(function);
    let sources = lambda.list_event_source_mappings().function_name(function);
    let addresses = lambda.list_function_url_configs().function_name(function);
    let why = "see who calls it";
    vec![
        probe("lambda:GetPolicy", why, function, policy.send()),
        probe(
            "lambda:ListEventSourceMappings",
            why,
            function,
            sources.max_items(1).send(),
        ),
        probe(
            "lambda:ListFunctionUrlConfigs",
            why,
            function,
            addresses.max_items(1).send(),
        ),
    ]
}

/// What deploys, rollouts and rollbacks write; nothing of it can come true.
fn writes<'a>(lambda: &aws_sdk_lambda::Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let Target { function, alias } = &asked.target;
    let code = lambda
        .update_function_code()
        .function_name(function)
        .image_uri("123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:none")
        .revision_id(STALE)
        .dry_run(true);
    let configuration = lambda
        .update_function_configuration()
        .function_name(function)
        .revision_id(STALE);
    let version = lambda
        .publish_version()
        .function_name(function)
        .revision_id(STALE);
    let made = lambda
        .create_alias()
        .function_name(function)
        .name(alias)
        .function_version(NEVER);
    let moved = lambda
        .update_alias()
        .function_name(function)
        .name(alias)
        .function_version(NEVER)
        .revision_id(STALE);
    vec![
        probe(
            "lambda:UpdateFunctionCode",
            "deploy code",
            function,
            code.send(),
        ),
        probe(
            "lambda:UpdateFunctionConfiguration",
            "deploy a configuration",
            function,
            configuration.send(),
        ),
        probe(
            "lambda:PublishVersion",
            "publish a revision",
            function,
            version.send(),
        ),
        probe("lambda:CreateAlias", "go live first", function, made.send()),
        probe(
            "lambda:UpdateAlias",
            "shift traffic, roll back",
            function,
            moved.send(),
        ),
    ]
}

/// What goes on without: tags, and the call that tests a revision.
fn hints<'a>(lambda: &aws_sdk_lambda::Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let Target { function, alias } = &asked.target;
    let tagged = lambda
        .tag_resource()
        .resource(&asked.arn)
        .set_tags(Some(HashMap::new()));
    let untagged = lambda
        .untag_resource()
        .resource(&asked.arn)
        .tag_keys("squad.dev/none");
    let called = lambda
        .invoke()
        .function_name(function)
        .qualifier(alias)
        .invocation_type(InvocationType::DryRun);
    vec![
        probe(
            "lambda:TagResource",
            "tag a function",
            function,
            tagged.send(),
        ),
        probe(
            "lambda:UntagResource",
            "end the tag of a rollout",
            function,
            untagged.send(),
        ),
        probe(
            "lambda:InvokeFunction",
            "call a function",
            function,
            called.send(),
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
    let logs = session.logs().await;
    let read = async move {
        let group = format!("/aws/lambda/{nobody}");
        let filter = LogFilter {
            group: &group,
            since: None,
            limit: Some(1),
        };
        logs.filter(filter, None).await.map(drop)
    };
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
        ("logs:FilterLogEvents", "read logs", read.boxed()),
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
                Why::NotFound | Why::Invalid | Why::InProgress | Why::Exists | Why::Lost => {
                    Some(true)
                }
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
