//! APIs of API Gateway that call a function, by their integrations.
//!
//! An HTTP API whose stages deploy by themselves is moved like an event source: one write, looked at again, reversible. A
//! REST API, and an HTTP API that somebody has to deploy, are only told of: a deployment takes along whatever else was
//! changed in the API since the last one, and that is not squad's to put live.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;

use super::policy::Statement;
use super::{Moved, Reached, Trigger, Way};
use crate::clients::aws::{self, Api, Gateway, Integration, Method, Stage, Why};
use crate::platform::{Error, Result};

/// APIs that are read beside each other; the client's own pace comes on top.
const AT_ONCE: usize = 4;
/// How long a plan waits for API Gateway, which a network may not let it reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked about APIs: the way to them, and who their integrations are to call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apis<'a> {
    /// API Gateway.
    pub(crate) gateway: &'a Gateway,
    /// The function's ARN, without a qualifier.
    pub(crate) function: &'a str,
    /// The alias.
    pub(crate) alias: &'a str,
}

/// The APIs of an account and region with what they call, whatever function it is.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    http: Vec<(Api, Vec<Integration>)>,
    rest: Vec<(Api, Vec<Method>)>,
    /// What may not be read, in words.
    unread: Vec<String>,
}

/// Reads all APIs.
pub(crate) async fn survey(gateway: &Gateway) -> Survey {
    let mut survey = Survey::default();
    let (http, rest) = tokio::join!(gateway.http_apis(), gateway.rest_apis());
    let apis = survey.readable(http);
    let mut reads = futures_util::stream::iter(apis)
        .map(|api| async move { (gateway.integrations(&api.id).await, api) })
        .buffered(AT_ONCE);
    while let Some((integrations, api)) = reads.next().await {
        let integrations = survey.readable(integrations);
        survey.http.push((api, integrations));
    }
    drop(reads);
    let apis = survey.readable(rest);
    let mut reads = futures_util::stream::iter(apis)
        .map(|api| async move { (gateway.rest_methods(&api.id).await, api) })
        .buffered(AT_ONCE);
    while let Some((methods, api)) = reads.next().await {
        let methods = survey.readable(methods);
        survey.rest.push((api, methods));
    }
    drop(reads);
    survey
}

/// Reads those whose ids are named, of which nobody says what kind they are. A plan does not wait for them for long.
pub(crate) async fn survey_of(gateway: &Gateway, ids: BTreeSet<String>) -> Survey {
    if ids.is_empty() {
        return Survey::default();
    }
    match tokio::time::timeout(PATIENCE, read_named(gateway, ids)).await {
        Ok(survey) => survey,
        Err(_) => Survey {
            unread: vec![format!(
                "API Gateway did not answer within {} s",
                PATIENCE.as_secs()
            )],
            ..Survey::default()
        },
    }
}

async fn read_named(gateway: &Gateway, ids: BTreeSet<String>) -> Survey {
    let mut survey = Survey::default();
    let mut reads = futures_util::stream::iter(ids)
        .map(|id| async move {
            let found = tokio::join!(gateway.integrations(&id), gateway.rest_methods(&id));
            (found, id)
        })
        .buffered(AT_ONCE);
    while let Some(((integrations, methods), id)) = reads.next().await {
        let api = Api {
            id,
            name: String::new(),
            protocol: String::new(),
        };
        let integrations = survey.readable(integrations);
        survey.http.push((api.clone(), integrations));
        let methods = survey.readable(methods);
        survey.rest.push((api, methods));
    }
    drop(reads);
    survey
}

impl Survey {
    /// What was read; what was not is told once. What is gone meanwhile calls nobody.
    fn readable<T>(&mut self, read: aws::Result<Vec<T>>) -> Vec<T> {
        read.unwrap_or_else(|error| {
            let text = error.to_string();
            if !matches!(&*error.why, Why::NotFound) && !self.unread.contains(&text) {
                self.unread.push(text);
            }
            Vec::new()
        })
    }
}

