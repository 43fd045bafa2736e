//! OCI layouts on disk: a folder, or a tar of one.
//!
//! | name | content |
//! |---|---|
//! | `oci-layout` | the version of the layout |
//! | `index.json` | the images; the annotation `org.opencontainers.image.ref.name` is the tag |
//! | `blobs/sha256/<64 hex>` | manifests, configs and layers |
//!
//! Signatures may lie beside the images; what is one of them is no image to choose.
//!
//! An archive is indexed once, then its blobs are read in place; so it must not be compressed.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::attachments::{self, BUNDLE_0_3, referrers_tag, signature_tag};
use super::error::Error;
use super::manifest::{Index, IndexEntry};
use super::model::MANIFEST_LIMIT_BYTES;
use super::reference::LayoutReference;
use super::source::{Store, Top, read_limited, read_verified};
use super::tar_index::{Repeats, TarIndex};
use crate::digest::Sha256Digest;
use crate::progress::Cancel;

/// A layout, and the image in it that was asked for.
#[derive(Debug)]
pub(crate) struct Layout {
    path: PathBuf,
    tag: Option<String>,
    files: Files,
    cancel: Cancel,
}

#[derive(Debug)]
enum Files {
    Dir,
    Archive(TarIndex),
}

impl Layout {
    pub(crate) fn dir(reference: &LayoutReference, cancel: Cancel) -> Result<Self, Error> {
        if !reference.path.try_exists().unwrap_or(true) {
            return Err(Error::NoFolder(reference.path.clone()));
        }
        Self::new(reference, Files::Dir, cancel)
    }

    pub(crate) fn archive(reference: &LayoutReference, cancel: Cancel) -> Result<Self, Error> {
        let archive = TarIndex::read(&reference.path, &cancel, is_layout_file, Repeats::Last)?;
        Self::new(reference, Files::Archive(archive), cancel)
    }

    fn new(reference: &LayoutReference, files: Files, cancel: Cancel) -> Result<Self, Error> {
        let (path, tag) = (reference.path.clone(), reference.tag.clone());
        let layout = Self { path, tag, files, cancel };
        for missing in ["oci-layout", "index.json"] {
            if layout.open(missing)?.is_none() {
                return Err(Error::NotALayout { path: layout.path, missing });
            }
        }
        Ok(layout)
    }

    /// Opens a file of the layout; `None` when it is not there.
    fn open(&self, name: &str) -> Result<Option<Box<dyn Read + Send>>, Error> {
        match &self.files {
            Files::Archive(archive) => {
                Ok(archive.open(name).map(|window| -> Box<dyn Read + Send> { Box::new(window) }))
            }
            Files::Dir => {
                let path = self.path.join(name);
                match File::open(&path) {
                    Ok(file) => Ok(Some(Box::new(file))),
                    Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(Error::File { path, source }),
                }
            }
        }
    }

    /// `index.json`.
    fn index(&self) -> Result<Index, Error> {
        let (path, missing) = (self.path.clone(), "index.json");
        let Some(file) = self.open(missing)? else {
            return Err(Error::NotALayout { path, missing });
        };
        let limit = MANIFEST_LIMIT_BYTES;
        let bytes = read_limited(file, limit).map_err(|source| Error::File { path, source })?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limit {
            return Err(Error::TooLarge { what: "layout's index", size, limit });
        }
        Index::parse(&bytes)
    }

    fn manifests<'a>(
        &self,
        entries: impl Iterator<Item = &'a IndexEntry>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let entries: Vec<_> = entries.collect();
        attachments::check_count(entries.len())?;
        entries.into_iter().map(|entry| self.manifest(entry.digest()?, entry.size)).collect()
    }

    fn choose<'a>(&self, index: &'a Index) -> Result<&'a IndexEntry, Error> {
        let all = &index.manifests;
        let entries: Vec<_> = all.iter().filter(|entry| !is_attachment(entry)).collect();
        let available = || entries.iter().filter_map(|e| e.ref_name().map(str::to_owned)).collect();
        let path = self.path.clone();
        match (&self.tag, entries.as_slice()) {
            (Some(tag), _) => all
                .iter()
                .find(|entry| entry.ref_name() == Some(tag))
                .ok_or_else(|| Error::NoSuchTag { path, tag: tag.clone(), available: available() }),
            (None, [only]) => Ok(only),
            (None, _) => {
                Err(Error::SeveralImages { path, count: entries.len(), available: available() })
            }
        }
    }
}

impl Store for Layout {
    fn top(&self) -> Result<Top, Error> {
        let index = self.index()?;
        let entry = self.choose(&index)?;
        let digest = entry.digest()?;
        let bytes = self.manifest(digest, entry.size)?;
        Ok(Top { bytes, digest, media_type: Some(entry.media_type.clone()) })
    }

