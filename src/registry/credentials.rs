//! Who we are to a registry: containers-auth.json(5) and Docker's config.json.
//!
//! `--authfile`, else `REGISTRY_AUTH_FILE`, is the only file looked at. Without either, the first of
//! these that knows the registry:
//!
//! 1. `$XDG_RUNTIME_DIR/containers/auth.json`, or without that variable
//!    `/run/containers/UID/auth.json`
//! 2. `${XDG_CONFIG_HOME:-~/.config}/containers/auth.json`
//! 3. `${DOCKER_CONFIG:-~/.docker}/config.json`
//! 4. `~/.dockercfg`
//!
//! Within a file `credHelpers` goes first, then `auths`, where the most specific of
//! `host/namespace/repository`, `host/namespace` and `host` wins, then `credsStore`. Helpers are
//! other programs: they run only when such a file names one, inside the `docker_credential` crate.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;

use super::error::Error;
use super::pull_secret;
use super::source::read_limited;

const AUTH_FILE_LIMIT_BYTES: u64 = 4 << 20;

/// What `cli` found in the process environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`
    pub xdg_runtime_dir: Option<PathBuf>,
    /// Where `podman login` writes without `XDG_RUNTIME_DIR`, as root does.
    pub run_auth_file: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub xdg_config_home: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`
    pub registry_auth_file: Option<PathBuf>,
    /// `DOCKER_CONFIG`
    pub docker_config: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`
    pub registries_conf: Option<PathBuf>,
    /// The aliases that podman wrote down for this user.
    pub short_name_aliases: Option<PathBuf>,
    /// `/etc`; without it nothing of the machine's own configuration is read.
    pub etc: Option<PathBuf>,
}

/// A name and password, or a token that stands for them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Password { user: String, password: String },
    IdentityToken(String),
}

/// A secret, and the file it is from.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) secret: Secret,
    pub(crate) path: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthFile {
    auths: BTreeMap<String, serde_json::Value>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Looks for credentials for `host/repository`; `None` when no file knows the registry.
pub(crate) fn find(
    authfile: Option<&Path>,
    environment: &Environment,
    host: &str,
    repository: &str,
) -> Result<Option<Credentials>, Error> {
    if let Some(only) = authfile.or(environment.registry_auth_file.as_deref()) {
        let file = read(only)?.ok_or_else(|| Error::NoAuthFile(only.to_owned()))?;
        return in_file(&file, only, host, repository);
    }
    for path in default_files(environment) {
        if let Some(file) = read(&path)?
            && let Some(found) = in_file(&file, &path, host, repository)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn default_files(environment: &Environment) -> Vec<PathBuf> {
    let in_home = |name: &str| environment.home.as_ref().map(|home| home.join(name));
    let config = environment.xdg_config_home.clone().or_else(|| in_home(".config"));
    let docker = environment.docker_config.clone().or_else(|| in_home(".docker"));
    let runtime = environment.xdg_runtime_dir.as_ref().map(|dir| dir.join("containers/auth.json"));
    let files = [
        runtime.or_else(|| environment.run_auth_file.clone()),
        config.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
        in_home(".dockercfg"),
    ];
    files.into_iter().flatten().collect()
}

fn read(path: &Path) -> Result<Option<AuthFile>, Error> {
    let in_file = |source| Error::File { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(in_file(source)),
    };
    let bytes = read_limited(file, AUTH_FILE_LIMIT_BYTES).map_err(in_file)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Some(AuthFile::default()));
    }
    let auths = pull_secret::auths(&bytes).map_err(|reason| credentials_error(path, reason))?;
    serde_json::from_value(auths).map(Some).map_err(|error| credentials_error(path, error))
}

fn in_file(
    file: &AuthFile,
    path: &Path,
    host: &str,
    repository: &str,
) -> Result<Option<Credentials>, Error> {
    let helper = file.cred_helpers.get(host).filter(|helper| !helper.is_empty());
    let secret = if let Some(helper) = helper {
        from_helper(helper, host, path)?
    } else if let Some(entry) = most_specific(&file.auths, host, repository) {
        ask(&serde_json::json!({"auths": {host: entry}}), host, path)?
    } else if !file.creds_store.is_empty() {
        from_helper(&file.creds_store, host, path)?
    } else {
        None
    };
    Ok(secret.map(|secret| Credentials { secret, path: path.to_owned() }))
}

/// The entry whose key is the longest part of `host/repository`. Docker's keys are URLs. An entry
/// without a secret only says that a helper knows it.
fn most_specific<'a>(
    auths: &'a BTreeMap<String, serde_json::Value>,
    host: &str,
    repository: &str,
) -> Option<&'a serde_json::Value> {
    let is_secret = |value: &&serde_json::Value| {
        let has =
            |key| value.get(key).and_then(|text| text.as_str()).is_some_and(|t| !t.is_empty());
        has("auth") || has("identitytoken") || (has("username") && has("password"))
    };
    let full = format!("{host}/{repository}");
    let mut name = full.as_str();
    loop {
        if let Some(value) = auths.get(name).filter(is_secret) {
            return Some(value);
        }
        match name.rsplit_once('/') {
            Some((shorter, _)) => name = shorter,
            None => break,
        }
    }
    auths
        .iter()
        .find(|(key, value)| host_of_url(key) == Some(host) && is_secret(value))
        .map(|(_, v)| v)
}

