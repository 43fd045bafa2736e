//! Keys made for a test, with their public halves as files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::der::{BIT_STRING, OBJECT_ID, SEQUENCE};

/// One value in DER.
pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("a short value").to_be_bytes();
    let head = match len {
        [0, len @ ..=0x7f] => vec![tag, len],
        [0, len] => vec![tag, 0x81, len],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

/// A SubjectPublicKeyInfo as a file.
pub(super) fn pem(spki: &[u8]) -> String {
    let text = STANDARD.encode(spki);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// A pair on P-256.
pub(super) struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let scheme = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(scheme, &random).expect("there is chance");
        let pair = EcdsaKeyPair::from_pkcs8(scheme, secret.as_ref(), &random);
        Self { pair: pair.expect("a key just made"), random }
    }

    pub(super) fn public(&self) -> super::PublicKey {
        let ids: [&[u8]; 2] = [
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        ];
        let algorithm = der(SEQUENCE, &ids.map(|id| der(OBJECT_ID, id)).concat());
        let key = der(BIT_STRING, &[&[0], self.pair.public_key().as_ref()].concat());
        let file = pem(&der(SEQUENCE, &[algorithm, key].concat()));
        super::PublicKey::from_pem(file.as_bytes()).expect("a sound key")
    }

    /// The signature in base64.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&self.random, message).expect("there is chance"))
    }
}
