//! A registry that misbehaves, in process and on loopback, and what we make of it.

#![expect(clippy::unwrap_used, reason = "a test fails aloud")]

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bootc_image::digest::Sha256Digest;
use bootc_image::progress::Cancel;
use bootc_image::registry::{Error, Options, Patience, Reference, Source};
use bootc_image::spec::Arch;
use bootc_image_fixtures::registry::{Reply, Request, Server};

/// The server's image, with little patience.
fn open(server: &Server, change: impl FnOnce(&mut Options)) -> Result<Source, Error> {
    let mut options = Options::new(Arch::X86_64);
    options.tls_verify = false;
    options.patience = Patience {
        tries: 4,
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(1500),
        stall: Duration::from_millis(400),
    };
    change(&mut options);
    Source::open(&Reference::parse(&format!("{}/ns/os:tag", server.host))?, &options)
}

/// An image of one layer.
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Image {
    fn new() -> Arc<Self> {
        let layer: Vec<u8> =
            (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let config = br#"{"architecture":"amd64","config":{"Labels":{"containers.bootc":"1"}},"os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}"#.to_vec();
        let descriptor = |kind: &str, bytes: &[u8]| {
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":{}}}"#,
                Sha256Digest::of(bytes).to_oci(),
                bytes.len()
            )
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor("config.v1+json", &config),
            descriptor("layer.v1.tar", &layer)
        );
        Arc::new(Self { manifest: manifest.into_bytes(), config, layer })
    }

    fn layer_path(&self) -> String {
        format!("/v2/ns/os/blobs/{}", Sha256Digest::of(&self.layer).to_oci())
    }

    /// What an honest registry answers.
    fn serve(&self, request: &Request) -> Reply {
        let config = format!("/v2/ns/os/blobs/{}", Sha256Digest::of(&self.config).to_oci());
        match request.path.as_str() {
            "/v2/" => Reply::ok(b"{}"),
            "/v2/ns/os/manifests/tag" => {
                Reply::ok(&self.manifest).header("Content-Type", OCI_MANIFEST)
            }
            path if path == config => Reply::ok(&self.config),
            path if path == self.layer_path() => Reply::range(request, &self.layer),
            _ => Reply::status(404),
        }
    }
}

/// Serves the image, except where `fault` answers.
fn faulty(
    image: &Arc<Image>,
    fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let image = Arc::clone(image);
    Server::start(move |request| fault(request).unwrap_or_else(|| image.serve(request)))
}

/// The layer's bytes, or the error of this room.
fn read_layer(source: &Source) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match source.layer(0)?.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

#[test]
fn an_honest_registry_is_read() {
    let image = Image::new();
    let server = faulty(&image, |_| None);
    let source = open(&server, |_| {}).unwrap();
    assert_eq!(source.image().manifest_digest, Sha256Digest::of(&image.manifest));
    assert_eq!(read_layer(&source).unwrap(), image.layer);
    let lanes: Vec<_> = (0..4).map(|_| source.layer(0).unwrap()).collect();
    std::thread::scope(|scope| {
        for mut lane in lanes {
            let image = &image;
            scope.spawn(move || {
                let mut bytes = Vec::new();
                lane.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, image.layer);
            });
        }
    });
    assert_eq!(server.count(&image.layer_path()), 5);
}

#[test]
fn plain_http_is_refused_unless_allowed() {
    let server = faulty(&Image::new(), |_| None);
    let error = open(&server, |options| options.tls_verify = true).unwrap_err();
    assert!(matches!(error, Error::Connection { tls: true, tls_verify: true, .. }), "{error}");
    assert_eq!(server.count("/v2/"), 0, "nothing is said in the clear");
}

#[test]
fn a_token_is_fetched_and_renewed() {
    let image = Image::new();
    let layer = image.layer_path();
    let address = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&address);
    let server = faulty(&image, move |request| {
        let host = told.lock().unwrap().clone();
        if let Some(query) = request.path.strip_prefix("/token?") {
            assert!(query.contains("scope=repository%3Ans%2Fos%3Apull"), "{query}");
            assert!(query.contains("service=here"), "{query}");
            let token = format!(r#"{{"token":"t{}"}}"#, request.earlier);
            return Some(Reply::ok(token.as_bytes()));
        }
        let expected = if request.path == layer { "Bearer t1" } else { "Bearer t0" };
        if request.headers.get("authorization").map(String::as_str) == Some(expected) {
            return None;
        }
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="here""#);
        Some(Reply::status(401).header("WWW-Authenticate", challenge))
    });
    address.lock().unwrap().clone_from(&server.host);
    let source = open(&server, |_| {}).unwrap();
    assert_eq!(read_layer(&source).unwrap(), image.layer);
}

