#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::*;
use crate::trust::test_keys::{der, pem};

fn spki(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = der(SEQUENCE, &[&der(OBJECT_ID, algorithm)[..], parameters].concat());
    let key = der(BIT_STRING, &[&[0], key].concat());
    der(SEQUENCE, &[algorithm, key].concat())
}

fn ec(curve: &[u8], key: &[u8]) -> Result<PublicKey, KeyError> {
    PublicKey::from_spki(&spki(EC, &der(OBJECT_ID, curve), key))
}

#[test]
fn keys_know_their_signatures() {
    let random = SystemRandom::new();
    let scheme = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let secret = EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap();
    let secret = EcdsaKeyPair::from_pkcs8(scheme, secret.as_ref(), &random).unwrap();
    let key = ec(P256, secret.public_key().as_ref()).unwrap();
    let signature = secret.sign(&random, b"a message").unwrap();
    assert!(key.signed(b"a message", signature.as_ref()));
    assert!(!key.signed(b"a massage", signature.as_ref()));
    assert!(!key.signed(b"a message", &signature.as_ref()[1..]));
    assert!(!key.signed(b"a message", b""));

    let secret = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let secret = Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap();
    let spki = spki(ED_25519, &[], secret.public_key().as_ref());
    let edwards = PublicKey::from_pem(pem(&spki).as_bytes()).unwrap();
    assert_eq!(edwards.sha256(), Sha256Digest::of(&spki));
    let signature = secret.sign(b"a message");
    assert!(edwards.signed(b"a message", signature.as_ref()));
    assert!(!edwards.signed(b"a massage", signature.as_ref()));
    assert!(!key.signed(b"a message", signature.as_ref()));
}

#[test]
fn what_is_wrong_with_a_key_is_said() {
    let point = [&[4][..], &[7; 64]].concat();
    assert!(ec(P256, &point).is_ok());
    assert_eq!(ec(P256, &point[..33]), Err(KeyError::NotAKey));
    assert_eq!(ec(P256, &[&[2][..], &[7; 64]].concat()), Err(KeyError::NotAKey));
    assert_eq!(ec(P384, &point), Err(KeyError::NotAKey));
    // secp521r1
    assert_eq!(ec(&[0x2b, 0x81, 0x04, 0x00, 0x23], &point), Err(KeyError::Curve));
    let dsa = spki(&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], &der(NULL, &[]), &point);
    assert_eq!(PublicKey::from_spki(&dsa), Err(KeyError::Algorithm));
    let rsa = |bytes: usize| {
        let modulus = der(INTEGER, &[&[0][..], &vec![0xc1; bytes]].concat());
        let key = der(SEQUENCE, &[modulus, der(INTEGER, &[1, 0, 1])].concat());
        PublicKey::from_spki(&spki(RSA, &der(NULL, &[]), &key))
    };
    assert_eq!(rsa(128), Err(KeyError::RsaBits(1024)));
    assert!(rsa(256).is_ok() && rsa(512).is_ok());
    let sound = spki(EC, &der(OBJECT_ID, P256), &point);
    for cut in 0..sound.len() {
        assert_eq!(PublicKey::from_spki(&sound[..cut]), Err(KeyError::NotAKey), "{cut}");
    }
    assert_eq!(PublicKey::from_spki(&[&sound[..], &[0]].concat()), Err(KeyError::NotAKey));
    assert_eq!(
        PublicKey::from_spki(&spki(ED_25519, &der(NULL, &[]), &[7; 32])),
        Err(KeyError::NotAKey)
    );
}

proptest! {
    /// No change of a key's bytes panics, nor makes another key's signature good.
    #[test]
    fn changed_keys_never_panic(at in 0_usize..91, byte: u8) {
        let point = [&[4][..], &[7; 64]].concat();
        let mut spki = spki(EC, &der(OBJECT_ID, P256), &point);
        prop_assert_eq!(spki.len(), 91);
        spki[at] = byte;
        if let Ok(key) = PublicKey::from_spki(&spki) {
            prop_assert!(!key.signed(b"a message", &[0x30, 6, 2, 1, 1, 2, 1, 1]));
        }
    }
}
