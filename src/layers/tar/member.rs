//! A member's header, its extension headers and the global records, made one.

use super::entry::{Entry, Kind};
use super::header::Header;
use super::pax::{self, Attributes, SparseRecords};
use crate::layers::Error;
use crate::layers::error::shown;
use crate::volume::{Timestamp, Xattrs};

/// No member is longer, so that sums of lengths never overflow.
pub(super) const SIZE_MAX: u64 = 1 << 62;

/// Extension headers waiting for their member.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The bodies of `x` headers, one after the other; checked to consist of records.
    pub(super) records: Vec<u8>,
    /// GNU: the name.
    pub(super) long_name: Option<Vec<u8>>,
    /// GNU: the link's target.
    pub(super) long_link: Option<Vec<u8>>,
}

/// A member with every field settled, its kind apart.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Vec<u8>,
    link: Vec<u8>,
    /// Bytes in the archive.
    pub(super) stored: u64,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: Timestamp,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

impl Extensions {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.long_name.is_none() && self.long_link.is_none()
    }
}

impl Member {
    /// Settles what applies; `globals` are records like those of `extensions`.
    pub(super) fn resolve(
        header: &Header,
        extensions: &Extensions,
        globals: &[u8],
    ) -> Result<Self, Error> {
        let records = attributes(header, extensions, globals)?;
        let Attributes { path, link_path, size, uid, gid, mtime, xattrs, sparse } = records;
        let path = extensions.long_name.clone().or_else(|| sparse.name.clone()).or(path);
        let path = path.unwrap_or_else(|| header.name());
        let link = extensions.long_link.clone().or(link_path);
        let link = link.unwrap_or_else(|| header.link_name().to_vec());
        let has_nul = |bytes: &[u8]| bytes.contains(&0);
        if has_nul(&path) {
            return Err(Error::NulByte { path: shown(&path), what: "name" });
        }
        if xattrs.iter().any(|(name, _)| has_nul(name)) {
            return Err(Error::NulByte { path: shown(&path), what: "extended attributes' names" });
        }

        let bad = |field| Error::BadField { path: shown(&path), field };
        let stored = size.or_else(|| header.size()).filter(|size| *size <= SIZE_MAX);
        let stored = stored.ok_or_else(|| bad("size"))?;
        let mode = header.mode().ok_or_else(|| bad("mode"))?;
        let uid = uid.or_else(|| header.uid()).ok_or_else(|| bad("uid"))?;
        let gid = gid.or_else(|| header.gid()).ok_or_else(|| bad("gid"))?;
        let mtime = mtime.or_else(|| header.mtime().map(|secs| Timestamp { secs, nanos: 0 }));
        let mtime = mtime.ok_or_else(|| bad("mtime"))?;
        let (uid, gid) = (id(uid, "uid", &path)?, id(gid, "gid", &path)?);
        Ok(Self { path, link, stored, mode, uid, gid, mtime, xattrs, sparse })
    }

    /// The target, for members that are links.
    pub(super) fn target(&self) -> Result<Vec<u8>, Error> {
        if self.link.is_empty() {
            return Err(Error::EmptyTarget { path: shown(&self.path) });
        }
        if self.link.contains(&0) {
            return Err(Error::NulByte { path: shown(&self.path), what: "link target" });
        }
        Ok(self.link.clone())
    }

    pub(super) fn into_entry(self, kind: Kind) -> Entry {
        let Self { path, mode, uid, gid, mtime, xattrs, .. } = self;
        Entry { path, kind, mode, uid, gid, mtime, xattrs: Xattrs::from_pairs(xattrs) }
    }
}

/// What the global records say, then the member's own.
fn attributes(
    header: &Header,
    extensions: &Extensions,
    globals: &[u8],
) -> Result<Attributes, Error> {
    let mut attributes = Attributes::default();
    for (key, value) in pax::records(globals).chain(pax::records(&extensions.records)).flatten() {
        if let Err(pax::Malformed) = attributes.apply(key, value) {
            let path = extensions.long_name.clone().or(attributes.path);
            return Err(Error::BadPaxValue {
                path: shown(&path.unwrap_or_else(|| header.name())),
                key: shown(key),
                value: shown(value),
            });
        }
    }
    Ok(attributes)
}

fn id(value: u64, field: &'static str, path: &[u8]) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Error::IdTooLarge { path: shown(path), field, value })
}
