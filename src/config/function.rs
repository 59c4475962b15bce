//! Conversions of the values of `[function]`: the rules are those of the Lambda API.

use super::check;
use super::manifest::variable_name;
use super::reader::Converted;
use super::tree::Value;

/// Layers that one function can have (Lambda, "Quotas").
const MOST_LAYERS: usize = 5;

/// Lambda API, `CreateFunction`: `FunctionName` of at most 64 letters, digits, `-` and `_`.
pub(super) fn name(value: &Value) -> Converted<String> {
    let text = check::filled(value)?;
    let good = text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good {
        Ok(text)
    } else {
        Err(format!(
            "is `{text}`; a function's name has 1 to 64 letters, digits, `-` and `_`"
        ))
    }
}

/// Lambda API, `CreateAlias`: `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, at most 128.
pub(super) fn alias(value: &Value) -> Converted<String> {
    let text = check::filled(value)?;
    let good = text.len() <= 128
        && !text.bytes().all(|b| b.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good {
        Ok(text)
    } else {
        Err(format!(
            "is `{text}`; an alias has letters, digits, `-` and `_`, and is no number"
        ))
    }
}

/// Lambda API, `UpdateFunctionConfiguration`: `Layers`, each with its version.
pub(super) fn layers(value: &Value) -> Converted<Vec<String>> {
    let layers = check::texts(value)?;
    if layers.len() > MOST_LAYERS {
        return Err(format!(
            "has {} layers; a function can have {MOST_LAYERS}",
            layers.len()
        ));
    }
    let example = "arn:aws:lambda:eu-west-1:123456789012:layer:tools:3";
    for layer in &layers {
        check::arn("lambda", "layer:", example)(&Value::text(layer))?;
        let version = layer.rsplit(':').next().unwrap_or_default();
        let parts = layer.split(':').count();
        if parts != 8 || version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "has `{layer}`; a layer has its version at the end, as in \"{example}\""
            ));
        }
    }
    Ok(layers)
}

/// Names of variables that are deleted.
pub(super) fn removed(value: &Value) -> Converted<Vec<String>> {
    let names = check::texts(value)?;
    for name in &names {
        variable_name(name).map_err(|rest| format!("has `{name}`, which {rest}"))?;
    }
    Ok(names)
}
