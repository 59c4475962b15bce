//! Addresses of their own (function URLs): of the function, and of its alias.
//!
//! One that squad did not make is never taken away.

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::types::{Cors, FunctionUrlAuthType, InvokeMode};

use super::{MOVED_WITHIN, Place, Reached, Trigger, Way, gone};
use crate::clients::aws::{Called, Why};
use crate::platform::lambda::publish::Pause;
use crate::platform::{Error, Result};

/// The function's own address and the alias's.
pub(super) async fn list(place: Place<'_>) -> Result<Vec<Trigger>> {
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

/// Makes the alias's address; none where somebody else made one first.
pub(super) async fn make(
    place: Place<'_>,
    auth: &FunctionUrlAuthType,
    cors: Option<Cors>,
    mode: Option<InvokeMode>,
) -> Result<Option<String>> {
    // Tried again by itself, the second answer would be that there is one, and not whose.
    let once = aws_sdk_lambda::config::Builder::new().retry_config(RetryConfig::disabled());
    let mut pause = Pause::within(MOVED_WITHIN);
    loop {
        let answer = place
            .client
            .create_function_url_config()
            .function_name(place.function)
            .qualifier(place.alias)
            .auth_type(auth.clone())
            .set_cors(cors.clone())
            .set_invoke_mode(mode.clone())
            .customize()
            .config_override(once.clone())
            .send()
            .await
            .called("lambda:CreateFunctionUrlConfig", place.function);
        match answer {
            Ok(address) => return Ok(Some(address.function_url().to_owned())),
            Err(error) if *error.why == Why::Exists => return Ok(None),
            Err(error) if *error.why == Why::Throttled => pause.wait().await?,
            Err(error) if error.why.is_ambiguous() => {
                let now = list(place).await?;
                if let Some(own) = copied(&now)? {
                    return Ok(Some(own.id.clone()));
                }
                pause.wait().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The alias's address, where it is set as the function's own is; an error where it is set in another way.
fn copied(addresses: &[Trigger]) -> Result<Option<&Trigger>> {
    let Some(own) = addresses.iter().find(|one| one.reached == Reached::Alias) else {
        return Ok(None);
    };
    let settings = |one: &Trigger| match &one.way {
        Way::Address {
            auth, cors, mode, ..
        } => Some((auth.clone(), cors.clone(), mode.clone())),
        _ => None,
    };
    let mut whole = addresses
        .iter()
        .filter(|one| one.reached == Reached::Latest);
    if whole.any(|one| settings(one) == settings(own)) {
        Ok(Some(own))
    } else {
        Err(another(&own.id))
    }
}

/// The error for an address of the alias that squad did not make.
fn another(url: &str) -> Error {
    Error::Overtaken(format!(
        "the alias has the address {url} now, which squad did not make"
    ))
}

/// Takes the alias's address away, if it is still the one that was made: `url`, or where that was never seen, one that is set
/// as the function's own is.
pub(super) async fn close(place: Place<'_>, url: &str) -> Result<()> {
    let now = list(place).await?;
    let own = match now.iter().find(|one| one.reached == Reached::Alias) {
        None => return Ok(()),
        Some(_) if url.is_empty() => copied(&now)?,
        Some(own) => Some(own).filter(|own| own.id == url),
    };
    let Some(_) = own else {
        let own = now.iter().find(|one| one.reached == Reached::Alias);
        return Err(another(own.map_or("", |own| own.id.as_str())));
    };
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
