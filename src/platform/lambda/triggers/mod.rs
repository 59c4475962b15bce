//! Who calls a function, and past the alias: what still reaches `$LATEST` gets every unfinished change, and no
//! rollout or rollback moves it.
//!
//! `list` reads; `adopt` moves one caller to the alias and looks that it moved; `undo` takes one back. None of them
//! takes anything away from a caller that works: a permission or an address of before stays until a person removes
//! it.

pub(super) mod apis;
mod policy;
pub(super) mod settings;
mod stages;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    Cors, EventSourceMappingConfiguration, FunctionUrlAuthType, InvokeMode,
};

use super::publish::Pause;
use crate::clients::aws::{Called, Error as AwsError, Why};
use crate::domain::doctor::Asynchronous;
use crate::platform::{Error, Result, Search};

use policy::Statement;

/// How long a change of an event source mapping may take.
const MOVED_WITHIN: std::time::Duration = std::time::Duration::from_mins(3);

/// What a caller reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The function without a qualifier, or `$LATEST`.
    Latest,
    /// The alias that squad moves.
    Alias,
    /// A version or another alias, by its name.
    Other(String),
}

impl Reached {
    /// By the ARN that a caller names.
    fn of(arn: &str, alias: &str) -> Self {
        // `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`
        match arn.splitn(8, ':').nth(7) {
            None | Some("" | "$LATEST") => Self::Latest,
            Some(qualifier) if qualifier == alias => Self::Alias,
            Some(qualifier) => Self::Other(qualifier.to_owned()),
        }
    }
}

/// One caller of a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trigger {
    /// Unique among the callers of the function: the mapping's UUID, the statement's id, the address, or the place of an
    /// integration.
    pub(crate) id: String,
    /// Who calls, in words, such as `queue arn:aws:sqs:…`.
    pub(crate) who: String,
    /// What it reaches.
    pub(crate) reached: Reached,
    /// Whether [`adopt`] can do something about it, and what.
    pub(crate) way: Way,
}

/// How a caller is moved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Way {
    /// Lambda itself calls: the mapping is pointed at the alias, and that is all.
    Mapping,
    /// The alias gets the same permission; the caller has to be pointed at the alias where it is set up. There is one
    /// already where `granted`.
    Permission {
        /// The statement to copy.
        statement: Box<Statement>,
        /// The alias has it already.
        granted: bool,
    },
    /// The alias gets an address of its own; whoever uses the one of before has to change.
    Address {
        /// `NONE` or `AWS_IAM`.
        auth: FunctionUrlAuthType,
        /// As it was set.
        cors: Option<Cors>,
        /// Buffered or streamed.
        mode: Option<InvokeMode>,
        /// The alias's own address, when it has one.
        granted: Option<String>,
    },
    /// An integration of API Gateway names the function.
    Api {
        /// What it calls now.
        before: String,
        /// The same with the alias.
        after: String,
        /// What a person has to do instead; none where squad can move it.
        hand: Option<String>,
    },
    /// No caller: what its asynchronous invocations are delivered by. The alias gets a copy.
    Settings(Asynchronous),
}

impl Trigger {
    /// Whether it passes by the alias and [`adopt`] would change something.
    pub(crate) fn can_be_adopted(&self) -> bool {
        self.reached == Reached::Latest
            && !matches!(
                self.way,
                Way::Permission { granted: true, .. }
                    | Way::Address {
                        granted: Some(_),
                        ..
                    }
                    | Way::Api { hand: Some(_), .. }
            )
    }

    /// What a person still has to do, once squad has done its part; none when nothing is left.
    pub(crate) fn left_to_do(&self, alias_arn: &str) -> Option<String> {
        match (&self.reached, &self.way) {
            (Reached::Latest, Way::Api { hand, .. }) => hand.clone(),
            (Reached::Alias, _) | (_, Way::Mapping | Way::Api { .. } | Way::Settings(_)) => None,
            (_, Way::Permission { .. }) => Some(format!("point {} at `{alias_arn}`", self.who)),
            (_, Way::Address { granted, .. }) => Some(format!(
                "whoever calls {} has to call {}",
                self.id,
                granted.as_deref().unwrap_or("the alias's own address")
            )),
        }
    }
}

