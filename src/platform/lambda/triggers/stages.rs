//! What the stages of an API serve: one that somebody has to deploy goes on as before, whatever its integrations say now.
//!
//! Reads only. Squad deploys nobody's API: a deployment takes along whatever else was changed in it (decision 0014).

use serde_json::Value;

use super::apis::Apis;
use super::{Reached, Trigger, Way};
use crate::clients::aws::{self, Stage, Why};

/// Which of the two API Gateways an API is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// HTTP and WebSocket APIs.
    Http,
    /// REST APIs.
    Rest,
}

/// A stage that somebody has to deploy, and what of the function the deployment calls that it serves.
#[derive(Debug)]
pub(super) struct Serving {
    stage: Stage,
    reached: Vec<Reached>,
}

/// The stages of an API that do not deploy by themselves and serve something.
#[derive(Debug)]
pub(super) enum Stages {
    /// None where all deploy by themselves.
    Read(Vec<Serving>),
    /// What they serve is not told: WebSocket APIs cannot be exported.
    Unreadable(Vec<Stage>),
}

impl Serving {
    /// Whether it calls this.
    pub(super) fn is_calling(&self, reached: &Reached) -> bool {
        self.reached.contains(reached)
    }

    /// As a caller of its own, where it still passes by the alias.
    pub(super) fn trigger(&self, generation: Generation, api: &str, who: &str) -> Option<Trigger> {
        if !self.is_calling(&Reached::Latest) {
            return None;
        }
        let name = &self.stage.name;
        Some(Trigger {
            id: format!("stage/{api}/{name}"),
            who: format!("what was deployed to the stage `{name}` of the {who}"),
            reached: Reached::Latest,
            way: Way::Api {
                before: String::new(),
                after: String::new(),
                hand: Some(format!(
                    "when the integrations of the {who} call the alias, deploy it: {}{}",
                    self.deploy(generation, api),
                    self.back(generation, api)
                )),
            },
        })
    }

    /// How it is deployed, and what that means.
    pub(super) fn deploy(&self, generation: Generation, api: &str) -> String {
        let command = match generation {
            Generation::Http => format!("apigatewayv2 create-deployment --api-id {api}"),
            Generation::Rest => format!("apigateway create-deployment --rest-api-id {api}"),
        };
        format!(
            "`aws {command} --stage-name '{}'`, which takes along whatever else was changed in the API",
            self.stage.name
        )
    }

    /// How to go back to what it serves now.
    fn back(&self, generation: Generation, api: &str) -> String {
        let Some(deployment) = &self.stage.deployment else {
            return String::new();
        };
        let name = &self.stage.name;
        let command = match generation {
            Generation::Http => format!(
                "apigatewayv2 update-stage --api-id {api} --stage-name '{name}' --deployment-id {deployment}"
            ),
            Generation::Rest => format!(
                "apigateway update-stage --rest-api-id {api} --stage-name '{name}' --patch-operations \
                 op=replace,path=/deploymentId,value={deployment}"
            ),
        };
        format!("; back with `aws {command}`")
    }
}

impl Apis<'_> {
    /// The stages of an API that somebody has to deploy.
    pub(super) async fn stages(&self, generation: Generation, api: &str) -> aws::Result<Stages> {
        let gateway = self.gateway;
        let mut stages = match generation {
            Generation::Http => gateway.stages(api).await?,
            Generation::Rest => gateway.rest_stages(api).await?,
        };
        stages.retain(|stage| !stage.auto_deploy && stage.deployment.is_some());
        let mut read = Vec::new();
        for stage in &stages {
            let document = match generation {
                Generation::Http => gateway.served(api, &stage.name).await,
                Generation::Rest => gateway.rest_served(api, &stage.name).await,
            };
            let document = match document {
                Ok(document) => document,
                // What cannot be exported by nature. Anything else (no permission, no answer) must not read as "nothing".
                Err(error)
                    if generation == Generation::Http && matches!(&*error.why, Why::Invalid) =>
                {
                    return Ok(Stages::Unreadable(stages));
                }
                Err(error) => return Err(error),
            };
            let mut found = Vec::new();
            addresses(&document, false, &mut found);
            read.push(Serving {
                stage: stage.clone(),
                reached: found.iter().filter_map(|uri| self.reached(uri)).collect(),
            });
        }
        Ok(Stages::Read(read))
    }
}

/// What the integrations of a document of `OpenAPI` call ("x-amazon-apigateway-integration object", `uri`); an HTTP API keeps
/// those that routes share below `x-amazon-apigateway-integrations`.
fn addresses(document: &Value, is_integration: bool, found: &mut Vec<String>) {
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(uri) if is_integration && name == "uri" => {
                        found.push(uri.clone());
                    }
                    value => {
                        let is_one = name.starts_with("x-amazon-apigateway-integration");
                        addresses(value, is_integration || is_one, found);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                addresses(item, is_integration, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_integrations_of_a_document_call_somebody() {
        let document = json!({
            "paths": { "/a": { "get": {
                "x-amazon-apigateway-integration": { "type": "AWS_PROXY", "uri": "one" },
                "parameters": [{ "name": "uri", "example": { "uri": "none" } }],
            } } },
            "components": {
                "x-amazon-apigateway-integrations": { "shared": { "uri": "two" } },
                "schemas": { "link": { "uri": "none" } },
            },
        });
        let mut found = Vec::new();
        addresses(&document, false, &mut found);
        found.sort_unstable();
        assert_eq!(found, ["one", "two"]);
    }
}
