//! What we push, pulled back by other people's tools; and registries that misbehave meanwhile.
//!
//! The first part needs `docker-registry` and `skopeo`; without them its tests skip aloud.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

mod registry_support;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bootc_image::digest::Sha256Digest;
use bootc_image::format::containerdisk::{self, NAMES};
use bootc_image::output::PendingDirectory;
use bootc_image::progress::{Cancel, Silent};
use bootc_image::registry::{Error, Options, Patience, Pushed, RegistryReference, push};
use bootc_image::spec::Arch;
use bootc_image_fixtures::registry::{Reply, Request, Server};
use registry_support::{AUTH, Registry, skopeo};

/// A containerDisk of that many bytes of no real disk. Says its manifest's digest.
fn layout(folder: &Path, len: usize) -> Sha256Digest {
    let disk = folder.join("qcow2");
    let bytes: Vec<u8> = (0..len).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    fs::write(&disk, bytes).unwrap();
    let disk = fs::File::open(disk).unwrap();
    let pending = PendingDirectory::create(&folder.join("containerdisk"), NAMES).unwrap();
    let options =
        containerdisk::Options { arch: Arch::X86_64, tag: "latest".to_owned(), created_secs: 0 };
    let summary =
        containerdisk::write(&disk, &pending, &options, &Silent, &Cancel::default()).unwrap();
    pending.commit().unwrap();
    summary.sha256
}

fn try_push(folder: &Path, name: &str, change: impl FnOnce(&mut Options)) -> Result<Pushed, Error> {
    let mut options = Options::new(Arch::X86_64);
    options.tls_verify = false;
    options.patience = Patience {
        tries: 4,
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(1500),
        stall: Duration::from_millis(400),
    };
    change(&mut options);
    let name = RegistryReference::parse(name).unwrap();
    push(&folder.join("containerdisk"), &name, &options)
}

#[test]
fn skopeo_pulls_what_was_pushed() {
    let Some(registry) = Registry::start(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let digest = layout(folder.path(), 20_000_000);
    let name = format!("{}/ns/disk:v1", registry.host);
    let pushed = try_push(folder.path(), &name, |_| {}).unwrap();
    assert_eq!(pushed.digest, digest);
    assert!(pushed.sent_bytes > 20_000_000);
    let pulled = folder.path().join("pulled");
    let (from, to) = (format!("docker://{name}"), format!("oci:{}:latest", pulled.display()));
    skopeo(&["--src-tls-verify=false", "--preserve-digests", &from, &to]);
    let blobs = |layout: &Path| {
        let entries = fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs(&pulled), blobs(&folder.path().join("containerdisk")));
    // Again, and under another tag: the blobs are there.
    let again = try_push(folder.path(), &format!("{}/ns/disk:v2", registry.host), |_| {}).unwrap();
    assert_eq!(again, Pushed { digest, sent_bytes: 0 });
}

#[test]
fn a_password_is_needed_and_used() {
    let Some(registry) = Registry::start(true) else { return };
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), 1000);
    let name = format!("{}/ns/disk:1", registry.host);
    let error = try_push(folder.path(), &name, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, credentials: None, .. }), "{error}");
    let path = registry.dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}/ns":{{"auth":"{AUTH}"}}}}}}"#, registry.host);
    fs::write(&path, auths).unwrap();
    try_push(folder.path(), &name, |options| options.authfile = Some(path)).unwrap();
}

/// What a registry holds: blobs by digest, manifests by tag.
type Held = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A registry for `ns/disk`, except where `fault` answers.
fn faulty(fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> (Server, Held) {
    let held = Held::default();
    let inside = Arc::clone(&held);
    let server = Server::start(move |request| {
        fault(request).unwrap_or_else(|| {
            let mut held = inside.lock().unwrap();
            let path = request.path.strip_prefix("/v2/ns/disk/");
            match (request.method.as_str(), path) {
                ("GET", None) => Reply::ok(b"{}"),
                ("HEAD", Some(path)) if held.iter().any(|(name, _)| path.ends_with(name)) => {
                    Reply::ok(b"")
                }
                ("POST", Some("blobs/uploads/")) => {
                    Reply::status(202).header("Location", "/up/1?state=x%3D")
                }
                ("PUT", None) => {
                    let digest = request.path.strip_prefix("/up/1?state=x%3D&digest=sha256%3A");
                    let digest = digest.unwrap().to_owned();
                    assert_eq!(Sha256Digest::of(&request.body).to_hex(), digest);
                    held.push((digest, request.body.clone()));
                    Reply::status(201)
                }
                ("PUT", Some(path)) => {
                    held.push((path.to_owned(), request.body.clone()));
                    Reply::status(201)
                }
                _ => Reply::status(404),
            }
        })
    });
    (server, held)
}

/// Pushes a disk of that many bytes there.
fn push_to(
    server: &Server,
    len: usize,
    change: impl FnOnce(&mut Options),
) -> Result<Pushed, Error> {
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), len);
    try_push(folder.path(), &format!("{}/ns/disk:tag", server.host), change)
}

#[test]
fn the_manifest_comes_last() {
    let (server, held) = faulty(|_| None);
    push_to(&server, 3_000_000, |_| {}).unwrap();
    let held = held.lock().unwrap();
    let lengths: Vec<usize> = held.iter().map(|(_, bytes)| bytes.len()).collect();
    assert!(lengths[0] > 3_000_000 && held.len() == 3, "{lengths:?}");
    assert_eq!(held[2].0, "manifests/tag");
}

