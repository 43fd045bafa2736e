//! Public keys, and whether they made a signature.
//!
//! A key comes as SubjectPublicKeyInfo (RFC 5280): the algorithm's object identifier, its parameters,
//! and the key as a bit string. Signers do not say which scheme they used; the key decides, and where
//! it leaves a choice, each is tried:
//!
//! | key | schemes |
//! |---|---|
//! | ECDSA P-256 | SHA-256 |
//! | ECDSA P-384 | SHA-256, which cosign uses whatever the curve; SHA-384 |
//! | Ed25519 | the message itself |
//! | RSA, 2048 to 8192 bits | SHA-256 with PKCS #1 v1.5; with PSS |
//!
//! ECDSA signatures are in DER.

use std::fmt;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use super::der::{BIT_STRING, Der, INTEGER, NULL, OBJECT_ID, SEQUENCE};
use super::error::KeyError;
use super::pem;
use crate::digest::Sha256Digest;

/// 1.2.840.10045.2.1
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.101.112
const ED_25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Bytes in the modulus of an RSA key.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// The bit string.
    bytes: Vec<u8>,
    sha256: Sha256Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl Kind {
    fn schemes(self) -> Vec<&'static dyn VerificationAlgorithm> {
        match self {
            Self::P256 => vec![&ECDSA_P256_SHA256_ASN1],
            Self::P384 => vec![&ECDSA_P384_SHA256_ASN1, &ECDSA_P384_SHA384_ASN1],
            Self::Ed25519 => vec![&ED25519],
            Self::Rsa => vec![&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256],
        }
    }
}

impl PublicKey {
    /// Reads a PEM file, as `cosign generate-key-pair` writes `cosign.pub`.
    pub fn from_pem(file: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki(&pem::public_key(file)?)
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, parameters, bytes) = split(spki).ok_or(KeyError::NotAKey)?;
        let kind = match algorithm {
            EC => match Der(parameters).take(OBJECT_ID).ok_or(KeyError::NotAKey)? {
                P256 => Kind::P256,
                P384 => Kind::P384,
                _ => return Err(KeyError::Curve),
            },
            ED_25519 if parameters.is_empty() => Kind::Ed25519,
            RSA if Der(parameters).take(NULL) == Some(&[]) => Kind::Rsa,
            ED_25519 | RSA => return Err(KeyError::NotAKey),
            _ => return Err(KeyError::Algorithm),
        };
        let sound = match kind {
            // Uncompressed points only: one byte, then both coordinates.
            Kind::P256 => bytes.len() == 65 && bytes[0] == 4,
            Kind::P384 => bytes.len() == 97 && bytes[0] == 4,
            Kind::Ed25519 => bytes.len() == 32,
            Kind::Rsa => {
                let bytes = modulus(bytes).ok_or(KeyError::NotAKey)?.len();
                if !RSA_BYTES.contains(&bytes) {
                    return Err(KeyError::RsaBits(bytes.saturating_mul(8)));
                }
                true
            }
        };
        if !sound {
            return Err(KeyError::NotAKey);
        }
        Ok(Self { kind, bytes: bytes.to_vec(), sha256: Sha256Digest::of(spki) })
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo in DER: what names the key.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// Whether this key signed `message`.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |scheme: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*scheme, &self.bytes).verify(message, signature).is_ok()
        };
        self.kind.schemes().iter().any(by)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?}, {})", self.kind, self.sha256)
    }
}

/// Algorithm, parameters and key.
fn split(spki: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut outer = Der(spki);
    let mut info = Der(outer.take(SEQUENCE)?);
    let mut algorithm = Der(info.take(SEQUENCE)?);
    let id = algorithm.take(OBJECT_ID)?;
    let (unused_bits, key) = info.take(BIT_STRING)?.split_first()?;
    (outer.is_empty() && info.is_empty() && *unused_bits == 0 && !key.is_empty()).then_some((
        id,
        algorithm.0,
        key,
    ))
}

/// The modulus of an RSA key (RFC 8017), without the zero that keeps it positive.
fn modulus(key: &[u8]) -> Option<&[u8]> {
    let modulus = Der(Der(key).take(SEQUENCE)?).take(INTEGER)?;
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

#[cfg(test)]
mod tests;
