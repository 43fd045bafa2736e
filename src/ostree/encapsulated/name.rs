//! What an entry of an ostree layer is, by its name (ostree-contract 3.3).
//!
//! | below `sysroot/ostree/repo/` | meaning |
//! |---|---|
//! | `objects/XX/REST.commit`, `.commitmeta`, `.dirtree`, `.dirmeta`, `.file` | an object |
//! | `objects/XX/REST.file-xattrs`, `xattrs/CHECKSUM` (older) | xattrs, named by their checksum |
//! | `objects/XX/REST.file-xattrs-link`, `REST.file.xattrs` (older) | the xattrs of `REST.file` |
//! | anything else | of no interest |

use std::fmt;

use super::error::Error;
use crate::digest::Sha256Digest;

const REPO: [&[u8]; 3] = [b"sysroot", b"ostree", b"repo"];

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The commit.
    Commit,
    /// Metadata of the commit that is not part of it; named by the commit.
    CommitMeta,
    /// Names and checksums of a directory.
    Dirtree,
    /// Owner, mode and xattrs of a directory.
    Dirmeta,
    /// A regular file or a symbolic link.
    File,
    /// Xattrs, named by their own checksum.
    Xattrs,
    /// The xattrs of a file object: a link to such, or the xattrs themselves.
    XattrsLink,
    /// The older spelling, always a link.
    OldXattrsLink,
}

/// The name of an entry that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// What the entry holds.
    pub kind: Kind,
    /// The checksum in the name.
    pub checksum: Sha256Digest,
}

impl Name {
    /// Reads an entry's name as stored; `None` when the entry is of no interest.
    pub fn parse(raw_path: &[u8]) -> Result<Option<Self>, Error> {
        let mut components = raw_path
            .split(|byte| *byte == b'/')
            .filter(|component| !matches!(*component, b"" | b"."));
        if !REPO.iter().all(|expected| components.next() == Some(expected)) {
            return Ok(None);
        }
        let below: Vec<&[u8]> = components.take(4).collect();
        let named = match below[..] {
            [b"objects", first, rest] => object(first, rest),
            [b"objects", ..] => None,
            [b"xattrs", checksum] => xattrs(checksum),
            [b"xattrs", ..] => None,
            _ => return Ok(None),
        };
        named.map(Some).ok_or_else(|| Error::EntryName {
            path: String::from_utf8_lossy(raw_path).into_owned(),
        })
    }

