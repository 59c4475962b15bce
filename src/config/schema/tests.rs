//! The schemas against the reader, the docs and each other.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::config::place::{Role, SourceFile};
use crate::config::reader::Findings;
use crate::config::{manifest, org as org_file, tree};

/// Whether a value fits a schema: the part of JSON Schema 2020-12 that ours use.
fn fits(schema: &Value, root: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root
            .pointer(name.trim_start_matches('#'))
            .ok_or("no such $ref")?;
        return fits(target, root, value);
    }
    if let Some(choices) = schema.get("anyOf").or(schema.get("oneOf")) {
        let choices = choices.as_array().ok_or("anyOf")?;
        return if choices
            .iter()
            .any(|choice| fits(choice, root, value).is_ok())
        {
            Ok(())
        } else {
            Err(format!("{value} fits none of {choices:?}"))
        };
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return Err(format!("{value} is not one of {words:?}"));
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        return Err(format!("{value} is not {constant}"));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    let good = match schema.get("type") {
        Some(Value::String(kind)) => is(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if !good {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if let (Some(pattern), Some(text)) = (
        schema.get("pattern").and_then(Value::as_str),
        value.as_str(),
    ) && !regex_lite::Regex::new(pattern).unwrap().is_match(text)
    {
        return Err(format!("{text} is not like {pattern}"));
    }
    if let Some(number) = value.as_f64() {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            return Err(format!("{number} is out of range"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            fits(items, root, item).map_err(|error| format!("[{index}]: {error}"))?;
        }
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for key in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !object.contains_key(key.as_str().unwrap_or_default()) {
            return Err(format!("{key} is missing"));
        }
    }
    for (key, inner) in object {
        let known = schema.get("properties").and_then(|known| known.get(key));
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let by_pattern = patterns
            .into_iter()
            .flatten()
            .find_map(|(pattern, schema)| {
                regex_lite::Regex::new(pattern)
                    .unwrap()
                    .is_match(key)
                    .then_some(schema)
            });
        let other = schema.get("additionalProperties");
        match known.or(by_pattern).or(other) {
            Some(Value::Bool(false)) => return Err(format!("{key} is unknown")),
            Some(schema) => {
                fits(schema, root, inner).map_err(|error| format!("{key}: {error}"))?;
            }
            None => {}
        }
    }
    Ok(())
}

fn json(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

/// Every key of a schema, `*` for a name that people choose, as the reader notes them.
fn keys(schema: &Value, root: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return keys(target, root, path, found);
    }
    for choice in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        keys(choice, root, path, found);
    }
    if let Some(items) = schema.get("items") {
        keys(items, root, path, found);
    }
    let join = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, inner) in properties.into_iter().flatten() {
        found.insert(join(key));
        // What is below these two is the same as what is at the top.
        if !(path.is_empty() && key == "env" && root["title"] == "SquadToml")
            && join(key) != "workspace.defaults"
            && key != "defaults"
            && join(key) != "run.env"
        {
            keys(inner, root, &join(key), found);
        }
    }
    let maps = schema.get("patternProperties").and_then(Value::as_object);
    for inner in maps
        .into_iter()
        .flat_map(|map| map.values())
        .chain(schema.get("additionalProperties"))
        .filter(|inner| !inner.is_boolean())
    {
        found.insert(join("*"));
        keys(inner, root, &join("*"), found);
    }
}

fn tree_of(text: &str) -> tree::Node {
    let path = Path::new("/squad.toml");
    let file = SourceFile::new(path, path, text.to_owned(), Role::Service);
    let (tree, mistakes) = tree::parse(&file);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    tree
}

#[test]
fn the_reader_and_the_schema_know_the_same_keys_of_squad_toml() {
    let findings = Findings::default();
    for kind in ["http", "function"] {
        let text = format!(
            "[service]\nkind = \"{kind}\"\nname = \"a\"\n[function]\n[[route]]\n[rollout]\nsteps = [{{}}]"
        );
        manifest::service(&tree_of(&text), &findings);
    }
    let mut known = findings.known();
    known.remove("run.env.*");
    known.insert("workspace.members".to_owned());
    known.insert("workspace.defaults".to_owned());
    let schema = super::squad();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    assert_eq!(known, found);
}

#[test]
fn the_reader_and_the_schema_know_the_same_keys_of_org_toml() {
    let findings = Findings::default();
    let text = "[squad.a]\n[service.a]\n[env.a]\nplatform = \"eks\"\nmetrics = {}\n[trusted]";
    org_file::org(&tree_of(text), None, &findings);
    let schema = super::org();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    assert_eq!(findings.known(), found);
}

#[test]
fn the_schemas_in_the_docs_are_fresh() {
    for (name, schema) in [("squad", super::squad()), ("org", super::org())] {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{name}.schema.json"));
        if crate::env::Env::read().get("SNAPSHOTS") == Some("overwrite") {
            crate::fs::write_durably(&path, text.as_bytes(), 0o644).unwrap();
        }
        let there = crate::fs::read_to_string(&path).unwrap();
        assert!(
            there == text,
            "docs/schemas/{name}.schema.json is stale: run this test with SNAPSHOTS=overwrite"
        );
    }
}

#[test]
fn the_examples_of_the_docs_fit_the_schemas() {
    let squad = super::squad();
    let org = super::org();
    let mut count = 0;
    for (is_org, text) in crate::config::tests::examples_of_the_docs() {
        let schema = if is_org { &org } else { &squad };
        fits(schema, schema, &json(&text)).unwrap_or_else(|error| panic!("{error}\n{text}"));
        count += 1;
    }
    assert!(count >= 4, "only {count} examples");
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let squad = super::squad();
    let start = "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\n";
    for (text, part) in [
        ("schema = 2", "out of range"),
        (
            "[service]\nname = \"a\"\nkind = \"http\"",
            "\"schema\" is missing",
        ),
        (&format!("{start}teir = 1"), "teir is unknown"),
        (&format!("{start}[run]\ngrace = \"20\""), "is not like"),
        (&format!("{start}[run]\nport = 0"), "fits none of"),
        (
            &format!("{start}[[route]]\nname = \"a\"\npath = \"/\"\nmethod = \"get\""),
            "route",
        ),
        (
            &format!("{start}[run.env]\nA = {{ secret = \"vault:x\" }}"),
            "run",
        ),
    ] {
        let found = fits(&squad, &squad, &json(text));
        assert!(found.is_err(), "{text} ({part})");
    }
}
