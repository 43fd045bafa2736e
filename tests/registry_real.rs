//! Images pushed to a real registry on loopback by other people's tools, and read back.
//!
//! Needs `docker-registry` and `skopeo`; without them the tests skip aloud.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bootc_image::registry::{Error, Options, Reference, Source};
use bootc_image::spec::{Arch, Image};

/// A published test vector of bcrypt: the password is `U*U`.
const HTPASSWD: &str = "u:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
/// `u:U*U` in base64.
const AUTH: &str = "dTpVKlU=";

struct Registry {
    process: Child,
    host: String,
    dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Registry {
    /// `None`, said aloud, when something is missing.
    fn start(with_password: bool) -> Option<Self> {
        Self::start_with(|root| {
            if !with_password {
                return String::new();
            }
            std::fs::write(root.join("htpasswd"), HTPASSWD).unwrap();
            format!("auth:\n  htpasswd:\n    realm: here\n    path: {}/htpasswd\n", root.display())
        })
    }

    /// With more lines for its configuration.
    fn start_with(more: impl FnOnce(&Path) -> String) -> Option<Self> {
        for tool in ["docker-registry", "skopeo"] {
            if Command::new(tool).arg("--version").output().is_err() {
                eprintln!("SKIP: {tool} is not installed");
                return None;
            }
        }
        if !golden("comp-gzip").exists() {
            eprintln!("SKIP: there are no golden images");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let root = dir.path().display();
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}/store\nhttp:\n  addr: {host}\n"
        );
        config += &more(dir.path());
        let path = dir.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, host, dir };
        for _ in 0..200 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not answer");
    }

    fn push(&self, image: &str, name: &str, options: &[&str]) {
        let from = format!("oci:{}:latest", golden(image).display());
        let to = format!("docker://{}/{name}", self.host);
        skopeo(&[&["--dest-tls-verify=false"], options, &[&from, &to]].concat());
    }

    fn open(&self, name: &str, change: impl FnOnce(&mut Options)) -> Result<Source, Error> {
        let mut options = Options::new(Arch::X86_64);
        options.tls_verify = false;
        change(&mut options);
        Source::open(&Reference::parse(&format!("{}/{name}", self.host))?, &options)
    }

    /// Stores a manifest as it stands.
    fn put_manifest(&self, name: &str, media_type: &str, manifest: &str) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let (host, len) = (&self.host, manifest.len());
        let head = format!(
            "PUT /v2/{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: {media_type}\r\nContent-Length: {len}\r\n\r\n"
        );
        stream.write_all(format!("{head}{manifest}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

fn golden(image: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden")).join(image).join("oci")
}

fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

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
