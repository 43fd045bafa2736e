use std::fs::File;

use proptest::prelude::*;

use super::*;
use crate::registry::{Blob, Options, Reference, Source};
use crate::spec::Arch;

/// A file in a tar: content, or a link's target.
type Entry = (String, Result<Vec<u8>, String>);

fn write(path: &Path, entries: &[Entry]) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        match content {
            Ok(bytes) => {
                header.set_size(u64::try_from(bytes.len()).unwrap());
                tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
            }
            Err(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap();
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> =
        layers.iter().map(|bytes| format!("\"{}\"", Sha256Digest::of(bytes).to_oci())).collect();
    let diff_ids = diff_ids.join(",");
    format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
    )
    .into_bytes()
}

fn file(name: &str, bytes: &[u8]) -> Entry {
    (name.to_owned(), Ok(bytes.to_vec()))
}

fn manifest(items: &str) -> Entry {
    file("manifest.json", items.as_bytes())
}

fn open(entries: &[Entry], choice: &str) -> Result<Source, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    write(&path, entries);
    let reference = Reference::parse(&format!("docker-archive:{}{choice}", path.display()));
    Source::open(&reference.unwrap(), &Options::new(Arch::X86_64))
}

fn layer(source: &Source, index: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match source.layer(index)?.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

#[test]
fn the_manifest_is_the_helpers() {
    let layers: [&[u8]; 2] = [b"one", b"two"];
    let entries = [
        file("a/layer.tar", b"one"),
        ("b/layer.tar".to_owned(), Err("../a/layer.tar".to_owned())),
        file("c.json", &config(&[layers[0], layers[0], layers[1]])),
        file("d/layer.tar", b"two"),
        manifest(
            r#"[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar","./d/layer.tar"]}]"#,
        ),
    ];
    let source = open(&entries, "").unwrap();
    let [one, two] = layers.map(|bytes| Sha256Digest::of(bytes).to_oci());
    let config = config(&[layers[0], layers[0], layers[1]]);
    let gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let expected = format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","#,
            r#""config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{},"digest":"{}"}},"#,
            r#""layers":[{{"mediaType":"{gzip}","size":3,"digest":"{one}"}},"#,
            r#"{{"mediaType":"{gzip}","size":3,"digest":"{one}"}},"#,
            r#"{{"mediaType":"{gzip}","size":3,"digest":"{two}"}}]}}"#
        ),
        config.len(),
        Sha256Digest::of(&config).to_oci(),
        gzip = gzip,
        one = one,
        two = two,
    );
    assert_eq!(source.image().manifest_digest, Sha256Digest::of(expected.as_bytes()));
    for (index, bytes) in [b"one", b"one", b"two"].into_iter().enumerate() {
        assert_eq!(layer(&source, index).unwrap(), bytes);
        assert_eq!(source.image().layers[index].compression, Compression::None);
        assert_eq!(source.image().layers[index].size_bytes, 3);
    }
    assert!(source.image().warnings.is_empty());
}

