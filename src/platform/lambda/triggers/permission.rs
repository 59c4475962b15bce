//! Permissions: of the function, and of its alias.
//!
//! What of a statement could not be copied is not copied at all; what squad did not give is never taken away.

use aws_sdk_lambda::types::FunctionUrlAuthType;

use super::policy::{self, Statement};
use super::{MOVED_WITHIN, Place, Reached, Trigger, Way, gone};
use crate::clients::aws::{Called, Why};
use crate::platform::lambda::publish::Pause;
use crate::platform::{Error, Result};

/// Who the function's policy lets call it, and who the alias's.
pub(super) async fn list(place: Place<'_>) -> Result<Vec<Trigger>> {
    let (whole, alias) = tokio::try_join!(
        statements(place, None),
        statements(place, Some(place.alias))
    )?;
    Ok(permitted(whole, &alias))
}

/// Who the statements of the function and of the alias let in.
pub(super) fn permitted(whole: Vec<Statement>, alias: &[Statement]) -> Vec<Trigger> {
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
    found
}

/// Who may call the function, or what a qualifier leads to.
pub(in crate::platform::lambda) async fn statements(
    place: Place<'_>,
    qualifier: Option<&str>,
) -> Result<Vec<Statement>> {
    Ok(policy_of(place, qualifier).await?.0)
}

/// The same, and what names this very state of it.
async fn policy_of(
    place: Place<'_>,
    qualifier: Option<&str>,
) -> Result<(Vec<Statement>, Option<String>)> {
    let answer = place
        .client
        .get_policy()
        .function_name(place.function)
        .set_qualifier(qualifier.map(str::to_owned))
        .send()
        .await
        .called("lambda:GetPolicy", place.function);
    match answer {
        Ok(found) => Ok((
            policy::parse(found.policy().unwrap_or_default()),
            found.revision_id,
        )),
        Err(error) if *error.why == Why::NotFound => Ok((Vec::new(), None)),
        Err(error) => Err(error.into()),
    }
}

/// Takes a permission of the alias away, if it is still the one that was given.
pub(super) async fn withdraw(place: Place<'_>, sid: &str, granted: &str) -> Result<()> {
    let mut pause = Pause::within(MOVED_WITHIN);
    loop {
        let (now, revision_id) = policy_of(place, Some(place.alias)).await?;
        let Some(now) = now.iter().find(|one| one.sid == sid) else {
            return Ok(());
        };
        let is_same = if granted.is_empty() {
            let whole = statements(place, None).await?;
            whole.iter().any(|one| one.same_grant(now))
        } else {
            now.fingerprint() == granted
        };
        if !is_same {
            return Err(Error::Overtaken(format!(
                "somebody has given the alias `{}` of `{}` another permission under the id `{sid}` since",
                place.alias, place.function
            )));
        }
        let answer = place
            .client
            .remove_permission()
            .function_name(place.function)
            .qualifier(place.alias)
            .statement_id(sid)
            .set_revision_id(revision_id)
            .send()
            .await
            .called("lambda:RemovePermission", place.function);
        match answer {
            // The alias was written meanwhile: looked at again.
            Err(error) if *error.why == Why::Lost => pause.wait().await?,
            answer => return gone(answer.map(drop)),
        }
    }
}

/// Gives the alias a permission, under the same id as the function's, so that doing it twice makes one.
pub(super) async fn grant(place: Place<'_>, statement: &Statement) -> Result<()> {
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
