//! The decision.

use super::bundle::{self, Bundle, Content};
use super::error::{Error, Reason};
use super::identity::{IdentityRule, ImageName};
use super::key::PublicKey;
use super::location::Location;
use super::payload::Claim;
use crate::digest::Sha256Digest;

/// A document that the image's name led to: its index, or its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// SHA-256 of the bytes.
    pub digest: Sha256Digest,
    /// As they were served.
    pub bytes: Vec<u8>,
}

/// Something found beside an image that may be a signature of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A payload, and what its annotation says is the signature.
    SimpleSigning {
        /// What was signed.
        payload: Vec<u8>,
        /// In base64.
        signature: String,
    },
    /// A sigstore bundle.
    Bundle(Vec<u8>),
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The key that made it.
    pub key_sha256: Sha256Digest,
    /// The document that it is for.
    pub digest: Sha256Digest,
    /// The name that it is for, if it says one.
    pub identity: Option<String>,
}

/// The first piece of evidence that counts: made by any of `keys`, for one of `documents`, with a name
/// that `rule` allows for an image at `location`.
pub fn verify(
    evidence: &[Evidence],
    documents: &[Document],
    keys: &[PublicKey],
    rule: &IdentityRule,
    location: &Location,
) -> Result<Verified, Error> {
    let asked_for = location.name.as_ref();
    let mut reasons = Vec::new();
    for piece in evidence {
        let claim = match piece {
            Evidence::SimpleSigning { payload, signature } => {
                simple(payload, signature, documents, keys)
            }
            Evidence::Bundle(bytes) => bundled(bytes, documents, keys),
        };
        match claim.and_then(|claim| named(claim, rule, asked_for)) {
            Ok(verified) => return Ok(verified),
            Err(reason) if !reasons.contains(&reason) => reasons.push(reason),
            Err(_) => {}
        }
    }
    match evidence.len() {
        0 => Err(Error::Unsigned),
        count => Err(Error::NoneCounts { count, reasons }),
    }
}

fn signer<'a>(keys: &'a [PublicKey], message: &[u8], signature: &[u8]) -> Option<&'a PublicKey> {
    keys.iter().find(|key| key.signed(message, signature))
}

fn simple(
    payload: &[u8],
    signature: &str,
    documents: &[Document],
    keys: &[PublicKey],
) -> Result<Verified, Reason> {
    let signature = bundle::decode(signature)?;
    let key = signer(keys, payload, &signature).ok_or(Reason::NotByKeys)?;
    let Claim { digest, name } = Claim::parse(payload)?;
    if documents.iter().all(|document| document.digest != digest) {
        return Err(Reason::OtherImage(digest));
    }
    Ok(Verified { key_sha256: key.sha256(), digest, identity: name })
}

fn bundled(bytes: &[u8], documents: &[Document], keys: &[PublicKey]) -> Result<Verified, Reason> {
    let Bundle { content, signatures } = Bundle::parse(bytes)?;
    let signed_by = |message: &[u8]| signatures.iter().find_map(|sig| signer(keys, message, sig));
    let (key, digest) = match content {
        Content::Envelope { signed, payload } => {
            let key = signed_by(&signed).ok_or(Reason::NotByKeys)?;
            let digests = bundle::statement_digests(&payload)?;
            let document = documents.iter().find(|document| digests.contains(&document.digest));
            let other = || Reason::OtherImage(digests[0]);
            (key, document.ok_or_else(other)?.digest)
        }
        Content::Document => documents
            .iter()
            .find_map(|document| Some((signed_by(&document.bytes)?, document.digest)))
            .ok_or(Reason::NotByKeys)?,
    };
    Ok(Verified { key_sha256: key.sha256(), digest, identity: None })
}

/// Whether the claim's name is one that the rule allows.
fn named(
    claim: Verified,
    rule: &IdentityRule,
    asked_for: Option<&ImageName>,
) -> Result<Verified, Reason> {
    if *rule == IdentityRule::Any {
        return Ok(claim);
    }
    let wanted = rule.wanted(asked_for).ok_or(Reason::Nameless)?;
    let Some(found) = claim.identity.as_deref() else {
        return Err(Reason::NoName { wanted });
    };
    match ImageName::parse(found) {
        Some(name) if rule.accepts(&name, asked_for) => Ok(claim),
        _ => Err(Reason::OtherName { found: found.to_owned(), wanted }),
    }
}

#[cfg(test)]
mod tests;
