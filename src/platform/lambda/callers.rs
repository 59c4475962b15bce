//! Who calls the functions of services, and the account that they share: what `squad doctor` looks at.
//!
//! Looks with the patience of a fleet, so that nobody's deploy waits for it; moves callers as a deploy does.

use aws_sdk_lambda::types::{AccountLimit, AccountUsage};

use super::Lambda;
use super::read;
use super::triggers::{self, Place, Reached, Trigger, Way};
use crate::clients::aws::{Called, words};
use crate::domain::doctor::{Caller, Callers, Check, Finding, Moved};
use crate::domain::name::ServiceName;
use crate::platform::Result;

/// Calls each second are for the small quota alone here; the number means `GetFunction`.
const RATE: u32 = 25;
/// Percent of the account's storage for code from which on it is said.
const FULL: i64 = 80;

impl Lambda {
    /// Everybody who is known to call a service; none where it has no function.
    pub(super) async fn callers_of(&self, service: &ServiceName) -> Result<Option<Callers>> {
        let target = self.target(service);
        let client = self.session().lambda_for_fleet(RATE).await;
        if read::function(&client, &target.function, None)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let alias = self.read_alias(&target).await?;
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        let (triggers, unread) = Box::pin(triggers::list(place)).await;
        let arn = format!("{}:{}", self.function_arn(&target.function), target.alias);
        Ok(Some(Callers {
            address: alias.map(|_| arn.clone()),
            found: triggers
                .iter()
                .map(|one| caller(one, &target.function, &arn))
                .collect(),
            unread,
        }))
    }

    /// Moves one caller to the alias; none when there was nothing to move.
    pub(super) async fn adopt_caller(
        &self,
        service: &ServiceName,
        id: &str,
    ) -> Result<Option<Moved>> {
        self.session().guard().await?;
        let target = self.target(service);
        let client = self.session().lambda().await;
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        let (triggers, _) = Box::pin(triggers::list(place)).await;
        let Some(trigger) = triggers
            .iter()
            .find(|one| one.id == id && one.reached == Reached::Latest)
        else {
            return Ok(None);
        };
        Ok(triggers::adopt(place, trigger)
            .await?
            .map(|moved| match moved {
                triggers::Moved::Mapping { uuid, before } => Moved::Source { id: uuid, before },
                triggers::Moved::Permission { sid } => Moved::Permission { id: sid },
                triggers::Moved::Address { url } => Moved::Address { url },
            }))
    }

    /// Takes one move back.
    pub(super) async fn give_back(&self, service: &ServiceName, moved: &Moved) -> Result<()> {
        self.session().guard().await?;
        let target = self.target(service);
        let client = self.session().lambda().await;
        let place = Place {
            client: &client,
            function: &target.function,
            alias: &target.alias,
        };
        let moved = match moved.clone() {
            Moved::Source { id, before } => triggers::Moved::Mapping { uuid: id, before },
            Moved::Permission { id } => triggers::Moved::Permission { sid: id },
            Moved::Address { url } => triggers::Moved::Address { url },
        };
        triggers::undo(place, &moved).await
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

fn caller(trigger: &Trigger, function: &str, alias_arn: &str) -> Caller {
    let mut left_to_do = trigger.left_to_do(alias_arn);
    // Whoever was pointed elsewhere cannot be told apart from one who was not, until the permission of before is gone.
    if let (Some(left), Way::Permission { .. }) = (&mut left_to_do, &trigger.way) {
        left.push_str(&format!(
            ", then `aws lambda remove-permission --function-name {function} --statement-id {}`",
            trigger.id
        ));
    }
    Caller {
        id: trigger.id.clone(),
        who: trigger.who.clone(),
        is_past: trigger.reached == Reached::Latest,
        undo: trigger.can_be_adopted().then(|| undo(trigger, function)),
        left_to_do,
    }
}

/// What taking a move back needs, as far as it is known before the move.
fn undo(trigger: &Trigger, function: &str) -> Moved {
    let id = trigger.id.clone();
    match trigger.way {
        Way::Mapping => Moved::Source {
            id,
            before: function.to_owned(),
        },
        Way::Permission { .. } => Moved::Permission { id },
        Way::Address { .. } => Moved::Address { url: String::new() },
    }
}

/// `1.2 GB`, as AWS counts: 2^30 bytes.
fn gigabytes(bytes: i64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{} GB", tenths / 10, tenths % 10)
}