#[test]
fn packed_layers_are_unpacked() {
    let zstd = zstd::encode_all(&b"zstd"[..], 1).unwrap();
    let entries = [
        file("c", &config(&[b"gzip", b"zstd"])),
        file("g", &gzip(b"gzip")),
        file("z", &zstd),
        manifest(r#"[{"Config":"c","Layers":["g","z"]}]"#),
    ];
    let source = open(&entries, "").unwrap();
    assert_eq!(layer(&source, 0).unwrap(), b"gzip");
    assert_eq!(layer(&source, 1).unwrap(), b"zstd");
    assert_eq!(source.image().layers[0].size_bytes, 4);
    let bzip2 = [
        file("c", &config(&[b"x"])),
        file("x", b"BZh91AY&SY"),
        manifest(r#"[{"Config":"c","Layers":["x"]}]"#),
    ];
    assert!(matches!(open(&bzip2, ""), Err(Error::File { .. })));
}

#[test]
fn names_and_places_choose() {
    let entries = [
        file("a", &config(&[b"a"])),
        file("b", &config(&[b"b"])),
        file("la", b"a"),
        file("lb", b"b"),
        manifest(
            r#"[{"Config":"a","RepoTags":["os:1","?","r.example/x:2"],"Layers":["la"]},
               {"Config":"b","RepoTags":[],"Layers":["lb"]}]"#,
        ),
    ];
    let id = |choice: &str| open(&entries, choice).map(|source| source.image().config_digest);
    let (a, b) = (Sha256Digest::of(&config(&[b"a"])), Sha256Digest::of(&config(&[b"b"])));
    for choice in [":os:1", ":docker.io/library/os:1", ":r.example/x:2", ":@0"] {
        assert_eq!(id(choice).unwrap(), a, "{choice}");
    }
    assert_eq!(id(":@1").unwrap(), b);
    for choice in [":os", ":other:1", ":@2"] {
        let error = id(choice).unwrap_err();
        assert!(error.to_string().ends_with("it has: os:1, @1"), "{choice}: {error}");
    }
    assert!(matches!(id(""), Err(Error::SeveralImages { count: 2, .. })));
}

#[test]
fn what_is_wrong_with_an_archive_is_named() {
    let one = config(&[b"x"]);
    let item = r#"[{"Config":"c","Layers":["x"]}]"#;
    let error = |entries: &[Entry]| open(entries, "").unwrap_err();
    assert!(matches!(error(&[]), Error::NotADockerArchive { .. }));
    assert!(matches!(error(&[manifest("{}")]), Error::Malformed { .. }));
    let missing = |error: Error| match error {
        Error::NotADockerArchive { missing, .. } => missing,
        other => panic!("{other}"),
    };
    assert_eq!(missing(error(&[manifest(item)])), "c");
    assert_eq!(missing(error(&[manifest(item), file("c", &one)])), "x");
    let entries = |config: &[u8], item: &str| {
        [manifest(item), file("c", config), file("x", b"x"), file("y", b"y")]
    };
    let none = r#"[{"Config":"c","Layers":[]}]"#;
    assert!(matches!(
        error(&entries(&one, none)),
        Error::LayerCount { layers: 0, diff_ids: 1, .. }
    ));
    let twice = r#"[{"Config":"c","Layers":["x","./x"]}]"#;
    let two = config(&[b"x", b"y"]);
    assert!(
        matches!(error(&entries(&two, twice)), Error::SharedLayer { layer, .. } if layer == "x")
    );
    assert!(matches!(error(&entries(b"{}", item)), Error::Malformed { .. }));
    let sha512 = String::from_utf8(one.clone()).unwrap().replace("sha256:", "sha512:");
    assert!(matches!(error(&entries(sha512.as_bytes(), item)), Error::UnsupportedDigest { .. }));
    let other = open(&entries(&config(&[b"z"]), item), "").unwrap();
    assert!(matches!(layer(&other, 0), Err(Error::BlobDigest { .. })));
}

proptest! {
    #[test]
    fn mutations_do_no_harm(at in 0_usize..8000, bytes: [u8; 3], cut in 1_usize..9000) {
        let layers: [&[u8]; 2] = [b"x", b"y"];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        write(&path, &[
            file("y", &gzip(b"y")),
            file("c", &config(&layers)),
            ("l/x".to_owned(), Err("../x".to_owned())),
            file("x", b"x"),
            manifest(r#"[{"Config":"c","RepoTags":["os:1"],"Layers":["l/x","y"]}]"#),
        ]);
        let mut tar = std::fs::read(&path).unwrap();
        let len = tar.len();
        for (offset, byte) in bytes.into_iter().enumerate() {
            tar[(at + offset) % len] = byte;
        }
        tar.truncate(cut);
        std::fs::write(&path, tar).unwrap();
        let reference = Reference::parse(&format!("docker-archive:{}", path.display())).unwrap();
        if let Ok(source) = Source::open(&reference, &Options::new(Arch::X86_64)) {
            for index in 0..source.image().layers.len() {
                let _ = source.layer(index).map(Blob::finish);
            }
        }
    }
}