/// The host in a key such as `https://index.docker.io/v1/`.
fn host_of_url(key: &str) -> Option<&str> {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"))?;
    let host = rest.split('/').next()?;
    Some(if host == "index.docker.io" { "docker.io" } else { host })
}

fn from_helper(helper: &str, host: &str, path: &Path) -> Result<Option<Secret>, Error> {
    if helper.contains('/') {
        return Err(credentials_error(path, format!("`{helper}` is no helper's name")));
    }
    let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    ask(&serde_json::json!({"credHelpers": {server: helper}}), server, path)
}

/// Lets the crate decode one entry, or run one helper.
fn ask(config: &serde_json::Value, server: &str, path: &Path) -> Result<Option<Secret>, Error> {
    let config = config.to_string();
    match docker_credential::get_credential_from_reader(config.as_bytes(), server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Secret::Password { user, password }))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Secret::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if format!("{stdout}{stderr}").contains("credentials not found") =>
        {
            Ok(None)
        }
        Err(error) => Err(credentials_error(path, error)),
    }
}

fn credentials_error(path: &Path, reason: impl ToString) -> Error {
    Error::Credentials { path: path.to_owned(), reason: reason.to_string().trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "auths": {
            "r.example": {"auth": "aG9zdDpw"},
            "r.example/ns": {"auth": "bnM6cA=="},
            "r.example/ns/repo": {"auth": "cmVwbzpwOnE="},
            "https://index.docker.io/v1/": {"auth": "aHViOnA="},
            "token.example": {"auth": "", "identitytoken": "t"},
            "empty.example": {}
        }
    }"#;

    fn environment(dir: &Path) -> Environment {
        Environment { home: Some(dir.join("home")), ..Environment::default() }
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn password(user: &str, password: &str) -> Secret {
        Secret::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn the_most_specific_entry_wins() {
        let file: AuthFile = serde_json::from_str(FILE).unwrap();
        let secret = |host: &str, repository: &str| {
            in_file(&file, Path::new("auth.json"), host, repository).unwrap().map(|c| c.secret)
        };
        assert_eq!(secret("r.example", "ns/repo"), Some(password("repo", "p:q")));
        assert_eq!(secret("r.example", "ns/other"), Some(password("ns", "p")));
        assert_eq!(secret("r.example", "nsx/repo"), Some(password("host", "p")));
        assert_eq!(secret("docker.io", "library/x"), Some(password("hub", "p")));
        assert_eq!(secret("token.example", "x"), Some(Secret::IdentityToken("t".to_owned())));
        assert_eq!(secret("empty.example", "x"), None);
        assert_eq!(secret("other.example", "x"), None);
    }

    #[test]
    fn files_are_asked_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut environment = environment(dir.path());
        let find = |environment: &Environment, authfile: Option<&Path>| {
            let found = find(authfile, environment, "r.example", "ns/x").unwrap();
            found.map(|found| found.path)
        };
        assert_eq!(find(&environment, None), None);
        let old = dir.path().join("home/.dockercfg");
        write(&old, r#"{"r.example":{"auth":"aHViOnA="}}"#);
        assert_eq!(find(&environment, None), Some(old));
        let docker = dir.path().join("home/.docker/config.json");
        write(&docker, FILE);
        assert_eq!(find(&environment, None), Some(docker));
        let config = dir.path().join("home/.config/containers/auth.json");
        write(&config, FILE);
        assert_eq!(find(&environment, None), Some(config));
        let run = dir.path().join("run/containers/0/auth.json");
        write(&run, FILE);
        environment.run_auth_file = Some(run.clone());
        assert_eq!(find(&environment, None), Some(run));
        let runtime = dir.path().join("run/containers/auth.json");
        environment.xdg_runtime_dir = Some(dir.path().join("run"));
        write(&runtime, r#"{"auths":{"other.example":{"auth":"aHViOnA="}}}"#);
        assert!(find(&environment, None).is_some_and(|path| path != runtime));
        write(&runtime, FILE);
        assert_eq!(find(&environment, None), Some(runtime));
        let variable = dir.path().join("variable.json");
        write(&variable, FILE);
        environment.registry_auth_file = Some(variable.clone());
        assert_eq!(find(&environment, None), Some(variable));
        let option = dir.path().join("option.json");
        write(&option, "{}");
        assert_eq!(find(&environment, Some(&option)), None, "an authfile is the only one");
    }

    #[test]
    fn broken_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.json");
        let find = || find(Some(&path), &Environment::default(), "r.example", "x");
        assert!(
            matches!(find(), Err(Error::NoAuthFile(_))),
            "an authfile that was asked for must exist"
        );
        write(&path, "{");
        assert!(matches!(find(), Err(Error::Credentials { .. })));
        write(&path, r#"{"auths":{"r.example":{"auth":"%%%"}}}"#);
        assert!(matches!(find(), Err(Error::Credentials { .. })));
        write(&path, r#"{"credHelpers":{"r.example":"../evil"}}"#);
        assert!(matches!(find(), Err(Error::Credentials { .. })));
        write(&path, r#"{"credHelpers":{"r.example":"no-such-helper-anywhere"}}"#);
        assert!(matches!(find(), Err(Error::Credentials { .. })));
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", password("user", "hunter2")).contains("hunter2"));
    }
}
