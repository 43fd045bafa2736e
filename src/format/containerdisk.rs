//! containerDisk: an OCI image that carries a disk, as KubeVirt boots and CDI imports it.
//!
//! ```text
//!  containerdisk/
//!  ├── oci-layout          the layout's version
//!  ├── index.json          the one image, its tag as an annotation
//!  └── blobs/sha256/
//!      ├── <manifest>
//!      ├── <config>        architecture, linux, created; no labels
//!      └── <layer>         gzip of a tar:  disk/            root, 0555
//!                                          disk/disk.qcow2  107:107, 0440
//! ```
//!
//! 107 is the user `qemu` there. The labels of the image that the disk was made of are left out: CDI
//! refuses what says that it is bootable by itself.
//!
//! The layer is gzip because every registry and every reader takes that, and *stored* gzip (deflate
//! blocks without compression) because the qcow2 is compressed already: it costs a copy, every node
//! that pulls it unpacks it at the speed of the disk, and its bytes depend on no compressor.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use crate::digest::Sha256Digest;
use crate::output::PendingDirectory;
use crate::progress::{Cancel, Event, Reporter};
use crate::spec::Arch;
use crate::volume::Timestamp;

use super::{FolderError, Summary, len_of};

mod layer;

/// What stands at the top of the folder.
pub const NAMES: &[&str] = &["blobs", "index.json", "oci-layout"];

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const TAG: &str = "org.opencontainers.image.ref.name";

/// What the image says besides the disk.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the disk boots on.
    pub arch: Arch,
    /// Its name in the layout.
    pub tag: String,
    /// When it was made, in seconds since 1970.
    pub created_secs: i64,
}

/// Fills `folder` with an image of `qcow2`, an encoded disk. The summary's digest is that of the
/// manifest, which covers everything; its length that of all files.
pub fn write(
    qcow2: &File,
    folder: &PendingDirectory,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FolderError> {
    let in_folder = |source| folder.error(source);
    let blobs = folder.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(in_folder)?;
    let pending = blobs.join("layer");
    let out = File::create_new(&pending).map_err(in_folder)?;
    let report = |done_bytes, total_bytes| {
        reporter.report(Event::Encoded { format: "containerdisk", done_bytes, total_bytes });
    };
    let layer = layer::write(qcow2, &out, options.created_secs, &report, cancel)?;
    fs::rename(&pending, blobs.join(layer.digest.to_hex())).map_err(in_folder)?;

    let config = add(&blobs, &config(options, &layer)).map_err(in_folder)?;
    let manifest = manifest(&config, &layer);
    let manifest = add(&blobs, &manifest).map_err(in_folder)?;
    let index = index(options, &manifest);
    let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    let mut size_bytes = layer.size_bytes + config.size_bytes + manifest.size_bytes;
    for (name, text) in [("index.json", index), ("oci-layout", layout)] {
        write_file(&folder.path().join(name), text.as_bytes()).map_err(in_folder)?;
        size_bytes += len_of(text.as_bytes());
    }
    Ok(Summary { size_bytes, sha256: manifest.digest })
}

/// A document in the layout.
struct Blob {
    digest: Sha256Digest,
    size_bytes: u64,
}

fn add(blobs: &Path, text: &str) -> io::Result<Blob> {
    let digest = Sha256Digest::of(text.as_bytes());
    write_file(&blobs.join(digest.to_hex()), text.as_bytes())?;
    Ok(Blob { digest, size_bytes: len_of(text.as_bytes()) })
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

// `serde_json` writes the members of `json!` in the order of their names.

fn config(options: &Options, layer: &layer::Layer) -> String {
    let created = rfc3339(options.created_secs);
    json!({
        "architecture": options.arch.oci_name(),
        "config": {},
        "created": created,
        "history": [{"created": created, "created_by": "bootc-image"}],
        "os": "linux",
        "rootfs": {"diff_ids": [layer.diff_id.to_oci()], "type": "layers"},
    })
    .to_string()
}

fn manifest(config: &Blob, layer: &layer::Layer) -> String {
    json!({
        "config": descriptor(CONFIG, config.digest, config.size_bytes),
        "layers": [descriptor(LAYER, layer.digest, layer.size_bytes)],
        "mediaType": MANIFEST,
        "schemaVersion": 2,
    })
    .to_string()
}

fn index(options: &Options, manifest: &Blob) -> String {
    let mut image = descriptor(MANIFEST, manifest.digest, manifest.size_bytes);
    image["annotations"] = json!({ TAG: options.tag });
    image["platform"] = json!({"architecture": options.arch.oci_name(), "os": "linux"});
    json!({"manifests": [image], "mediaType": INDEX, "schemaVersion": 2}).to_string()
}

fn descriptor(media_type: &str, digest: Sha256Digest, size_bytes: u64) -> serde_json::Value {
    json!({"digest": digest.to_oci(), "mediaType": media_type, "size": size_bytes})
}

/// `2023-11-14T22:13:20Z`; times before 1970 and after 9999 become the nearest within.
fn rfc3339(secs: i64) -> String {
    Timestamp::of_secs(secs.clamp(0, 253_402_300_799)).civil().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (secs, text) in [
            (-5, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(secs), text, "{secs}");
        }
    }
}
