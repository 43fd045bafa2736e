//! Folders as `skopeo copy … dir:DIR` writes them.
//!
//! | name | content |
//! |---|---|
//! | `version` | the version of the format; not read |
//! | `manifest.json` | the manifest, or an index |
//! | `<64 hex>.manifest.json` | manifests that an index leads to |
//! | `<64 hex>` | configs and layers |
//! | `signature-<n>` | not read |
//!
//! Older skopeos copy layers out of local storage uncompressed and leave their media type: so a
//! layer that is not compressed as its media type says is taken for a plain tar.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::model::MANIFEST_LIMIT_BYTES;
use super::source::{Store, Top, read_limited, read_verified};
use super::tar_index::compression_of;
use crate::digest::Sha256Digest;
use crate::progress::Cancel;
use crate::spec::{Compression, Layer};

/// A folder with one image.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    cancel: Cancel,
}

impl Dir {
    pub(crate) fn open(path: &Path, cancel: Cancel) -> Result<Self, Error> {
        if !path.try_exists().unwrap_or(true) {
            return Err(Error::NoFolder(path.to_owned()));
        }
        if !path.join("manifest.json").try_exists().unwrap_or(true) {
            let missing = "manifest.json";
            return Err(Error::NotADir { path: path.to_owned(), missing });
        }
        Ok(Self { path: path.to_owned(), cancel })
    }

    fn file(&self, name: &str, digest: Sha256Digest) -> Result<File, Error> {
        let path = self.path.join(name);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::MissingBlob { digest, path: self.path.clone() },
            _ => Error::File { path, source },
        })
    }
}

impl Store for Dir {
    fn top(&self) -> Result<Top, Error> {
        let path = self.path.join("manifest.json");
        let limit = MANIFEST_LIMIT_BYTES;
        let read = File::open(&path).and_then(|file| read_limited(file, limit));
        let bytes = read.map_err(|source| Error::File { path, source })?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limit {
            return Err(Error::TooLarge { what: "manifest", size, limit });
        }
        let digest = Sha256Digest::of(&bytes);
        Ok(Top { bytes, digest, media_type: None })
    }

    fn manifest(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Vec<u8>, Error> {
        let file = Box::new(self.file(&format!("{digest}.manifest.json"), digest)?);
        read_verified(file, digest, size_bytes, "manifest", MANIFEST_LIMIT_BYTES, &self.cancel)
    }

    fn blob(&self, digest: Sha256Digest, _size_bytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        Ok(Box::new(self.file(&digest.to_hex(), digest)?))
    }

    fn stored(&self, layer: &Layer, _: usize) -> Result<Layer, Error> {
        let file = self.file(&layer.digest.to_hex(), layer.digest)?;
        let head = read_limited(file, 16)
            .map_err(|source| Error::Blob { digest: layer.digest, source })?;
        let is_plain = !head.is_empty() && compression_of(&head).is_none();
        let compression = if is_plain { Compression::None } else { layer.compression };
        Ok(Layer { compression, ..layer.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Options, Reference, Source};
    use crate::spec::Arch;

    fn open(path: &Path) -> Result<Source, Error> {
        let reference = Reference::parse(&format!("dir:{}", path.display())).unwrap();
        Source::open(&reference, &Options::new(Arch::X86_64))
    }

    fn write(folder: &Path, layer: &[u8], media_type: &str) {
        let config =
            br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let descriptor = |media_type: &str, bytes: &[u8]| {
            let digest = Sha256Digest::of(bytes);
            std::fs::write(folder.join(digest.to_hex()), bytes).unwrap();
            let (size, digest) = (bytes.len(), digest.to_oci());
            format!(r#"{{"mediaType":"{media_type}","size":{size},"digest":"{digest}"}}"#)
        };
        let config = descriptor("application/vnd.oci.image.config.v1+json", config);
        let layer = descriptor(media_type, layer);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
        std::fs::write(folder.join("manifest.json"), manifest).unwrap();
    }

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    #[test]
    fn mislabelled_layers_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        for (bytes, compression) in
            [(&b"plain"[..], Compression::None), (&[0x1f, 0x8b, 8, 0], Compression::Gzip)]
        {
            write(folder.path(), bytes, GZIP);
            let source = open(folder.path()).unwrap();
            assert_eq!(source.image().layers[0].compression, compression);
            source.layer(0).unwrap().finish().unwrap();
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(open(folder.path()), Err(Error::NotADir { .. })));
        assert!(matches!(open(&folder.path().join("x")), Err(Error::NoFolder(_))));
        write(folder.path(), b"plain", GZIP);
        std::fs::remove_file(folder.path().join(Sha256Digest::of(b"plain").to_hex())).unwrap();
        assert!(matches!(open(folder.path()), Err(Error::MissingBlob { .. })));
        std::fs::write(folder.path().join("manifest.json"), vec![b' '; 5 << 20]).unwrap();
        assert!(matches!(open(folder.path()), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn changed_blobs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), b"plain", GZIP);
        std::fs::write(folder.path().join(Sha256Digest::of(b"plain").to_hex()), "plaim").unwrap();
        let blob = open(folder.path()).unwrap().layer(0).unwrap();
        assert!(matches!(blob.finish(), Err(Error::BlobDigest { .. })));
    }
}
