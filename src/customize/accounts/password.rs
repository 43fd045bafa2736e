//! Hashes of passwords: SHA-512 in the form of crypt(5), `$6$<salt>$<hash>`, 5000 rounds.
//!
//! The salt is 16 characters from the SHA-256 of `seed`, a zero byte and the user's name, so that the
//! same plan gives the same disk. The seed is the plan's digest: another image keeps the salt, another
//! password or user does not. A hash on a disk can be tried offline like any other; what is lost against
//! a random salt is that two disks of one plan show that they have the same password.

use sha_crypt::{Params, sha512_crypt};

use crate::digest::Sha256;

const ROUNDS: u32 = 5000;
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of a password, as `shadow` has it.
pub(super) fn hash(password: &str, seed: &[u8], user: &str) -> String {
    crypt(password, &salt(seed, user))
}

fn salt(seed: &[u8], user: &str) -> String {
    let mut hasher = Sha256::default();
    for part in [&b"password salt"[..], b"\0", seed, b"\0", user.as_bytes()] {
        hasher.update(part);
    }
    let digest = hasher.finish();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 63)]);
    digest.0.iter().take(16).map(letter).collect()
}

fn crypt(password: &str, salt: &str) -> String {
    let params = Params::new(ROUNDS).expect("5000 rounds are within the bounds");
    let hash = sha512_crypt(password.as_bytes(), salt.as_bytes(), params);
    format!("$6${salt}${}", encode(&hash))
}

/// The hash in letters: 21 groups of three bytes, 21 apart and each group's order turned by one
/// against that before, then the last byte; low bits first.
fn encode(hash: &[u8; 64]) -> String {
    let mut text = String::new();
    let mut letters = |mut bits: u32, count: usize| {
        for _ in 0..count {
            let low = u8::try_from(bits & 63).expect("six bits are a byte");
            text.push(char::from(LETTERS[usize::from(low)]));
            bits >>= 6;
        }
    };
    let mut group = [0, 21, 42];
    for _ in 0..21 {
        let [high, middle, low] = group.map(|at| u32::from(hash[at]));
        letters(high << 16 | middle << 8 | low, 4);
        group = [group[1] + 1, group[2] + 1, group[0] + 1];
    }
    letters(u32::from(hash[63]), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification of SHA-crypt, as `openssl passwd -6 -salt` gives them too.
    #[test]
    fn published_hashes_are_met() {
        assert_eq!(
            crypt("Hello world!", "saltstring"),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu\
             esI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
        assert_eq!(
            crypt("This is just a test", "toolongsaltstrin"),
            "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"
        );
    }

    #[test]
    fn salts_depend_on_plan_and_user() {
        let one = hash("secret", b"plan", "ops");
        assert_eq!(one, hash("secret", b"plan", "ops"));
        let others = [
            hash("secret", b"plan", "root"),
            hash("secret", b"other", "ops"),
            hash("s", b"plan", "ops"),
        ];
        assert!(others.iter().all(|other| *other != one));
        assert_eq!(one.split('$').nth(2).map(str::len), Some(16));
    }
}
