//! registries.conf against registries in process and on loopback: mirrors, blocked registries, short
//! names; and certificates against a registry with TLS.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bootc_image::progress::{Event, Reporter};
use bootc_image::registry::{Environment, Error, Options, Patience, Reference, Source};
use bootc_image::spec::Arch;
use bootc_image_fixtures::registry::{Reply, Repository, Request, Server};

fn golden(image: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden"));
    let layout = path.join(image).join("oci");
    if layout.exists() {
        return Some(layout);
    }
    eprintln!("SKIP: there are no golden images");
    None
}

/// A registry that has the image `PATH:tag`, and anything else not.
fn server(image: &Path, path: &'static str) -> Server {
    let repository = Repository::open(image).unwrap();
    Server::start(move |request| {
        let path = request.path.replacen(&format!("/v2/{path}/"), "/v2/ns/os/", 1);
        let has_moved = path != request.path || path == "/v2/";
        let request = Request { path, ..request.clone() };
        if has_moved { repository.serve(&request) } else { Reply::status(404) }
    })
}

/// Nobody listens there.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl Reporter for Told {
    fn report(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

struct World {
    dir: tempfile::TempDir,
    told: Arc<Told>,
}

impl World {
    fn new(conf: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("registries.conf"), conf).unwrap();
        Self { dir, told: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, name: &str, change: impl FnOnce(&mut Options)) -> Result<Source, Error> {
        let mut options = Options::new(Arch::X86_64);
        options.registries_conf = Some(self.path("registries.conf"));
        options.reporter = self.told.clone();
        options.patience = Patience {
            tries: 3,
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(50),
            stall: Duration::from_secs(5),
        };
        change(&mut options);
        Source::open(&Reference::parse(name)?, &options)
    }

    fn was_told(&self, part: &str) -> bool {
        let told = self.told.0.lock().unwrap();
        told.iter().any(|event| format!("{event:?}").contains(part))
    }
}

fn read_all(source: &Source) {
    for index in 0..source.image().layers.len() {
        source.layer(index).unwrap().finish().unwrap();
    }
}

fn mirrors(prefix: &str, location: &str, mirrors: &[String], more: &str) -> String {
    let mirror =
        |location: &String| format!("[[registry.mirror]]\nlocation='{location}'\ninsecure=true\n");
    let mirrors: String = mirrors.iter().map(mirror).collect();
    format!(
        "[[registry]]\nprefix='{prefix}'\nlocation='{location}'\ninsecure=true\n{more}\n{mirrors}"
    )
}

#[test]
fn the_first_mirror_that_has_the_image_serves_all_of_it() {
    let Some(image) = golden("comp-gzip") else { return };
    let (empty, full) = (server(&image, "other"), server(&image, "copies/org/os"));
    let itself = server(&image, "org/os");
    let list = [nowhere(), empty.host.clone(), format!("{}/copies", full.host)];
    let world = World::new(&mirrors("os.example", &itself.host, &list, ""));
    let source = world.open("os.example/org/os:tag", |_| {}).unwrap();
    read_all(&source);
    assert_eq!(source.reference().to_string(), "os.example/org/os:tag", "the name stays");
    assert_eq!(empty.count("/v2/org/os/manifests/tag"), 1);
    assert_eq!(full.count("/v2/copies/org/os/manifests/tag"), 1);
    assert!(itself.log().is_empty(), "the registry itself is left alone: {:?}", itself.log());
    assert!(world.was_told(&format!("is read from `{}/copies/org/os:tag`", full.host)));
}

#[test]
fn the_registry_itself_is_last() {
    let Some(image) = golden("comp-gzip") else { return };
    let (empty, itself) = (server(&image, "other"), server(&image, "moved/os"));
    let list = [empty.host.clone()];
    let conf = mirrors("os.example/org", &format!("{}/moved", itself.host), &list, "");
    let world = World::new(&conf);
    read_all(&world.open("os.example/org/os:tag", |_| {}).unwrap());
    assert_eq!(itself.count("/v2/moved/os/manifests/tag"), 1);
    let error = world.open("os.example/org/nothing:tag", |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(&error, Error::Mirrors { source, .. } if matches!(**source, Error::NotFound { .. }))
    );
    assert!(text.contains(&empty.host) && text.contains("has no `manifests/tag`"), "{text}");
}

#[test]
fn digests_and_tags_have_mirrors_of_their_own() {
    let Some(image) = golden("comp-gzip") else { return };
    let (mirror, itself) = (server(&image, "org/os"), server(&image, "org/os"));
    let list = [mirror.host.clone()];
    let conf = mirrors("os.example", &itself.host, &list, "mirror-by-digest-only=true");
    let world = World::new(&conf);
    world.open("os.example/org/os:tag", |_| {}).unwrap();
    assert!(mirror.log().is_empty());
    // The little registry knows tags only: that it is asked at all is what counts.
    let digest = format!("sha256:{}", "0".repeat(64));
    world.open(&format!("os.example/org/os@{digest}"), |_| {}).unwrap_err();
    assert_eq!(mirror.count(&format!("/v2/org/os/manifests/{digest}")), 1);
}

#[test]
fn blocked_registries_are_not_asked() {
    let Some(image) = golden("comp-gzip") else { return };
    let (mirror, itself) = (server(&image, "org/os"), server(&image, "org/os"));
    let block = "[[registry]]\nlocation='HOST'\nblocked=true\n";
    let world = World::new(&block.replace("HOST", &itself.host));
    let error = world.open(&format!("{}/org/os:tag", itself.host), |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Blocked { prefix, .. } if *prefix == itself.host), "{error}");
    assert!(error.to_string().contains("registries.conf"), "{error}");
    // Mirrors of what is blocked are what is left to use.
    let conf =
        mirrors("os.example", &itself.host, std::slice::from_ref(&mirror.host), "blocked=true");
    let world = World::new(&conf);
    read_all(&world.open("os.example/org/os:tag", |_| {}).unwrap());
    let error = world.open("os.example/org/none:tag", |_| {}).unwrap_err();
    assert!(
        matches!(&error, Error::Mirrors { source, .. } if matches!(**source, Error::Blocked { .. }))
    );
    // A mirror that is blocked itself, and a location that is.
    let conf = mirrors("os.example", &itself.host, std::slice::from_ref(&mirror.host), "")
        + &block.replace("HOST", &mirror.host);
    let world = World::new(&conf);
    let asked = mirror.log().len();
    read_all(&world.open("os.example/org/os:tag", |_| {}).unwrap());
    assert_eq!(mirror.log().len(), asked);
}

