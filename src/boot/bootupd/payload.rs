//! bootupd's payload for UEFI: whole trees that go to the ESP.
//!
//! ```text
//! usr/lib/efi/<component>/<version>/EFI/…      since Fedora 44; several, merged
//! usr/lib/bootupd/updates/EFI/…                before; not looked at when there is one of the others
//! ```
//!
//! Trees are copied in order of component and version, each over the former.

use std::collections::BTreeMap;

use super::super::BootError;
use super::BootupdError;
use crate::files::{FileKind, Files};

const COMPONENTS: &str = "usr/lib/efi";
const UPDATES: &str = "usr/lib/bootupd/updates/EFI";

/// Names that bootupd keeps for itself.
const TEMPORARY: &str = ".btmp.";

/// A file that goes to the ESP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PayloadFile {
    /// Path below `EFI/` on the ESP.
    pub efi: String,
    /// Path below the payload's root (`shim/16/EFI/fedora/shimx64.efi`).
    pub source: String,
    /// Path in the image.
    pub image: String,
    /// Its length.
    pub len_bytes: u64,
}

/// Everything to copy.
#[derive(Debug)]
pub(super) struct Payload {
    root: &'static str,
    /// In the order in which it is copied.
    files: Vec<PayloadFile>,
}

impl Payload {
    /// Finds the payload of the image.
    pub(super) fn find(files: &dyn Files) -> Result<Self, BootError> {
        let root = if has_components(files) { COMPONENTS } else { UPDATES };
        let mut all = Vec::new();
        for (source, len_bytes) in regular_files(files, root)? {
            let efi = match root {
                COMPONENTS => below_component(&source),
                _ => Some(source.as_str()),
            };
            if let Some(efi) = efi.map(str::to_owned) {
                let image = format!("{root}/{source}");
                all.push(PayloadFile { efi, source, image, len_bytes });
            }
        }
        all.sort_by(|one, other| one.source.split('/').cmp(other.source.split('/')));
        Ok(Self { root, files: all })
    }

    /// What is on the ESP in the end, by path below `EFI/`.
    pub(super) fn merged(&self) -> impl Iterator<Item = (&str, &PayloadFile)> {
        let files = self.files.iter().map(|file| (file.efi.as_str(), file));
        files.collect::<BTreeMap<_, _>>().into_iter()
    }

    /// The directory of the only shim.
    pub(super) fn vendor(&self, shim: &'static str) -> Result<&str, BootError> {
        let shims: Vec<&PayloadFile> =
            self.files.iter().filter(|file| file.efi.rsplit('/').next() == Some(shim)).collect();
        let missing = || BootupdError::NoShim { root: self.root.to_owned(), shim };
        match shims.as_slice() {
            [] => Err(missing().into()),
            [only] => {
                let vendor = only.efi.split_once('/').map(|(vendor, _)| vendor);
                let vendor =
                    vendor.filter(|vendor| only.efi.len() == vendor.len() + 1 + shim.len());
                Ok(vendor.ok_or_else(missing)?)
            }
            several => {
                let paths = several.iter().map(|file| file.image.clone());
                Err(BootError::SeveralShims(paths.collect()))
            }
        }
    }
}

/// Whether there is a `usr/lib/efi/<component>/<version>/EFI`.
fn has_components(files: &dyn Files) -> bool {
    let is_tree = |path: String| files.kind(&path) == Some(FileKind::Directory);
    files.names(COMPONENTS).into_iter().any(|component| {
        let versions = format!("{COMPONENTS}/{component}");
        let mut names = files.names(&versions).into_iter();
        names.any(|version| is_tree(format!("{versions}/{version}/EFI")))
    })
}

/// `<component>/<version>/EFI/<rest>` without all but the rest.
fn below_component(source: &str) -> Option<&str> {
    let mut parts = source.splitn(4, '/').skip(2);
    parts.next().filter(|name| *name == "EFI")?;
    parts.next()
}

/// Path and length of every file below `root`; bootupd installs no others.
fn regular_files(files: &dyn Files, root: &str) -> Result<Vec<(String, u64)>, BootError> {
    let mut found = Vec::new();
    let mut todo = vec![String::new()];
    while let Some(directory) = todo.pop() {
        for name in files.names(&format!("{root}{directory}")) {
            let below = format!("{directory}/{name}");
            let path = format!("{root}{below}");
            let refused = |what| BootupdError::Payload { path: path.clone(), what };
            if name.starts_with(TEMPORARY) {
                return Err(refused("a temporary file").into());
            }
            match files.kind(&path) {
                Some(FileKind::Directory) => todo.push(below),
                Some(FileKind::Regular { len_bytes }) => {
                    found.push((below[1..].to_owned(), len_bytes));
                }
                Some(FileKind::Symlink { .. }) => return Err(refused("a symbolic link").into()),
                None => return Err(refused("no file").into()),
            }
        }
    }
    Ok(found)
}
