//! A look at all functions of an environment, inside AWS's quotas.
//!
//! `GetFunction` with the alias says which version serves and how it is, and it has a quota of its own, 100 each second;
//! everything else shares 15 ("Lambda quotas", API requests). So it is the one call for each function, and the alias is
//! read only where the function's tag says that a rollout is live, or the environment's store or whoever looks knows of one. Who finds nothing by tags, because that is not
//! allowed, lists all functions, and their tags come with `GetFunction`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;
use futures_util::StreamExt;

use super::alias::{self, Alias};
use super::located::Noted;
use super::read::{self, found};
use super::seen::Seen;
use super::{Lambda, ROLLOUT_TAG, SERVICE_TAG, Target, observe};
use crate::clients::aws::{self, Called, Why, words};
use crate::domain::alias::Traffic;
use crate::domain::fleet::{self, Found, Unreadable};
use crate::domain::name::ServiceName;
use crate::domain::version::VersionNote;
use crate::platform::{Look, OnSight, Platform, Result, Sight};

/// `GetFunction` each second where nobody says otherwise: a quarter of what AWS allows to everybody.
const RATE: u32 = 25;
/// Calls that are under way at once: enough for 80 each second where an answer takes half a second.
const AT_ONCE: usize = 40;

/// A function to be read.
#[derive(Debug, Clone)]
struct Member {
    /// Whose function it is; none where only its tags will tell.
    service: Option<ServiceName>,
    target: Target,
    /// Why it is not to be read: it is not clear which function it is.
    unclear: Option<String>,
    /// It was found by a tag, so that it has one.
    has_tag: bool,
    /// Only a tag speaks for it, and the environment's store knows of no deploy: where squad published it, that was from
    /// another environment.
    is_only_tagged: bool,
}

/// A function that was read.
enum Read {
    /// A service.
    Service(fleet::Seen),
    /// A service of another environment.
    Elsewhere,
    /// No service of squad's.
    Nothing,
}

impl Lambda {
    /// Looks at the services that are asked for.
    pub(super) async fn look_at(&self, look: &Look<'_>, on_sight: OnSight<'_>) -> Result<()> {
        if let Some([service]) = look.only {
            return self.look_at_one(service, look, on_sight).await;
        }
        let client = self
            .session()
            .lambda_for_fleet(look.rate.unwrap_or(RATE))
            .await;
        let guard = async {
            self.session().guard().await?;
            Ok(())
        };
        let unmarked = async { Ok(self.unmarked().await) };
        let (members, (), mut rolling) =
            tokio::try_join!(self.members(look.only, &client), guard, unmarked)?;
        rolling.extend(look.rolling.iter().cloned());
        on_sight(Sight::Total(members.len()));
        let mut reads = futures_util::stream::iter(members)
            .map(|member| self.read_member(&client, member, &rolling))
            .buffer_unordered(AT_ONCE);
        let (mut is_any_read, mut failed) = (false, Vec::new());
        while let Some(read) = reads.next().await {
            match read {
                Ok(Read::Service(seen)) => {
                    is_any_read = true;
                    on_sight(Sight::Seen(Box::new(seen)));
                }
                Ok(Read::Elsewhere) => {
                    is_any_read = true;
                    on_sight(Sight::Elsewhere);
                }
                Ok(Read::Nothing) => {}
                Err((_, error)) if matches!(&*error.why, Why::Credentials(_)) => {
                    return Err(error.into());
                }
                Err(failure) => failed.push(failure),
            }
        }
        failed.sort_by(|one, other| one.0.cmp(&other.0));
        if !is_any_read && !failed.is_empty() {
            return Err(failed.swap_remove(0).1.into());
        }
        for (service, error) in failed {
            on_sight(Sight::Seen(Box::new(unreadable(
                service,
                words::sentence(&error),
            ))));
        }
        Ok(())
    }

    /// A single service: all that there is to know, the alias first. Who may not list versions is shown those that the
    /// alias names.
    async fn look_at_one(
        &self,
        service: &ServiceName,
        look: &Look<'_>,
        on_sight: OnSight<'_>,
    ) -> Result<()> {
        let observed = if look.only_serving {
            self.look_at_serving(service).await.map(|seen| seen.live)
        } else {
            self.observe(service).await
        };
        let (live, unknown) = match observed {
            Err(crate::platform::Error::Aws(error))
                if error.call.action == read::LIST_VERSIONS
                    && matches!(&*error.why, Why::Denied { .. }) =>
            {
                let seen = self.see_without_list(service).await?;
                let unknown = format!(
                    "revisions without traffic are not shown: {}",
                    words::sentence(&error)
                );
                (observe::live(service, &seen), Some(unknown))
            }
            live => (live?, None),
        };
        if live.revisions.is_empty() {
            on_sight(Sight::Total(0));
            return Ok(());
        }
        on_sight(Sight::Total(1));
        on_sight(Sight::Seen(Box::new(fleet::Seen {
            service: service.clone(),
            found: Found::Live(Box::new(live)),
            unknown,
        })));
        Ok(())
    }

