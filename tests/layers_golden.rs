//! Every layer of the golden images: read without a panic, and to its end where the image is sound.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bootc_image::layers::{Chunk, Error, Kind, Quirk, Reader, Warnings, decoder};
use bootc_image::spec::Compression;
use bootc_image::stream::ahead;
use serde_json::Value;

/// Images whose layers are wrong, and what is wrong with them.
const WRONG: [(&str, &str); 7] = [
    ("comp-gzipjunk", "junk after the end"),
    ("comp-wrongmt", "but the layer begins with zstd data"),
    ("err-bad-checksum", "no tar header"),
    ("err-garbage-tar", "no tar header"),
    ("err-gzip-badcrc", "corrupt gzip stream"),
    ("err-truncated-gzip", "cut off"),
    ("err-truncated-tar", "cut off inside `"),
];
/// Images with a blob that does not verify or is missing: whatever comes of it, no panic.
const BROKEN_BLOBS: [&str; 2] = ["err-digest-mismatch", "err-missing-blob"];

fn compression(media_type: &str) -> Compression {
    match media_type {
        _ if media_type.ends_with("gzip") => Compression::Gzip,
        _ if media_type.ends_with("zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}

fn json(oci: &Path, digest: Option<&str>) -> Value {
    let path = match digest {
        Some(digest) => oci.join("blobs").join(digest.replace(':', "/")),
        None => oci.join("index.json"),
    };
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn read_layer(
    blob: impl Read + Send + 'static,
    packed: Compression,
    warnings: &Warnings,
) -> Result<u64, Error> {
    let tar = decoder(packed, BufReader::new(blob), warnings);
    let mut tar = Reader::new(ahead(tar, 2).unwrap(), warnings);
    let mut count = 0;
    while let Some(entry) = tar.next_entry()? {
        count += 1;
        let mut len = 0;
        while let Some(chunk) = tar.next_chunk()? {
            len += match chunk {
                Chunk::Data(bytes) => u64::try_from(bytes.len()).unwrap(),
                Chunk::Hole(hole) => hole,
            };
        }
        let expected = if let Kind::Regular { len_bytes } = entry.kind { len_bytes } else { 0 };
        assert_eq!(len, expected, "{}", entry.path.escape_ascii());
    }
    Ok(count)
}

fn read_image(oci: &Path, warnings: &Warnings) -> Result<u64, String> {
    let index = json(oci, None);
    let manifest = json(oci, index["manifests"][0]["digest"].as_str());
    let mut count = 0;
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap();
        let blob = oci.join("blobs").join(digest.replace(':', "/"));
        let blob = File::open(blob).map_err(|error| error.to_string())?;
        let packed = compression(layer["mediaType"].as_str().unwrap());
        count += read_layer(BufReader::new(blob), packed, warnings).map_err(|e| e.to_string())?;
    }
    Ok(count)
}

fn golden() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden")).to_owned()
}

#[test]
fn golden_layers_are_read_or_refused_for_their_reason() {
    let Ok(images) = fs::read_dir(golden()) else {
        eprintln!("SKIP: no golden images");
        return;
    };
    let mut images: Vec<PathBuf> = images.map(|image| image.unwrap().path()).collect();
    images.retain(|image| image.join("oci/index.json").exists());
    images.sort();
    for image in images {
        let name = image.file_name().unwrap().to_str().unwrap();
        let warnings = Warnings::default();
        let result = read_image(&image.join("oci"), &warnings);
        if BROKEN_BLOBS.contains(&name) {
            continue;
        }
        match WRONG.iter().find(|(wrong, _)| *wrong == name) {
            Some((_, reason)) => {
                let error = result.expect_err(name);
                assert!(error.contains(reason), "{name}: {error}");
            }
            None => {
                let count = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                println!("{name}: {count} members, {:?}", warnings.to_vec());
            }
        }
        let quirk = match name {
            "comp-multimember" => Quirk::MultiMemberGzip,
            "err-pax-global" | "err-pax-global-mid" => Quirk::GlobalHeader,
            "err-xattr-newline" => Quirk::NewlineInXattr,
            "plain-ustarprefix" => Quirk::ShortNameWithPrefix,
            _ => continue,
        };
        assert!(warnings.to_vec().iter().any(|warning| warning.quirk == quirk), "{name}");
    }
}
