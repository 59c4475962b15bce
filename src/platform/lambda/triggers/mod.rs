//! Who calls a function, and past the alias: what still reaches `$LATEST` gets every unfinished change, and no
//! rollout or rollback moves it.
//!
//! `list` reads; `adopt` moves one caller to the alias and looks that it moved; `undo` takes one back. None of them
//! takes anything away from a caller that works: a permission or an address of before stays until a person removes
//! it.

mod address;
pub(super) mod apis;
mod permission;
mod policy;
pub(super) mod settings;
mod stages;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    Cors, EventSourceMappingConfiguration, FunctionUrlAuthType, InvokeMode,
};

use super::publish::Pause;
use crate::clients::aws::{Called, Error as AwsError, Why};
use crate::domain::doctor::{Asynchronous, Moved};
use crate::platform::{Result, Search};

pub(super) use permission::statements;
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
            && !matches!(&self.way, Way::Permission { statement, .. } if statement.odd.is_some())
    }

    /// What a person still has to do, once squad has done its part; none when nothing is left.
    pub(crate) fn left_to_do(&self, alias_arn: &str) -> Option<String> {
        match (&self.reached, &self.way) {
            (Reached::Latest, Way::Api { hand, .. }) => hand.clone(),
            (Reached::Alias, _) | (_, Way::Mapping | Way::Api { .. } | Way::Settings(_)) => None,
            (_, Way::Permission { statement, granted }) => {
                let point = format!("point {} at `{alias_arn}`", self.who);
                Some(match &statement.odd {
                    Some(odd) if !granted => format!(
                        "give the alias the permission `{}` of the function, which squad cannot copy ({}), and {point}",
                        self.id, odd.what
                    ),
                    _ => point,
                })
            }
            (_, Way::Address { granted, .. }) => Some(format!(
                "whoever calls {} has to call {}",
                self.id,
                granted.as_deref().unwrap_or("the alias's own address")
            )),
        }
    }
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
        Box::pin(permission::list(place)),
        Box::pin(address::list(place)),
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
            Ok(Some(Moved::Source {
                id: trigger.id.clone(),
                before: place.function.to_owned(),
            }))
        }
        Way::Permission { statement, .. } => {
            permission::grant(place, statement).await?;
            Ok(Some(Moved::Permission {
                id: statement.sid.clone(),
                grant: statement.fingerprint(),
            }))
        }
        Way::Address {
            auth, cors, mode, ..
        } => {
            let url = address::make(place, auth, cors.clone(), mode.clone()).await?;
            Ok(url.map(|url| Moved::Address { url }))
        }
        Way::Settings(settings) => {
            settings::copy(place, settings).await?;
            Ok(Some(Moved::Settings(settings.clone())))
        }
        // Not Lambda's to change: `apis` does.
        Way::Api { .. } => Ok(None),
    }
}

/// Takes one move back. What is not there any more is no error; what somebody else has put in its place is, and stays.
pub(crate) async fn undo(place: Place<'_>, moved: &Moved) -> Result<()> {
    match moved {
        Moved::Source { id, before } => point(place, id, before).await,
        Moved::Permission { id, grant } => permission::withdraw(place, id, grant).await,
        Moved::Address { url } => address::close(place, url).await,
        Moved::Settings(settings) => settings::remove(place, settings).await,
        // Not Lambda's to change: `apis` does.
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

#[cfg(test)]
mod tests;
