//! Images that other people's tools wrote: Docker's archives, skopeo's folders, local storage. What
//! we make of them equals what skopeo makes of them, byte for byte.
//!
//! Needs skopeo and the golden images; without them the tests skip aloud.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bootc_image::digest::Sha256Digest;
use bootc_image::ostree::{Sysroot, commit_merge};
use bootc_image::pipeline::import::{Context, import};
use bootc_image::pipeline::soon::Soon;
use bootc_image::progress::{Cancel, Silent};
use bootc_image::registry::{Error, Options, Reference, Source};
use bootc_image::spec::{Arch, Compression, Image};
use bootc_image::volume::Timestamp;
use bootc_image::volume::memory::MemoryVolume;

fn golden(image: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden")).join(image).join("oci")
}

fn is_ready() -> bool {
    let has_skopeo = Command::new("skopeo").arg("--version").output().is_ok();
    if !has_skopeo || !golden("comp-gzip").exists() {
        eprintln!("SKIP: skopeo is not installed, or there are no golden images");
    }
    has_skopeo && golden("comp-gzip").exists()
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn copy(image: &str, to: &str) {
    skopeo(&["copy", "--quiet", &format!("oci:{}:latest", golden(image).display()), to]);
}

fn open(name: &str, scratch: &Path) -> Result<Source, Error> {
    let mut options = Options::new(Arch::X86_64);
    options.scratch = scratch.to_owned();
    Source::open(&Reference::parse(name)?, &options)
}

fn local(path: &Path) -> Source {
    open(&format!("oci:{}:latest", path.display()), Path::new(".")).unwrap()
}

/// The layers, unpacked.
fn tars(source: &Source) -> Vec<Vec<u8>> {
    let unpack = |index: usize| {
        let (mut packed, mut tar) = (Vec::new(), Vec::new());
        source.layer(index).unwrap().read_to_end(&mut packed).unwrap();
        match source.image().layers[index].compression {
            Compression::None => return packed,
            Compression::Gzip => {
                flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap()
            }
            Compression::Zstd => {
                zstd::Decoder::new(&packed[..]).unwrap().read_to_end(&mut tar).unwrap()
            }
        };
        tar
    };
    (0..source.image().layers.len()).map(unpack).collect()
}

/// Our manifest and config are the ones that skopeo shows; what the importer would store is what
/// skopeo's conversion to an OCI image gives.
fn check_against_skopeo(name: &str, dir: &Path) -> Source {
    let source = open(name, dir).unwrap();
    let manifest = skopeo(&["inspect", "--raw", name]);
    assert_eq!(source.image().manifest_digest, Sha256Digest::of(&manifest), "{name}");
    let config = skopeo(&["inspect", "--raw", "--config", name]);
    assert_eq!(source.image().config_digest, Sha256Digest::of(&config), "{name}");
    source
}

#[test]
fn docker_archives_have_skopeos_manifest() {
    if !is_ready() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for image in ["comp-gzip", "comp-tar", "comp-dup", "timestamps", "plain-basic", "jsonforms"] {
        let path = dir.path().join(format!("{image}.tar"));
        copy(image, &format!("docker-archive:{}:r.example/os:1", path.display()));
        let name = format!("docker-archive:{}", path.display());
        let source = check_against_skopeo(&name, dir.path());
        assert!(tars(&source) == tars(&local(&golden(image))), "{image}");
        let tagged = open(&format!("{name}:r.example/os:1"), dir.path()).unwrap();
        assert_eq!(tagged.image(), source.image());
        check_conversion(&name, source.image(), &dir.path().join(image));
    }
}

/// Skopeo packs layers when it writes an OCI layout: all but these must be as we have them.
fn check_conversion(name: &str, image: &Image, layout: &Path) {
    let to = format!("oci:{}:latest", layout.display());
    skopeo(&["copy", "--quiet", "--format", "oci", name, &to]);
    let converted = local(layout);
    assert_eq!(image.canonical_config, converted.image().canonical_config, "{name}");
    let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.digest.to_oci()).collect();
    assert_eq!(image.diff_ids, diff_ids, "{name}");
    let config = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        (value["config"].clone(), value["mediaType"].clone(), value["schemaVersion"].clone())
    };
    assert_eq!(
        config(&image.canonical_manifest),
        config(&converted.image().canonical_manifest),
        "{name}"
    );
}

