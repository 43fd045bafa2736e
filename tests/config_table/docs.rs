//! The references for people: their examples work, and they have every key.

use bootc_image::config::blueprint::InstallFile;
use serde_json::Value;

const DOCS: &str = include_str!("../../docs/config.md");
const INSTALLER: &str = include_str!("../../docs/installer.md");

fn examples(docs: &str) -> Vec<&str> {
    let rests = docs.split("```toml\n").skip(1);
    rests.map(|rest| rest.split_once("```").map_or(rest, |(example, _)| example)).collect()
}

#[test]
fn examples_of_installations_are_good() {
    let examples = examples(INSTALLER);
    assert!(examples.len() >= 3, "{}", examples.len());
    for example in examples {
        let file = InstallFile::parse("install.toml", example.as_bytes());
        let file = file.unwrap_or_else(|error| panic!("{example}\n{error}"));
        assert_eq!(file.blueprint.warnings, Vec::<String>::new(), "{example}");
        assert!(file.install.target.is_some(), "{example}");
    }
    for key in ["debug", "ids", "saved", "target", "then", "unattended", "wipe"] {
        assert!(INSTALLER.contains(&format!("\n| `{key}` | ")), "`{key}` has no row");
    }
}

#[test]
fn the_examples_are_good() {
    let examples = examples(DOCS);
    assert!(examples.len() >= 7, "{}", examples.len());
    for example in examples {
        let blueprint = super::parse(example).unwrap_or_else(|error| panic!("{example}\n{error}"));
        assert_eq!(blueprint.warnings, Vec::<String>::new(), "{example}");
    }
}

fn keys(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            found.extend(properties.into_iter().flat_map(|all| all.keys().cloned()));
            members.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_described() {
    let schema: Value = serde_json::from_str(bootc_image::config::blueprint::SCHEMA).unwrap();
    let mut found = Vec::new();
    keys(&schema, &mut found);
    assert!(found.len() > 60, "{}", found.len());
    let code: Vec<&str> = DOCS.split('`').collect();
    for key in found {
        let is_key =
            |part: &&str| part.split(['.', ' ', '[', ']', '{', '}']).any(|word| word == key);
        assert!(code.iter().any(is_key), "`{key}` is not in docs/config.md");
    }
}
