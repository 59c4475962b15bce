//! APIs of API Gateway that call a function, by their integrations.
//!
//! One is moved like an event source: one write, looked at again, reversible. Where the stages of its API deploy by themselves
//! that is all; else it is live once a person deploys the API, and until then its stage is listed as a caller of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;

use super::policy::Statement;
use super::stages::{Generation, Stages};
use super::{Reached, Trigger, Way};
use crate::clients::aws::{self, Api, Gateway, Integration, Method, Why};
use crate::domain::doctor::Moved;
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
    let http = survey.http.iter().map(|(api, integrations)| {
        let parts = integrations.iter().map(|one| apis.http_part(&api.id, one));
        (Generation::Http, api, kind(api), parts.collect())
    });
    let rest = survey.rest.iter().map(|(api, methods)| {
        let parts = methods.iter().map(|one| apis.rest_part(&api.id, one));
        (Generation::Rest, api, "REST API", parts.collect())
    });
    for (generation, api, kind, parts) in http.chain(rest) {
        let api_words = format!("{kind} {}", called(api));
        match apis.callers(generation, &api.id, &api_words, parts).await {
            Ok(triggers) => found.extend(triggers),
            Err(error) => unread.push(error.to_string()),
        }
    }
    (found, unread)
}

/// One integration of either generation.
#[derive(Debug)]
struct Part {
    /// Its place, as [`Place`] reads it.
    id: String,
    /// Without the API.
    who: String,
    uri: String,
    role: Option<String>,
    /// What points it at the alias by hand.
    command: String,
}

/// Where an integration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// `api/<api>/<integration>`.
    Http { api: &'a str, integration: &'a str },
    /// `rest-api/<api>/<resource>/<verb>`.
    Rest {
        api: &'a str,
        resource: &'a str,
        verb: &'a str,
    },
}

impl<'a> Place<'a> {
    fn of(id: &'a str) -> Option<Self> {
        if let Some(rest) = id.strip_prefix("rest-api/") {
            let (api, rest) = rest.split_once('/')?;
            let (resource, verb) = rest.split_once('/')?;
            return Some(Self::Rest {
                api,
                resource,
                verb,
            });
        }
        let (api, integration) = id.strip_prefix("api/")?.split_once('/')?;
        Some(Self::Http { api, integration })
    }

