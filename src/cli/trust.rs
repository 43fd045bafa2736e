//! Which keys and which policy images are held to: files named by options, else those of the host.
//!
//! As podman and skopeo do, the first of these policies decides alone, and a file that is there but
//! cannot be read or understood is an error:
//!
//! 1. `--signature-policy FILE`, or none at all with `--insecure-policy`
//! 2. `~/.config/containers/policy.json`
//! 3. `/etc/containers/policy.json`
//!
//! Unlike them, a host without any of the files lets every image in.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::args::Access;
use super::surroundings::Surroundings;
use crate::pipeline::Trust;
use crate::trust::{KeyError, Policy, PolicyError, PublicKey};

/// The most that is read of a policy or a key.
const LIMIT_BYTES: u64 = 4 << 20;

/// Why keys or policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("reading `{}`", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `--verify-key` names something else.
    #[error("`--verify-key {}`", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The policy is not understood.
    #[error("the signature policy `{}`", .path.display())]
    Policy {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: PolicyError,
    },
}

/// What images are held to.
pub fn trust(access: &Access, around: &Surroundings) -> Result<Trust, TrustError> {
    let keys = access.verify_keys.iter().map(|path| key(path)).collect::<Result<_, _>>()?;
    Ok(Trust { keys, policy: policy(access, around)? })
}

fn key(path: &Path) -> Result<PublicKey, TrustError> {
    let bytes = read(path).map_err(|source| TrustError::File { path: path.to_owned(), source })?;
    PublicKey::from_pem(&bytes).map_err(|source| TrustError::Key { path: path.to_owned(), source })
}

fn policy(access: &Access, around: &Surroundings) -> Result<Option<(PathBuf, Policy)>, TrustError> {
    if access.insecure_policy {
        return Ok(None);
    }
    let below = |folder: &Option<PathBuf>, path| folder.as_ref().map(|folder| folder.join(path));
    let hosts = [
        below(&around.registry.home, ".config/containers/policy.json"),
        below(&around.registry.etc, "containers/policy.json"),
    ];
    let named = access.signature_policy.as_slice();
    let paths =
        if named.is_empty() { hosts.into_iter().flatten().collect() } else { named.to_vec() };
    for path in paths {
        let bytes = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_empty() => continue,
            read => read.map_err(|source| TrustError::File { path: path.clone(), source })?,
        };
        return match Policy::parse(&bytes) {
            Ok(policy) => Ok(Some((path, policy))),
            Err(source) => Err(TrustError::Policy { path, source }),
        };
    }
    Ok(None)
}

/// What is cut off at the limit is neither key nor policy any more.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Command};
    use crate::registry::Environment;

    fn found(home: &Path, etc: &Path, words: &[&str]) -> Result<Option<PathBuf>, TrustError> {
        let words = [&["bootc-image", "build", "r.example/os"], words].concat();
        let Command::Build(args) = Args::parse_from(words).command else { unreachable!() };
        let registry = Environment {
            home: Some(home.to_owned()),
            etc: Some(etc.to_owned()),
            ..Environment::default()
        };
        let around = Surroundings { registry, ..Surroundings::default() };
        Ok(trust(&args.access, &around)?.policy.map(|(path, _)| path))
    }

    #[test]
    fn the_nearest_policy_decides() {
        let dir = tempfile::tempdir().unwrap();
        let (home, etc) = (dir.path().join("home"), dir.path().join("etc"));
        assert_eq!(found(&home, &etc, &[]).unwrap(), None);
        let system = etc.join("containers/policy.json");
        std::fs::create_dir_all(system.parent().unwrap()).unwrap();
        let sound = r#"{"default":[{"type":"reject"}]}"#;
        std::fs::write(&system, sound).unwrap();
        assert_eq!(found(&home, &etc, &[]).unwrap().as_ref(), Some(&system));
        let own = home.join(".config/containers/policy.json");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::write(&own, sound).unwrap();
        assert_eq!(found(&home, &etc, &[]).unwrap().as_ref(), Some(&own));
        let other = dir.path().join("other.json");
        let option = format!("--signature-policy={}", other.display());
        let missing = found(&home, &etc, &[&option]).unwrap_err();
        assert!(matches!(missing, TrustError::File { path, .. } if path == other));
        std::fs::write(&other, sound).unwrap();
        assert_eq!(found(&home, &etc, &[&option]).unwrap().as_ref(), Some(&other));
        std::fs::write(&own, "{}").unwrap();
        let wrong = found(&home, &etc, &[]).unwrap_err();
        assert!(matches!(wrong, TrustError::Policy { path, .. } if path == own));
        assert_eq!(found(&home, &etc, &["--insecure-policy"]).unwrap(), None);
        // Not understood is not the same as not there.
        std::fs::remove_file(&own).unwrap();
        std::fs::create_dir(&own).unwrap();
        assert!(matches!(found(&home, &etc, &[]), Err(TrustError::File { .. })));
    }

    #[test]
    fn keys_are_read_before_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cosign.key");
        std::fs::write(&path, "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n").unwrap();
        let option = format!("--verify-key={}", path.display());
        let error = found(dir.path(), dir.path(), &["--insecure-policy", &option]).unwrap_err();
        let hint = crate::cli::hint::hint(&error).unwrap();
        assert!(hint.contains("cosign.pub"), "{hint}");
        assert!(matches!(error, TrustError::Key { source: KeyError::Label(_), .. }));
    }
}