/// An archive as older Dockers write it: a folder for each layer, repeated ones as symbolic links;
/// and one in which somebody packed the layers.
#[test]
fn archives_of_docker_save_have_skopeos_manifest() {
    if !is_ready() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = local(&golden("comp-dup"));
    let layers = tars(&image);
    assert_eq!(layers[1], layers[2], "the image repeats a layer");
    let config = skopeo(&[
        "inspect",
        "--raw",
        "--config",
        &format!("oci:{}:latest", golden("comp-dup").display()),
    ]);
    // Which layers are links, and to which; and which are packed.
    for (name, links, packed) in [
        ("repeated", vec![(2, 1)], vec![]),
        ("first", vec![(1, 2)], vec![]),
        ("packed", vec![(2, 1)], vec![0, 1]),
    ] {
        let path = dir.path().join(format!("{name}.tar"));
        let mut tar = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(u64::try_from(bytes.len()).unwrap());
            tar.append_data(&mut header, name, bytes).unwrap();
        };
        add("config.json", &config);
        for (index, layer) in layers.iter().enumerate() {
            add(&format!("{index}/VERSION"), b"1.0");
            if links.iter().any(|(link, _)| *link == index) {
                continue;
            }
            let mut bytes = layer.clone();
            if packed.contains(&index) {
                bytes.clear();
                flate2::read::GzEncoder::new(&layer[..], flate2::Compression::fast())
                    .read_to_end(&mut bytes)
                    .unwrap();
            }
            add(&format!("{index}/layer.tar"), &bytes);
        }
        let items = r#"[{"Config":"config.json","RepoTags":["os:latest"],"Layers":["0/layer.tar","1/layer.tar","2/layer.tar"]}]"#;
        add("manifest.json", items.as_bytes());
        for (link, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(
                &mut header,
                format!("{link}/layer.tar"),
                format!("../{target}/layer.tar"),
            )
            .unwrap();
        }
        tar.into_inner().unwrap();
        let source =
            check_against_skopeo(&format!("docker-archive:{}", path.display()), dir.path());
        assert!(tars(&source) == layers, "{name}");
        let tagged = format!("docker-archive:{}:os", path.display());
        assert_eq!(check_against_skopeo(&tagged, dir.path()).image(), source.image());
        let placed = format!("docker-archive:{}:@0", path.display());
        assert_eq!(check_against_skopeo(&placed, dir.path()).image(), source.image());
    }
}

#[test]
fn folders_of_skopeo_equal_the_layout() {
    if !is_ready() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (image, format) in [("comp-zstd", None), ("comp-gzip", Some("v2s2")), ("comp-tar", None)] {
        let path = dir.path().join(image);
        let to = format!("dir:{}", path.display());
        let from = format!("oci:{}:latest", golden(image).display());
        match format {
            Some(format) => skopeo(&["copy", "--quiet", "--format", format, &from, &to]),
            None => skopeo(&["copy", "--quiet", "--preserve-digests", &from, &to]),
        };
        let source = check_against_skopeo(&to, dir.path());
        assert!(tars(&source) == tars(&local(&golden(image))), "{image}");
        if format.is_none() {
            assert_eq!(source.image(), local(&golden(image)).image());
        }
    }
}

