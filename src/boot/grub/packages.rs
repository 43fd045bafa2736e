//! Signed boot loaders where distributions' packages put them: `bootloaders/*.toml`.
//!
//! They get the removable layout: shim, GRUB and MokManager in `EFI/BOOT`, the stub in the directory
//! that GRUB's prefix names.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::esp::{Found, Names};
use crate::files::Files;
use crate::spec::Arch;

const TABLES: [&str; 2] = [
    include_str!("../../../bootloaders/debian.toml"),
    include_str!("../../../bootloaders/opensuse.toml"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    /// For people.
    #[serde(rename = "name")]
    _name: String,
    /// Whether GRUB looks for its configuration where it was loaded from.
    config_beside_grub: bool,
    x86_64: Places,
    aarch64: Places,
}

/// Paths in the image; the first that exists counts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    shim: Vec<String>,
    grub: Vec<String>,
    mok_manager: Vec<String>,
}

impl Distribution {
    fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().map(|text| toml::from_str(text).expect("the tables are tested"))
    }

    fn places(&self, arch: Arch) -> &Places {
        match arch {
            Arch::X86_64 => &self.x86_64,
            Arch::Aarch64 => &self.aarch64,
        }
    }
}

/// The first distribution whose shim and GRUB are both there.
pub(super) fn find(files: &dyn Files, arch: Arch, names: &Names) -> Option<Found> {
    Distribution::all().find_map(|distribution| {
        let places = distribution.places(arch);
        let first = |paths: &[String]| {
            let path = paths.iter().find(|path| files.leads_to_file(path))?;
            files.resolve(path)
        };
        let (shim, grub) = (first(&places.shim)?, first(&places.grub)?);
        let mut found = BTreeMap::from([
            (format!("BOOT/{}", names.removable), shim),
            (format!("BOOT/{}", names.grub), grub.clone()),
        ]);
        let mok_manager = first(&places.mok_manager);
        found.extend(mok_manager.map(|path| (format!("BOOT/{}", names.mok_manager), path)));
        let beside = distribution.config_beside_grub.then(|| "BOOT".to_owned());
        Some(Found { files: found, grub, stubs: beside.into_iter().collect() })
    })
}

/// The paths that were looked at.
pub(super) fn searched(arch: Arch) -> Vec<String> {
    Distribution::all()
        .flat_map(|distribution| {
            let places = distribution.places(arch);
            [&places.shim[..1], &places.grub[..1]].concat()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_names_a_shim_and_a_grub() {
        assert_eq!(Distribution::all().count(), TABLES.len());
        for arch in [Arch::X86_64, Arch::Aarch64] {
            assert_eq!(searched(arch).len(), 2 * TABLES.len());
        }
    }
}
