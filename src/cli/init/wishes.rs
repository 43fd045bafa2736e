//! What the owner wants: kernel arguments, a further file that they name, and what the medium brings.
//!
//! | source | where | says |
//! |---|---|---|
//! | arguments | `/proc/cmdline` | wishes |
//! | further file | on the medium, at the path that `bootc-image.install.config` gives | wishes, blueprint |
//! | embedded | the area [`INSTALL_TOML`] | wishes, blueprint |
//! | keys | the area [`AUTHORIZED_KEYS`] | who may log in as root |
//!
//! Of wishes each is taken from the first that has it; of blueprints the first that says anything is
//! taken whole.

use std::io;
use std::path::{Component, Path};

use super::error::InitError;
use crate::config::blueprint::{Blueprint, InstallFile};
use crate::installer::area::{self, AUTHORIZED_KEYS, AreaError, INSTALL_TOML};
use crate::installer::config::{Decisions, Wishes, from_kargs};
use crate::machine::{self, MachineError};
use crate::settings::is_private_key;

/// As much as is read of such a file anywhere.
const LIMIT_BYTES: u64 = 4 << 20;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of the installation.
    pub(super) decisions: Decisions,
    /// Of the system, if anything else than when the medium was made.
    pub(super) blueprint: Option<Blueprint>,
    /// Keys that may log in as root, if there are any.
    pub(super) keys: Option<Vec<u8>>,
}

impl Wanted {
    /// What the kernel's command line and a mounted medium say.
    pub(super) fn load(command_line: &[u8], medium: &Path) -> Result<Self, InitError> {
        let of_kernel = from_kargs(command_line)?;
        let further = match &of_kernel.config {
            Some(name) => file(name, &machine::read(&medium.join(on_medium(name)?), LIMIT_BYTES)?)?,
            None => Said::default(),
        };
        let embedded = match area(medium, INSTALL_TOML)? {
            Some(bytes) => file(INSTALL_TOML, &bytes)?,
            None => Said::default(),
        };
        let decisions = of_kernel.or(further.wishes).or(embedded.wishes).settle()?;
        let blueprint = further.blueprint.or(embedded.blueprint);
        Ok(Self { decisions, blueprint, keys: keys(medium)? })
    }
}

/// What one file says.
#[derive(Debug, Default)]
struct Said {
    wishes: Wishes,
    blueprint: Option<Blueprint>,
}

fn file(name: &str, bytes: &[u8]) -> Result<Said, InitError> {
    let InstallFile { install, blueprint, has_blueprint } = InstallFile::parse(name, bytes)?;
    Ok(Said { wishes: install, blueprint: has_blueprint.then_some(blueprint) })
}

/// Where a further file is on the medium.
fn on_medium(name: &str) -> Result<&Path, InitError> {
    if name.contains("://") {
        return Err(InitError::NoNetwork { url: name.to_owned() });
    }
    let path = name.strip_prefix('/').map(Path::new);
    let is_inside =
        |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let wrong = || InitError::NotOnTheMedium { path: name.to_owned() };
    path.filter(is_inside).filter(|path| path.file_name().is_some()).ok_or_else(wrong)
}