#[test]
fn a_token_over_plain_http_is_refused_when_tls_is_wanted() {
    // Only the scheme of the realm is at stake, and a server without TLS cannot be reached at all
    // then; so the challenge names a scheme that never is allowed.
    let server = faulty(&Image::new(), |_| {
        Some(Reply::status(401).header("WWW-Authenticate", r#"Bearer realm="ftp://x.example/""#))
    });
    assert!(matches!(open(&server, |_| {}), Err(Error::BadToken { .. })));
}

#[test]
fn denied_says_which_credentials_were_used() {
    let server = faulty(&Image::new(), |request| {
        let asks = Reply::status(401).header("WWW-Authenticate", "Basic realm=x");
        (request.path != "/v2/" || request.headers.contains_key("authorization"))
            .then_some(Reply::status(403))
            .or(Some(asks))
    });
    let error = open(&server, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Denied { status: 403, credentials: None, .. }), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, server.host);
    std::fs::write(&path, auths).unwrap();
    let error = open(&server, |options| options.authfile = Some(path.clone())).unwrap_err();
    let Error::Denied { credentials, .. } = error else { panic!("{error}") };
    assert_eq!(credentials, Some(path));
}

#[test]
fn a_registry_may_ask_late() {
    let server = faulty(&Image::new(), |request| {
        let asks = Reply::status(401).header("WWW-Authenticate", "Basic realm=x");
        let known = request.path == "/v2/" || request.headers.contains_key("authorization");
        (!known).then_some(asks)
    });
    let error = open(&server, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, server.host);
    std::fs::write(&path, auths).unwrap();
    open(&server, |options| options.authfile = Some(path)).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let server = faulty(&Image::new(), |request| {
        request.path.contains("/manifests/").then(|| Reply::status(404))
    });
    let error = open(&server, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::NotFound { what, .. } if what == "manifests/tag"), "{error}");
}

#[test]
fn passing_failures_are_tried_again() {
    let image = Image::new();
    let layer = image.layer_path();
    let path = layer.clone();
    let server = faulty(&image, move |request| match request.earlier {
        0 if request.path == path => Some(Reply::status(429).header("Retry-After", 1)),
        1 if request.path == path => Some(Reply::status(500)),
        0 if request.path.contains("manifests") => Some(Reply::status(503)),
        _ => None,
    });
    let source = open(&server, |_| {}).unwrap();
    let start = Instant::now();
    assert_eq!(read_layer(&source).unwrap(), image.layer);
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
    assert_eq!(server.count(&layer), 3);
}

#[test]
fn patience_ends() {
    let server = faulty(&Image::new(), |request| {
        request.path.contains("manifests").then(|| Reply::status(502))
    });
    let error = open(&server, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Status { status: 502, .. }), "{error}");
    assert_eq!(server.count("/v2/ns/os/manifests/tag"), 4);
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let image = Image::new();
    let (path, faults) = (image.layer_path(), Arc::clone(&image));
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    let server = faulty(&image, move |request| {
        if request.path != path {
            return None;
        }
        seen.lock().unwrap().push(request.headers.get("range").cloned());
        // More cuts than tries: each brings new bytes, so patience does not end.
        let cut = (request.earlier < 6).then_some(200_000);
        Some(Reply { cut, ..Reply::range(request, &faults.layer) })
    });
    assert_eq!(read_layer(&open(&server, |_| {}).unwrap()).unwrap(), image.layer);
    let ranges = ranges.lock().unwrap();
    assert_eq!(ranges.len(), 7);
    assert_eq!((&ranges[0], ranges[1].as_deref()), (&None, Some("bytes=200000-")));
}

#[test]
fn a_server_without_ranges_is_read_from_the_start() {
    let image = Image::new();
    let (path, layer) = (image.layer_path(), image.layer.clone());
    let server = faulty(&image, move |request| {
        (request.path == path)
            .then(|| Reply { cut: (request.earlier == 0).then_some(700_000), ..Reply::ok(&layer) })
    });
    assert_eq!(read_layer(&open(&server, |_| {}).unwrap()).unwrap(), image.layer);
}

#[test]
fn a_body_of_unknown_length_that_ends_early_goes_on() {
    let image = Image::new();
    let (path, faults) = (image.layer_path(), Arc::clone(&image));
    let server = faulty(&image, move |request| {
        (request.path == path).then(|| Reply {
            unknown_length: true,
            cut: (request.earlier == 0).then_some(123_456),
            ..Reply::range(request, &faults.layer)
        })
    });
    assert_eq!(read_layer(&open(&server, |_| {}).unwrap()).unwrap(), image.layer);
}