    /// The functions of the services that are asked for. Those that files name are not looked for.
    async fn members(&self, only: Option<&[ServiceName]>, client: &Client) -> Result<Vec<Member>> {
        let known = self.targets.all();
        if let Some(only) = only
            && only.iter().all(|service| known.contains_key(service))
        {
            let member = |service: &ServiceName| Member {
                service: Some(service.clone()),
                target: self.target(service),
                unclear: None,
                has_tag: false,
                is_only_tagged: false,
            };
            return Ok(only.iter().map(member).collect());
        }
        let noted = async { Ok(self.all_noted().await) };
        match tokio::try_join!(self.tagged_functions(None), noted) {
            Ok((tagged, noted)) => Ok(self.by_tags(&tagged, noted.as_ref(), only)),
            Err(crate::platform::Error::Aws(error))
                if matches!(&*error.why, Why::Denied { .. }) =>
            {
                Ok(self.by_names(&self.function_names(client).await?))
            }
            Err(error) => Err(error),
        }
    }

    /// Services and their functions by the tags. Where several functions have the same one, a file, the store or the name
    /// decides.
    fn by_tags(
        &self,
        tagged: &[(String, String)],
        noted: Option<&Noted>,
        only: Option<&[ServiceName]>,
    ) -> Vec<Member> {
        let mut functions: BTreeMap<ServiceName, Vec<&str>> = BTreeMap::new();
        for (service, function) in tagged {
            if let Ok(service) = ServiceName::new(service)
                && only.is_none_or(|only| only.contains(&service))
            {
                functions.entry(service).or_default().push(function);
            }
        }
        let member = |(service, functions): (ServiceName, Vec<&str>)| {
            let mut unclear = None;
            let places = noted.and_then(|noted| noted.get(&service));
            if !self.targets.is_known(&service)
                && let Some([sole]) = places.map(Vec::as_slice)
            {
                self.targets.insert(&service, sole.clone());
            }
            let is_only_tagged = only.is_none()
                && noted.is_some()
                && places.is_none()
                && self.targets.is_guess(&service);
            if !self.targets.is_known(&service) {
                match functions.as_slice() {
                    [sole] => self.targets.learn_function(&service, sole),
                    several if several.contains(&service.as_str()) => {
                        self.targets.learn_function(&service, service.as_str());
                    }
                    several => {
                        unclear = Some(format!(
                            "several functions have the tag {SERVICE_TAG}={service}: {}",
                            several.join(", ")
                        ));
                    }
                }
            }
            Member {
                target: self.target(&service),
                service: Some(service),
                unclear,
                has_tag: true,
                is_only_tagged,
            }
        };
        functions.into_iter().map(member).collect()
    }

    /// All functions; those that a file names are known, the tags of the others will tell.
    fn by_names(&self, names: &[String]) -> Vec<Member> {
        let known = self.targets.all();
        let member = |name: &String| {
            let of = known.iter().find(|(_, target)| target.function == *name);
            Member {
                service: of.map(|(service, _)| service.clone()),
                target: of.map_or_else(|| Target::named(name), |(_, target)| target.clone()),
                unclear: None,
                has_tag: false,
                is_only_tagged: false,
            }
        };
        names.iter().map(member).collect()
    }

    /// `ListFunctions`, all pages of 50.
    async fn function_names(&self, client: &Client) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let page = client
                .list_functions()
                .set_marker(marker)
                .send()
                .await
                .called("lambda:ListFunctions", "")?;
            names.extend(
                page.functions()
                    .iter()
                    .filter_map(|one| one.function_name().map(str::to_owned)),
            );
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(names);
            }
        }
    }

    /// Reads one.
    async fn read_member(
        &self,
        client: &Client,
        member: Member,
        rolling: &BTreeSet<ServiceName>,
    ) -> Result<Read, (ServiceName, aws::Error)> {
        if let (Some(service), Some(why)) = (&member.service, member.unclear) {
            return Ok(Read::Service(unreadable(service.clone(), why)));
        }
        let target = member.target;
        let name = member.service.clone();
        let failed = |error: aws::Error| match &name {
            Some(service) => Ok((service.clone(), error)),
            None => ServiceName::new(&target.function)
                .map(|service| (service, error))
                .map_err(drop),
        };
        let read = read::function(client, &target.function, Some(&target.alias)).await;
        let serving = match read {
            Ok(serving) => serving,
            Err(error) => return failed(error).map_or(Ok(Read::Nothing), Err),
        };
        let Some(serving) = serving else {
            return match read_without_alias(client, &target, member.service).await {
                Ok(missing) => Ok(missing.map_or(Read::Nothing, Read::Service)),
                Err(error) => failed(error).map_or(Ok(Read::Nothing), Err),
            };
        };
        let without_tags = tags_error(&serving, &target.function, member.has_tag);
        let Some(service) = member.service.or_else(|| service_of(serving.tags())) else {
            return match without_tags {
                Some(error) => failed(error).map_or(Ok(Read::Nothing), Err),
                None => Ok(Read::Nothing),
            };
        };
        if member.is_only_tagged && is_published(&serving) {
            return Ok(Read::Elsewhere);
        }
        let is_read = without_tags.is_some() || rolling.contains(&service);
        match observed(client, target, serving, is_read).await {
            Ok(seen) => Ok(Read::Service(fleet::Seen {
                found: Found::Live(Box::new(observe::live(&service, &seen))),
                service,
                unknown: without_tags.map(|error| {
                    format!(
                        "the alias was read instead of the tags, which takes longer: {}",
                        words::sentence(&error)
                    )
                }),
            })),
            Err(error) => Err((service, error)),
        }
    }
}

