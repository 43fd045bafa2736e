//! The same images before other people's programs: skopeo copies and judges, openssl makes keys and
//! checks signatures. Without them the tests skip aloud.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bootc_image::digest::Sha256Digest;
use bootc_image_fixtures::oci::Compression;
use bootc_image_fixtures::synthetic;
use serde_json::json;
use tempfile::TempDir;

use super::bench::{Bench, add_to_layout};
use super::signer::{Signer, descriptor, payload, signature_manifest};

const GPG_USER: &str = "fixture@example.invalid";

fn installed(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| Command::new(tool).arg("--help").output().is_err());
    missing.inspect(|tool| eprintln!("SKIP: {tool} is not installed")).is_none()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes a pair of GPG's in a home of its own, and a file with the public half.
fn gpg_keys(home: &Path, keyring: &Path) {
    fs::create_dir(home).unwrap();
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).unwrap();
    let make = ["--passphrase", "", "--quick-gen-key", GPG_USER, "ed25519", "sign"];
    let export = ["--output", keyring.to_str().unwrap(), "--export"];
    for words in [&make[..], &export] {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(home).args(["--batch", "--quiet"]).args(words);
        let output = gpg.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// A real registry, with an image that skopeo signed.
struct Registry {
    process: Child,
    host: String,
    dir: TempDir,
    signer: Signer,
    digest: Sha256Digest,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Registry {
    fn start() -> Option<Self> {
        if !installed(&["docker-registry", "skopeo", "gpg"]) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // A name with dots, for policies with wildcards.
        let host = format!("127.0.0.1:{port}");
        let root = dir.path().display();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}/store\nhttp:\n  addr: {host}\n"
        );
        fs::write(dir.path().join("config.yml"), config).unwrap();
        // Where skopeo finds its own kind of signatures.
        let lookaside = format!("docker:\n  {host}:\n    lookaside: file://{root}/lookaside\n");
        fs::create_dir(dir.path().join("registries.d")).unwrap();
        fs::write(dir.path().join("registries.d/here.yaml"), lookaside).unwrap();
        for name in ["gpg", "gpg-other"] {
            gpg_keys(&dir.path().join(name), &dir.path().join(format!("{name}.gpg")));
        }
        let signer = Signer::new();
        fs::write(dir.path().join("cosign.pub"), signer.pem()).unwrap();
        fs::write(dir.path().join("other.pub"), Signer::new().pem()).unwrap();
        let layout = dir.path().join("layout");
        synthetic::bootable().recompressed(Compression::None).write(&layout, "1").unwrap();
        let index = fs::read(layout.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let digest = Sha256Digest::parse_oci(digest).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, host, dir, signer, digest };
        for _ in 0..200 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not answer");
    }

    fn skopeo(&self, global: &[&str], words: &[&str]) -> Output {
        let registries = self.dir.path().join("registries.d");
        Command::new("skopeo")
            .args(global)
            .arg("--registries.d")
            .arg(registries)
            .args(["copy", "--quiet"])
            .env("GNUPGHOME", self.dir.path().join("gpg"))
            .args(words)
            .output()
            .unwrap()
    }

    /// Pushes the image to a repository, with a signature that says this name, as cosign would, and
    /// with one by GPG that says the same.
    fn push(&self, repository: &str, name: &str) {
        let payload = payload(self.digest, name);
        let manifest = signature_manifest(&[(&payload, &self.signer.sign(&payload))]);
        let tag = format!("sha256-{}.sig", self.digest);
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let layout = self.dir.path().join(repository.replace('/', "-"));
        let image = synthetic::bootable().recompressed(Compression::None);
        image.write(&layout, "1").unwrap();
        add_to_layout(&layout, &[&payload, &manifest, b"{}"], &[entry]);
        for tag in ["1", &tag] {
            let from = format!("oci:{}:{tag}", layout.display());
            let to = format!("docker://{}/{repository}:{tag}", self.host);
            self.copies(&["--dest-tls-verify=false", "--preserve-digests", &from, &to]);
        }
        let digest = self.digest.to_hex();
        let lookaside = format!("lookaside/{repository}@sha256={digest}/signature-1");
        let lookaside = self.dir.path().join(lookaside);
        fs::create_dir_all(lookaside.parent().unwrap()).unwrap();
        let signed = Command::new("skopeo")
            .arg("standalone-sign")
            .arg("--output")
            .arg(lookaside)
            .arg(layout.join("blobs/sha256").join(digest))
            .args([name, GPG_USER])
            .env("GNUPGHOME", self.dir.path().join("gpg"))
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", text(&signed));
    }

    fn copies(&self, words: &[&str]) {
        let output = self.skopeo(&["--insecure-policy"], words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    }

    /// Whether skopeo may copy an image under a policy.
    fn skopeo_accepts(&self, policy: &Path, name: &str) -> Result<(), String> {
        let to = format!("dir:{}", self.dir.path().join("copy").display());
        let from = format!("docker://{}/{name}", self.host);
        let policy = policy.to_str().unwrap();
        let output = self.skopeo(&["--policy", policy], &["--src-tls-verify=false", &from, &to]);
        if output.status.success() { Ok(()) } else { Err(text(&output)) }
    }

    /// Whether the program may build of it. The disk is too small to be made: what matters comes before.
    fn we_accept(&self, options: &[&str], image: &str) -> Result<(), String> {
        let output = Command::new(env!("CARGO_BIN_EXE_bootc-image"))
            .env_clear()
            .current_dir(self.dir.path())
            .args(["build", image, "--arch=amd64", "--size=1M"])
            .args(["--tls-verify=false", "--output=out"])
            .args(options)
            .output()
            .unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(!self.dir.path().join("out").exists());
        if text.contains("--size") { Ok(()) } else { Err(text) }
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }
}

/// Every rule of names and every kind of scope. Debian's skopeo has sigstore's signatures switched off,
/// but its rules of names are the same for GPG's: it gets the policy with `signedBy`, we get it with
/// `sigstoreSigned`, and the image has signatures of both kinds that claim the same.
#[test]
fn policies_are_judged_as_skopeo_judges_them() {
    let Some(registry) = Registry::start() else { return };
    registry.push("ns/os", &registry.name("ns/os:1"));
    registry.push("ns/bare", "vendor.example/product/os:1");
    registry.push("ns/tagless", &registry.name("ns/tagless"));
    let host = registry.host.clone();
    let file = |name: &str| registry.dir.path().join(name).display().to_string();
    let (key, other) = (file("cosign.pub"), file("other.pub"));
    let into_gpg = |policy: &str| {
        let kind = r#""type":"sigstoreSigned""#;
        policy
            .replace(kind, r#""type":"signedBy","keyType":"GPGKeys""#)
            .replace(&key, &file("gpg.gpg"))
            .replace(&other, &file("gpg-other.gpg"))
    };
    let signed = |key: &str, identity: &str| {
        let identity = if identity.is_empty() {
            String::new()
        } else {
            format!(r#","signedIdentity":{{{identity}}}"#)
        };
        format!(r#"{{"type":"sigstoreSigned","keyPath":"{key}"{identity}}}"#)
    };
    let (accept, reject) = (r#"{"type":"insecureAcceptAnything"}"#, r#"{"type":"reject"}"#);
    let rule = |kind: &str| signed(&key, &format!(r#""type":"{kind}""#));
    let with = |kind: &str, more: String| signed(&key, &format!(r#""type":"{kind}",{more}"#));
    let exact = |name: &str| with("exactReference", format!(r#""dockerReference":"{name}""#));
    let repository =
        |name: &str| with("exactRepository", format!(r#""dockerRepository":"{name}""#));
    let remap = |from: &str, to: &str| {
        with("remapIdentity", format!(r#""prefix":"{from}","signedPrefix":"{to}""#))
    };
    let digest = registry.digest.to_oci();
    let pinned = format!("ns/os@{digest}");
    let vendor = "vendor.example/product";
    let mut accepted = 0;
    let mut check = |name: &str, scopes: &[(&str, &str)]| {
        let list = scopes.iter().map(|(scope, list)| format!(r#""{scope}":[{list}]"#));
        let scopes = list.collect::<Vec<_>>().join(",");
        let policy = format!(r#"{{"default":[{reject}],"transports":{{"docker":{{{scopes}}}}}}}"#);
        let path = registry.dir.path().join("policy.json");
        fs::write(&path, into_gpg(&policy)).unwrap();
        let theirs = registry.skopeo_accepts(&path, name);
        fs::write(&path, &policy).unwrap();
        let words = ["--signature-policy=policy.json"];
        let ours = registry.we_accept(&words, &registry.name(name));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{name} {policy}\n{ours:?}\n{theirs:?}");
        accepted += usize::from(ours.is_ok());
    };
    let mut count = 0;
    for (name, requirement) in [
        ("ns/os:1", signed(&key, "")),
        ("ns/os:1", signed(&other, "")),
        ("ns/os:1", format!("{},{}", signed(&key, ""), signed(&other, ""))),
        ("ns/os:1", format!("{},{accept}", signed(&key, ""))),
        ("ns/os:1", format!("{},{reject}", signed(&key, ""))),
        ("ns/os:1", rule("matchExact")),
        ("ns/os:1", rule("matchRepository")),
        ("ns/os:1", rule("matchRepoDigestOrExact")),
        ("ns/os:1", exact(&format!("{host}/ns/os:1"))),
        ("ns/os:1", exact(&format!("{host}/ns/os:2"))),
        ("ns/os:1", repository(&format!("{host}/ns/os"))),
        ("ns/os:1", repository(&format!("{host}/ns/other"))),
        (pinned.as_str(), rule("matchExact")),
        (pinned.as_str(), rule("matchRepository")),
        (pinned.as_str(), rule("matchRepoDigestOrExact")),
        (pinned.as_str(), remap(&host, vendor)),
        ("ns/tagless:1", rule("matchRepository")),
        ("ns/tagless:1", rule("matchExact")),
        ("ns/tagless:1", rule("matchRepoDigestOrExact")),
        ("ns/tagless:1", repository(&format!("{host}/ns/tagless"))),
        ("ns/bare:1", rule("matchRepository")),
        ("ns/bare:1", rule("matchExact")),
        ("ns/bare:1", exact(&format!("{vendor}/os:1"))),
        ("ns/bare:1", repository(&format!("{vendor}/os"))),
        ("ns/bare:1", remap(&format!("{host}/ns/bare"), &format!("{vendor}/os"))),
        ("ns/bare:1", remap(&format!("{host}/ns"), vendor)),
        ("ns/bare:1", remap(&format!("{host}/n"), vendor)),
    ] {
        check(name, &[("", &requirement)]);
        count += 1;
    }
    let (whole, ns, repo) = (host.as_str(), format!("{host}/ns"), format!("{host}/ns/os"));
    let (tag, latest) = (format!("{repo}:1"), format!("{repo}:latest"));
    let at = format!("{repo}@{digest}");
    for (name, scopes) in [
        ("ns/os:1", &[(whole, accept)][..]),
        ("ns/os:1", &[(whole, accept), (&ns, reject)]),
        ("ns/os:1", &[(&ns, reject), (&repo, accept)]),
        ("ns/os:1", &[(&repo, reject), (&tag, accept)]),
        ("ns/os:1", &[(&latest, accept)]),
        ("ns/os:1", &[(&repo, accept), (&at, reject)]),
        (&pinned, &[(&repo, accept), (&at, reject)]),
        (&pinned, &[(&tag, accept)]),
        ("ns/os:1", &[("*.0.0.1", accept)]),
        ("ns/os:1", &[("*.1", accept), ("*.0.1", reject)]),
        ("ns/os:1", &[("*.0.1", accept), ("", reject)]),
        ("ns/os:1", &[("127.0.0.1", accept)]),
        ("ns/os:1", &[("", accept), ("docker.io", reject)]),
    ] {
        check(name, scopes);
        count += 1;
    }
    assert!(accepted > 10 && accepted + 10 < count, "{accepted} of {count}");
    eprintln!("{count} policies judged alike, {accepted} of them accepting");
}

/// An image and its signature go from a layout to a registry and into another layout with skopeo.
#[test]
fn copies_of_image_and_signature_verify_wherever_they_are() {
    let Some(registry) = Registry::start() else { return };
    registry.push("ns/os", &registry.name("ns/os"));
    let to = registry.dir.path().join("copied");
    for tag in ["1", &format!("sha256-{}.sig", registry.digest)] {
        let from = format!("docker://{}/ns/os:{tag}", registry.host);
        let to = format!("oci:{}:{tag}", to.display());
        let words = ["--src-tls-verify=false", "--preserve-digests", "--remove-signatures"];
        registry.copies(&[&words[..], &[&from, &to]].concat());
    }
    for image in [&registry.name("ns/os:1"), "oci:copied", "oci:copied:1"] {
        registry.we_accept(&["--verify-key=cosign.pub"], image).unwrap();
        let error = registry.we_accept(&["--verify-key=other.pub"], image).unwrap_err();
        assert!(error.contains("by none of the keys"), "{error}");
    }
    let unsigned = registry.we_accept(&["--verify-key=cosign.pub"], "oci:layout").unwrap_err();
    assert!(unsigned.contains("carries no signature"), "{unsigned}");
}

/// Keys and signatures of openssl count for us, and ours for openssl.
#[test]
fn openssl_agrees_on_every_kind_of_key() {
    if !installed(&["openssl"]) {
        return;
    }
    let bench = Bench::new();
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let openssl = |words: &[&str]| {
        let output =
            Command::new("openssl").args(words).current_dir(bench.path("")).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        output.stdout
    };
    let payload = payload(bench.digest(), &name);
    bench.file("payload", &payload);
    let dgst: &[&str] = &["dgst", "-sha256", "-sign", "key", "-out", "sig", "payload"];
    let dgst384: &[&str] = &["dgst", "-sha384", "-sign", "key", "-out", "sig", "payload"];
    let pss: &[&str] = &[
        "dgst",
        "-sha256",
        "-sign",
        "key",
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:digest",
        "-out",
        "sig",
        "payload",
    ];
    let raw: &[&str] =
        &["pkeyutl", "-sign", "-rawin", "-inkey", "key", "-in", "payload", "-out", "sig"];
    let ec = |curve: &'static str| vec!["-algorithm", "EC", "-pkeyopt", curve];
    let (p256, p384) = (ec("ec_paramgen_curve:P-256"), ec("ec_paramgen_curve:P-384"));
    let rsa = |bits: &'static str| vec!["-algorithm", "RSA", "-pkeyopt", bits];
    let ed25519 = vec!["-algorithm", "ED25519"];
    for (kind, sign) in [
        (&p256, dgst),
        (&p384, dgst),
        (&p384, dgst384),
        (&rsa("rsa_keygen_bits:2048"), dgst),
        (&rsa("rsa_keygen_bits:3072"), pss),
        (&ed25519, raw),
    ] {
        openssl(&[&["genpkey", "-out", "key"], kind.as_slice()].concat());
        openssl(&["pkey", "-in", "key", "-pubout", "-out", "key.pub"]);
        openssl(sign);
        let signature = {
            use base64::Engine as _;
            let bytes = fs::read(bench.path("sig")).unwrap();
            base64::engine::general_purpose::STANDARD.encode(bytes)
        };
        bench.attach("ns/os", bench.digest(), &[(&payload, &signature)]);
        let record = bench.passes(&image, &["--verify-key=key.pub"]);
        let spki = openssl(&["pkey", "-pubin", "-in", "key.pub", "-outform", "DER"]);
        assert_eq!(record["signature"]["key_sha256"], Sha256Digest::of(&spki).to_hex());
        openssl(&["pkey", "-in", "key", "-pubout", "-out", "other.pub"]);
        let other = bench.file("other.pub", Signer::new().pem());
        bench.refuses(&image, &["--verify-key", &other], "by none of the keys");
    }
    for (kind, reason) in [
        (&rsa("rsa_keygen_bits:1024"), "RSA key of 1024 bits"),
        (&ec("ec_paramgen_curve:P-521"), "neither P-256 nor P-384"),
        (&vec!["-algorithm", "ED448"], "none of ECDSA, Ed25519 and RSA"),
    ] {
        openssl(&[&["genpkey", "-out", "key"], kind.as_slice()].concat());
        openssl(&["pkey", "-in", "key", "-pubout", "-out", "key.pub"]);
        bench.refuses(&image, &["--verify-key=key.pub"], reason);
    }
    let signer = Signer::new();
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.decode(signer.sign(&payload));
    bench.file("sig", signature.unwrap());
    bench.file("key.pub", signer.pem());
    openssl(&["dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "payload"]);
}