/// Those that call the function, and what could not be read.
pub(crate) async fn list(apis: Apis<'_>, survey: &Survey) -> (Vec<Trigger>, Vec<String>) {
    let mut unread = survey.unread.clone();
    let mut found = Vec::new();
    for (api, integrations) in &survey.http {
        let mut stages = None;
        for integration in integrations {
            let Some(reached) = apis.reached(&integration.uri) else {
                continue;
            };
            let mut hand = None;
            if reached == Reached::Latest {
                if stages.is_none() {
                    stages = Some(apis.gateway.stages(&api.id).await);
                }
                hand = match &stages {
                    Some(Err(error)) => {
                        unread.push(error.to_string());
                        continue;
                    }
                    Some(Ok(stages)) => apis.by_hand(&api.id, integration, stages),
                    None => None,
                };
            }
            found.push(Trigger {
                id: format!("api/{}/{}", api.id, integration.id),
                who: format!(
                    "integration {} of the {} {}",
                    integration.id,
                    kind(api),
                    called(api)
                ),
                reached,
                way: Way::Api {
                    before: integration.uri.clone(),
                    after: apis.pointed(&integration.uri),
                    hand,
                },
            });
        }
    }
    for (api, methods) in &survey.rest {
        for method in methods {
            let Some(reached) = apis.reached(&method.uri) else {
                continue;
            };
            let after = apis.pointed(&method.uri);
            found.push(Trigger {
                id: format!("rest-api/{}/{}/{}", api.id, method.resource, method.verb),
                who: format!("{} {} of the REST API {}", method.verb, method.path, called(api)),
                reached,
                way: Way::Api {
                    before: method.uri.clone(),
                    hand: Some(format!(
                        "`aws apigateway update-integration --rest-api-id {} --resource-id {} --http-method {} \
                         --patch-operations op=replace,path=/uri,value={after}`, then deploy the API: that takes along \
                         whatever else was changed in it",
                        api.id, method.resource, method.verb
                    )),
                    after,
                },
            });
        }
    }
    (found, unread)
}

/// What it is, as far as it was told.
fn kind(api: &Api) -> &'static str {
    match api.protocol.as_str() {
        "HTTP" => "HTTP API",
        "WEBSOCKET" => "WebSocket API",
        _ => "API",
    }
}

/// `` `orders` (a1b2c3) ``.
fn called(api: &Api) -> String {
    if api.name.is_empty() {
        api.id.clone()
    } else {
        format!("`{}` ({})", api.name, api.id)
    }
}