#[test]
fn only_insecure_registries_may_speak_plain_http() {
    let Some(image) = golden("comp-gzip") else { return };
    let itself = server(&image, "org/os");
    let name = format!("{}/org/os:tag", itself.host);
    let error = World::new("").open(&name, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Connection { tls: true, .. }), "{error}");
    let conf = format!("[[registry]]\nlocation='{}'\ninsecure=true\n", itself.host);
    read_all(&World::new(&conf).open(&name, |_| {}).unwrap());
}

#[test]
fn mirrors_get_their_own_credentials() {
    let Some(image) = golden("comp-gzip") else { return };
    let repository = Repository::open(&image).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let mirror = Server::start(move |request| {
        log.lock().unwrap().push(request.headers.get("authorization").cloned());
        match request.headers.contains_key("authorization") {
            true => repository.serve(request),
            false => Reply::status(401).header("WWW-Authenticate", "Basic realm=x"),
        }
    });
    let conf = mirrors("os.example", "itself.example", std::slice::from_ref(&mirror.host), "");
    let world = World::new(&conf);
    let auths = format!(
        r#"{{"auths":{{"os.example":{{"auth":"ZXZpbDpw"}},"{}/ns":{{"auth":"bWlycm9yOnA="}}}}}}"#,
        mirror.host
    );
    // As OpenShift hands it out.
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(auths);
    let secret = format!("kind: Secret\ndata:\n  .dockerconfigjson: {encoded}\n");
    std::fs::write(world.path("secret.yaml"), secret).unwrap();
    let authfile = Some(world.path("secret.yaml"));
    read_all(&world.open("os.example/ns/os:tag", |options| options.authfile = authfile).unwrap());
    let seen = seen.lock().unwrap();
    assert!(seen.iter().flatten().all(|header| header == "Basic bWlycm9yOnA="), "{seen:?}");
}