/// A storage of its own, which needs root but nothing else.
fn storage(dir: &Path) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIP: a storage of one's own needs root");
        return None;
    }
    let dir = dir.display();
    Some(format!("containers-storage:[vfs@{dir}/root+{dir}/run]"))
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[test]
fn local_storage_is_what_was_put_there() {
    let dir = tempfile::tempdir().unwrap();
    let Some(storage) = storage(dir.path()).filter(|_| is_ready()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    for image in ["comp-gzip", "comp-zstd", "comp-dup", "plain-basic"] {
        let name = format!("{storage}localhost/{image}:1");
        copy(image, &name);
        let source = check_against_skopeo(&name, scratch.path());
        let expected = local(&golden(image));
        assert!(tars(&source) == tars(&expected), "{image}");
        // As if it came from the registry that it was pulled from: only the layers are plain.
        let mut seen = source.image().clone();
        for (layer, original) in seen.layers.iter_mut().zip(&expected.image().layers) {
            assert_eq!(layer.compression, Compression::None);
            assert_eq!(layer.digest, original.digest);
            *layer = original.clone();
        }
        assert_eq!(seen, *expected.image(), "{image}");
        let mut blob = source.layer(0).unwrap();
        assert!(!is_empty(scratch.path()));
        drop(source);
        assert!(is_empty(scratch.path()), "the copy goes away");
        blob.read_exact(&mut [0; 9]).unwrap();
        blob.finish().unwrap();
    }
}

#[test]
fn what_skopeo_cannot_do_is_said_in_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let Some(storage) = storage(dir.path()).filter(|_| is_ready()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let error = open(&format!("{storage}localhost/nothing:1"), scratch.path()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Skopeo { .. }) && text.contains("identifier"), "{text}");
    assert!(!text.contains("level=fatal"), "{text}");
    assert!(is_empty(scratch.path()));
    copy("comp-gzip", &format!("{storage}localhost/os:1"));
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&format!("{storage}localhost/os:1"), &file).unwrap_err();
    assert!(matches!(error, Error::Scratch { .. }), "{error}");
}

#[test]
fn stopping_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(storage) = storage(dir.path()).filter(|_| is_ready()) else { return };
    copy("comp-gzip", &format!("{storage}localhost/os:1"));
    let scratch = tempfile::tempdir().unwrap();
    let reference = Reference::parse(&format!("{storage}localhost/os:1")).unwrap();
    for wait in [0, 5, 15, 25, 35, 50] {
        let cancel = Cancel::default();
        let mut options = Options::new(Arch::X86_64);
        (options.scratch, options.cancel) = (scratch.path().to_owned(), cancel.clone());
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(wait));
            cancel.cancel();
        });
        let start = Instant::now();
        match Source::open(&reference, &options) {
            Ok(source) => drop(source),
            Err(error) => assert!(matches!(error, Error::Cancelled), "{error}"),
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        stopper.join().unwrap();
        assert!(is_empty(scratch.path()), "{wait} ms");
    }
}

/// The merge commit that the image becomes.
fn commit(source: &Source) -> Sha256Digest {
    let created = source.image().created_secs.unwrap();
    let time = Timestamp { secs: created, nanos: 0 };
    let mut sysroot = Sysroot::create(MemoryVolume::default(), time).unwrap();
    let context = Context { reporter: &Silent, cancel: &Cancel::default(), threads: 2 };
    let imported =
        import(&mut sysroot, source, created, context, Soon::nothing(), |_, _| ()).unwrap();
    let (tree, base) = (&imported.tree, imported.base);
    commit_merge(&mut sysroot.store, tree, source.image(), base, created).unwrap()
}

/// A folder, and local storage, hold the image that was copied there: it becomes the commit that the
/// real importer made of the layout. An archive has another manifest, so another commit.
#[test]
fn the_commit_is_the_importers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(storage) = storage(dir.path()).filter(|_| is_ready()) else { return };
    let at = |name: &str| dir.path().join(name).display().to_string();
    for image in ["comp-gzip", "plain-basic", "encap-single-derived1"] {
        let record = golden(image).parent().unwrap().join("oracle/merge-commit.txt");
        let recorded = fs::read_to_string(record).unwrap();
        let layout = local(&golden(image));
        let expected = commit(&layout);
        if image == "comp-gzip" {
            assert!(recorded.contains(&expected.to_hex()), "{recorded}");
        }
        let names = [
            format!("{storage}localhost/{image}:1"),
            format!("dir:{}", at(image)),
            format!("docker-archive:{}.tar", at(image)),
        ];
        for (name, is_same) in names.into_iter().zip([true, true, false]) {
            copy(image, &name);
            let source = open(&name, dir.path()).unwrap();
            assert_eq!(commit(&source) == expected, is_same, "{name}");
        }
    }
}
