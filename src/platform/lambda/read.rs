//! The reads that everything about a function begins with: `GetFunction`, `GetAlias` and `ListVersionsByFunction`.
//!
//! Decides nothing: `seen` and `publish::observed` say in their words what is read here, and who asks brings the client,
//! which knows how patient to be.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;

use super::alias::{Alias, number};
use crate::clients::aws::{self, Called, Error, Why};
use crate::domain::release::RevisionNumber;

/// Nothing there is an answer too.
pub(super) fn found<T>(result: aws::Result<T>) -> aws::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(&*error.why, Why::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `GetFunction` of `$LATEST`, or of what a qualifier (a version, an alias) leads to: code, settings, tags and state in
/// one call, which has a quota of its own (100 each second; everything else shares 15). None where there is no such thing;
/// an answer without a configuration is an error.
pub(super) async fn function(
    client: &Client,
    function: &str,
    qualifier: Option<&str>,
) -> aws::Result<Option<GetFunctionOutput>> {
    const CALL: &str = "lambda:GetFunction";
    let answer = client
        .get_function()
        .function_name(function)
        .set_qualifier(qualifier.map(str::to_owned))
        .send()
        .await
        .called(CALL, function);
    match found(answer)? {
        Some(output) if output.configuration.is_none() => {
            Err(Error::new(CALL, function, Why::Unreadable))
        }
        output => Ok(output),
    }
}

/// `GetAlias`; none where there is none, or no function.
pub(super) async fn alias(
    client: &Client,
    function: &str,
    alias: &str,
) -> aws::Result<Option<Alias>> {
    let answer = client
        .get_alias()
        .function_name(function)
        .name(alias)
        .send()
        .await
        .called("lambda:GetAlias", function);
    Ok(found(answer)?.as_ref().map(Alias::of))
}

/// The action of [`versions`].
pub(super) const LIST_VERSIONS: &str = "lambda:ListVersionsByFunction";

/// `ListVersionsByFunction`, all pages, without `$LATEST`; empty where there is no function. It tells no states (Lambda
/// API): those are in [`function`] alone.
pub(super) async fn versions(
    client: &Client,
    function: &str,
) -> aws::Result<BTreeMap<RevisionNumber, FunctionConfiguration>> {
    let mut versions = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = client
            .list_versions_by_function()
            .function_name(function)
            .set_marker(marker)
            .send()
            .await
            .called(LIST_VERSIONS, function);
        let Some(page) = found(page)? else {
            return Ok(BTreeMap::new());
        };
        for version in page.versions.unwrap_or_default() {
            if let Some(number) = version.version().and_then(number) {
                versions.insert(number, version);
            }
        }
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(versions);
        }
    }
}