/// What an area of the medium holds, if it is there. One that was written by hand has no padding; one
/// whose change was interrupted says nothing that could be relied on.
fn area(medium: &Path, path: &str) -> Result<Option<Vec<u8>>, InitError> {
    match machine::read(&medium.join(path), LIMIT_BYTES) {
        Ok(bytes) => match area::content(&bytes) {
            Err(AreaError::Unfinished) => Err(InitError::Unfinished),
            content => Ok(Some(content.unwrap_or(&bytes).to_vec())),
        },
        Err(MachineError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn keys(medium: &Path) -> Result<Option<Vec<u8>>, InitError> {
    let Some(keys) = area(medium, AUTHORIZED_KEYS)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&keys);
    if is_private_key(&text) {
        return Err(InitError::PrivateKey(medium.join(AUTHORIZED_KEYS)));
    }
    let is_key = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let has_keys = text.lines().any(is_key);
    Ok(has_keys.then_some(keys))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::installer::area::{AUTHORIZED_KEYS_LEN, INSTALL_TOML_LEN};
    use crate::installer::config::{Ids, Then, WishError};
    use crate::installer::target::Target;

    fn medium(install: &str, keys: &str) -> TempDir {
        let medium = tempfile::tempdir().unwrap();
        put(&medium, INSTALL_TOML, &area::fill(install.as_bytes(), INSTALL_TOML_LEN).unwrap());
        put(&medium, AUTHORIZED_KEYS, &area::fill(keys.as_bytes(), AUTHORIZED_KEYS_LEN).unwrap());
        medium
    }

    fn put(medium: &TempDir, path: &str, bytes: &[u8]) {
        let path = medium.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    const EMBEDDED: &str = "[install]\ntarget = \"smallest\"\nids = \"derived\"\nthen = \"poweroff\"\n\
                            [customizations]\nhostname = \"embedded\"\n";

    #[test]
    fn the_strongest_source_wins() {
        let medium = medium(EMBEDDED, "ssh-ed25519 AAAA me");
        let further = b"[install]\nthen = \"shell\"\nwipe = true\n";
        put(&medium, "more/wishes", further);
        let kargs =
            b"quiet bootc-image.install.config=/more/wishes bootc-image.install.unattended \
                      bootc-image.install.target=/dev/vdb\n";
        let wanted = Wanted::load(kargs, medium.path()).unwrap();
        let decisions = &wanted.decisions;
        assert_eq!(decisions.target, Some(Target::Path("/dev/vdb".to_owned())));
        assert_eq!((decisions.ids, decisions.then), (Ids::Derived, Then::Shell));
        assert!(decisions.is_unattended && decisions.may_wipe);
        let hostname = wanted.blueprint.and_then(|blueprint| blueprint.settings.hostname);
        assert_eq!(hostname.as_deref(), Some("embedded"));
        assert_eq!(wanted.keys.as_deref(), Some(&b"ssh-ed25519 AAAA me"[..]));

        put(&medium, "more/wishes", b"[customizations]\nhostname = \"further\"\n");
        let wanted = Wanted::load(kargs, medium.path()).unwrap();
        let hostname = wanted.blueprint.and_then(|blueprint| blueprint.settings.hostname);
        assert_eq!(hostname.as_deref(), Some("further"));
        assert_eq!(wanted.decisions.then, Then::PowerOff);
    }

    #[test]
    fn a_medium_may_say_nothing() {
        let medium = medium("", "# nobody\n\n");
        let wanted = Wanted::load(b"quiet", medium.path()).unwrap();
        assert_eq!((wanted.blueprint, wanted.keys), (None, None));
        assert_eq!(wanted.decisions, Wishes::default().settle().unwrap());
        fs::remove_dir_all(medium.path().join("bootc-image")).unwrap();
        assert!(Wanted::load(b"", medium.path()).is_ok());
        put(&medium, AUTHORIZED_KEYS, b"ssh-rsa AAAA no padding\n");
        let wanted = Wanted::load(b"", medium.path()).unwrap();
        assert_eq!(wanted.keys.as_deref(), Some(&b"ssh-rsa AAAA no padding\n"[..]));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let load = |kargs: &str, install: &str, keys: &str| {
            Wanted::load(kargs.as_bytes(), medium(install, keys).path()).unwrap_err()
        };
        let error = load("bootc-image.install.unattended", "", "");
        assert!(matches!(error, InitError::Wish(WishError::NoTarget)));
        let error = load("bootc-image.install.config=https://h.example/i.toml", "", "");
        assert!(matches!(error, InitError::NoNetwork { .. }), "{error}");
        for path in ["install.toml", "/../x", "/", "//", "/a/../../b"] {
            let error = load(&format!("bootc-image.install.config={path}"), "", "");
            assert!(matches!(error, InitError::NotOnTheMedium { .. }), "{path}: {error}");
        }
        let error = load("bootc-image.install.config=/none.toml", "", "");
        assert!(matches!(error, InitError::Machine(MachineError::Read { .. })), "{error}");
        let error = load("", "[install]\ntargte = 1\n", "");
        assert!(error.to_string().contains("line 2"), "{error}");
        let error = load("", "[install]\n\n[customizations]\nhostnam = 1\n", "");
        assert!(error.to_string().contains("bootc-image/install.toml"), "{error}");
        assert!(matches!(error, InitError::Blueprint(_)));
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        assert!(matches!(load("", "", private), InitError::PrivateKey(_)));
    }
}
