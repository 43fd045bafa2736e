//! The programs that the bench compiles for this machine: `xtask/floor`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use bootc_image_vm_tests::tool;

/// The floor with all that the processor can do, in `folder`.
pub fn floor(folder: &Path) -> Result<PathBuf> {
    compile("floor.c", folder, &["-O3", "-march=native"], &["-lisal", "-lzstd", "-lcrypto"])
}

/// What runs and measures other programs, in `folder`.
pub fn launcher(folder: &Path) -> Result<PathBuf> {
    compile("launch.c", folder, &["-O2"], &[])
}

fn compile(source: &str, folder: &Path, flags: &[&str], libraries: &[&str]) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("floor").join(source);
    let program = folder.join(source).with_extension("");
    tool(
        Command::new("cc")
            .args(flags)
            .args(["-Wall", "-Wextra", "-Wno-deprecated-declarations", "-pthread", "-o"])
            .arg(&program)
            .arg(&path)
            .args(libraries),
    )?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use bootc_image_fixtures::oci::Compression;
    use bootc_image_fixtures::tar::{Content, Entry};
    use bootc_image_fixtures::{cache, synthetic, tier};
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::bench::images::Image;
    use crate::bench::measure;
    use crate::packages;

    /// What the floor says, found by other code and one step after another.
    fn slowly(image: &Image, compression: Compression) -> Value {
        let (mut files, mut bytes, mut all) = (0, 0, Sha256::new());
        for blob in image.blobs() {
            let blob = File::open(blob).unwrap();
            let layer: Box<dyn Read> = match compression {
                Compression::None => Box::new(blob),
                Compression::Gzip => Box::new(flate2::read::GzDecoder::new(blob)),
                Compression::Zstd => Box::new(zstd::Decoder::new(blob).unwrap()),
            };
            for entry in tar::Archive::new(layer).entries().unwrap() {
                let mut entry = entry.unwrap();
                if entry.header().entry_type().is_file() {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    (files, bytes) = (files + 1, bytes + content.len());
                    all.update(Sha256::digest(&content));
                }
            }
        }
        let digest: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"files": files, "bytes": bytes, "digest": digest})
    }

    #[test]
    fn the_floor_agrees_with_a_slow_reader() {
        if let missing @ [_, ..] = &packages::missing(packages::FLOOR)[..] {
            tier::skip(&format!("the floor takes {}", missing.join(" ")));
            return;
        }
        let folder = cache::root().join("test/floor");
        measure::empty(&folder).unwrap();
        let floor = floor(&folder).unwrap();
        let long = |seed| Content::Pattern { len: 9_000_001, seed };
        let image = synthetic::bootable()
            .layer(|tar| {
                // of every length around blocks, and longer than the lanes take
                let lengths = (0..300).chain([4095, 65_536, 262_145, 524_288, 524_289, 700_000]);
                tar.entries(
                    lengths.map(|len| {
                        Entry::file(format!("f{len}"), Content::Pattern { len, seed: len })
                    }),
                )
            })
            .layer(|tar| {
                let name = "long/".repeat(60);
                tar.file("big", long(1))
                    .file("again", long(1))
                    .hardlink("link", "big")
                    .symlink("to", "big")
                    .entry(Entry::file(name, "x").xattr("user.x", "y"))
                    .entry(Entry::file("sized", "12345").pax("size", "5").patch(124, *b"0"))
                    .file("other", long(2))
            });
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let layout = folder.join(format!("{compression:?}"));
            image.clone().recompressed(compression).write(&layout, "latest").unwrap();
            let image = Image::open(&layout, "latest").unwrap();
            let expected = slowly(&image, compression);
            for threads in ["1", "2", "5"] {
                let content = folder.join("content");
                let said =
                    tool(Command::new(&floor).arg(threads).arg(&content).args(image.blobs()));
                let said: Value = serde_json::from_str(&said.unwrap()).unwrap();
                for (key, value) in expected.as_object().unwrap() {
                    assert_eq!(said[key], *value, "{compression:?}, {threads} threads: {key}");
                }
                assert_eq!(said["blobs"], json!(image.layers));
                let written = content.metadata().unwrap().len();
                assert!(said["unique_bytes"].as_u64().unwrap() <= written);
            }
        }
    }
}