#[test]
fn failures_that_pass_are_tried_again() {
    let (server, held) = faulty(|request| {
        let fails = request.method == "PUT" && request.earlier == 0
            || request.method == "POST" && request.earlier == 1;
        fails.then(|| Reply::status(503))
    });
    push_to(&server, 3_000_000, |_| {}).unwrap();
    assert_eq!(held.lock().unwrap().len(), 3);
}

#[test]
fn a_token_may_run_out_during_an_upload() {
    let address = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&address);
    let (server, held) = faulty(move |request| {
        let host = told.lock().unwrap().clone();
        if let Some(query) = request.path.strip_prefix("/token?") {
            assert!(query.contains("repository%3Ans%2Fdisk%3Apull%2Cpush"), "{query}");
            let token = format!(r#"{{"token":"t{}"}}"#, request.earlier);
            return Some(Reply::ok(token.as_bytes()));
        }
        let expected = match (request.method.as_str(), request.earlier) {
            ("PUT", _) | ("POST", 1..) => ["Bearer t1", "Bearer t1"],
            _ => ["Bearer t0", "Bearer t1"],
        };
        let shown = request.headers.get("authorization").map(String::as_str);
        if shown.is_some_and(|shown| expected.contains(&shown)) {
            return None;
        }
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="here""#);
        Some(Reply::status(401).header("WWW-Authenticate", challenge))
    });
    (*address.lock().unwrap()).clone_from(&server.host);
    push_to(&server, 100_000, |_| {}).unwrap();
    assert_eq!(held.lock().unwrap().len(), 3);
}

#[test]
fn a_registry_that_refuses_is_quoted() {
    let (server, held) = faulty(|request| {
        let body = br#"{"errors":[{"code":"DENIED","message":"quota\nexceeded"}]}"#;
        (request.method == "PUT").then(|| Reply { body: body.to_vec(), ..Reply::status(413) })
    });
    let error = push_to(&server, 1000, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Refused { status: 413, .. }), "{error}");
    assert!(error.to_string().ends_with(": DENIED quotaexceeded"), "{error}");
    assert!(held.lock().unwrap().is_empty());
}

#[test]
fn credentials_stay_with_the_registry() {
    let (store, held) = faulty(|request| {
        assert!(!request.headers.contains_key("authorization"));
        None
    });
    let elsewhere = format!("http://{}/up/1?state=x%3D", store.host);
    let (server, _) = faulty(move |request| {
        if !request.headers.contains_key("authorization") {
            return Some(Reply::status(401).header("WWW-Authenticate", "Basic realm=x"));
        }
        (request.method == "POST").then(|| Reply::status(202).header("Location", &elsewhere))
    });
    let folder = tempfile::tempdir().unwrap();
    let authfile = folder.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, server.host);
    fs::write(&authfile, auths).unwrap();
    push_to(&server, 1000, |options| options.authfile = Some(authfile)).unwrap();
    assert_eq!(held.lock().unwrap().len(), 2, "both blobs went there");
}

#[test]
fn a_registry_that_falls_silent_is_given_up() {
    let (server, _) = faulty(|request| {
        (request.method == "PUT").then(|| {
            std::thread::sleep(Duration::from_secs(3));
            Reply::status(201)
        })
    });
    let error = push_to(&server, 1000, |options| {
        options.patience.stall = Duration::from_millis(20);
        options.patience.tries = 2;
    });
    assert!(matches!(error, Err(Error::Stalled { .. })), "{error:?}");
}

#[test]
fn cancelling_ends_a_push() {
    let cancel = Cancel::default();
    let inside = cancel.clone();
    let (server, _) = faulty(move |request| {
        (request.method == "PUT").then(|| {
            inside.cancel();
            std::thread::sleep(Duration::from_secs(2));
            Reply::status(201)
        })
    });
    let result = push_to(&server, 1000, |options| options.cancel = cancel);
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
}

#[test]
fn damaged_layouts_and_digests_are_refused() {
    let (server, held) = faulty(|_| None);
    let folder = tempfile::tempdir().unwrap();
    let digest = layout(folder.path(), 5_000_000);
    let name = format!("{}/ns/disk@{}", server.host, digest.to_oci());
    assert!(matches!(try_push(folder.path(), &name, |_| {}), Err(Error::PushToDigest(_))));
    let blobs = fs::read_dir(folder.path().join("containerdisk/blobs/sha256")).unwrap();
    let layer =
        blobs.map(|blob| blob.unwrap().path()).max_by_key(|blob| blob.metadata().unwrap().len());
    let layer = layer.unwrap();
    let mut bytes = fs::read(&layer).unwrap();
    bytes[4_000_000] ^= 1;
    fs::write(&layer, bytes).unwrap();
    let name = format!("{}/ns/disk:tag", server.host);
    let error = try_push(folder.path(), &name, |_| {}).unwrap_err();
    assert!(matches!(error, Error::BlobDigest { .. }), "{error}");
    assert!(held.lock().unwrap().is_empty());
}

#[test]
fn registries_conf_is_asked() {
    let (server, held) = faulty(|_| None);
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("registries.conf");
    let push = |more: &str| {
        let text = format!("[[registry]]\nlocation = \"{}\"\n{more}\n", server.host);
        fs::write(&conf, text).unwrap();
        push_to(&server, 1000, |options| {
            options.tls_verify = true;
            options.registries_conf = Some(conf.clone());
        })
    };
    assert!(matches!(push("blocked = true"), Err(Error::Blocked { .. })));
    assert!(matches!(push("insecure = false"), Err(Error::Connection { tls: true, .. })));
    assert!(held.lock().unwrap().is_empty());
    push("insecure = true").unwrap();
    assert_eq!(held.lock().unwrap().len(), 3);
}
