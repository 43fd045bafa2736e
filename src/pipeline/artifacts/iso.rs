//! The installer's medium: what boots it, the image, and what is to be done with it.
//!
//! ```text
//! images/pxeboot/{vmlinuz,initrd.img}
//! container/…                              the image, an OCI layout
//! bootc-image/medium.json                  the build
//! bootc-image/{install.toml,authorized_keys}           areas, to be filled in later
//! bootc-image/as-made/{install.toml,authorized_keys}   what they hold as it is made
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::super::bootiso::Taken;
use super::super::carried::Carried;
use super::super::container::Container;
use super::super::disk::Disk;
use super::super::error::Error;
use super::super::import::Context;
use super::super::install::Inputs;
use super::super::medium::{Medium, Part};
use super::super::request;
use crate::boot::iso::{INITRAMFS, KERNEL};
use crate::digest::{Sha256, Sha256Digest};
use crate::format::Summary;
use crate::fs::iso9660::Options;
use crate::installer::area;
use crate::output::Pending;
use crate::plan::ids::Ids;
use crate::plan::types::DiskType;
use crate::stream::At;

/// What made the medium, as its file system says.
const APPLICATION: &str = "bootc-image";
/// An area that is too small becomes a multiple of this.
const AREA_STEP: usize = 64 << 10;
const BUFFER_BYTES: usize = 1 << 20;

/// Writes the medium into a temporary file.
pub(super) fn write(
    disk: &Disk,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<(Pending, Summary), Error> {
    let taken = disk.bootiso.as_ref().expect("taken for this type");
    let container = inputs.container.expect("kept for this type");
    let pending = Pending::create(&inputs.request.output.join(DiskType::Iso.path()))?;
    let medium = Medium {
        volume: Options {
            volume_id: taken.volume_id.clone(),
            application: APPLICATION.to_owned(),
            time: inputs.time,
        },
        ids: &ids(&taken.document, inputs),
        boot: &taken.boot,
        files: files(taken, container, inputs),
    };
    let len = medium
        .write(pending.file(), pending.target(), context.cancel)
        .map_err(|error| error.or_disk_full(pending.target()))?;
    let sha256 = digest(pending.file(), context).map_err(|source| pending.error(source))?;
    let sha256 = sha256.ok_or(Error::Cancelled)?;
    Ok((pending, Summary { size_bytes: len.0, sha256 }))
}

/// The path of the checksum beside the medium.
pub(super) fn checksum_path() -> String {
    format!("{}.sha256", DiskType::Iso.path())
}

/// The checksum, as `sha256sum` writes and checks it.
pub(super) fn checksum(digest: Sha256Digest) -> String {
    let name = Path::new(DiskType::Iso.path()).file_name().unwrap_or_default();
    format!("{digest}  {}\n", name.display())
}

/// Others than those of the disk, which will be in the same machine.
fn ids(document: &[u8], inputs: Inputs<'_>) -> Ids {
    let image = match &inputs.request.ids {
        request::Ids::Derived => inputs.source.image().manifest_digest,
        request::Ids::Random(seed) => Sha256Digest(*seed),
    };
    let mut hasher = Sha256::default();
    hasher.update(b"installer\0");
    hasher.update(document);
    Ids::derive(image, hasher.finish())
}

/// Everything but what boots it.
fn files(taken: &Taken, container: &Container, inputs: Inputs<'_>) -> BTreeMap<String, Part> {
    let mut files = container.parts(inputs.source, inputs.request.arch);
    files.insert(KERNEL.to_owned(), Part::File(taken.vmlinuz.clone()));
    files.insert(INITRAMFS.to_owned(), Part::File(taken.initramfs.clone()));
    files.insert(Carried::PATH.to_owned(), Part::from(taken.document.clone()));
    let config = inputs.request.installer.config.as_slice();
    let areas = [
        (area::INSTALL_TOML, area::INSTALL_TOML_AS_MADE, area::INSTALL_TOML_LEN, config),
        (area::AUTHORIZED_KEYS, area::AUTHORIZED_KEYS_AS_MADE, area::AUTHORIZED_KEYS_LEN, &[]),
    ];
    for (path, as_made, len, content) in areas {
        files.insert(path.to_owned(), Part::from(roomy(content, len)));
        files.insert(as_made.to_owned(), Part::from(content.to_vec()));
    }
    files
}

/// An area of this length; it grows with what is in it when the medium is made.
fn roomy(content: &[u8], len: usize) -> Vec<u8> {
    area::fill(content, len).unwrap_or_else(|_| {
        let len = (2 * content.len()).next_multiple_of(AREA_STEP);
        area::fill(content, len).expect("twice the content has room for it")
    })
}

/// `None` when the user asked to stop.
pub(super) fn digest(file: &File, context: Context<'_>) -> io::Result<Option<Sha256Digest>> {
    let mut bytes = At::start(file);
    let (mut hasher, mut buffer) = (Sha256::default(), vec![0; BUFFER_BYTES]);
    loop {
        if context.cancel.is_cancelled() {
            return Ok(None);
        }
        match bytes.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finish())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_grow_with_their_content() {
        assert_eq!(roomy(b"a\n", 5), b"a\n###");
        for content in [&b"aaaaaa"[..], &[b'a'; AREA_STEP]] {
            let area = roomy(content, 6);
            assert!(area.len().is_multiple_of(AREA_STEP) && area.len() > content.len());
            assert_eq!(area::content(&area), Ok(content));
        }
    }

    #[test]
    fn checksums_are_those_of_sha256sum() {
        let digest = Sha256Digest::of(b"");
        assert_eq!(checksum(digest), format!("{digest}  install.iso\n"));
        assert_eq!(checksum_path(), "bootiso/install.iso.sha256");
    }
}