#[test]
fn short_names_become_full_ones() {
    let Some(image) = golden("comp-gzip") else { return };
    let itself = server(&image, "org/os");
    let host = &itself.host;
    let insecure = format!("[[registry]]\nlocation='{host}'\ninsecure=true\n");
    let world = World::new(&format!("{insecure}[aliases]\nmy-os='{host}/org/os'\n"));
    let source = world.open("my-os:tag", |_| {}).unwrap();
    assert_eq!(source.reference().to_string(), format!("{host}/org/os:tag"));
    assert!(world.was_told("`my-os:tag` stands for"));
    let world = World::new(&format!("unqualified-search-registries=['{host}']\nodd=1\n{insecure}"));
    read_all(&world.open("org/os:tag", |_| {}).unwrap());
    assert!(world.was_told("`odd` is no key"));
    let search = format!("unqualified-search-registries=['{host}','b.example']\n");
    let error = World::new(&search).open("org/os:tag", |_| {}).unwrap_err();
    assert!(error.to_string().contains("b.example/org/os:tag"), "{error}");
    let error = World::new("").open("org/os:tag", |_| {}).unwrap_err();
    assert!(matches!(error, Error::Reference(_)), "{error}");
}

/// A registry with TLS, which trusts clients of its own authority.
struct Tls {
    process: Child,
    host: String,
    dir: tempfile::TempDir,
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Tls {
    fn start() -> Option<Self> {
        for (tool, word) in [("openssl", "version"), ("docker-registry", "--version")] {
            if Command::new(tool).arg(word).output().is_err() {
                eprintln!("SKIP: {tool} is not installed");
                return None;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let openssl = |words: &[&str]| {
            let made = Command::new("openssl").args(words).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
        let make = |name: &str, subject: &str, more: &[&str]| {
            let (key_path, path) = (at(&format!("{name}.key")), at(&format!("{name}.pem")));
            let head = ["req", "-x509", "-days", "30", "-subj", subject];
            let tail = [key_path.as_str(), "-out", path.as_str()];
            openssl(&[&head, more, &key, &tail].concat());
        };
        make("ca", "/CN=authority", &[]);
        let (ca, ca_key) = (at("ca.pem"), at("ca.key"));
        let signed = ["-CA", ca.as_str(), "-CAkey", ca_key.as_str()];
        let is_leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let server = [&signed[..], &is_leaf, &["-addext", "subjectAltName=IP:127.0.0.1"]].concat();
        make("server", "/CN=server", &server);
        make("client", "/CN=client", &[&signed[..], &is_leaf].concat());
        let host = nowhere();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n  \
             tls:\n    certificate: {}\n    key: {}\n    clientcas: [{ca}]\n",
            at("store"),
            at("server.pem"),
            at("server.key")
        );
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
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

    /// Puts certificates under the names that certs.d wants.
    fn certificates(&self, folder: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).unwrap();
        for (from, to) in files {
            std::fs::copy(self.dir.path().join(from), folder.join(to)).unwrap();
        }
    }
}

#[test]
fn certificates_of_single_registries_are_found() {
    let Some(registry) = Tls::start() else { return };
    let world = World::new("");
    let name = format!("{}/org/os:tag", registry.host);
    let etc = world.path("etc");
    let environment = Environment { etc: Some(etc.clone()), ..Environment::default() };
    let open = |cert_dir: Option<PathBuf>| {
        let environment = environment.clone();
        world
            .open(&name, |options| {
                (options.environment, options.cert_dir) = (environment, cert_dir)
            })
            .unwrap_err()
    };
    // There is no such image: to be told so is to be let in.
    let unknown = open(None);
    assert!(matches!(unknown, Error::Connection { .. }), "{unknown}");
    let only_ca = world.path("only-ca");
    registry.certificates(&only_ca, &[("ca.pem", "ca.crt")]);
    let stranger = open(Some(only_ca));
    assert!(matches!(stranger, Error::Connection { .. }), "{stranger}");
    let all = [("ca.pem", "ca.crt"), ("client.pem", "me.cert"), ("client.key", "me.key")];
    let given = world.path("given");
    registry.certificates(&given, &all);
    let known = open(Some(given));
    assert!(matches!(known, Error::NotFound { .. }), "{known}");
    registry.certificates(&etc.join("containers/certs.d").join(&registry.host), &all);
    let known = open(None);
    assert!(matches!(known, Error::NotFound { .. }), "{known}");
}
