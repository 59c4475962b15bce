//! The calls that find out what an identity may do, and what their answers say.
//!
//! Every one is a call that changes nothing, also where it is allowed. IAM answers first: 403 is "no", and that there is no
//! such thing, or that it is another one than the request names, is told only to whoever may ask, so it is "yes".

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::asked::{Asked, Images};
use super::{Permission, writes};
use crate::clients::aws::{self, Called, LogFilter, Session, Why};
use crate::clients::store::{self, Objects};
use crate::error::Error;
use crate::platform::lambda::Target;

/// One question, or two that belong together.
pub(super) type Probe<'a> = BoxFuture<'a, Vec<Permission>>;

/// `GetFunction` each second, of which there is one; all the rest goes at the pace of the small bucket.
const RATE: u32 = 25;

/// All of them.
pub(super) async fn all<'a>(
    session: &'a Session,
    bucket: Option<&'a Objects>,
    asked: &'a Asked,
    now: i64,
) -> Vec<Probe<'a>> {
    let lambda = session.lambda_for_fleet(RATE).await;
    let mut probes = reads(&lambda, asked);
    probes.extend(callers(&lambda, asked));
    probes.extend(evidence(session, &asked.target.function, now).await);
    probes.extend(apis(session, asked).await);
    probes.extend(writes::deploys(&lambda, asked));
    probes.extend(writes::provisioned(&lambda, asked));
    probes.extend(writes::hints(&lambda, asked));
    probes.extend(writes::adoptions(&lambda, asked));
    probes.extend(images(session, asked));
    probes.extend(bucket.map(record));
    probes
}

/// A call as a question.
pub(super) fn probe<'a, T, E>(
    action: &'static str,
    resource: &'a str,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Probe<'a>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    async move { vec![judged(action, call.await.called(action, resource))] }.boxed()
}

/// What status and every plan are made from.
fn reads<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
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
        probe("lambda:GetAccountSettings", "", settings.send()),
        probe("lambda:ListFunctions", "", functions.send()),
        probe("lambda:GetFunction", function, whole.send()),
        probe("lambda:GetAlias", function, of_alias.send()),
        probe(
            "lambda:ListVersionsByFunction",
            function,
            versions.max_items(1).send(),
        ),
        probe("lambda:ListAliases", function, aliases.max_items(1).send()),
        probe(
            "lambda:GetProvisionedConcurrencyConfig",
            function,
            provisioned.send(),
        ),
        probe(
            "lambda:ListProvisionedConcurrencyConfigs",
            function,
            all_provisioned.max_items(1).send(),
        ),
        probe("lambda:ListTags", function, tags.send()),
    ]
}

/// What tells who calls past the alias.
fn callers<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let function = &asked.target.function;
    let policy = lambda.get_policy().function_name(function);
    let sources = lambda.list_event_source_mappings().function_name(function);
    let addresses = lambda.list_function_url_configs().function_name(function);
    let delivered = lambda
        .get_function_event_invoke_config()
        .function_name(function);
    vec![
        probe("lambda:GetPolicy", function, policy.send()),
        probe(
            "lambda:ListEventSourceMappings",
            function,
            sources.max_items(1).send(),
        ),
        probe(
            "lambda:ListFunctionUrlConfigs",
            function,
            addresses.max_items(1).send(),
        ),
        probe(
            "lambda:GetFunctionEventInvokeConfig",
            function,
            delivered.send(),
        ),
    ]
}

/// What status, rollouts and logs are read from.
async fn evidence<'a>(session: &Session, function: &'a str, now: i64) -> Vec<Probe<'a>> {
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
        let group = format!("/aws/lambda/{function}");
        let filter = LogFilter {
            group: &group,
            since: None,
            limit: Some(1),
        };
        let read = logs.filter(filter, None).await;
        vec![judged("logs:FilterLogEvents", read)]
    };
    let tags = session.tagging().await.get_resources();
    let tags = tags
        .resource_type_filters("lambda:function")
        .resources_per_page(1);
    vec![
        probe("tag:GetResources", "", tags.send()),
        probe("cloudwatch:GetMetricData", "", metrics.send()),
        read.boxed(),
    ]
}

/// Both generations of API Gateway. An API that is changed has an id that AWS gives to none: theirs have no hyphen (API
/// Gateway Developer Guide, "API Gateway concepts": ten letters and digits).
async fn apis<'a>(session: &Session, asked: &'a Asked) -> [Probe<'a>; 2] {
    const NO_API: &str = "squad-whoami";
    let gateway = Arc::new(session.gateway().await);
    let reading = Arc::clone(&gateway);
    let read = async move {
        let (http, rest) = tokio::join!(reading.glance(), reading.rest_glance());
        vec![worse(
            judged("apigateway:GET", http),
            judged("apigateway:GET", rest),
        )]
    };
    let change = async move {
        let (http, rest) = tokio::join!(
            gateway.point(NO_API, "none", &asked.arn),
            gateway.rest_point(NO_API, "none", "GET", &asked.arn)
        );
        vec![worse(
            judged("apigateway:PATCH", http),
            judged("apigateway:PATCH", rest),
        )]
    };
    [read.boxed(), change.boxed()]
}

/// A tag that no image has, in the repository of the function's images, or in one that nobody has.
fn images<'a>(session: &'a Session, asked: &'a Asked) -> Option<Probe<'a>> {
    let image = match &asked.images {
        Images::None => return None,
        Images::OfNobody => None,
        Images::Of(image) => Some(image),
    };
    let call = async move {
        let described = session.look_at_images(image, &asked.nowhere).await;
        vec![judged("ecr:DescribeImages", described)]
    };
    Some(call.boxed())
}

/// Looks in a bucket for the rollouts of a service that does not exist. Amazon S3 says that there is no such object only to
/// whoever may list; to everybody else it says 403, as it does to who may not read (Amazon S3 API Reference, `GetObject`).
fn record(bucket: &Objects) -> Probe<'_> {
    let of = |error| match error {
        store::Error::Aws(error) => Err(error),
        // Nothing else goes wrong with a bucket.
        _ => Ok(()),
    };
    let call = async move {
        let (listed, read) = tokio::join!(
            bucket.list("rollout/squad-whoami/"),
            bucket.read("rollout/squad-whoami/none")
        );
        let list = judged("s3:ListBucket", listed.map(drop).or_else(of));
        let mut read = judged("s3:GetObject", read.map(drop).or_else(of));
        if list.allowed != Some(true) && read.allowed == Some(false) {
            read.allowed = None;
            read.said = Some("that is told only to who may list".to_owned());
        }
        vec![list, read]
    };
    call.boxed()
}

/// Of two answers about one action the one that allows less.
fn worse(one: Permission, other: Permission) -> Permission {
    let rank = |permission: &Permission| match permission.allowed {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    };
    if rank(&other) < rank(&one) {
        other
    } else {
        one
    }
}

/// What an answer says about a permission.
pub(super) fn judged<T>(action: &'static str, answer: aws::Result<T>) -> Permission {
    let Err(error) = answer else {
        return Permission::new(action, Some(true), None);
    };
    let allowed = match error.why.as_ref() {
        Why::NotFound | Why::Invalid | Why::InProgress | Why::Exists | Why::Lost => Some(true),
        Why::Denied { .. } => Some(false),
        _ => None,
    };
    let said = (allowed != Some(true)).then(|| {
        let error = Error::from(error);
        let mut texts = vec![error.message];
        texts.extend(error.causes);
        texts.join(": ")
    });
    Permission::new(action, allowed, said)
}
