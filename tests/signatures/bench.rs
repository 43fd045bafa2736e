//! A registry, an image, the program, and a folder to look at afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use bootc_image::digest::Sha256Digest;
use bootc_image_fixtures::oci::Compression;
use bootc_image_fixtures::registry::{Reply, Server};
use bootc_image_fixtures::synthetic;
use tempfile::TempDir;

use super::signer::{Signer, payload, referrer, signature_manifest};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub const ACCEPT: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
pub const REJECT: &str = r#"{"default":[{"type":"reject"}]}"#;

/// What a run left.
pub struct Ran {
    pub code: i32,
    pub stderr: String,
    /// Whether the output folder is there.
    pub wrote: bool,
}

type Documents = BTreeMap<String, (&'static str, Vec<u8>)>;

/// The image `ns/os:1` in a registry of its own, and a home for the program.
pub struct Bench {
    dir: TempDir,
    server: Server,
    documents: Arc<Mutex<Documents>>,
    pub manifest: Vec<u8>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("layout");
        synthetic::bootable().recompressed(Compression::None).write(&layout, "1").unwrap();
        let documents = Arc::new(Mutex::new(Documents::new()));
        let (served, blobs) = (Arc::clone(&documents), layout.join("blobs/sha256"));
        let server = Server::start(move |request| {
            if request.path == "/v2/" {
                return Reply::ok(b"{}");
            }
            if let Some((kind, bytes)) = served.lock().unwrap().get(&request.path) {
                return Reply::ok(bytes).header("Content-Type", kind);
            }
            let blob = request.path.rsplit_once("/blobs/sha256:");
            let blob = blob.and_then(|(_, hex)| fs::read(blobs.join(hex)).ok());
            blob.map_or_else(|| Reply::status(404), |bytes| Reply::range(request, &bytes))
        });
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
        let manifest = fs::read(layout.join("blobs/sha256").join(digest)).unwrap();
        let bench = Self { dir, server, documents, manifest: manifest.clone() };
        bench.host_policy(ACCEPT);
        bench.tag("ns/os", "1", &manifest);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn layout(&self) -> PathBuf {
        self.path("layout")
    }

    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&self.manifest)
    }

    /// A repository's name in full.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.server.host)
    }

    /// Stores a file, and gives its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The policy of the home.
    pub fn host_policy(&self, policy: &str) {
        self.file(".config/containers/policy.json", policy);
    }

    /// A policy for the registry whose only requirement is this, everything else rejected.
    pub fn policy(&self, repository: &str, requirement: &str) -> String {
        let scope = self.name(repository);
        format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"{scope}":[{requirement}]}}}}}}"#
        )
    }

    /// What `/v2/…` answers.
    pub fn serve(&self, path: &str, kind: &'static str, bytes: &[u8]) {
        self.documents.lock().unwrap().insert(format!("/v2/{path}"), (kind, bytes.to_vec()));
    }

    /// Stores a manifest or an index under a tag and its digest.
    pub fn tag(&self, repository: &str, tag: &str, bytes: &[u8]) {
        let is_index = String::from_utf8_lossy(bytes).contains(r#""manifests""#);
        let kind = if is_index { OCI_INDEX } else { OCI_MANIFEST };
        for version in [tag.to_owned(), Sha256Digest::of(bytes).to_oci()] {
            self.serve(&format!("{repository}/manifests/{version}"), kind, bytes);
        }
    }

    pub fn blob(&self, repository: &str, bytes: &[u8]) {
        let digest = Sha256Digest::of(bytes).to_oci();
        self.serve(&format!("{repository}/blobs/{digest}"), "application/octet-stream", bytes);
    }

    /// Stores signatures under the tag of a digest.
    pub fn attach(&self, repository: &str, to: Sha256Digest, signatures: &[(&[u8], &str)]) {
        for (payload, _) in signatures {
            self.blob(repository, payload);
        }
        self.tag(repository, &format!("sha256-{to}.sig"), &signature_manifest(signatures));
    }

    /// Signs what has this digest, under a name, as cosign does.
    pub fn sign(&self, signer: &Signer, digest: Sha256Digest, name: &str) {
        let payload = payload(digest, name);
        self.attach("ns/os", digest, &[(&payload, &signer.sign(&payload))]);
    }

    /// Stores a bundle, and the manifest that refers to a digest; gives that manifest.
    pub fn refer(&self, bundle: &[u8], to: Sha256Digest) -> Vec<u8> {
        self.blob("ns/os", bundle);
        let manifest = referrer(bundle, to);
        self.serve(
            &format!("ns/os/manifests/{}", Sha256Digest::of(&manifest).to_oci()),
            OCI_MANIFEST,
            &manifest,
        );
        manifest
    }

    /// The program, in the bench's folder and home, with nothing else around it.
    pub fn run(&self, image: &str, words: &[&str]) -> Ran {
        let out = self.path("new/out");
        let output = Command::new(env!("CARGO_BIN_EXE_bootc-image"))
            .env_clear()
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .args(["build", image, "--type=raw", "--size=min", "--arch=amd64"])
            .args(["--tls-verify=false", "--verbose", "--progress=plain", "--output"])
            .arg(&out)
            .args(words)
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            wrote: self.path("new").exists(),
        }
    }

    /// Runs on the registry's image.
    pub fn build(&self, words: &[&str]) -> Ran {
        self.run(&self.name("ns/os:1"), words)
    }

    /// The image is let in: the build goes on to its end; gives its record.
    pub fn passes(&self, image: &str, words: &[&str]) -> serde_json::Value {
        let ran = self.run(image, words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        let record = fs::read(self.path("new/out/manifest-raw.json")).unwrap();
        fs::remove_dir_all(self.path("new")).unwrap();
        serde_json::from_slice(&record).unwrap()
    }

    /// The image is refused for this reason, before a layer is asked for and anything is written.
    pub fn refuses(&self, image: &str, words: &[&str], reason: &str) -> Ran {
        let before = self.server.log().len();
        let ran = self.run(image, words);
        assert_eq!(ran.code, 1, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{reason}\n{}", ran.stderr);
        assert!(!ran.wrote, "{}", ran.stderr);
        let parsed: serde_json::Value = serde_json::from_slice(&self.manifest).unwrap();
        for layer in parsed["layers"].as_array().unwrap() {
            let digest = layer["digest"].as_str().unwrap();
            assert!(!self.server.log()[before..].iter().any(|path| path.ends_with(digest)));
        }
        ran
    }
}

/// Adds documents to a layout, with the index entries that name some of them.
pub fn add_to_layout(layout: &Path, blobs: &[&[u8]], entries: &[serde_json::Value]) {
    for blob in blobs {
        let name = Sha256Digest::of(blob).to_hex();
        fs::write(layout.join("blobs/sha256").join(name), blob).unwrap();
    }
    let path = layout.join("index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    index["manifests"].as_array_mut().unwrap().extend_from_slice(entries);
    fs::write(path, index.to_string()).unwrap();
}
