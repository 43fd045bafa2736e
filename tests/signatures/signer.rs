//! Keys made for a test, and what they sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use bootc_image::digest::Sha256Digest;

/// What comes before a point on P-256 in a SubjectPublicKeyInfo.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A pair of keys.
pub struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    pub fn new() -> Self {
        let (random, scheme) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let secret = EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(scheme, secret.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    fn spki(&self) -> Vec<u8> {
        [&SPKI_P256, self.pair.public_key().as_ref()].concat()
    }

    /// The public half, as a file.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.spki());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    pub fn sha256(&self) -> String {
        Sha256Digest::of(&self.spki()).to_hex()
    }

    /// The signature in base64.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&self.random, message).unwrap())
    }

    /// A bundle with a statement of this type about a digest.
    pub fn bundle(&self, digest: Sha256Digest, predicate_type: &str) -> Vec<u8> {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": digest.to_hex() } }],
            "predicateType": predicate_type,
            "predicate": {},
        });
        let (payload, kind) = (statement.to_string(), "application/vnd.in-toto+json");
        let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": "" }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": kind,
                "signatures": [{ "sig": self.sign(signed.as_bytes()) }],
            },
        });
        bundle.to_string().into_bytes()
    }
}

/// What cosign signs of an image.
pub fn payload(digest: Sha256Digest, name: &str) -> Vec<u8> {
    let critical = json!({
        "identity": { "docker-reference": name },
        "image": { "docker-manifest-digest": digest.to_oci() },
        "type": "cosign container image signature",
    });
    json!({ "critical": critical, "optional": null }).to_string().into_bytes()
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    let digest = Sha256Digest::of(bytes).to_oci();
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

/// The manifest under an image's `.sig` tag.
pub fn signature_manifest(signatures: &[(&[u8], &str)]) -> Vec<u8> {
    let layers = signatures.iter().map(|(payload, signature)| {
        let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
        let mut layer = descriptor(kind, payload);
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        layer
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": layers.collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes()
}

/// The manifest by which a bundle refers to an image.
pub fn referrer(bundle: &[u8], subject: Sha256Digest) -> Vec<u8> {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "artifactType": BUNDLE,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor(BUNDLE, bundle)],
        "subject": { "mediaType": kind, "digest": subject.to_oci(), "size": 1 },
    })
    .to_string()
    .into_bytes()
}

/// An index of manifests, which are artifacts of this type if one is given.
pub fn index(manifests: &[&[u8]], artifact_type: Option<&str>) -> Vec<u8> {
    let entries = manifests.iter().map(|manifest| {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
        match artifact_type {
            Some(kind) => entry["artifactType"] = json!(kind),
            None => entry["platform"] = json!({ "architecture": "amd64", "os": "linux" }),
        }
        entry
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries.collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes()
}
