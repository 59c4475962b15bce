//! Who calls the functions of services, and the account that they share: what `squad doctor` looks at.
//!
//! Looks with the patience of a fleet, so that nobody's deploy waits for it; moves callers as a deploy does.

use std::collections::BTreeSet;

use aws_sdk_lambda::types::{AccountLimit, AccountUsage};

use super::read;
use super::triggers::apis::{self, Apis};
use super::triggers::{self, Place, Reached, Trigger, Way};
use super::{Lambda, Target};
use crate::clients::aws::{Called, Gateway, words};
use crate::domain::doctor::{Caller, Callers, Check, Finding, Moved};
use crate::domain::name::ServiceName;
use crate::platform::{Error, Result, Search};

/// Calls each second are for the small quota alone here; the number means `GetFunction`.
const RATE: u32 = 25;
/// Percent of the account's storage for code from which on it is said.
const FULL: i64 = 80;

impl Lambda {
    /// Everybody who is known to call a service; none where it has no function.
    pub(super) async fn callers_of(
        &self,
        service: &ServiceName,
        search: Search,
    ) -> Result<Option<Callers>> {
        self.session().guard().await?;
        self.locate(service).await;
        let target = self.target(service);
        let client = match search {
            Search::Everywhere => self.session().lambda_for_fleet(RATE).await,
            Search::Named => self.session().lambda().await,
        };
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        let known = match search {
            Search::Everywhere => None,
            Search::Named => self.last_seen(service),
        };
        let there = async {
            if let Some(seen) = known {
                let is_there =
                    !seen.versions.is_empty() || seen.alias.is_some() || seen.unkept.is_some();
                return Ok((is_there, seen.alias));
            }
            let function = read::function(&client, &target.function, None);
            let (function, alias) = tokio::try_join!(function, self.read_alias(&target))?;
            Ok::<_, Error>((function.is_some(), alias))
        };
        let triggers = async { Ok::<_, Error>(Box::pin(triggers::list(place, search)).await) };
        let ((is_there, alias), (mut triggers, mut unread)) = tokio::try_join!(there, triggers)?;
        if !is_there {
            return Ok(None);
        }
        let (integrations, not_read) =
            Box::pin(self.integrations(&target, search, &triggers)).await;
        triggers.extend(integrations);
        unread.extend(not_read);
        let arn = format!("{}:{}", self.function_arn(&target.function), target.alias);
        Ok(Some(Callers {
            address: alias.map(|_| arn.clone()),
            found: triggers
                .iter()
                .map(|one| caller(one, &triggers, &target.function, &arn))
                .collect(),
            unread,
        }))
    }

    /// The integrations of API Gateway that call a function. All APIs are read once for all services.
    async fn integrations(
        &self,
        target: &Target,
        search: Search,
        triggers: &[Trigger],
    ) -> (Vec<Trigger>, Vec<String>) {
        let arn = self.function_arn(&target.function);
        let gateway = self.gateway().await;
        let apis = Apis {
            gateway,
            function: &arn,
            alias: &target.alias,
        };
        let named;
        let survey = match search {
            Search::Everywhere => {
                self.apis
                    .get_or_init(|| Box::pin(apis::survey(gateway)))
                    .await
            }
            Search::Named => {
                let ids: BTreeSet<_> = triggers
                    .iter()
                    .filter_map(|one| match &one.way {
                        Way::Permission { statement, .. } => apis::api_of(statement),
                        _ => None,
                    })
                    .filter(|id| *id != "*")
                    .map(str::to_owned)
                    .collect();
                named = apis::survey_of(gateway, ids).await;
                &named
            }
        };
        apis::list(apis, survey).await
    }

    async fn gateway(&self) -> &Gateway {
        self.gateway
            .get_or_init(|| Box::pin(self.session().gateway()))
            .await
    }

    /// Moves one caller to the alias; none when there was nothing to move.
    pub(super) async fn adopt_caller(
        &self,
        service: &ServiceName,
        id: &str,
    ) -> Result<Option<Moved>> {
        self.session().guard().await?;
        self.locate(service).await;
        self.ensure_located(service).await?;
        let target = self.target(service);
        let client = self.session().lambda().await;
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        if apis::is_api(id) {
            let (whole, granted) = tokio::try_join!(
                triggers::statements(place, None),
                triggers::statements(place, Some(&target.alias))
            )?;
            let arn = self.function_arn(&target.function);
            let apis = Apis {
                gateway: self.gateway().await,
                function: &arn,
                alias: &target.alias,
            };
            return apis.adopt(id, &whole, &granted).await;
        }
        let triggers = if id == triggers::settings::ID {
            triggers::settings::list(place).await?
        } else {
            Box::pin(triggers::list(place, Search::Named)).await.0
        };
        let Some(trigger) = triggers
            .iter()
            .find(|one| one.id == id && one.reached == Reached::Latest)
        else {
            return Ok(None);
        };
        triggers::adopt(place, trigger).await
    }

