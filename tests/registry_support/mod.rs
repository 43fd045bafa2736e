//! A real registry on loopback, and other people's tools to talk to it.

#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bootc_image::registry::{Error, Options, Reference, Source};
use bootc_image::spec::Arch;

/// A published test vector of bcrypt: the password is `U*U`.
const HTPASSWD: &str = "u:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
/// `u:U*U` in base64.
pub const AUTH: &str = "dTpVKlU=";

/// Debian's `docker-registry`, on loopback.
pub struct Registry {
    process: Child,
    pub host: String,
    pub dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Registry {
    /// `None`, said aloud, when something is missing.
    pub fn start(with_password: bool) -> Option<Self> {
        Self::start_with(|root| {
            if !with_password {
                return String::new();
            }
            std::fs::write(root.join("htpasswd"), HTPASSWD).unwrap();
            format!("auth:\n  htpasswd:\n    realm: here\n    path: {}/htpasswd\n", root.display())
        })
    }

    /// With more lines for its configuration.
    pub fn start_with(more: impl FnOnce(&Path) -> String) -> Option<Self> {
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

    pub fn push(&self, image: &str, name: &str, options: &[&str]) {
        let from = format!("oci:{}:latest", golden(image).display());
        let to = format!("docker://{}/{name}", self.host);
        skopeo(&[&["--dest-tls-verify=false"], options, &[&from, &to]].concat());
    }

    pub fn open(&self, name: &str, change: impl FnOnce(&mut Options)) -> Result<Source, Error> {
        let mut options = Options::new(Arch::X86_64);
        options.tls_verify = false;
        change(&mut options);
        Source::open(&Reference::parse(&format!("{}/{name}", self.host))?, &options)
    }

    /// Stores a manifest as it stands.
    pub fn put_manifest(&self, name: &str, media_type: &str, manifest: &str) {
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

pub fn golden(image: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden")).join(image).join("oci")
}

pub fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