    fn api(self) -> &'a str {
        match self {
            Self::Http { api, .. } | Self::Rest { api, .. } => api,
        }
    }

    fn generation(self) -> Generation {
        match self {
            Self::Http { .. } => Generation::Http,
            Self::Rest { .. } => Generation::Rest,
        }
    }
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
    pub(super) fn reached(&self, uri: &str) -> Option<Reached> {
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

    fn http_part(&self, api: &str, one: &Integration) -> Part {
        Part {
            id: format!("api/{api}/{}", one.id),
            who: format!("integration {}", one.id),
            uri: one.uri.clone(),
            role: one.role.clone(),
            command: format!(
                "`aws apigatewayv2 update-integration --api-id {api} --integration-id {} --integration-uri {}`",
                one.id,
                self.pointed(&one.uri)
            ),
        }
    }

    fn rest_part(&self, api: &str, one: &Method) -> Part {
        let (resource, verb, uri) = (&one.resource, &one.verb, &one.integration.uri);
        Part {
            id: format!("rest-api/{api}/{resource}/{verb}"),
            who: format!("{verb} {}", one.path),
            uri: uri.clone(),
            role: one.integration.role.clone(),
            command: format!(
                "`aws apigateway update-integration --rest-api-id {api} --resource-id {resource} --http-method {verb} \
                 --patch-operations op=replace,path=/uri,value={}`",
                self.pointed(uri)
            ),
        }
    }

    /// Those integrations of one API that call the function, and those of its stages that pass by the alias.
    async fn callers(
        &self,
        generation: Generation,
        api: &str,
        words: &str,
        parts: Vec<Part>,
    ) -> aws::Result<Vec<Trigger>> {
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|part| Some((self.reached(&part.uri)?, part)))
            .collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let stages = self.stages(generation, api).await?;
        let mut found = Vec::new();
        for (reached, part) in parts {
            let is_past = reached == Reached::Latest;
            found.push(Trigger {
                who: format!("{} of the {words}", part.who),
                reached,
                way: Way::Api {
                    after: self.pointed(&part.uri),
                    hand: is_past.then(|| self.by_hand(&part, &stages)).flatten(),
                    before: part.uri,
                },
                id: part.id,
            });
        }
        if let Stages::Read(serving) = stages {
            let past = serving.iter();
            found.extend(past.filter_map(|one| one.trigger(generation, api, words)));
        }
        Ok(found)
    }

    /// What a person has to do, where a write of squad's would not be enough, or could not be taken back.
    fn by_hand(&self, part: &Part, stages: &Stages) -> Option<String> {
        let command = &part.command;
        if let Some(role) = &part.role {
            return Some(format!(
                "let the role `{role}` call `{}:{}`, then {command}",
                self.function, self.alias
            ));
        }
        match stages {
            Stages::Read(_) => None,
            Stages::Unreadable(stages) => {
                let names: Vec<_> = stages
                    .iter()
                    .map(|stage| format!("`{}`", stage.name))
                    .collect();
                Some(format!(
                    "{command}, then deploy {}, which takes along whatever else was changed in the API",
                    names.join(", ")
                ))
            }
        }
    }

    /// One integration as it is now.
    async fn read(&self, place: Place<'_>) -> aws::Result<Part> {
        match place {
            Place::Http { api, integration } => {
                let mut now = self.gateway.integration(api, integration).await?;
                integration.clone_into(&mut now.id);
                Ok(self.http_part(api, &now))
            }
            Place::Rest {
                api,
                resource,
                verb,
            } => {
                let now = self.gateway.rest_integration(api, resource, verb).await?;
                let method = Method {
                    resource: resource.to_owned(),
                    path: String::new(),
                    verb: verb.to_owned(),
                    integration: now,
                };
                Ok(self.rest_part(api, &method))
            }
        }
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
        let Some(place) = Place::of(id) else {
            return Ok(None);
        };
        let api = place.api();
        let now = self.read(place).await?;
        if self.reached(&now.uri) != Some(Reached::Latest) {
            return Ok(None);
        }
        let stages = self.stages(place.generation(), api).await?;
        if let Some(hand) = self.by_hand(&now, &stages) {
            return Err(Error::Invalid(format!("it is to be moved by hand: {hand}")));
        }
        let is_granted = |one: &Statement| granted.iter().any(|other| other.same_grant(one));
        let mut needed = whole.iter().filter(|one| lets(one, api));
        // What one of them says beside that may forbid it, unless the API calls by the very same today.
        let is_sound =
            |one: &Statement| one.odd.is_none() || whole.iter().any(|other| other.same_grant(one));
        let mut letting = granted.iter().filter(|one| lets(one, api));
        if !letting.any(is_sound) || !needed.all(is_granted) {
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
        self.point(place, &after).await?;
        Ok(Some(Moved::Integration {
            id: id.to_owned(),
            before: now.uri,
            after,
        }))
    }

    /// Takes a move back, unless somebody had it call something else since.
    pub(crate) async fn undo(&self, id: &str, before: &str, after: &str) -> Result<()> {
        let Some(place) = Place::of(id) else {
            return Ok(());
        };
        match self.read(place).await {
            Ok(now) if now.uri == before => {}
            Ok(now) if now.uri == after => self.point(place, before).await?,
            Ok(now) => {
                return Err(Error::Overtaken(format!(
                    "somebody has had the API {} call `{}` since",
                    place.api(),
                    now.uri
                )));
            }
            Err(error) if matches!(&*error.why, Why::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.is_undone(place).await
    }

    /// Refused where a stage was deployed since the move: it calls the alias, by the alias's permission, until it is deployed
    /// again. Where another integration of the API calls the alias too, deploying it again would not change that.
    async fn is_undone(&self, place: Place<'_>) -> Result<()> {
        let (generation, api) = (place.generation(), place.api());
        let Stages::Read(serving) = self.stages(generation, api).await? else {
            return Ok(());
        };
        let mut serving = serving.iter();
        let Some(one) = serving.find(|one| one.is_calling(&Reached::Alias)) else {
            return Ok(());
        };
        if self.calls_alias(generation, api).await? {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "what was deployed to the API {api} calls the alias until it is deployed again: {}; then run the same command again",
            one.deploy(generation, api)
        )))
    }

    /// Whether any integration of an API calls the alias.
    async fn calls_alias(&self, generation: Generation, api: &str) -> aws::Result<bool> {
        let uris: Vec<_> = match generation {
            Generation::Http => {
                let found = self.gateway.integrations(api).await?;
                found.into_iter().map(|one| one.uri).collect()
            }
            Generation::Rest => {
                let found = self.gateway.rest_methods(api).await?;
                found.into_iter().map(|one| one.integration.uri).collect()
            }
        };
        let mut reached = uris.iter().filter_map(|uri| self.reached(uri));
        Ok(reached.any(|reached| reached == Reached::Alias))
    }

    /// One write, and a look whether it is in force: API Gateway has nothing that would fence it.
    async fn point(&self, place: Place<'_>, uri: &str) -> Result<()> {
        let written = match place {
            Place::Http { api, integration } => {
                self.gateway.point(api, integration, uri).await.map(drop)
            }
            Place::Rest {
                api,
                resource,
                verb,
            } => {
                let written = self.gateway.rest_point(api, resource, verb, uri).await;
                written.map(drop)
            }
        };
        match written {
            Ok(()) => {}
            Err(error) if error.why.is_ambiguous() => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.read(place).await?;
        if now.uri == uri {
            Ok(())
        } else {
            Err(Error::Overtaken(format!(
                "somebody has had the API {} call `{}` at the same moment",
                place.api(),
                now.uri
            )))
        }
    }
}

/// Whether a caller is an integration.
pub(crate) fn is_api(id: &str) -> bool {
    Place::of(id).is_some()
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
            ..Statement::default()
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
