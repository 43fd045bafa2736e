#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::trust::test_keys::Signer;

const NAME: &str = "r.example/ns/os";

fn document(bytes: &[u8]) -> Document {
    Document { digest: Sha256Digest::of(bytes), bytes: bytes.to_vec() }
}

/// An index and the manifest chosen from it.
fn documents() -> [Document; 2] {
    [document(b"index"), document(b"manifest")]
}

fn payload(digest: Sha256Digest, name: &str) -> Vec<u8> {
    let critical = json!({
        "type": "cosign container image signature",
        "image": { "docker-manifest-digest": digest.to_oci() },
        "identity": { "docker-reference": name },
    });
    json!({ "critical": critical, "optional": null }).to_string().into_bytes()
}

fn simple(signer: &Signer, payload: Vec<u8>) -> Evidence {
    let signature = signer.sign(&payload);
    Evidence::SimpleSigning { payload, signature }
}

fn bundle(signer: &Signer, statement: &serde_json::Value) -> Evidence {
    use base64::Engine as _;
    let payload = statement.to_string();
    let kind = "application/vnd.in-toto+json";
    let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    let envelope = json!({
        "payloadType": kind, "payload": payload,
        "signatures": [{ "sig": signer.sign(signed.as_bytes()) }],
    });
    bundled_as("dsseEnvelope", envelope)
}

fn bundled_as(member: &str, content: serde_json::Value) -> Evidence {
    let mut bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": {} },
    });
    bundle[member] = content;
    Evidence::Bundle(bundle.to_string().into_bytes())
}

fn statement(digest: Sha256Digest, predicate_type: &str) -> serde_json::Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": digest.to_hex() } }],
        "predicateType": predicate_type, "predicate": {},
    })
}

fn check(
    evidence: &[Evidence],
    keys: &[PublicKey],
    rule: &IdentityRule,
) -> Result<Verified, Error> {
    let location = Location::registry(&format!("{NAME}:1")).unwrap();
    verify(evidence, &documents(), keys, rule, &location)
}

