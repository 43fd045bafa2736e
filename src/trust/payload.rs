//! The payload of a simple signature (containers-signature(5), and cosign's signature specification).
//!
//! ```text
//! {"critical": {"type":     "cosign container image signature",
//!               "image":    {"docker-manifest-digest": "sha256:…"},
//!               "identity": {"docker-reference": "registry.example/os"}},
//!  "optional": null or an object}
//! ```
//!
//! What is critical may have no other members: whoever signs more means something by it that we
//! would not heed.

use serde::Deserialize;

use super::error::Reason;
use super::json::Object;
use crate::digest::Sha256Digest;

const COSIGN: &str = "cosign container image signature";
const ATOMIC: &str = "atomic container signature";

/// What a signature claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) digest: Sha256Digest,
    /// The name, if it has one.
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    critical: Critical,
    #[serde(default, rename = "optional")]
    _optional: Option<Object<serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    r#type: String,
    image: Image,
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest", alias = "Docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

impl Claim {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Reason> {
        let payload: Payload = serde_json::from_slice(payload)
            .map_err(|error| Reason::Malformed(error.to_string()))?;
        let Critical { r#type, image, identity } = payload.critical;
        if ![COSIGN, ATOMIC].contains(&r#type.as_str()) {
            return Err(Reason::OtherKind(r#type));
        }
        let digest = Sha256Digest::parse_oci(&image.digest);
        Ok(Self {
            digest: digest.map_err(|_| Reason::UnknownDigest(image.digest))?,
            name: Some(identity.reference).filter(|name| !name.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn payload(kind: &str, more: &str, optional: &str) -> String {
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"r.example/os"}},"image":{{"docker-manifest-digest":"{DIGEST}"}},"type":"{kind}"{more}}},"optional":{optional}}}"#
        )
    }

    #[test]
    fn both_kinds_are_read() {
        for (kind, optional) in [(COSIGN, "null"), (ATOMIC, r#"{"creator":"x","timestamp":1}"#)] {
            let claim = Claim::parse(payload(kind, "", optional).as_bytes()).unwrap();
            assert_eq!(claim.digest, Sha256Digest::of(b""));
            assert_eq!(claim.name.as_deref(), Some("r.example/os"));
        }
        let nameless = payload(COSIGN, "", "null").replace("r.example/os", "");
        assert_eq!(Claim::parse(nameless.as_bytes()).unwrap().name, None);
    }

    #[test]
    fn everything_else_is_refused() {
        let reason = |text: &str| Claim::parse(text.as_bytes()).unwrap_err();
        let sound = payload(COSIGN, "", "null");
        assert!(matches!(
            reason(&payload("x", "", "{}")),
            Reason::OtherKind(kind) if kind == "x"
        ));
        assert!(matches!(reason(&sound.replace("sha256:", "sha512:")), Reason::UnknownDigest(_)));
        for text in [
            payload(COSIGN, r#","until":"2020""#, "null"),
            payload(COSIGN, &format!(r#","type":"{COSIGN}""#), "null"),
            payload(COSIGN, "", "1"),
            payload(COSIGN, "", r#"{"a":1,"a":2}"#),
            sound.replace(r#""optional""#, r#""more""#),
            format!("{sound}{{}}"),
            "null".to_owned(),
            "[".repeat(1 << 20),
        ] {
            assert!(matches!(reason(&text), Reason::Malformed(_)), "{text:.200}");
        }
    }
}