    /// Takes one move back.
    pub(super) async fn give_back(&self, service: &ServiceName, moved: &Moved) -> Result<()> {
        self.session().guard().await?;
        self.locate(service).await;
        self.ensure_located(service).await?;
        let target = self.target(service);
        let client = self.session().lambda().await;
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        if let Moved::Integration { id, before, after } = moved {
            let arn = self.function_arn(&target.function);
            let apis = Apis {
                gateway: self.gateway().await,
                function: &arn,
                alias: &target.alias,
            };
            return apis.undo(id, before, after).await;
        }
        triggers::undo(place, moved).await
    }

    /// The account: whose credentials these are, and how full its storage for code is.
    pub(super) async fn examine_account(&self) -> Result<Vec<Check>> {
        let identity = self.session().guard().await?;
        let mut checks = vec![Check::fine(
            "account",
            format!("{} as {}", identity.account, identity.arn),
        )];
        let client = self.session().lambda_for_fleet(RATE).await;
        let answer = client
            .get_account_settings()
            .send()
            .await
            .called("lambda:GetAccountSettings", "");
        let settings = match answer {
            Ok(settings) => settings,
            Err(error) => {
                checks.push(Check::unknown("code storage", words::sentence(&error)));
                return Ok(checks);
            }
        };
        let most = settings
            .account_limit()
            .map_or(0, AccountLimit::total_code_size);
        let used = settings
            .account_usage()
            .map_or(0, AccountUsage::total_code_size);
        if most <= 0 {
            checks.push(Check::unknown("code storage", "AWS names no limit"));
            return Ok(checks);
        }
        let percent = used.saturating_mul(100) / most;
        let detail = format!(
            "{} of {} used, {percent} %",
            gigabytes(used),
            gigabytes(most)
        );
        checks.push(if percent >= FULL {
            let finding = Finding {
                what: detail,
                why: "when it is full, nobody can deploy in this region of the account".to_owned(),
                next: "a deploy removes old versions of its own function; see the largest with `aws lambda list-functions \
                       --function-version ALL --query 'Functions[].[FunctionName,Version,CodeSize]'`"
                    .to_owned(),
            };
            Check::wrong("code storage", vec![finding])
        } else {
            Check::fine("code storage", detail)
        });
        Ok(checks)
    }
}

fn caller(trigger: &Trigger, all: &[Trigger], function: &str, alias_arn: &str) -> Caller {
    let mut left_to_do = trigger.left_to_do(alias_arn);
    // Whoever was pointed elsewhere cannot be told apart from one who was not, until the permission of before is gone.
    if let (Some(left), Way::Permission { .. }) = (&mut left_to_do, &trigger.way) {
        let command = format!(
            "`aws lambda remove-permission --function-name {function} --statement-id {}`",
            trigger.id
        );
        if is_unused(trigger, all) {
            // What is read is how the API is set up; a stage serves what was deployed to it, and authorizers are not read.
            *left = format!(
                "{} names the alias; when its stages are deployed and no authorizer of it calls the function: {command}",
                trigger.who
            );
        } else {
            left.push_str(&format!(", then {command}"));
        }
    }
    // The same of an address: whether anybody still calls it is not told.
    if let (Some(left), Way::Address { .. }) = (&mut left_to_do, &trigger.way) {
        left.push_str(&format!(
            ", and when nobody calls the old address any more: `aws lambda delete-function-url-config --function-name {function}`"
        ));
    }
    Caller {
        id: trigger.id.clone(),
        who: trigger.who.clone(),
        is_settings: matches!(trigger.way, Way::Settings(_)),
        is_past: trigger.reached == Reached::Latest,
        undo: trigger.can_be_adopted().then(|| undo(trigger, function)),
        left_to_do,
    }
}

/// Whether a permission is for an API whose integrations are known, and all call the alias.
fn is_unused(permission: &Trigger, all: &[Trigger]) -> bool {
    let Way::Permission { statement, .. } = &permission.way else {
        return false;
    };
    let Some(api) = apis::api_of(statement) else {
        return false;
    };
    let mut own = all
        .iter()
        .filter(|one| one.id.split('/').nth(1) == Some(api) && matches!(one.way, Way::Api { .. }))
        .peekable();
    own.peek().is_some() && own.all(|one| one.reached == Reached::Alias)
}

/// What taking a move back needs, as far as it is known before the move.
fn undo(trigger: &Trigger, function: &str) -> Moved {
    let id = trigger.id.clone();
    match &trigger.way {
        Way::Mapping => Moved::Source {
            id,
            before: function.to_owned(),
        },
        Way::Permission { statement, .. } => Moved::Permission {
            id,
            grant: statement.fingerprint(),
        },
        Way::Address { .. } => Moved::Address { url: String::new() },
        Way::Api { before, after, .. } => Moved::Integration {
            id,
            before: before.clone(),
            after: after.clone(),
        },
        Way::Settings(settings) => Moved::Settings(settings.clone()),
    }
}

/// `1.2 GB`, as AWS counts: 2^30 bytes.
fn gigabytes(bytes: i64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{} GB", tenths / 10, tenths % 10)
}