#[test]
fn a_stalled_download_goes_on() {
    let image = Image::new();
    let (path, faults) = (image.layer_path(), Arc::clone(&image));
    let server = faulty(&image, move |request| {
        (request.path == path && request.earlier == 0)
            .then(|| Reply { stall: Some(1_000_000), ..Reply::range(request, &faults.layer) })
    });
    assert_eq!(read_layer(&open(&server, |_| {}).unwrap()).unwrap(), image.layer);
}

#[test]
fn a_download_without_progress_is_given_up() {
    let image = Image::new();
    let path = image.layer_path();
    let layer = image.layer.clone();
    let asked = path.clone();
    let server = faulty(&image, move |request| {
        (request.path == path).then(|| Reply { cut: Some(0), ..Reply::ok(&layer) })
    });
    let error = read_layer(&open(&server, |_| {}).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Connection { .. } | Error::Cut { .. }), "{error}");
    assert_eq!(server.count(&asked), 4);
}

#[test]
fn wrong_bytes_and_lengths_are_found() {
    let image = Image::new();
    let open = |change: fn(&mut Vec<u8>)| {
        let (path, mut layer) = (image.layer_path(), image.layer.clone());
        change(&mut layer);
        let server =
            faulty(&image, move |request| (request.path == path).then(|| Reply::ok(&layer)));
        read_layer(&open(&server, |_| {}).unwrap()).unwrap_err()
    };
    assert!(matches!(open(|layer| layer[5] ^= 1), Error::BlobDigest { .. }));
    assert!(matches!(open(|layer| layer.push(0)), Error::BlobSize { .. }));
    let short = open(|layer| layer.truncate(9));
    assert!(matches!(short, Error::BlobSize { seen: 9, .. }), "{short}");
}

#[test]
fn a_manifest_that_is_not_the_one_asked_for_is_refused() {
    let image = Image::new();
    let server = faulty(&image, |request| {
        request.path.contains("/manifests/sha256:").then(|| Reply::ok(b"{}"))
    });
    let name = format!("{}/ns/os@{}", server.host, Sha256Digest::of(&image.manifest).to_oci());
    let mut options = Options::new(Arch::X86_64);
    options.tls_verify = false;
    let error = Source::open(&Reference::parse(&name).unwrap(), &options).unwrap_err();
    assert!(matches!(error, Error::BlobDigest { .. }), "{error}");
}

#[test]
fn an_endless_manifest_is_refused() {
    let server = faulty(&Image::new(), |request| {
        request.path.contains("manifests").then(|| Reply::ok(&vec![b' '; 5 << 20]))
    });
    assert!(matches!(open(&server, |_| {}), Err(Error::TooLarge { .. })));
}

#[test]
fn redirects_lose_the_credentials() {
    let image = Image::new();
    let (path, layer) = (image.layer_path(), image.layer.clone());
    let store = Server::start(move |request| {
        assert!(!request.headers.contains_key("authorization"));
        Reply::ok(&layer)
    });
    let elsewhere = format!("http://{}/signed", store.host);
    let server = faulty(&image, move |request| {
        if !request.headers.contains_key("authorization") {
            return Some(Reply::status(401).header("WWW-Authenticate", "Basic realm=x"));
        }
        (request.path == path).then(|| Reply::status(307).header("Location", &elsewhere))
    });
    let dir = tempfile::tempdir().unwrap();
    let authfile = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths":{{"{}/ns":{{"auth":"dTpw"}}}}}}"#, server.host);
    std::fs::write(&authfile, auths).unwrap();
    let source = open(&server, |options| options.authfile = Some(authfile)).unwrap();
    assert_eq!(read_layer(&source).unwrap(), image.layer);
    assert_eq!(store.count("/signed"), 1);
}

#[test]
fn cancelling_ends_a_wait() {
    let image = Image::new();
    let (path, layer) = (image.layer_path(), image.layer.clone());
    let server = faulty(&image, move |request| {
        (request.path == path).then(|| Reply { stall: Some(10), ..Reply::ok(&layer) })
    });
    let cancel = Cancel::default();
    let source = open(&server, |options| {
        options.cancel = cancel.clone();
        options.patience.stall = Duration::from_secs(60);
    })
    .unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.cancel();
    });
    let start = Instant::now();
    assert!(matches!(read_layer(&source), Err(Error::Cancelled)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_reader_outlives_its_source_and_may_stop_early() {
    let image = Image::new();
    let server = faulty(&image, |_| None);
    let source = open(&server, |_| {}).unwrap();
    let mut blob = source.layer(0).unwrap();
    let dropped = source.layer(0).unwrap();
    drop(source);
    drop(dropped);
    blob.read_exact(&mut [0; 1000]).unwrap();
    blob.finish().unwrap();
}
