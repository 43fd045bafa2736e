//! The golden images, read from their layouts: the facts we take from each equal what the real
//! importer stored, byte for byte.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]

use std::fs;
use std::path::{Path, PathBuf};

use bootc_image::registry::{Error, Options, Reference, Source, check_bootable};
use bootc_image::spec::Arch;

fn golden() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden")).to_owned()
}

fn open(image: &Path) -> Result<Source, Error> {
    let reference = format!("oci:{}", image.join("oci").display());
    Source::open(&Reference::parse(&reference)?, &Options::new(Arch::X86_64))
}

/// Every golden image, sorted by name.
fn images() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(golden()) else {
        eprintln!("SKIP: there are no golden images");
        return Vec::new();
    };
    let mut images: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    images.retain(|path| path.join("oci/index.json").exists());
    images.sort();
    images
}

/// The text under `key` in a commit's metadata: it follows the key at the next multiple of 8.
fn metadata<'a>(commit: &'a [u8], key: &str) -> &'a str {
    let needle = format!("{key}\0");
    let at = commit.windows(needle.len()).position(|bytes| bytes == needle.as_bytes()).unwrap();
    let start = (at + needle.len()).next_multiple_of(8);
    let len = commit[start..].iter().position(|byte| *byte == 0).unwrap();
    std::str::from_utf8(&commit[start..start + len]).unwrap()
}

/// The commit's time: before two digests and six framing offsets of two bytes each.
fn time(commit: &[u8]) -> i64 {
    assert!((256..=65_535).contains(&commit.len()), "framing offsets have two bytes");
    let at = commit.len() - 6 * 2 - 64 - 8;
    i64::from_be_bytes(commit[at..at + 8].try_into().unwrap())
}

#[test]
fn facts_equal_what_the_importer_stored() {
    let mut compared = 0;
    for path in images() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(commit) = fs::read(path.join("oracle/merge.commit.bin")) else { continue };
        let source = open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let image = source.image();
        assert_eq!(image.canonical_manifest, metadata(&commit, "ostree.manifest"), "{name}");
        assert_eq!(
            image.canonical_config,
            metadata(&commit, "ostree.container.image-config"),
            "{name}"
        );
        assert_eq!(
            image.manifest_digest.to_oci(),
            metadata(&commit, "ostree.manifest-digest"),
            "{name}"
        );
        match image.created_secs {
            Some(secs) => assert_eq!(secs, time(&commit), "{name}"),
            None => assert_eq!(name, "err-no-created"),
        }
        compared += 1;
    }
    eprintln!("{compared} golden images compared");
}

#[test]
fn every_layer_vouches_for_itself() {
    for path in images() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(source) = open(&path) else {
            assert_eq!(name, "err-no-layers");
            continue;
        };
        let count = source.image().layers.len();
        let result = (0..count).try_for_each(|index| source.layer(index)?.finish());
        match name.as_str() {
            "err-digest-mismatch" => assert!(matches!(result, Err(Error::BlobDigest { .. }))),
            "err-missing-blob" => assert!(matches!(result, Err(Error::MissingBlob { .. }))),
            "err-size-mismatch" => {
                assert!(matches!(result, Err(Error::BlobSize { .. })), "{result:?}");
            }
            _ => result.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }
}

#[test]
fn images_that_cannot_become_disks_are_refused() {
    for path in images() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = open(&path).and_then(|source| check_bootable(source.image(), Arch::X86_64));
        match name.as_str() {
            "err-no-layers" => assert!(matches!(result, Err(Error::NoLayers))),
            "err-no-labels" => assert!(matches!(result, Err(Error::NotBootable))),
            "err-arch" => assert!(
                matches!(result, Err(Error::Architecture { ref found, .. }) if found == "arm64")
            ),
            _ => result.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }
}

#[test]
fn docker_layers_in_an_oci_manifest_bring_a_warning() {
    let path = golden().join("comp-docker");
    if !path.exists() {
        eprintln!("SKIP: there are no golden images");
        return;
    }
    let source = open(&path).unwrap();
    assert_eq!(source.image().warnings.len(), 2, "{:?}", source.image().warnings);
}