/// What [`undo`] needs to take one move back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moved {
    /// A mapping, and what it reached before.
    Mapping {
        /// Its UUID.
        uuid: String,
        /// The function's ARN or name of before.
        before: String,
    },
    /// A statement that the alias got.
    Permission {
        /// Its id.
        sid: String,
    },
    /// The address that the alias got.
    Address {
        /// The address.
        url: String,
    },
    /// An integration of an API, and what it called before and calls now.
    Integration {
        /// Its place.
        id: String,
        /// Before.
        before: String,
        /// Now.
        after: String,
    },
    /// The settings for asynchronous invocations that the alias got.
    Settings(Asynchronous),
}

/// A function and the alias that its callers are to use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Lambda's control plane.
    pub(crate) client: &'a Client,
    /// The function's name.
    pub(crate) function: &'a str,
    /// The alias.
    pub(crate) alias: &'a str,
}

/// Everything that is known to call the function; where little is looked for, without the event source mappings of the alias,
/// which have a listing of their own, and without the settings for asynchronous invocations. What AWS does not let this identity read is in the second list, in words, so that
/// nobody takes silence for absence.
pub(crate) async fn list(place: Place<'_>, search: Search) -> (Vec<Trigger>, Vec<String>) {
    let (mappings, permissions, addresses, settings) = tokio::join!(
        Box::pin(mappings(place, search)),
        Box::pin(permissions(place)),
        Box::pin(addresses(place)),
        Box::pin(async {
            match search {
                Search::Everywhere => settings::list(place).await,
                Search::Named => Ok(Vec::new()),
            }
        })
    );
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for part in [mappings, permissions, addresses, settings] {
        match part {
            Ok(triggers) => found.extend(triggers),
            Err(error) => unread.push(error.to_string()),
        }
    }
    // Nobody moves before the alias delivers as the function does.
    found.sort_by(|one, other| {
        let is_caller = |trigger: &Trigger| !matches!(trigger.way, Way::Settings(_));
        (is_caller(one), &one.id).cmp(&(is_caller(other), &other.id))
    });
    (found, unread)
}

/// Moves one caller to the alias, or does squad's part of it, and looks that it is done. Done before: nothing
/// happens.
pub(crate) async fn adopt(place: Place<'_>, trigger: &Trigger) -> Result<Option<Moved>> {
    if !trigger.can_be_adopted() {
        return Ok(None);
    }
    match &trigger.way {
        Way::Mapping => {
            let target = format!("{}:{}", place.function, place.alias);
            point(place, &trigger.id, &target).await?;
            Ok(Some(Moved::Mapping {
                uuid: trigger.id.clone(),
                before: place.function.to_owned(),
            }))
        }
        Way::Permission { statement, .. } => {
            grant(place, statement).await?;
            Ok(Some(Moved::Permission {
                sid: statement.sid.clone(),
            }))
        }
        Way::Address {
            auth, cors, mode, ..
        } => {
            let url = address(place, auth, cors.clone(), mode.clone()).await?;
            Ok(Some(Moved::Address { url }))
        }
        Way::Settings(settings) => {
            settings::copy(place, settings).await?;
            Ok(Some(Moved::Settings(settings.clone())))
        }
        // Not Lambda's to change: `apis` does.
        Way::Api { .. } => Ok(None),
    }
}

/// Takes one move back. What is not there any more is no error.
pub(crate) async fn undo(place: Place<'_>, moved: &Moved) -> Result<()> {
    match moved {
        Moved::Mapping { uuid, before } => point(place, uuid, before).await,
        Moved::Permission { sid } => {
            let answer = place
                .client
                .remove_permission()
                .function_name(place.function)
                .qualifier(place.alias)
                .statement_id(sid)
                .send()
                .await
                .called("lambda:RemovePermission", place.function);
            gone(answer.map(drop))
        }
        Moved::Address { .. } => {
            let answer = place
                .client
                .delete_function_url_config()
                .function_name(place.function)
                .qualifier(place.alias)
                .send()
                .await
                .called("lambda:DeleteFunctionUrlConfig", place.function);
            gone(answer.map(drop))
        }
        Moved::Settings(settings) => settings::remove(place, settings).await,
        Moved::Integration { .. } => Ok(()),
    }
}

