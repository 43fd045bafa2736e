//! Files with credentials in every form that people are handed them in.
//!
//! | form | where it is from |
//! |---|---|
//! | `{"auths": {HOST: {"auth": …}}}` | `podman login`, `docker login`, OpenShift's pull secret |
//! | `{HOST: {"auth": …}}` | the older `.dockercfg` |
//! | a Kubernetes `Secret` in JSON or YAML | `oc get secret -o json`, manifests |
//!
//! A secret has one of the first two in base64 under `data`, or plain under `stringData`, as
//! `.dockerconfigjson` or `.dockercfg`. Of YAML only what a secret needs is read: mappings of texts,
//! in one document, without aliases.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use yaml_rust2::parser::{Event, Parser};

/// No secret is as deep.
const DEPTH_MAX: usize = 32;

/// The credentials as `auth.json` has them; the error says what is wrong.
pub(crate) fn auths(bytes: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => of_object(object),
        Ok(_) => Err("it holds no JSON object".to_owned()),
        Err(error) => match std::str::from_utf8(bytes).ok().and_then(yaml_secret) {
            Some(secret) => of_secret(&secret),
            None => Err(error.to_string()),
        },
    }
}

fn of_object(object: Map<String, Value>) -> Result<Value, String> {
    if object.get("kind").and_then(Value::as_str) == Some("Secret") {
        return of_secret(&flat(&object));
    }
    let has_auth = |value: &Value| value.get("auth").is_some_and(Value::is_string);
    if !object.contains_key("auths") && object.values().any(has_auth) {
        return Ok(json!({"auths": object}));
    }
    Ok(Value::Object(object))
}

/// The texts of a secret, by section and key.
type Texts = BTreeMap<(String, String), String>;

fn flat(secret: &Map<String, Value>) -> Texts {
    let mut texts = Texts::new();
    for section in ["data", "stringData"] {
        for (key, value) in secret.get(section).and_then(Value::as_object).into_iter().flatten() {
            if let Some(text) = value.as_str() {
                texts.insert((section.to_owned(), key.clone()), text.to_owned());
            }
        }
    }
    texts
}

