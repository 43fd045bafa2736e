//! That the published schema has the keys that the parser asks for, no more and no less.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const FULL: &str = include_str!("../../../tests/config_table/full.toml");
const SIZES: &str = "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 1\n";

fn asked(text: &str) -> BTreeSet<String> {
    let root = document("config.toml", text.as_bytes()).unwrap();
    let findings = Findings::default();
    read(&root, &findings);
    let asked = findings.asked.borrow().clone();
    assert_eq!(findings.finish("config.toml").unwrap(), Vec::<String>::new());
    asked
}

/// The paths of all properties of a schema, lists as `[]`, names of the owner's choice as `*`.
fn described(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Value::Object(schema) = schema else { return };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        described(root, target, path, found);
    }
    for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        described(root, schema, &path, found);
        assert!(schema.get("description").is_some(), "{path} has no description");
        found.insert(path);
    }
    if let Some(items) = schema.get("items") {
        described(root, items, &format!("{path}[]"), found);
    }
    if let Some(names) = schema.get("additionalProperties") {
        described(root, names, &format!("{path}.*"), found);
    }
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        described(root, choice, path, found);
    }
}

#[test]
fn the_schema_has_every_key_of_the_parser_and_no_other() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut found = BTreeSet::new();
    described(&schema, &schema, "", &mut found);
    let mut known = asked(FULL);
    known.extend(asked(SIZES));
    // The one credential of `full.toml` that is a table.
    let known: BTreeSet<String> = known
        .into_iter()
        .map(|key| key.replace(".credentials.secret.", ".credentials.*."))
        .collect();
    assert_eq!(known.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "undocumented");
    assert_eq!(found.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "unread");
    assert!(known.len() > 80, "{}", known.len());
}

#[test]
fn what_may_be_meant_is_what_there_is() {
    let known = asked(FULL);
    let of_customizations: BTreeSet<&str> = known
        .iter()
        .filter_map(|key| key.strip_prefix("customizations."))
        .filter(|key| !key.contains('.'))
        .collect();
    assert_eq!(of_customizations, customizations::KEYS.iter().copied().collect());
}
