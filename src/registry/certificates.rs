//! Certificates for single registries: containers-certs.d(5).
//!
//! `--cert-dir`, else the first of these that is a folder:
//!
//! 1. `~/.config/containers/certs.d/HOST[:PORT]`
//! 2. `/etc/containers/certs.d/HOST[:PORT]`
//! 3. `/etc/docker/certs.d/HOST[:PORT]`
//!
//! | file | content, in PEM |
//! |---|---|
//! | `*.crt` | authorities to trust, besides those that the machine trusts |
//! | `*.cert` | who we are; the key is in the `*.key` of the same name |

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity};

use super::credentials::Environment;
use super::error::Error;
use super::source::read_limited;

const PEM_LIMIT_BYTES: u64 = 4 << 20;

/// What a connection to a registry takes besides the machine's own store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) authorities: Vec<Certificate>,
    pub(crate) identity: Option<Identity>,
}

/// Finds the certificates for a host.
pub(crate) fn find(
    cert_dir: Option<&Path>,
    environment: &Environment,
    host: &str,
) -> Result<Certificates, Error> {
    let folders = match cert_dir {
        Some(only) => vec![only.to_owned()],
        None => default_folders(environment, host),
    };
    for folder in folders {
        match names(&folder) {
            Ok(names) => return load(&folder, &names),
            Err(error) if cert_dir.is_none() && is_passed_over(error.kind()) => {}
            Err(source) => return Err(Error::File { path: folder, source }),
        }
    }
    Ok(Certificates::default())
}

/// Folders of other users and for other hosts are nobody's fault.
fn is_passed_over(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

fn default_folders(environment: &Environment, host: &str) -> Vec<PathBuf> {
    let home = environment.home.as_ref().map(|home| home.join(".config/containers/certs.d"));
    let etc = |name: &str| environment.etc.as_ref().map(|etc| etc.join(name));
    let folders = [home, etc("containers/certs.d"), etc("docker/certs.d")];
    folders.into_iter().flatten().map(|folder| folder.join(host)).collect()
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn load(folder: &Path, names: &[String]) -> Result<Certificates, Error> {
    let mut found = Certificates::default();
    let wrong = |name: &str, reason: String| Error::Certificate { path: folder.join(name), reason };
    let counterpart = |name: &str, other: &str| {
        if names.iter().any(|name| name == other) {
            return Ok(());
        }
        let reason = format!("`{other}` is missing beside it (authorities are called `*.crt`)");
        Err(wrong(name, reason))
    };
    for name in names {
        if name.ends_with(".crt") {
            let bytes = read(&folder.join(name))?;
            let certificates = Certificate::from_pem_bundle(&bytes)
                .map_err(|error| wrong(name, format!("no certificate: {error}")))?;
            if certificates.is_empty() {
                return Err(wrong(name, "it holds no certificate".to_owned()));
            }
            found.authorities.extend(certificates);
        } else if let Some(base) = name.strip_suffix(".cert") {
            let key = format!("{base}.key");
            counterpart(name, &key)?;
            let mut pem = read(&folder.join(name))?;
            pem.push(b'\n');
            pem.extend(read(&folder.join(&key))?);
            let identity = Identity::from_pem(&pem)
                .map_err(|error| wrong(name, format!("no certificate with a key: {error}")))?;
            found.identity.get_or_insert(identity);
        } else if let Some(base) = name.strip_suffix(".key") {
            counterpart(name, &format!("{base}.cert"))?;
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let read = File::open(path).and_then(|file| read_limited(file, PEM_LIMIT_BYTES));
    let bytes = read.map_err(|source| Error::File { path: path.to_owned(), source })?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > PEM_LIMIT_BYTES {
        return Err(Error::TooLarge { what: "certificate", size, limit: PEM_LIMIT_BYTES });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_counts() {
        let root = tempfile::tempdir().unwrap();
        let environment = Environment {
            etc: Some(root.path().join("etc")),
            home: Some(root.path().join("home")),
            ..Environment::default()
        };
        let broken = |folder: &str| {
            let folder = root.path().join(folder).join("r.example:5000");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ca.crt"), "x").unwrap();
            std::fs::write(folder.join("readme"), "x").unwrap();
            folder.join("ca.crt")
        };
        let find = |host| find(None, &environment, host);
        let folders =
            ["etc/docker/certs.d", "etc/containers/certs.d", "home/.config/containers/certs.d"];
        for folder in folders {
            let expected = broken(folder);
            let error = find("r.example:5000").unwrap_err();
            assert!(matches!(error, Error::Certificate { path, .. } if path == expected));
        }
        assert!(find("r.example").unwrap().authorities.is_empty());
    }

    #[test]
    fn keys_and_certificates_come_in_pairs() {
        let folder = tempfile::tempdir().unwrap();
        for (name, other) in [("client.cert", "`client.key`"), ("client.key", "`client.cert`")] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            let found = find(Some(folder.path()), &Environment::default(), "r.example");
            let error = found.unwrap_err().to_string();
            assert!(error.contains(other), "{error}");
            std::fs::remove_file(path).unwrap();
        }
        let missing = find(Some(&folder.path().join("x")), &Environment::default(), "r.example");
        assert!(matches!(missing, Err(Error::File { .. })), "a folder that was asked for");
    }
}