/// The only reason of a refusal.
fn reason(result: Result<Verified, Error>) -> Reason {
    match result {
        Err(Error::NoneCounts { mut reasons, .. }) if reasons.len() == 1 => reasons.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn either_document_may_be_signed_by_any_key() {
    let (ours, theirs) = (Signer::new(), Signer::new());
    let keys = [theirs.public(), ours.public()];
    for document in documents() {
        let evidence = [simple(&ours, payload(document.digest, NAME))];
        let verified = check(&evidence, &keys, &IdentityRule::Any).unwrap();
        assert_eq!(verified.key_sha256, ours.public().sha256());
        assert_eq!(verified.digest, document.digest);
        assert_eq!(verified.identity.as_deref(), Some(NAME));
        let wrong = check(&evidence, &keys[..1], &IdentityRule::Any);
        assert_eq!(reason(wrong), Reason::NotByKeys);
    }
    assert!(matches!(check(&[], &keys, &IdentityRule::Any), Err(Error::Unsigned)));
    let evidence = [simple(&ours, payload(documents()[1].digest, NAME))];
    assert_eq!(reason(check(&evidence, &[], &IdentityRule::Any)), Reason::NotByKeys);
}

#[test]
fn what_was_signed_is_what_counts() {
    let signer = Signer::new();
    let keys = [signer.public()];
    let any = &IdentityRule::Any;
    let other = Sha256Digest::of(b"another manifest");
    let good = payload(documents()[1].digest, NAME);
    let Evidence::SimpleSigning { signature, .. } = simple(&signer, payload(other, NAME)) else {
        panic!()
    };
    let tampered = Evidence::SimpleSigning { payload: good.clone(), signature };
    assert_eq!(reason(check(&[tampered], &keys, any)), Reason::NotByKeys);
    let foreign = simple(&signer, payload(other, NAME));
    assert_eq!(
        reason(check(std::slice::from_ref(&foreign), &keys, any)),
        Reason::OtherImage(other)
    );
    let unsigned = Evidence::SimpleSigning { payload: good.clone(), signature: String::new() };
    assert_eq!(reason(check(&[unsigned], &keys, any)), Reason::NotByKeys);
    let garbled = Evidence::SimpleSigning { payload: good.clone(), signature: "*".to_owned() };
    assert!(matches!(reason(check(&[garbled], &keys, any)), Reason::Malformed(_)));
    let noise = simple(&signer, b"noise".to_vec());
    assert!(matches!(
        reason(check(std::slice::from_ref(&noise), &keys, any)),
        Reason::Malformed(_)
    ));
    // One that counts among others is enough.
    check(&[noise, foreign, simple(&signer, good)], &keys, any).unwrap();
}

#[test]
fn names_count_where_the_policy_wants_them() {
    let signer = Signer::new();
    let keys = [signer.public()];
    let digest = documents()[1].digest;
    let claim = |name: &str| [simple(&signer, payload(digest, name))];
    check(&claim(NAME), &keys, &IdentityRule::Repository).unwrap();
    check(&claim(&format!("{NAME}:1")), &keys, &IdentityRule::RepoDigestOrExact).unwrap();
    for (name, rule) in [
        ("r.example/ns/other", IdentityRule::Repository),
        (NAME, IdentityRule::RepoDigestOrExact),
        ("r.example/ns/os:2", IdentityRule::RepoDigestOrExact),
        ("No Name", IdentityRule::Repository),
    ] {
        let result = check(&claim(name), &keys, &rule);
        assert!(matches!(reason(result), Reason::OtherName { found, .. } if found == name));
    }
    let nameless = check(&claim(""), &keys, &IdentityRule::Repository);
    assert!(matches!(reason(nameless), Reason::NoName { .. }));
    let layout = Location::whole("oci");
    let result = verify(&claim(NAME), &documents(), &keys, &IdentityRule::Repository, &layout);
    assert_eq!(reason(result), Reason::Nameless);
}

#[test]
fn bundles_count_as_signatures_only() {
    let signer = Signer::new();
    let keys = [signer.public()];
    let any = &IdentityRule::Any;
    let sign = "https://sigstore.dev/cosign/sign/v1";
    for document in documents() {
        let verified =
            check(&[bundle(&signer, &statement(document.digest, sign))], &keys, any).unwrap();
        assert_eq!(verified.digest, document.digest);
        assert_eq!(verified.identity, None);
        let signature = signer.sign(&document.bytes);
        let message = bundled_as("messageSignature", json!({ "signature": signature }));
        assert_eq!(check(&[message], &keys, any).unwrap().digest, document.digest);
    }
    let digest = documents()[0].digest;
    let good = bundle(&signer, &statement(digest, sign));
    let wrong_key = check(std::slice::from_ref(&good), &[Signer::new().public()], any);
    assert_eq!(reason(wrong_key), Reason::NotByKeys);
    let named = check(&[good], &keys, &IdentityRule::Repository);
    assert!(matches!(reason(named), Reason::NoName { .. }));
    let provenance = bundle(&signer, &statement(digest, "https://slsa.dev/provenance/v1"));
    assert!(matches!(reason(check(&[provenance], &keys, any)), Reason::OtherKind(_)));
    let other = Sha256Digest::of(b"another manifest");
    let foreign = bundle(&signer, &statement(other, sign));
    assert_eq!(reason(check(&[foreign], &keys, any)), Reason::OtherImage(other));
    let message = json!({ "signature": signer.sign(b"another manifest") });
    let foreign = bundled_as("messageSignature", message);
    assert_eq!(reason(check(&[foreign], &keys, any)), Reason::NotByKeys);
}

/// A key and two bundles that sigstore-js 4 made for the manifest `manifest`.
const JS_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnbhWwqaWvncnJRupOl4WiiCIdnTc\n\
    c2iZx1y1ksmUoNWVZTi65+TAUkYwfd7M9pI+kEPWE/247U1Ev6Sn60ukqQ==\n\
    -----END PUBLIC KEY-----\n";
const JS_ENVELOPE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"h"},"timestampVerificationData":{}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiMDViM2FiZjI1NzlhNWViNjY0MDNjZDc4YmU1NTdmZDg2MDYzM2ExZmUyMTAzYzc2NDIwMzBkZWZlMzJjNjU3ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEUCIG3v4SfVzCFTRyUXTjefH68ugMuTbb4ZOGNTQw7I3uojAiEA+UWx8OrJ/jbiOyd8E1CLEE7KkngyAWAW2PMPsAtrGms=","keyid":"h"}]}}"#;
const JS_MESSAGE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.2","verificationMaterial":{"publicKey":{"hint":"h"},"timestampVerificationData":{}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"BbOr8leaXrZkA814vlV/2GBjOh/iEDx2QgMN7+MsZX8="},"signature":"MEUCIQCqu+fdvdBakVTU+/Ih6NgWRHgnxdF8Jg2VGncH44r0rwIgBHMMIRWVlPMiAB7t/iUSzcYJ1hpjl1RPcp4/NIAb3rA="}}"#;

#[test]
fn bundles_of_another_implementation_count() {
    let keys = [PublicKey::from_pem(JS_KEY.as_bytes()).unwrap()];
    for bundle in [JS_ENVELOPE, JS_MESSAGE] {
        let evidence = [Evidence::Bundle(bundle.as_bytes().to_vec())];
        let verified = check(&evidence, &keys, &IdentityRule::Any).unwrap();
        assert_eq!(verified.digest, documents()[1].digest);
        let location = Location::whole("oci");
        let others = [document(b"another manifest")];
        assert!(verify(&evidence, &others, &keys, &IdentityRule::Any, &location).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever one byte of a signed document is changed to: it counts no more, and nothing panics.
    #[test]
    fn changed_evidence_does_not_count(at: usize, flip in 1_u8..) {
        let signer = Signer::new();
        let keys = [signer.public()];
        let digest = documents()[1].digest;
        let Evidence::SimpleSigning { mut payload, signature } =
            simple(&signer, payload(digest, NAME)) else { unreachable!() };
        let place = at % payload.len();
        payload[place] ^= flip;
        let changed = Evidence::SimpleSigning { payload, signature };
        let result = check(&[changed], &keys, &IdentityRule::Any);
        prop_assert_eq!(reason(result), Reason::NotByKeys);

        let kind = "https://sigstore.dev/cosign/sign/v1";
        let sound = bundle(&signer, &statement(digest, kind));
        let Evidence::Bundle(mut bytes) = sound else { unreachable!() };
        let place = at % bytes.len();
        bytes[place] ^= flip;
        // White space, and names that nothing depends on, may change.
        if let Ok(verified) = check(&[Evidence::Bundle(bytes)], &keys, &IdentityRule::Any) {
            prop_assert_eq!(verified.digest, digest);
        }
    }
}