    fn manifest(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Vec<u8>, Error> {
        let blob = self.blob(digest, size_bytes)?;
        read_verified(blob, digest, size_bytes, "manifest", MANIFEST_LIMIT_BYTES, &self.cancel)
    }

    fn blob(&self, digest: Sha256Digest, _size_bytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        let found = self.open(&format!("blobs/sha256/{digest}"))?;
        found.ok_or_else(|| Error::MissingBlob { digest, path: self.path.clone() })
    }

    fn signature_manifests(&self, digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        let tag = signature_tag(digest);
        let is_signature = |entry: &&IndexEntry| {
            entry.ref_name() == Some(&tag) || entry.cosign_kind() == Some("sigs")
        };
        let index = self.index()?;
        self.manifests(index.manifests.iter().filter(is_signature))
    }

    fn referrers(&self, digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        let index = self.index()?;
        let tag = referrers_tag(digest);
        if let Some(entry) = index.manifests.iter().find(|entry| entry.ref_name() == Some(&tag)) {
            let kept = Index::parse(&self.manifest(entry.digest()?, entry.size)?)?;
            let bundles = |entry: &&IndexEntry| entry.artifact_type() == Some(BUNDLE_0_3);
            return self.manifests(kept.manifests.iter().filter(bundles));
        }
        let unnamed = |entry: &&IndexEntry| entry.ref_name().is_none() && !entry.is_index();
        let subject = Some(digest.to_oci());
        let mut found = self.manifests(index.manifests.iter().filter(unnamed))?;
        found.retain(|bytes| {
            let manifest = attachments::Manifest::parse(bytes).ok();
            manifest.and_then(|manifest| manifest.subject).map(|s| s.digest) == subject
        });
        Ok(found)
    }
}

/// Whether an entry of the index is something beside an image.
fn is_attachment(entry: &IndexEntry) -> bool {
    entry.ref_name().is_some_and(attachments::is_attachment_tag)
        || matches!(entry.cosign_kind(), Some("sigs" | "atts"))
        || entry.artifact_type().is_some()
}

fn is_layout_file(name: &str) -> bool {
    let is_blob = |hex: &str| Sha256Digest::parse_hex(hex).is_ok();
    matches!(name, "oci-layout" | "index.json")
        || name.strip_prefix("blobs/sha256/").is_some_and(is_blob)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::registry::{Options, Reference, Source};
    use crate::spec::Arch;

    /// A layout whose index names an image that is not there for each tag.
    fn layout(tags: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let entry = |tag: &&str| {
            let digest = Sha256Digest::of(tag.as_bytes()).to_oci();
            let name = format!(r#"{{"org.opencontainers.image.ref.name":"{tag}"}}"#);
            format!(r#"{{"digest":"{digest}","size":2,"annotations":{name}}}"#)
        };
        let entries: Vec<_> = tags.iter().map(entry).collect();
        let index = format!(r#"{{"manifests":[{}]}}"#, entries.join(","));
        std::fs::write(dir.path().join("index.json"), index).unwrap();
        std::fs::write(dir.path().join("oci-layout"), "{}").unwrap();
        dir
    }

    fn error(transport: &str, path: &Path, tag: &str) -> Error {
        let name = format!("{transport}:{}{tag}", path.display());
        Source::open(&Reference::parse(&name).unwrap(), &Options::new(Arch::X86_64)).unwrap_err()
    }

    #[test]
    fn tags_choose_and_are_listed() {
        let two = layout(&["a", "b"]);
        let several = error("oci", two.path(), "");
        assert!(several.to_string().ends_with("holds 2 images, name one of: a, b"), "{several}");
        let unknown = error("oci", two.path(), ":c");
        assert!(unknown.to_string().ends_with("has no image `c`; it has: a, b"), "{unknown}");
        let missing = |digest_of: &str, error| match error {
            Error::MissingBlob { digest, .. } => digest == Sha256Digest::of(digest_of.as_bytes()),
            _ => false,
        };
        assert!(missing("b", error("oci", two.path(), ":b")));
        assert!(missing("only", error("oci", layout(&["only"]).path(), "")));
        assert!(matches!(
            error("oci", layout(&[]).path(), ""),
            Error::SeveralImages { count: 0, .. }
        ));
    }

    #[test]
    fn other_folders_and_files_are_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(error("oci", empty.path(), ""), Error::NotALayout { .. }));
        let nowhere = empty.path().join("nowhere");
        assert!(matches!(error("oci", &nowhere, ""), Error::NoFolder(path) if path == nowhere));
        let file = empty.path().join("file");
        assert!(matches!(error("oci-archive", &file, ""), Error::File { .. }));
        std::fs::write(&file, "").unwrap();
        assert!(matches!(error("oci-archive", &file, ""), Error::NotALayout { .. }));
        std::fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
        let compressed = error("oci-archive", &file, "");
        assert!(matches!(compressed, Error::CompressedArchive { format: "gzip", .. }));
        std::fs::write(&file, [7; 4096]).unwrap();
        assert!(matches!(error("oci-archive", &file, ""), Error::File { .. }));
    }

    #[test]
    fn an_archive_that_ends_early_is_found_out() {
        let source = layout(&["only"]);
        let path = source.path().join("x.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        for name in ["oci-layout", "index.json"] {
            tar.append_path_with_name(source.path().join(name), format!("./{name}")).unwrap();
        }
        tar.into_inner().unwrap();
        assert!(matches!(error("oci-archive", &path, ""), Error::MissingBlob { .. }));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(1024 + 512 + 3).unwrap();
        assert!(matches!(
            error("oci-archive", &path, ""),
            Error::Malformed { .. } | Error::File { .. }
        ));
    }
}