/// Whether squad published what serves.
fn is_published(serving: &GetFunctionOutput) -> bool {
    let configuration = serving.configuration.as_ref();
    let description = configuration.and_then(FunctionConfiguration::description);
    description.and_then(VersionNote::parse).is_some()
}

/// Whose function it is, by its tags.
fn service_of(tags: Option<&HashMap<String, String>>) -> Option<ServiceName> {
    ServiceName::new(tags?.get(SERVICE_TAG)?).ok()
}

/// Why the tags did not come along (AWS Lambda API reference, `GetFunction`: "Lambda returns tag data only if you have
/// explicit allow permissions for lambda:ListTags"), with an error beside it or without. `has_tag`: there is one for sure.
fn tags_error(answer: &GetFunctionOutput, function: &str, has_tag: bool) -> Option<aws::Error> {
    const ACTION: &str = "lambda:ListTags";
    let found = answer.tags_error();
    let is_without = answer.tags().is_none_or(HashMap::is_empty);
    if found.is_none() && !(has_tag && is_without) {
        return None;
    }
    let is_denied = found.is_none_or(|error| error.error_code().contains("AccessDenied"));
    let why = if is_denied {
        Why::Denied {
            principal: None,
            action: ACTION.to_owned(),
            resource: None,
            explicit: false,
        }
    } else {
        Why::Other
    };
    let mut error = aws::Error::new(ACTION, function, why);
    error.code = found.map(|error| error.error_code().to_owned());
    Some(error)
}

fn unreadable(service: ServiceName, why: String) -> fleet::Seen {
    fleet::Seen {
        service,
        found: Found::Unreadable(Unreadable { why }),
        unknown: None,
    }
}

/// AWS answers the same where there is no function and where there is no alias; so it is asked which.
async fn read_without_alias(
    client: &Client,
    target: &Target,
    service: Option<ServiceName>,
) -> aws::Result<Option<fleet::Seen>> {
    let function = read::function(client, &target.function, None).await?;
    let tags = function.as_ref().and_then(GetFunctionOutput::tags);
    let Some(service) = service.or_else(|| service_of(tags)) else {
        let without_tags = function.as_ref();
        return without_tags
            .and_then(|function| tags_error(function, &target.function, false))
            .map_or(Ok(None), Err);
    };
    let why = match function {
        Some(_) => format!(
            "the function `{}` has no alias `{}`",
            target.function, target.alias
        ),
        None => format!("there is no function `{}`", target.function),
    };
    Ok(Some(unreadable(service, why)))
}

/// What was read of a function, with its alias where a rollout is live, or may be.
async fn observed(
    client: &Client,
    target: Target,
    serving: GetFunctionOutput,
    is_read: bool,
) -> aws::Result<Seen> {
    let is_rolling = is_read
        || serving
            .tags()
            .is_some_and(|tags| tags.contains_key(ROLLOUT_TAG));
    let configuration = serving.configuration;
    let version = configuration.as_ref().and_then(|one| one.version());
    let mut alias = configuration
        .as_ref()
        .map(|one| Alias::made(one.function_arn(), None, None, version, None));
    if is_rolling {
        let answer = client
            .get_alias()
            .function_name(&target.function)
            .name(&target.alias)
            .send()
            .await
            .called("lambda:GetAlias", &target.function);
        alias = found(answer)?.as_ref().map(Alias::of);
    }
    let mut seen = Seen {
        target,
        alias,
        versions: BTreeMap::new(),
        states: BTreeMap::new(),
        unkept: None,
        // Nothing is written by what the fleet was seen as.
        is_marked: false,
    };
    let mut add = |configuration: Option<FunctionConfiguration>| {
        let Some(configuration) = configuration else {
            return;
        };
        if let Some(number) = configuration.version().and_then(alias::number) {
            seen.versions.insert(number, configuration.clone());
            seen.states.insert(number, configuration);
        }
    };
    add(configuration);
    if let Some(Alias {
        traffic: Some(Traffic::Shared { primary, other, .. }),
        ..
    }) = seen.alias.clone()
    {
        for number in [primary, other] {
            if !seen.versions.contains_key(&number)
                && let Some(more) =
                    read::function(client, &seen.target.function, Some(&number.to_string())).await?
                && let Some(configuration) = more.configuration
            {
                seen.versions.insert(number, configuration.clone());
                seen.states.insert(number, configuration);
            }
        }
    }
    Ok(seen)
}