    /// The checksum of the xattrs that a hard link of this name leads to.
    pub fn linked_xattrs(&self, raw_target: &[u8]) -> Result<Sha256Digest, Error> {
        let mut components = raw_target.rsplit(|byte| *byte == b'/');
        let last = components.next().unwrap_or_default();
        let named = match self.kind {
            Kind::OldXattrsLink => xattrs(last),
            _ => object(components.next().unwrap_or_default(), last),
        };
        let named = named.filter(|named| named.kind == Kind::Xattrs);
        named.map(|named| named.checksum).ok_or_else(|| Error::XattrsTarget {
            object: self.checksum,
            target: String::from_utf8_lossy(raw_target).into_owned(),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = match self.kind {
            Kind::Commit => "commit",
            Kind::CommitMeta => "commitmeta",
            Kind::Dirtree => "dirtree",
            Kind::Dirmeta => "dirmeta",
            Kind::File => "file",
            Kind::Xattrs => "file-xattrs",
            Kind::XattrsLink => "file-xattrs-link",
            Kind::OldXattrsLink => "file.xattrs",
        };
        write!(f, "{}.{extension}", self.checksum)
    }
}

fn object(first: &[u8], rest: &[u8]) -> Option<Name> {
    let (first, rest) = (std::str::from_utf8(first).ok()?, std::str::from_utf8(rest).ok()?);
    let (rest, extension) = rest.split_once('.')?;
    let kind = match extension {
        "commit" => Kind::Commit,
        "commitmeta" => Kind::CommitMeta,
        "dirtree" => Kind::Dirtree,
        "dirmeta" => Kind::Dirmeta,
        "file" => Kind::File,
        "file-xattrs" => Kind::Xattrs,
        "file-xattrs-link" => Kind::XattrsLink,
        "file.xattrs" => Kind::OldXattrsLink,
        _ => return None,
    };
    if first.len() != 2 {
        return None;
    }
    let checksum = Sha256Digest::parse_hex(&format!("{first}{rest}")).ok()?;
    Some(Name { kind, checksum })
}

fn xattrs(checksum: &[u8]) -> Option<Name> {
    let checksum = Sha256Digest::parse_hex(std::str::from_utf8(checksum).ok()?).ok()?;
    Some(Name { kind: Kind::Xattrs, checksum })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "627e3ef0f255a322d2bd9610cfaaacc8f122b7f8d17c0e7e3caafa160f9fc7";

    fn parse(path: &str) -> Result<Option<Kind>, Error> {
        let checksum = Sha256Digest::parse_hex(&format!("b8{REST}")).unwrap();
        Name::parse(path.as_bytes()).map(|name| {
            name.map(|name| {
                assert_eq!(name.checksum, checksum);
                name.kind
            })
        })
    }

    #[test]
    fn objects_and_xattrs_are_told_from_the_rest() {
        let below = |tail: &str| parse(&format!("sysroot/ostree/repo/{tail}")).unwrap();
        assert_eq!(below(&format!("objects/b8/{REST}.commit")), Some(Kind::Commit));
        assert_eq!(below(&format!("objects/b8/{REST}.file.xattrs")), Some(Kind::OldXattrsLink));
        assert_eq!(below(&format!("objects/b8/{REST}.file-xattrs")), Some(Kind::Xattrs));
        assert_eq!(below(&format!("xattrs/b8{REST}")), Some(Kind::Xattrs));
        for ignored in ["config", "refs/heads/x", "", "tmp/objects/b8", "object/b8/x.file"] {
            assert_eq!(below(ignored), None);
        }
        let dotted = format!("./sysroot//ostree/./repo/objects/b8/{REST}.file");
        assert_eq!(parse(&dotted).unwrap(), Some(Kind::File));
        assert_eq!(parse("usr/bin/sh").unwrap(), None);
        assert_eq!(parse("usr/sysroot/ostree/repo/objects/b8/x").unwrap(), None);
    }

    #[test]
    fn what_is_among_the_objects_must_be_one() {
        let upper = REST.to_uppercase();
        for wrong in [
            format!("objects/b8/{REST}"),
            format!("objects/b8/{REST}.filez"),
            format!("objects/b8{REST}.file"),
            format!("objects/b/8{REST}.file"),
            format!("objects/b8/{upper}.file"),
            format!("objects/b8/{REST}0.file"),
            format!("objects/b8/../b8/{REST}.file"),
            format!("objects/../objects/b8/{REST}.file"),
            format!("objects/b8/{REST}.file/x/y/z"),
            "objects/é/x.file".to_owned(),
            "xattrs/b8".to_owned(),
        ] {
            let error = parse(&format!("sysroot/ostree/repo/{wrong}")).unwrap_err();
            assert!(matches!(error, Error::EntryName { .. }), "{wrong}");
        }
    }

    #[test]
    fn links_lead_to_xattrs() {
        let checksum = Sha256Digest::parse_hex(&format!("b8{REST}")).unwrap();
        let new = Name { kind: Kind::XattrsLink, checksum };
        let old = Name { kind: Kind::OldXattrsLink, checksum };
        for target in ["../b8/", "sysroot/ostree/repo/objects/b8/"] {
            let target = format!("{target}{REST}.file-xattrs");
            assert_eq!(new.linked_xattrs(target.as_bytes()).unwrap(), checksum);
            assert!(old.linked_xattrs(target.as_bytes()).is_err());
        }
        let target = format!("../../xattrs/b8{REST}");
        assert_eq!(old.linked_xattrs(target.as_bytes()).unwrap(), checksum);
        assert!(new.linked_xattrs(target.as_bytes()).is_err());
        assert!(new.linked_xattrs(format!("../b8/{REST}.file").as_bytes()).is_err());
        assert!(new.linked_xattrs(b"").is_err());
    }
}
