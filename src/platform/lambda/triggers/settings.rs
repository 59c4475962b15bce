//! How AWS delivers asynchronous invocations: retries, the age at which an event is dropped, and where records of them go.
//!
//! AWS keeps these for each qualifier. A caller that moves to the alias has what the alias has, which is the defaults
//! where nobody set any; so the alias gets a copy of the function's own before anybody moves.

use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};

use super::{Place, Reached, Trigger, Way, gone};
use crate::clients::aws::{Called, Why};
use crate::domain::doctor::Asynchronous;
use crate::platform::{Error, Result};

/// Its id among the callers; no UUID, no statement's id and no address looks like it.
pub(crate) const ID: &str = "asynchronous settings";

/// The settings of the function itself, where the alias has the same or none.
pub(crate) async fn list(place: Place<'_>) -> Result<Vec<Trigger>> {
    let Some(settings) = fetch(place, None).await? else {
        return Ok(Vec::new());
    };
    let reached = match fetch(place, Some(place.alias)).await? {
        None => Reached::Latest,
        Some(same) if same == settings => Reached::Alias,
        Some(_) => return Ok(Vec::new()),
    };
    Ok(vec![Trigger {
        id: ID.to_owned(),
        who: settings.to_string(),
        reached,
        way: Way::Settings(settings),
    }])
}

/// Gives the alias these settings, and looks that it has them.
pub(super) async fn copy(place: Place<'_>, settings: &Asynchronous) -> Result<()> {
    let to = |arn: &Option<String>| arn.clone().filter(|arn| !arn.is_empty());
    let destinations = DestinationConfig::builder()
        .set_on_success(
            to(&settings.on_success).map(|arn| OnSuccess::builder().destination(arn).build()),
        )
        .set_on_failure(
            to(&settings.on_failure).map(|arn| OnFailure::builder().destination(arn).build()),
        )
        .build();
    let answer = place
        .client
        .put_function_event_invoke_config()
        .function_name(place.function)
        .qualifier(place.alias)
        .set_maximum_retry_attempts(settings.retries)
        .set_maximum_event_age_in_seconds(settings.seconds)
        .destination_config(destinations)
        .send()
        .await
        .called("lambda:PutFunctionEventInvokeConfig", place.function);
    match answer {
        Ok(_) => {}
        Err(error) if error.why.is_ambiguous() => {}
        Err(error) => return Err(error.into()),
    }
    match fetch(place, Some(place.alias)).await? {
        Some(now) if now == *settings => Ok(()),
        _ => Err(changed(place)),
    }
}

/// Takes a copy away again; not what somebody set since.
pub(super) async fn remove(place: Place<'_>, settings: &Asynchronous) -> Result<()> {
    match fetch(place, Some(place.alias)).await? {
        None => return Ok(()),
        Some(now) if now == *settings => {}
        Some(_) => return Err(changed(place)),
    }
    let answer = place
        .client
        .delete_function_event_invoke_config()
        .function_name(place.function)
        .qualifier(place.alias)
        .send()
        .await
        .called("lambda:DeleteFunctionEventInvokeConfig", place.function);
    gone(answer.map(drop))
}

fn changed(place: Place<'_>) -> Error {
    Error::Overtaken(format!(
        "somebody else set how asynchronous invocations of the alias `{}` of `{}` are delivered",
        place.alias, place.function
    ))
}

async fn fetch(place: Place<'_>, qualifier: Option<&str>) -> Result<Option<Asynchronous>> {
    let answer = place
        .client
        .get_function_event_invoke_config()
        .function_name(place.function)
        .set_qualifier(qualifier.map(str::to_owned))
        .send()
        .await
        .called("lambda:GetFunctionEventInvokeConfig", place.function);
    let found = match answer {
        Ok(found) => found,
        Err(error) if *error.why == Why::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let destinations = found.destination_config();
    let success = destinations.and_then(DestinationConfig::on_success);
    let failure = destinations.and_then(DestinationConfig::on_failure);
    Ok(Some(Asynchronous {
        retries: found.maximum_retry_attempts(),
        seconds: found.maximum_event_age_in_seconds(),
        on_success: success.and_then(OnSuccess::destination).map(str::to_owned),
        on_failure: failure.and_then(OnFailure::destination).map(str::to_owned),
    }))
}
