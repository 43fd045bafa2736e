#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The example of the DSSE specification: what is signed for the type `http://example.com/HelloWorld`
/// and the payload `hello world` is known from there; ours differs in the type.
#[test]
fn the_bytes_under_an_envelopes_signature() {
    let bundle = Bundle::parse(envelope(IN_TOTO, b"hello world").to_string().as_bytes()).unwrap();
    let Content::Envelope { signed, payload } = bundle.content else { panic!() };
    assert_eq!(payload, b"hello world");
    assert_eq!(signed, b"DSSEv1 28 application/vnd.in-toto+json 11 hello world");
    assert_eq!(bundle.signatures, [b"sig".to_vec()]);
}

fn envelope(payload_type: &str, payload: &[u8]) -> Value {
    let payload = BASE64.encode(payload);
    json!({
        "mediaType": MEDIA_TYPES[0],
        "verificationMaterial": { "publicKey": { "hint": "x" }, "tlogEntries": [{"logIndex": "1"}] },
        "dsseEnvelope": {
            "payload": payload,
            "payloadType": payload_type,
            "signatures": [{ "sig": "c2ln", "keyid": "" }],
        },
    })
}

fn statement() -> Value {
    json!({
        "_type": STATEMENT,
        "subject": [
            { "digest": { "sha256": Sha256Digest::of(b"").to_hex() }, "annotations": {} },
            { "name": "x", "digest": { "sha512": "00" } },
        ],
        "predicateType": SIGNATURE,
        "predicate": {},
    })
}

fn digests(statement: &Value) -> Result<Vec<Sha256Digest>, Reason> {
    statement_digests(statement.to_string().as_bytes())
}

#[test]
fn other_bundles_are_refused() {
    let reason = |change: &dyn Fn(&mut Value)| {
        let mut bundle = envelope(IN_TOTO, b"{}");
        change(&mut bundle);
        Bundle::parse(bundle.to_string().as_bytes()).unwrap_err()
    };
    assert!(matches!(reason(&|b| b["mediaType"] = "x".into()), Reason::OtherKind(_)));
    assert!(matches!(
        reason(&|b| b["dsseEnvelope"]["payloadType"] = "text/plain".into()),
        Reason::OtherKind(kind) if kind == "text/plain"
    ));
    let certificate = json!({ "certificate": { "rawBytes": "AA==" } });
    let keyless = reason(&|b| b["verificationMaterial"] = certificate.clone());
    assert_eq!(keyless, Reason::Keyless);
    let message = json!({ "signature": "c2ln" });
    assert!(matches!(reason(&|b| b["messageSignature"] = message.clone()), Reason::Malformed(_)));
    assert!(matches!(reason(&|b| b["dsseEnvelope"] = Value::Null), Reason::Malformed(_)));
    let garbled = reason(&|b| b["dsseEnvelope"]["payload"] = "*".into());
    assert!(matches!(garbled, Reason::Malformed(_)));
}

#[test]
fn statements_sign_images_or_do_not_count() {
    assert_eq!(digests(&statement()).unwrap(), [Sha256Digest::of(b"")]);
    let reason = |member: &str, value: Value| {
        let mut statement = statement();
        statement[member] = value;
        digests(&statement).unwrap_err()
    };
    let provenance = "https://slsa.dev/provenance/v1";
    assert_eq!(
        reason("predicateType", provenance.into()),
        Reason::OtherKind(provenance.to_owned())
    );
    assert!(matches!(reason("_type", "x".into()), Reason::OtherKind(_)));
    assert!(matches!(reason("subject", json!([])), Reason::Malformed(_)));
    let wrong = json!([{ "digest": { "sha256": "00" } }]);
    assert!(matches!(reason("subject", wrong), Reason::UnknownDigest(_)));
}

proptest! {
    #[test]
    fn changed_bundles_never_panic(at: usize, byte: u8) {
        let payload = statement().to_string();
        for mut bytes in [envelope(IN_TOTO, payload.as_bytes()).to_string(), payload].map(String::into_bytes) {
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Bundle::parse(&bytes);
            let _ = statement_digests(&bytes);
        }
    }
}
