//! Images pushed to a real registry on loopback by other people's tools, and read back.
//!
//! Needs `docker-registry` and `skopeo`; without them the tests skip aloud.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

mod registry_support;

use std::path::Path;
use std::process::Command;

use bootc_image::registry::{Error, Options, Reference, Source};
use bootc_image::spec::{Arch, Image};

use registry_support::{AUTH, Registry, golden, skopeo};

fn local(path: &Path) -> Image {
    let reference = Reference::parse(&format!("oci:{}", path.display())).unwrap();
    Source::open(&reference, &Options::new(Arch::X86_64)).unwrap().image().clone()
}

fn read_all(source: &Source) {
    for index in 0..source.image().layers.len() {
        source.layer(index).unwrap().finish().unwrap();
    }
}

#[test]
fn by_tag_and_by_digest() {
    let Some(registry) = Registry::start(false) else { return };
    let expected = local(&golden("comp-zstd"));
    registry.push("comp-zstd", "ns/os:1", &["--preserve-digests"]);
    let by_tag = registry.open("ns/os:1", |_| {}).unwrap();
    assert_eq!(*by_tag.image(), expected);
    read_all(&by_tag);
    let digest = expected.manifest_digest.to_oci();
    let by_digest = registry.open(&format!("ns/os:ignored@{digest}"), |_| {}).unwrap();
    assert_eq!(*by_digest.image(), expected);
    assert!(matches!(registry.open("ns/os:2", |_| {}), Err(Error::NotFound { .. })));
    assert!(matches!(registry.open("ns/other", |_| {}), Err(Error::NotFound { .. })));
}

#[test]
fn from_an_index() {
    let Some(registry) = Registry::start(false) else { return };
    let images = [("amd64", "comp-gzip"), ("arm64", "err-arch")];
    let entries = images.map(|(architecture, image)| {
        registry.push(image, &format!("ns/os:{architecture}"), &["--preserve-digests"]);
        let manifest = local(&golden(image)).manifest_digest;
        let bytes = golden(image).join(format!("blobs/sha256/{manifest}"));
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{manifest}","size":{},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#,
            bytes.metadata().unwrap().len()
        )
    });
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#,
        entries.join(",")
    );
    registry.put_manifest("ns/os/manifests/all", kind, &index);
    for (arch, (_, image)) in [Arch::X86_64, Arch::Aarch64].into_iter().zip(images) {
        let source = registry.open("ns/os:all", |options| options.arch = arch).unwrap();
        assert_eq!(*source.image(), local(&golden(image)));
        read_all(&source);
    }
    let only = index.replace("arm64", "riscv64");
    registry.put_manifest("ns/os/manifests/few", kind, &only);
    let error = registry.open("ns/os:few", |options| options.arch = Arch::Aarch64).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("linux/amd64, linux/riscv64"), "{text}");
}

#[test]
fn with_a_password() {
    let Some(registry) = Registry::start(true) else { return };
    registry.push("comp-gzip", "ns/os:1", &["--dest-creds", "u:U*U", "--preserve-digests"]);
    let error = registry.open("ns/os:1", |_| {}).unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, credentials: None, .. }), "{error}");
    let path = registry.dir.path().join("auth.json");
    let auths = |auth| format!(r#"{{"auths":{{"{}/ns":{{"auth":"{auth}"}}}}}}"#, registry.host);
    std::fs::write(&path, auths("dTp3cm9uZw==")).unwrap();
    let open = || registry.open("ns/os:1", |options| options.authfile = Some(path.clone()));
    let error = open().unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    std::fs::write(&path, auths(AUTH)).unwrap();
    read_all(&open().unwrap());
}

#[test]
fn a_certificate_of_its_own() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIP: openssl is not installed");
        return;
    }
    let started = Registry::start_with(|root| {
        let (key, cert) = (root.join("key.pem"), root.join("cert.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Below `http:`, which the configuration ends with.
        format!("  tls:\n    certificate: {}\n    key: {}\n", cert.display(), key.display())
    });
    let Some(registry) = started else { return };
    registry.push("comp-gzip", "ns/os:1", &["--preserve-digests"]);
    let error = registry.open("ns/os:1", |options| options.tls_verify = true).unwrap_err();
    assert!(matches!(error, Error::Connection { tls: true, .. }), "{error}");
    let source = registry.open("ns/os:1", |_| {}).unwrap();
    assert_eq!(*source.image(), local(&golden("comp-gzip")));
    read_all(&source);
}

#[test]
fn dockers_format_becomes_what_the_fetching_helper_makes_of_it() {
    let Some(registry) = Registry::start(false) else { return };
    for image in ["comp-gzip", "jsonforms", "timestamps"] {
        registry.push(image, "ns/os:v2s2", &["--format", "v2s2"]);
        let source = registry.open("ns/os:v2s2", |_| {}).unwrap();
        read_all(&source);
        assert!(source.image().warnings.is_empty(), "{:?}", source.image().warnings);
        let converted = registry.dir.path().join(image);
        let from = format!("docker://{}/ns/os:v2s2", registry.host);
        let to = format!("oci:{}:latest", converted.display());
        skopeo(&["--src-tls-verify=false", "--format", "oci", &from, &to]);
        let expected = local(&converted);
        assert_eq!(source.image().canonical_manifest, expected.canonical_manifest, "{image}");
        assert_eq!(source.image().canonical_config, expected.canonical_config, "{image}");
        assert_ne!(source.image().manifest_digest, expected.manifest_digest, "{image}");
    }
}

#[test]
fn an_archive_equals_its_folder() {
    if Command::new("skopeo").arg("--version").output().is_err() || !golden("comp-gzip").exists() {
        eprintln!("SKIP: skopeo is not installed, or there are no golden images");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("os.tar");
    let from = format!("oci:{}:latest", golden("comp-gzip").display());
    skopeo(&["--preserve-digests", &from, &format!("oci-archive:{}:os", path.display())]);
    for name in [format!("{}", path.display()), format!("{}:os", path.display())] {
        let reference = Reference::parse(&format!("oci-archive:{name}")).unwrap();
        let source = Source::open(&reference, &Options::new(Arch::X86_64)).unwrap();
        assert_eq!(*source.image(), local(&golden("comp-gzip")));
        read_all(&source);
    }
}
