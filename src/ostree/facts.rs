//! What a commit says of where it is from (ostree-contract 2.2, 2.3): read, not written.

use super::gvariant_reader::{BYTES, FormError, Member, array, fixed, string, tuple};
use crate::digest::Sha256Digest;

/// Strings of a commit's metadata that people ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitFacts {
    /// The commit that it was derived from.
    pub parent: Option<Sha256Digest>,
    /// `ostree.manifest-digest`: the image that it was made from.
    pub manifest_digest: Option<String>,
    /// `ostree.container.image-config`: that image's config.
    pub image_config: Option<String>,
    /// `version`.
    pub version: Option<String>,
}

impl CommitFacts {
    /// Reads a commit object.
    pub fn read(commit: &[u8]) -> Result<Self, FormError> {
        const METADATA: Member = Member::Variable { alignment: 8 };
        const TIME: Member = Member::Fixed(8);
        let members = [METADATA, BYTES, BYTES, BYTES, BYTES, TIME, BYTES, BYTES];
        let [metadata, parent, ..] = tuple(commit, &members)?;
        let mut facts = Self::default();
        if !parent.is_empty() {
            facts.parent = Some(Sha256Digest(fixed(parent)?));
        }
        for entry in array(metadata, 8)? {
            let [key, variant] = tuple(entry, &[BYTES, Member::Variable { alignment: 8 }])?;
            let Some(text) = variant.strip_suffix(b"\0s") else { continue };
            let fact = match string(key)? {
                "ostree.manifest-digest" => &mut facts.manifest_digest,
                "ostree.container.image-config" => &mut facts.image_config,
                "version" => &mut facts.version,
                _ => continue,
            };
            *fact = Some(string(text)?.to_owned());
        }
        Ok(facts)
    }
}

/// For fuzzing: reads a commit.
pub fn fuzz_commit(bytes: &[u8]) {
    // an error is as good as an answer; a panic is not
    let _ = CommitFacts::read(bytes);
}

#[cfg(test)]
mod tests {
    use super::super::gvariant;
    use super::super::object::Commit;
    use super::*;
    use proptest::prelude::*;

    fn commit(parent: Option<Sha256Digest>) -> Vec<u8> {
        let text = |value: &str| gvariant::variant(&gvariant::string(value), "s");
        let metadata = [
            ("other", gvariant::variant(&[1, 2, 3], "ay")),
            ("ostree.manifest-digest", text("sha256:1")),
            ("version", text("9")),
        ];
        let (tree, meta) = (Sha256Digest([1; 32]), Sha256Digest([2; 32]));
        Commit { metadata: &metadata, parent, timestamp_secs: 7, tree, meta }.encode()
    }

    #[test]
    fn strings_are_found_and_others_passed_over() {
        let parent = Some(Sha256Digest([3; 32]));
        let facts = CommitFacts::read(&commit(parent)).unwrap();
        let expected = CommitFacts {
            parent,
            manifest_digest: Some("sha256:1".to_owned()),
            image_config: None,
            version: Some("9".to_owned()),
        };
        assert_eq!(facts, expected);
        assert_eq!(CommitFacts::read(&commit(None)).unwrap().parent, None);
        assert!(CommitFacts::read(b"").is_err());
    }

    proptest! {
        #[test]
        fn damage_is_no_panic(at in 0_usize..200, value: u8, len in 0_usize..300) {
            let mut bytes = commit(None);
            bytes.truncate(len);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            fuzz_commit(&bytes);
        }
    }
}
