//! Sigstore bundles, up to version 0.3, as cosign 2.6 and 3 attach them to images.
//!
//! ```text
//! {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
//!  "verificationMaterial": {"publicKey": {"hint": …}, …},      or a certificate: keyless
//!  "dsseEnvelope": {"payloadType": "application/vnd.in-toto+json", "payload": base64,
//!                   "signatures": [{"sig": base64}]}
//!  or
//!  "messageSignature": {"messageDigest": …, "signature": base64}}
//! ```
//!
//! In an envelope the signature is over `DSSEv1 <len> <type> <len> <payload>`, the lengths in decimal
//! digits. The payload of a signature is an in-toto statement:
//!
//! ```text
//! {"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": hex}}],
//!  "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}}
//! ```
//!
//! The same key may sign other statements about an image, of its parts or its tests: they say nothing
//! of whether it should be used, so other predicate types do not count. A message signature is over
//! the bytes of the manifest. Unlike with [payloads](super::payload), unknown members are passed over:
//! the format is made to be extended.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::Reason;
use super::json::Object;
use crate::digest::Sha256Digest;

/// For what is read here, the versions are alike.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Base64 as protobuf's JSON has it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What was signed, and the signatures, of which any counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) content: Content,
    pub(super) signatures: Vec<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An envelope: the bytes under the signature, and its payload.
    Envelope { signed: Vec<u8>, payload: Vec<u8> },
    /// The bytes of a document.
    Document,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    form: String,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Object<String>,
}

impl Bundle {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let json: Json = serde_json::from_slice(bytes).map_err(malformed)?;
        if !MEDIA_TYPES.contains(&json.media_type.as_str()) {
            return Err(Reason::OtherKind(json.media_type));
        }
        if json.verification_material.public_key.is_none() {
            return Err(Reason::Keyless);
        }
        match (json.dsse_envelope, json.message_signature) {
            (Some(envelope), None) => Self::from_envelope(envelope),
            (None, Some(message)) => {
                let signatures = vec![decode(&message.signature)?];
                Ok(Self { content: Content::Document, signatures })
            }
            _ => Err(Reason::Malformed("neither envelope nor message signature".to_owned())),
        }
    }

    fn from_envelope(envelope: Envelope) -> Result<Self, Reason> {
        if envelope.payload_type != IN_TOTO {
            return Err(Reason::OtherKind(envelope.payload_type));
        }
        let payload = decode(&envelope.payload)?;
        let lens = (envelope.payload_type.len(), payload.len());
        let head = format!("DSSEv1 {} {} {} ", lens.0, envelope.payload_type, lens.1);
        let signed = [head.as_bytes(), &payload].concat();
        let signatures = envelope.signatures.iter().map(|signature| decode(&signature.sig));
        let signatures = signatures.collect::<Result<_, _>>()?;
        Ok(Self { content: Content::Envelope { signed, payload }, signatures })
    }
}

/// The digests that a statement is about, if it is a signature of images.
pub(super) fn statement_digests(payload: &[u8]) -> Result<Vec<Sha256Digest>, Reason> {
    let statement: Statement = serde_json::from_slice(payload).map_err(malformed)?;
    if statement.form != STATEMENT {
        return Err(Reason::OtherKind(statement.form));
    }
    if statement.predicate_type != SIGNATURE {
        return Err(Reason::OtherKind(statement.predicate_type));
    }
    let hex = |subject: &Subject| subject.digest.0.get("sha256").cloned();
    let digests: Result<Vec<_>, _> = statement
        .subject
        .iter()
        .filter_map(hex)
        .map(|hex| Sha256Digest::parse_hex(&hex).map_err(|_| Reason::UnknownDigest(hex)))
        .collect();
    match digests?.as_slice() {
        [] => Err(Reason::Malformed("no subject has a SHA-256 digest".to_owned())),
        digests => Ok(digests.to_vec()),
    }
}

fn malformed(error: serde_json::Error) -> Reason {
    Reason::Malformed(error.to_string())
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Reason> {
    BASE64.decode(text.trim()).map_err(|error| Reason::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests;