fn of_secret(texts: &Texts) -> Result<Value, String> {
    for key in [".dockerconfigjson", ".dockercfg"] {
        let text = |section: &str| texts.get(&(section.to_owned(), key.to_owned()));
        let wrong = |reason: String| format!("the secret's `{key}`: {reason}");
        let inner = if let Some(plain) = text("stringData") {
            plain.clone().into_bytes()
        } else if let Some(encoded) = text("data") {
            let encoded: String = encoded.split_ascii_whitespace().collect();
            STANDARD.decode(encoded).map_err(|error| wrong(error.to_string()))?
        } else {
            continue;
        };
        return match serde_json::from_slice(&inner) {
            Ok(Value::Object(object)) if key == ".dockercfg" => Ok(json!({"auths": object})),
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            Ok(_) => Err(wrong("it holds no JSON object".to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        };
    }
    Err("the secret has neither `.dockerconfigjson` nor `.dockercfg`".to_owned())
}

/// The texts of a YAML document that is a secret; `None` for any other.
fn yaml_secret(text: &str) -> Option<Texts> {
    let mut parser = Parser::new_from_str(text);
    let mut texts = Texts::new();
    let mut kind = None;
    // The keys that lead to where we are: `None` in a sequence, or when a key is none.
    let mut path: Vec<Option<String>> = Vec::new();
    // Whether the next scalar is a key, for each open mapping; `None` for a sequence.
    let mut open: Vec<Option<bool>> = Vec::new();
    loop {
        let (event, _) = parser.next_token().ok()?;
        match event {
            Event::StreamEnd | Event::DocumentEnd => break,
            Event::Alias(_) => return None,
            Event::Scalar(value, ..) if open.last() == Some(&Some(true)) => {
                *path.last_mut()? = Some(value);
                *open.last_mut()? = Some(false);
            }
            Event::Scalar(value, ..) => {
                match path.as_slice() {
                    [Some(key)] if key == "kind" => kind = Some(value),
                    [Some(section), Some(key)] => {
                        texts.insert((section.clone(), key.clone()), value);
                    }
                    _ => {}
                }
                value_done(&mut open);
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if open.len() >= DEPTH_MAX || open.last() == Some(&Some(true)) {
                    return None;
                }
                open.push(matches!(event, Event::MappingStart(..)).then_some(true));
                path.push(None);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop()?;
                path.pop()?;
                value_done(&mut open);
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart => {}
        }
    }
    (kind.as_deref() == Some("Secret")).then_some(texts)
}

fn value_done(open: &mut [Option<bool>]) {
    if let Some(Some(is_key)) = open.last_mut() {
        *is_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AUTHS: &str = r#"{"auths":{"r.example":{"auth":"dTpw"}}}"#;

    fn yaml() -> String {
        let encoded = STANDARD.encode(AUTHS);
        format!(
            "# pull secret\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n  labels: {{a: [b, {{c: d}}]}}\n\
             data:\n  other: eA==\n  .dockerconfigjson: >-\n    {}\n    {}\ntype: kubernetes.io/dockerconfigjson\n",
            &encoded[..12],
            &encoded[12..]
        )
    }

    #[test]
    fn every_form_says_the_same() {
        let expected: Value = serde_json::from_str(AUTHS).unwrap();
        let encoded = STANDARD.encode(AUTHS);
        let old = r#"{"r.example":{"auth":"dTpw"}}"#;
        for text in [
            AUTHS.to_owned(),
            old.to_owned(),
            yaml(),
            format!(r#"{{"kind":"Secret","data":{{".dockerconfigjson":"{encoded}"}}}}"#),
            format!(r#"{{"kind":"Secret","data":{{".dockercfg":"{}"}}}}"#, STANDARD.encode(old)),
            format!("kind: Secret\nstringData:\n  .dockerconfigjson: '{AUTHS}'\n"),
            format!("kind: \"Secret\"\nstringData:\n  .dockercfg: |\n    {old}\n"),
        ] {
            assert_eq!(auths(text.as_bytes()), Ok(expected.clone()), "{text}");
        }
        let docker = r#"{"credsStore":"desktop","HttpHeaders":{}}"#;
        assert_eq!(auths(docker.as_bytes()).unwrap()["credsStore"], "desktop");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("[]", "no JSON object"),
            ("{", "EOF"),
            ("kind: ConfigMap\ndata: {}\n", "expected value"),
            ("kind: Secret\ndata:\n  tls.crt: eA==\n", "neither `.dockerconfigjson`"),
            (r#"{"kind":"Secret","data":{".dockerconfigjson":"%"}}"#, "`.dockerconfigjson`:"),
            ("kind: Secret\ndata:\n  .dockercfg: eA==\n", "`.dockercfg`: expected value"),
            ("kind: Secret\ndata: &x\n  .dockercfg: eA==\nmore: *x\n", "expected value"),
            ("kind: Secret\n? [a]\n: b\n", "expected value"),
        ] {
            let error = auths(text.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let deep = format!("kind: Secret\ndata: {}", "[".repeat(100_000));
        assert!(auths(deep.as_bytes()).is_err());
        assert!(auths("[".repeat(100_000).as_bytes()).is_err());
        let indented: String = (0..2000).map(|level| " ".repeat(level) + "a:\n").collect();
        assert!(auths(indented.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn mutations_do_no_harm(at in 0_usize..300, bytes: [u8; 2], cut in 0_usize..400) {
            let mut text = yaml().into_bytes();
            let len = text.len();
            text[at % len] = bytes[0];
            text[(at + 7) % len] = bytes[1];
            text.truncate(cut);
            let _ = auths(&text);
        }
    }
}
