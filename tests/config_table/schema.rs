//! The published schema agrees with the parser, by somebody else's validator.

use bootc_image::config::blueprint::SCHEMA;
use serde_json::Value;

/// Good files that the schema has no place for on purpose: what old and generated files contain.
const LEFT_OUT: [&str; 2] = ["the wrapper of old files", "what generated files are full of"];

fn as_json(text: &str) -> Option<Value> {
    if super::name_of(text) == "config.json" {
        serde_json::from_str(text).ok()
    } else {
        toml::from_str(text).ok()
    }
}

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn good_blueprints_validate() {
    let validator = validator();
    for (what, text, _) in super::valid::ROWS {
        if LEFT_OUT.contains(what) {
            continue;
        }
        let value = as_json(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:?}");
    }
}

#[test]
fn unknown_keys_and_wrong_types_do_not_validate() {
    let validator = validator();
    let mut seen = 0;
    for (text, problems) in super::invalid::ROWS {
        let is_structural =
            |problem: &&&str| problem.contains("unknown key") || problem.contains("expected ");
        let Some(problem) = problems.iter().find(is_structural) else { continue };
        let Some(value) = as_json(text) else { continue };
        assert!(!validator.is_valid(&value), "{text}\n{problem}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