impl Apis<'_> {
    /// What an integration reaches of the function; none where it is another one, or none.
    fn reached(&self, uri: &str) -> Option<Reached> {
        let (_, arn, _) = parts(uri)?;
        let is_it = arn
            .strip_prefix(self.function)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        is_it.then(|| Reached::of(arn, self.alias))
    }

    /// The same address with the alias.
    fn pointed(&self, uri: &str) -> String {
        let (before, _, after) = parts(uri).unwrap_or_default();
        format!("{before}{}:{}{after}", self.function, self.alias)
    }

    /// What a person has to do, where a write of squad's would not be enough, or too much.
    fn by_hand(&self, api: &str, integration: &Integration, stages: &[Stage]) -> Option<String> {
        let command = format!(
            "`aws apigatewayv2 update-integration --api-id {api} --integration-id {} --integration-uri {}`",
            integration.id,
            self.pointed(&integration.uri)
        );
        if let Some(role) = &integration.role {
            return Some(format!(
                "let the role `{role}` call `{}:{}`, then {command}",
                self.function, self.alias
            ));
        }
        let still: Vec<_> = stages
            .iter()
            .filter(|stage| !stage.auto_deploy)
            .map(|stage| format!("`{}`", stage.name))
            .collect();
        (!still.is_empty()).then(|| {
            format!(
                "{command}, then deploy {}, which takes along whatever else was changed in the API",
                still.join(", ")
            )
        })
    }

    /// Moves one integration to the alias and looks that it moved; none where there is nothing to move. `whole` are the
    /// function's permissions, `granted` the alias's own: a call that only the first let through would fail from this moment
    /// on.
    pub(crate) async fn adopt(
        &self,
        id: &str,
        whole: &[Statement],
        granted: &[Statement],
    ) -> Result<Option<Moved>> {
        let Some((api, integration)) = http(id) else {
            return Ok(None);
        };
        let now = self.gateway.integration(api, integration).await?;
        if self.reached(&now.uri) != Some(Reached::Latest) {
            return Ok(None);
        }
        let stages = self.gateway.stages(api).await?;
        if let Some(hand) = self.by_hand(
            api,
            &Integration {
                id: integration.to_owned(),
                ..now.clone()
            },
            &stages,
        ) {
            return Err(Error::Invalid(format!("it is to be moved by hand: {hand}")));
        }
        let is_granted = |one: &Statement| granted.iter().any(|other| other.same_grant(one));
        let mut needed = whole.iter().filter(|one| lets(one, api));
        if !granted.iter().any(|one| lets(one, api)) || !needed.all(is_granted) {
            let function = self.function.rsplit(':').next().unwrap_or_default();
            let place = self.function.replacen(":lambda:", ":execute-api:", 1);
            let place = place.split(":function:").next().unwrap_or_default();
            return Err(Error::Invalid(format!(
                "the alias `{0}` does not let the API {api} call it, so that its calls would fail; let it with `aws lambda \
                 add-permission --function-name {function} --qualifier {0} --statement-id api-{api} --action \
                 lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn {place}:{api}/*`",
                self.alias
            )));
        }
        let after = self.pointed(&now.uri);
        self.point(api, integration, &after).await?;
        Ok(Some(Moved::Integration {
            id: id.to_owned(),
            before: now.uri,
            after,
        }))
    }

    /// Takes a move back, unless somebody had it call something else since.
    pub(crate) async fn undo(&self, id: &str, before: &str, after: &str) -> Result<()> {
        let Some((api, integration)) = http(id) else {
            return Ok(());
        };
        match self.gateway.integration(api, integration).await {
            Ok(now) if now.uri == before => Ok(()),
            Ok(now) if now.uri == after => self.point(api, integration, before).await,
            Ok(now) => Err(Error::Overtaken(format!(
                "somebody has had the API {api} call `{}` since",
                now.uri
            ))),
            Err(error) if matches!(&*error.why, Why::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// One write, and a look whether it is in force: API Gateway has nothing that would fence it.
    async fn point(&self, api: &str, integration: &str, uri: &str) -> Result<()> {
        match self.gateway.point(api, integration, uri).await {
            Ok(_) => {}
            Err(error) if error.why.is_ambiguous() => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.gateway.integration(api, integration).await?;
        if now.uri == uri {
            Ok(())
        } else {
            Err(Error::Overtaken(format!(
                "somebody has had the API {api} call `{}` at the same moment",
                now.uri
            )))
        }
    }
}

/// `api/<api>/<integration>`.
fn http(id: &str) -> Option<(&str, &str)> {
    id.strip_prefix("api/")?.split_once('/')
}

/// Whether a caller is an integration.
pub(crate) fn is_api(id: &str) -> bool {
    http(id).is_some()
}

/// The API that a permission is for; `*` for any. None where it is not API Gateway's.
pub(crate) fn api_of(statement: &Statement) -> Option<&str> {
    if statement.principal != "apigateway.amazonaws.com" {
        return None;
    }
    let Some(arn) = &statement.source_arn else {
        return Some("*");
    };
    // `arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>`
    arn.splitn(6, ':').nth(5)?.split('/').next()
}

/// Whether a permission lets an API call.
fn lets(statement: &Statement, api: &str) -> bool {
    let is_call = matches!(
        statement.action.as_str(),
        "lambda:InvokeFunction" | "lambda:Invoke*" | "lambda:*"
    );
    is_call && api_of(statement).is_some_and(|one| one == "*" || one == api)
}

/// What is before a function's ARN, the ARN with its qualifier, and what is behind: of an ARN alone, or of
/// `arn:aws:apigateway:<region>:lambda:path/2015-03-31/functions/<arn>/invocations` (API Gateway API Reference,
/// `PutIntegration`, `uri`).
fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = match uri.find("/functions/") {
        Some(at) => uri.split_at_checked(at + "/functions/".len())?,
        None => ("", uri),
    };
    let (arn, after) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    (arn.starts_with("arn:") && arn.contains(":lambda:")).then_some((before, arn, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_pointed_at_the_alias() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:receipts";
        for (uri, wanted) in [
            (arn.to_owned(), format!("{arn}:live")),
            (format!("{arn}:$LATEST"), format!("{arn}:live")),
            (
                format!(
                    "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"
                ),
                format!(
                    "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}:live/invocations"
                ),
            ),
        ] {
            let (before, found, after) = parts(&uri).unwrap();
            assert!(found.starts_with(arn), "{uri}");
            assert_eq!(format!("{before}{arn}:live{after}"), wanted);
            assert_eq!(Reached::of(found, "live"), Reached::Latest);
        }
        for other in ["https://example.com/", "", "arn:aws:states:eu-west-1:1:x"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }

    #[test]
    fn a_permission_says_which_api_it_is_for() {
        let statement = |principal: &str, arn: Option<&str>| Statement {
            sid: "1".into(),
            action: "lambda:InvokeFunction".into(),
            principal: principal.into(),
            source_arn: arn.map(str::to_owned),
            source_account: None,
            event_source_token: None,
            organisation: None,
            url_auth: None,
            via_url: None,
        };
        let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/*/GET/charges/{id}";
        let of = statement("apigateway.amazonaws.com", Some(arn));
        assert_eq!(api_of(&of), Some("a1b2c3"));
        assert!(lets(&of, "a1b2c3") && !lets(&of, "other"));
        let reads = Statement {
            action: "lambda:GetFunction".into(),
            ..of.clone()
        };
        assert!(!lets(&reads, "a1b2c3"));
        assert!(lets(&statement("apigateway.amazonaws.com", None), "other"));
        assert_eq!(api_of(&statement("sns.amazonaws.com", Some(arn))), None);
    }
}
