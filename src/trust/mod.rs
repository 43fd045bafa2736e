//! Who vouches for an image: keys, signatures, and policies that demand them.
//!
//! A pure room: it fetches nothing and opens no file. Given the [`Document`]s that a name led to,
//! the [`Evidence`] found beside them, keys and rules, it decides: [`verify`].
//!
//! ```text
//!  name ─► index ─► manifest          the documents, bound to each other by digests
//!            ▲         ▲
//!            └── claim ┘              a claim names the digest of one of them
//!                  ▲
//!              signature ◄─ key       and counts only when a key that we were given made it
//! ```
//!
//! Two forms of evidence are read. In both the key is known beforehand; what the evidence says of
//! keys, certificates or logs is never believed.
//!
//! | form | where it lies | what is signed |
//! |---|---|---|
//! | simple signing | tag `sha256-<hex>.sig`: each layer a payload, its signature in an annotation | the payload's bytes |
//! | sigstore bundle 0.3 | referrers of the digest | the envelope's payload (DSSE), or the manifest itself |
//!
//! # Order of checks, for one piece of evidence
//!
//! 1. The signature over the bytes, by any of the keys. What has none is not even parsed further.
//! 2. The claim's form: a signature of an image, and not some other statement by the same key.
//! 3. The claim's digest: that of the index or of the manifest that was chosen.
//! 4. The claim's name, where a policy wants it ([`IdentityRule`]). A bundle names no image.
//!
//! # What a policy is
//!
//! [`Policy`] is containers-policy.json(5). What is not understood in it, be it in a scope that is not
//! asked for, makes the whole of it useless, as its manual demands. Requirements that cannot be checked
//! here (GPG, certificates, logs) are understood, and refuse the images of their scope.
//!
//! # What is left out on purpose
//!
//! Keyless signatures, and proofs that a signature is in a public log: a key is trusted as it stands,
//! as podman does with a `keyPath` alone. There is no clock here, so nothing expires.

mod bundle;
mod der;
mod error;
mod identity;
mod json;
mod key;
mod location;
mod payload;
mod pem;
mod policy;
#[cfg(test)]
mod test_keys;
mod verify;

pub use error::{Error, KeyError, PolicyError, Reason};
pub use identity::{IdentityRule, ImageName};
pub use key::PublicKey;
pub use location::Location;
pub use policy::{KeySource, Policy, Requirement};
pub use verify::{Document, Evidence, Verified, verify};

/// Reads bytes that strangers send as everything this room parses, for fuzzing.
pub fn parse_anything(bytes: &[u8]) {
    let _ = PublicKey::from_pem(bytes);
    let _ = Policy::parse(bytes);
    let _ = payload::Claim::parse(bytes);
    let _ = bundle::Bundle::parse(bytes);
    let _ = bundle::statement_digests(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ImageName::parse(text);
    }
}
