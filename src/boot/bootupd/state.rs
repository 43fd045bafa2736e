//! `bootupd-state.json`: what bootupd knows of the installation. One line of JSON without blanks,
//! members in this order:
//!
//! ```json
//! {"installed":{"EFI":{
//!   "meta":{"timestamp":"…","version":"…","versions":[{"name":"shim","rpm_evr":"…"}]},
//!   "filetree":{"children":{"fedora/shimx64.efi":{"source":"…","size":1,"sha512":"sha512:…"}}},
//!   "adopted-from":null}},
//!  "pending":null,
//!  "static-configs":{"timestamp":"1970-01-01T00:00:00Z","version":"…","versions":null}}
//! ```
//!
//! A disk that boots from BIOS too has `"BIOS":{"meta":…,"filetree":null,"adopted-from":null}` before
//! `EFI`.
//!
//! `meta` is the image's `EFI.json` or `BIOS.json`. The tree has what was copied, and not the two configuration files
//! added to it: an update compares it with the next image's tree, a validation with the ESP.
//!
//! `static-configs` says that they are there, which makes libostree leave `grub.cfg` alone. Its time is
//! that of bootupd's binary, which is 0 in a deployment. Its version is that of bootupd's binary too,
//! which no file of the image tells; nothing compares it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};

use super::super::{BootError, CONFIG_LIMIT_BYTES};
use super::BootupdError;
use super::payload::Payload;
use crate::boot::grub::pe::LIMIT_BYTES;
use crate::files::Files;

/// What stands where bootupd would put its own version.
const UNKNOWN_VERSION: &str = "unknown";

/// What is known of a component: `EFI.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    timestamp: String,
    /// For people.
    pub version: String,
    versions: Option<Vec<Module>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Module {
    name: String,
    rpm_evr: String,
}

/// The files of the ESP, by path below `EFI/`.
#[derive(Debug, Serialize)]
pub(super) struct FileTree {
    children: BTreeMap<String, Child>,
}

#[derive(Debug, Serialize)]
struct Child {
    source: String,
    size: u64,
    sha512: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct State {
    installed: BTreeMap<&'static str, Installed>,
    pending: (),
    static_configs: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Installed {
    meta: Metadata,
    filetree: Option<FileTree>,
    adopted_from: (),
}

/// The components that are installed.
#[derive(Debug)]
pub(super) struct Components {
    /// GRUB for UEFI, and what the ESP has of it.
    pub uefi: (Metadata, FileTree),
    /// GRUB for BIOS.
    pub bios: Option<Metadata>,
}

/// The metadata of a component; without, the image does not have the component.
pub(super) fn metadata(files: &dyn Files, name: &str) -> Result<Option<Metadata>, BootError> {
    let path = format!("usr/lib/bootupd/updates/{name}.json");
    let Some(bytes) = files.read_following(&path, CONFIG_LIMIT_BYTES)? else { return Ok(None) };
    let problem = match serde_json::from_slice::<Metadata>(&bytes) {
        Ok(metadata) if is_time(&metadata.timestamp) => return Ok(Some(metadata)),
        Ok(metadata) => format!("{:?} is no time of RFC 3339", metadata.timestamp),
        Err(error) => error.to_string(),
    };
    Err(BootupdError::Metadata { path, problem }.into())
}

/// Hashes every file that goes to the ESP.
pub(super) fn file_tree(files: &dyn Files, payload: &Payload) -> Result<FileTree, BootError> {
    let mut children = BTreeMap::new();
    for (path, file) in payload.merged() {
        let bytes = files.read(&file.image, LIMIT_BYTES)?.unwrap_or_default();
        let child =
            Child { source: file.source.clone(), size: file.len_bytes, sha512: sha512(&bytes) };
        children.insert(path.to_owned(), child);
    }
    Ok(FileTree { children })
}

/// The state in which these components and the static configuration are installed.
pub(super) fn to_json(components: Components) -> Vec<u8> {
    let static_configs = Metadata {
        timestamp: "1970-01-01T00:00:00Z".to_owned(),
        version: UNKNOWN_VERSION.to_owned(),
        versions: None,
    };
    let component = |meta, filetree| Installed { meta, filetree, adopted_from: () };
    let (meta, tree) = components.uefi;
    let mut installed = BTreeMap::from([("EFI", component(meta, Some(tree)))]);
    installed.extend(components.bios.map(|meta| ("BIOS", component(meta, None))));
    let state = State { installed, pending: (), static_configs };
    serde_json::to_vec(&state).expect("strings and numbers are always JSON")
}

fn sha512(bytes: &[u8]) -> String {
    let mut text = "sha512:".to_owned();
    for byte in Sha512::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
    }
    text
}

/// Whether the text has the form of an RFC 3339 time (`2025-08-20T08:48:03.5Z`).
fn is_time(text: &str) -> bool {
    let digits_as_0 = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() { "" } else { zone }
        }
        None => rest,
    };
    let is_zone = zone == "Z" || matches!(digits_as_0(zone).as_str(), "+00:00" | "-00:00");
    digits_as_0(time) == "0000-00-00T00:00:00" && is_zone
}
