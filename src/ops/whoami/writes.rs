//! The same for what changes something: nothing of it can come true.
//!
//! Each call names a `RevisionId`, a version, an alias, a UUID or a statement that there is not. The name of the alias and of
//! the statement is made for this one run, so that nobody can have given it to anything.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{FunctionUrlAuthType, InvocationType};

use super::asked::Asked;
use super::probes::{Probe, probe};
use crate::platform::lambda::Target;

/// A version that no function has.
const NEVER: &str = "999999999";
/// A `RevisionId` that nothing has, and the UUID of nothing (RFC 9562, "Nil UUID").
const STALE: &str = "00000000-0000-0000-0000-000000000000";

/// What deploys, rollouts and rollbacks write.
pub(super) fn deploys<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
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
        probe("lambda:UpdateFunctionCode", function, code.send()),
        probe(
            "lambda:UpdateFunctionConfiguration",
            function,
            configuration.send(),
        ),
        probe("lambda:PublishVersion", function, version.send()),
        probe("lambda:CreateAlias", function, made.send()),
        probe("lambda:UpdateAlias", function, moved.send()),
    ]
}

/// What keeps environments ready: of an alias that there is not.
pub(super) fn provisioned<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let function = &asked.target.function;
    let put = lambda
        .put_provisioned_concurrency_config()
        .function_name(function)
        .qualifier(&asked.nowhere)
        .provisioned_concurrent_executions(1);
    let deleted = lambda
        .delete_provisioned_concurrency_config()
        .function_name(function)
        .qualifier(&asked.nowhere);
    vec![
        probe(
            "lambda:PutProvisionedConcurrencyConfig",
            function,
            put.send(),
        ),
        probe(
            "lambda:DeleteProvisionedConcurrencyConfig",
            function,
            deleted.send(),
        ),
    ]
}

/// What goes on without: tags, and the call that tests a revision.
pub(super) fn hints<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
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
        probe("lambda:TagResource", function, tagged.send()),
        probe("lambda:UntagResource", function, untagged.send()),
        probe("lambda:InvokeFunction", function, called.send()),
    ]
}

/// What moves callers to the alias, and back: of an alias, a statement and a mapping that there are not.
pub(super) fn adoptions<'a>(lambda: &Client, asked: &'a Asked) -> Vec<Probe<'a>> {
    let function = &asked.target.function;
    let mapping = lambda.get_event_source_mapping().uuid(STALE);
    let pointed = lambda.update_event_source_mapping().uuid(STALE);
    let granted = lambda
        .add_permission()
        .function_name(function)
        .qualifier(&asked.nowhere)
        .statement_id(&asked.nowhere)
        .action("lambda:InvokeFunction")
        .principal(&asked.account)
        .revision_id(STALE);
    let withdrawn = lambda
        .remove_permission()
        .function_name(function)
        .qualifier(&asked.nowhere)
        .statement_id(&asked.nowhere)
        .revision_id(STALE);
    let delivered = lambda
        .put_function_event_invoke_config()
        .function_name(function)
        .qualifier(&asked.nowhere)
        .maximum_retry_attempts(2);
    let undelivered = lambda
        .delete_function_event_invoke_config()
        .function_name(function)
        .qualifier(&asked.nowhere);
    let opened = lambda
        .create_function_url_config()
        .function_name(function)
        .qualifier(&asked.nowhere)
        .auth_type(FunctionUrlAuthType::AwsIam);
    let closed = lambda
        .delete_function_url_config()
        .function_name(function)
        .qualifier(&asked.nowhere);
    vec![
        probe("lambda:GetEventSourceMapping", function, mapping.send()),
        probe("lambda:UpdateEventSourceMapping", function, pointed.send()),
        probe("lambda:AddPermission", function, granted.send()),
        probe("lambda:RemovePermission", function, withdrawn.send()),
        probe(
            "lambda:PutFunctionEventInvokeConfig",
            function,
            delivered.send(),
        ),
        probe(
            "lambda:DeleteFunctionEventInvokeConfig",
            function,
            undelivered.send(),
        ),
        probe("lambda:CreateFunctionUrlConfig", function, opened.send()),
        probe("lambda:DeleteFunctionUrlConfig", function, closed.send()),
    ]
}