fn gone(answer: Result<(), AwsError>) -> Result<()> {
    match answer {
        Err(error) if *error.why != Why::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The event source mappings of the function, and those of its alias.
async fn mappings(place: Place<'_>, search: Search) -> Result<Vec<Trigger>> {
    let qualified = format!("{}:{}", place.function, place.alias);
    let mut found: Vec<Trigger> = Vec::new();
    let names = match search {
        Search::Everywhere => &[place.function, qualified.as_str()][..],
        Search::Named => &[place.function],
    };
    // A listing by name has only those that name the function as it is written.
    for name in names.iter().copied() {
        let mut marker = None;
        loop {
            let answer = place
                .client
                .list_event_source_mappings()
                .function_name(name)
                .set_marker(marker)
                .send()
                .await
                .called("lambda:ListEventSourceMappings", name);
            let page = match answer {
                Ok(page) => page,
                Err(error) if *error.why == Why::NotFound => break,
                Err(error) => return Err(error.into()),
            };
            for mapping in page.event_source_mappings() {
                let trigger = of_mapping(mapping, place.alias);
                if found.iter().all(|one| one.id != trigger.id) {
                    found.push(trigger);
                }
            }
            marker = page.next_marker().map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

fn of_mapping(mapping: &EventSourceMappingConfiguration, alias: &str) -> Trigger {
    let source = mapping
        .event_source_arn()
        .unwrap_or("a self-managed source");
    Trigger {
        id: mapping.uuid().unwrap_or_default().to_owned(),
        who: format!("the events of {source}"),
        reached: Reached::of(mapping.function_arn().unwrap_or_default(), alias),
        way: Way::Mapping,
    }
}

/// Points a mapping somewhere else and waits until AWS has done so.
async fn point(place: Place<'_>, uuid: &str, target: &str) -> Result<()> {
    let is_there = |arn: Option<&str>| {
        let wanted = target
            .rsplit_once(':')
            .map_or("", |(_, qualifier)| qualifier);
        let qualifier = arn.and_then(|arn| arn.splitn(8, ':').nth(7)).unwrap_or("");
        if target.contains(':') && !target.starts_with("arn:") {
            qualifier == wanted
        } else {
            qualifier.is_empty() || qualifier == "$LATEST"
        }
    };
    let mut pause = Pause::within(MOVED_WITHIN);
    loop {
        let answer = place
            .client
            .get_event_source_mapping()
            .uuid(uuid)
            .send()
            .await;
        let found = answer.called("lambda:GetEventSourceMapping", uuid)?;
        let settled = matches!(found.state(), Some("Enabled" | "Disabled") | None);
        if settled && is_there(found.function_arn()) {
            return Ok(());
        }
        if settled {
            let answer = place
                .client
                .update_event_source_mapping()
                .uuid(uuid)
                .function_name(target)
                .send()
                .await
                .called("lambda:UpdateEventSourceMapping", uuid);
            match answer {
                Ok(_) => {}
                Err(error) if *error.why == Why::InProgress || error.why.is_ambiguous() => {}
                Err(error) => return Err(error.into()),
            }
        }
        pause.wait().await?;
    }
}

/// Who the function's policy lets call it, and who the alias's.
async fn permissions(place: Place<'_>) -> Result<Vec<Trigger>> {
    let (whole, alias) = tokio::try_join!(
        statements(place, None),
        statements(place, Some(place.alias))
    )?;
    let of = |statement: Statement, reached: Reached, granted: bool| Trigger {
        id: statement.sid.clone(),
        who: statement.who(),
        reached,
        way: Way::Permission {
            statement: Box::new(statement),
            granted,
        },
    };
    let granted = |one: &Statement| alias.iter().any(|other| other.same_grant(one));
    let mut found: Vec<_> = whole
        .into_iter()
        .map(|one| {
            let granted = granted(&one);
            of(one, Reached::Latest, granted)
        })
        .collect();
    found.extend(
        alias
            .iter()
            .cloned()
            .map(|one| of(one, Reached::Alias, true)),
    );
    Ok(found)
}

/// Who may call the function, or what a qualifier leads to.
pub(super) async fn statements(
    place: Place<'_>,
    qualifier: Option<&str>,
) -> Result<Vec<Statement>> {
    let answer = place
        .client
        .get_policy()
        .function_name(place.function)
        .set_qualifier(qualifier.map(str::to_owned))
        .send()
        .await
        .called("lambda:GetPolicy", place.function);
    match answer {
        Ok(found) => Ok(policy::parse(found.policy().unwrap_or_default())),
        Err(error) if *error.why == Why::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the alias a permission, under the same id as the function's, so that doing it twice makes one.
async fn grant(place: Place<'_>, statement: &Statement) -> Result<()> {
    let answer = place
        .client
        .add_permission()
        .function_name(place.function)
        .qualifier(place.alias)
        .statement_id(&statement.sid)
        .action(&statement.action)
        .principal(&statement.principal)
        .set_source_arn(statement.source_arn.clone())
        .set_source_account(statement.source_account.clone())
        .set_event_source_token(statement.event_source_token.clone())
        .set_principal_org_id(statement.organisation.clone())
        .set_function_url_auth_type(statement.url_auth.as_deref().map(FunctionUrlAuthType::from))
        .set_invoked_via_function_url(statement.via_url)
        .send()
        .await
        .called("lambda:AddPermission", place.function);
    match answer {
        Ok(_) => {}
        Err(error) if *error.why == Why::Exists || error.why.is_ambiguous() => {}
        Err(error) => return Err(error.into()),
    }
    let now = statements(place, Some(place.alias)).await?;
    if now.iter().any(|one| one.same_grant(statement)) {
        Ok(())
    } else {
        Err(Error::Overtaken(format!(
            "the alias `{}` of `{}` has another permission under the id `{}`",
            place.alias, place.function, statement.sid
        )))
    }
}

/// The function's own address and the alias's.
async fn addresses(place: Place<'_>) -> Result<Vec<Trigger>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let answer = place
            .client
            .list_function_url_configs()
            .function_name(place.function)
            .set_marker(marker)
            .send()
            .await
            .called("lambda:ListFunctionUrlConfigs", place.function);
        let page = match answer {
            Ok(page) => page,
            Err(error) if *error.why == Why::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        found.extend(page.function_url_configs().iter().map(|one| Trigger {
            id: one.function_url().to_owned(),
            who: format!("whoever knows the address {}", one.function_url()),
            reached: Reached::of(one.function_arn(), place.alias),
            way: Way::Address {
                auth: one.auth_type().clone(),
                cors: one.cors().cloned(),
                mode: one.invoke_mode().cloned(),
                granted: None,
            },
        }));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    let own = found
        .iter()
        .find(|one| one.reached == Reached::Alias)
        .map(|one| one.id.clone());
    for trigger in &mut found {
        if let Way::Address { granted, .. } = &mut trigger.way {
            granted.clone_from(&own);
        }
    }
    Ok(found)
}

/// Makes the alias's address; the one that is there already counts.
async fn address(
    place: Place<'_>,
    auth: &FunctionUrlAuthType,
    cors: Option<Cors>,
    mode: Option<InvokeMode>,
) -> Result<String> {
    let answer = place
        .client
        .create_function_url_config()
        .function_name(place.function)
        .qualifier(place.alias)
        .auth_type(auth.clone())
        .set_cors(cors)
        .set_invoke_mode(mode)
        .send()
        .await
        .called("lambda:CreateFunctionUrlConfig", place.function);
    match answer {
        Ok(address) => return Ok(address.function_url().to_owned()),
        Err(error) if *error.why == Why::Exists || error.why.is_ambiguous() => {}
        Err(error) => return Err(error.into()),
    }
    let now = addresses(place).await?;
    now.into_iter()
        .find(|one| one.reached == Reached::Alias)
        .map(|one| one.id)
        .ok_or_else(|| {
            Error::Invalid(format!(
                "AWS made no address for the alias `{}` of `{}`",
                place.alias, place.function
            ))
        })
}

#[cfg(test)]
mod tests;
