//! `bootc/install/*.toml`: how the image wants to be installed.
//!
//! Directories: `usr/lib`, `usr/local/lib`, `etc`; a file in a later one replaces the file of the same
//! name in an earlier one, and a link to `/dev/null` removes it. Then all files in order of their
//! names, each over the former:
//!
//! | key under `[install]` | merged |
//! |---|---|
//! | `kargs`, `karg-deletes` | appended |
//! | `filesystem.root.type`, `ostree.…`, `bootupd.…` | each key by itself, the last wins |
//! | `match-architectures` | decides whether the file counts |
//! | all others | the last wins |
//!
//! `root-fs-type` is the old spelling of `filesystem.root.type` and loses to it.
//!
//! `enforce-container-sigpolicy = true` is refused: signatures are not checked, and a disk that looks
//! as if they were would be worse than none.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{ConfigError, load as load_file, matches_arch, toml_names};
use crate::files::{Deployed, FileKind, Files};
use crate::spec::Arch;

const DIRECTORIES: [&str; 3] =
    ["usr/lib/bootc/install", "usr/local/lib/bootc/install", "etc/bootc/install"];

const SIGNATURES: &str =
    "`enforce-container-sigpolicy`, that is images whose signatures are checked";

/// A type of root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootFs {
    /// XFS.
    Xfs,
    /// ext4.
    Ext4,
    /// Btrfs.
    Btrfs,
}

impl fmt::Display for RootFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
            Self::Btrfs => "btrfs",
        })
    }
}

/// How the root file system sits on its block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockSetup {
    /// Directly on a partition.
    Direct,
    /// In LUKS, unlocked by the TPM of the installed machine.
    Tpm2Luks,
}

/// A boot loader that the image may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bootloader {
    /// GRUB.
    Grub,
    /// systemd-boot.
    Systemd,
    /// GRUB for confidential machines.
    GrubCc,
    /// None.
    None,
}

/// The merged install configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Install {
    /// `filesystem.root.type`, else `root-fs-type`.
    pub root_fs: Option<RootFs>,
    /// `block`: what is allowed, the default first.
    pub block: Option<Vec<BlockSetup>>,
    /// `kargs`; a string may hold several arguments.
    pub kargs: Vec<String>,
    /// `karg-deletes`.
    pub karg_deletes: Vec<String>,
    /// `stateroot`.
    pub stateroot: Option<String>,
    /// `root-mount-spec`; empty means no `root=` at all.
    pub root_mount_spec: Option<String>,
    /// `boot-mount-spec`; empty means no entry for `/boot`.
    pub boot_mount_spec: Option<String>,
    /// `ostree.bls-append-except-default`: goes to the repository's configuration.
    pub bls_append_except_default: Option<String>,
    /// `bootupd.skip-boot-uuid`.
    pub skip_boot_uuid: Option<bool>,
    /// `bootloader`.
    pub bootloader: Option<Bootloader>,
    /// `discoverable-partitions`.
    pub discoverable_partitions: Option<bool>,
}

/// A wish of the image that is not fulfilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Another root file system; ext4 is made.
    RootFs(RootFs),
    /// LUKS as the default; the TPM of the final machine is not here.
    Luks,
    /// Another boot loader; GRUB is installed.
    Bootloader(Bootloader),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootFs(fs) => {
                write!(f, "the image asks for {fs} as its root file system, which is not supported yet: ext4 is made")
            }
            Self::Luks => f.write_str(
                "the image asks for `tpm2-luks`, which needs the TPM of the machine: \
                 the root file system is not encrypted",
            ),
            Self::Bootloader(_) => f.write_str(
                "the image asks for another boot loader, which is not supported yet: GRUB is installed",
            ),
        }
    }
}

impl Install {
    /// Reads and merges the image's files.
    pub fn load(files: &dyn Files, arch: Arch) -> Result<Self, ConfigError> {
        let files = &Deployed(files);
        let mut merged = Self::default();
        let mut old_root_fs = None;
        let mut enforces = None;
        for path in paths(files).into_values() {
            let Some(install) = load_file::<File>(files, &path)?.install else { continue };
            if matches_arch(install.match_architectures.as_deref(), arch) {
                last(&mut old_root_fs, install.root_fs_type);
                let enforced = install.enforce_container_sigpolicy;
                last(&mut enforces, enforced.map(|enforced| enforced.then_some(path)));
                merged.add(install);
            }
        }
        merged.root_fs = merged.root_fs.or(old_root_fs);
        match enforces.flatten() {
            Some(path) => Err(ConfigError::NotSupportedYet { what: SIGNATURES, path }),
            None => Ok(merged),
        }
    }

    /// What `root=` says, with this root file system; empty for no `root=`.
    ///
    /// With `discoverable-partitions` the system finds its root by the type of the partition.
    pub fn root_spec(&self, root_uuid: &str) -> String {
        match &self.root_mount_spec {
            Some(spec) => spec.clone(),
            None if self.discoverable_partitions == Some(true) => String::new(),
            None => format!("UUID={root_uuid}"),
        }
    }

    /// What `boot=` and the entry of `/boot` in fstab say; without, there are none.
    pub fn boot_spec(&self) -> Option<&str> {
        self.boot_mount_spec.as_deref().filter(|spec| !spec.is_empty())
    }

    /// Whether the image wants no boot loader installed: it brings its own, or needs none.
    pub fn forgoes_boot_loader(&self) -> bool {
        self.bootloader == Some(Bootloader::None)
    }

    /// What the image asks for and does not get.
    pub fn notices(&self) -> Vec<Notice> {
        let root_fs = self.root_fs.filter(|fs| *fs != RootFs::Ext4).map(Notice::RootFs);
        let first = self.block.as_ref().and_then(|block| block.first());
        let luks = (first == Some(&BlockSetup::Tpm2Luks)).then_some(Notice::Luks);
        let others = [Bootloader::Systemd, Bootloader::GrubCc];
        let bootloader = self.bootloader.filter(|loader| others.contains(loader));
        [root_fs, luks, bootloader.map(Notice::Bootloader)].into_iter().flatten().collect()
    }

    fn add(&mut self, install: Section) {
        last(
            &mut self.root_fs,
            install.filesystem.and_then(|fs| fs.root).and_then(|root| root.r#type),
        );
        last(&mut self.block, install.block);
        self.kargs.extend(install.kargs.unwrap_or_default());
        self.karg_deletes.extend(install.karg_deletes.unwrap_or_default());
        last(&mut self.stateroot, install.stateroot);
        last(&mut self.root_mount_spec, install.root_mount_spec);
        last(&mut self.boot_mount_spec, install.boot_mount_spec);
        last(
            &mut self.bls_append_except_default,
            install.ostree.and_then(|ostree| ostree.bls_append_except_default),
        );
        last(&mut self.skip_boot_uuid, install.bootupd.and_then(|bootupd| bootupd.skip_boot_uuid));
        last(&mut self.bootloader, install.bootloader);
        last(&mut self.discoverable_partitions, install.discoverable_partitions);
    }
}

fn last<T>(merged: &mut Option<T>, newer: Option<T>) {
    if newer.is_some() {
        *merged = newer;
    }
}

/// The path that counts for every file name.
fn paths(files: &dyn Files) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for directory in DIRECTORIES {
        let Some(directory) = files.resolve(directory) else { continue };
        for name in toml_names(files, &directory) {
            let path = format!("{directory}/{name}");
            let masks = matches!(
                files.kind(&path), Some(FileKind::Symlink { target }) if target == "/dev/null"
            );
            if masks {
                paths.remove(&name);
            } else if files.leads_to_file(&path) {
                paths.insert(name, path);
            }
        }
    }
    paths
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    install: Option<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    root_fs_type: Option<RootFs>,
    block: Option<Vec<BlockSetup>>,
    filesystem: Option<FilesystemSection>,
    kargs: Option<Vec<String>>,
    karg_deletes: Option<Vec<String>>,
    match_architectures: Option<Vec<String>>,
    ostree: Option<OstreeSection>,
    stateroot: Option<String>,
    root_mount_spec: Option<String>,
    boot_mount_spec: Option<String>,
    bootupd: Option<BootupdSection>,
    bootloader: Option<Bootloader>,
    discoverable_partitions: Option<bool>,
    enforce_container_sigpolicy: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesystemSection {
    root: Option<RootSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootSection {
    r#type: Option<RootFs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OstreeSection {
    bls_append_except_default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BootupdSection {
    skip_boot_uuid: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    /// The golden image `plain-kargs`.
    fn golden() -> MemoryFiles {
        MemoryFiles::default()
            .with("usr/lib/bootc/install/00-base.toml", "[install]\nstateroot = \"golden\"\nroot-fs-type = \"ext4\"\nkargs = [\"console=ttyS0,115200n8\", \"quiet splash\", \"dup=1\"]\n")
            .with("usr/lib/bootc/install/10-arm.toml", "[install]\nmatch-architectures = [\"aarch64\"]\nkargs = [\"never=here\"]\nstateroot = \"arm\"\n")
            .with("usr/lib/bootc/install/20-both.toml", "[install]\nmatch-architectures = [\"x86_64\", \"aarch64\"]\nkargs = [\"both=yes\"]\nkarg-deletes = [\"splash\", \"dup=2\"]\n")
            .with("usr/etc/bootc/install/30-etc.toml", "[install]\nkargs = [\"from_etc\"]\n[install.ostree]\nbls-append-except-default = \"grub_users=\\\"\\\"\"\n")
            .with("usr/lib/bootc/install/README.txt", "not toml")
    }

    fn one(text: &str) -> Result<Install, ConfigError> {
        let files = MemoryFiles::default().with("usr/lib/bootc/install/a.toml", text);
        Install::load(&files, Arch::X86_64)
    }

    #[test]
    fn the_golden_files_merge() {
        let install = Install::load(&golden(), Arch::X86_64).unwrap();
        assert_eq!(install.stateroot.as_deref(), Some("golden"));
        assert_eq!(install.root_fs, Some(RootFs::Ext4));
        let kargs = ["console=ttyS0,115200n8", "quiet splash", "dup=1", "both=yes", "from_etc"];
        assert_eq!(install.kargs, kargs);
        assert_eq!(install.karg_deletes, ["splash", "dup=2"]);
        assert_eq!(install.bls_append_except_default.as_deref(), Some("grub_users=\"\""));
        assert_eq!(install.notices(), []);
        let arm = Install::load(&golden(), Arch::Aarch64).unwrap();
        assert_eq!(arm.stateroot.as_deref(), Some("arm"));
    }

    #[test]
    fn a_later_directory_replaces_a_file_of_the_same_name() {
        let files = golden()
            .with("usr/etc/bootc/install/00-base.toml", "[install]\nkargs = [\"mine\"]\n")
            .with_link("usr/etc/bootc/install/20-both.toml", "/dev/null");
        let install = Install::load(&files, Arch::X86_64).unwrap();
        assert_eq!(install.kargs, ["mine", "from_etc"]);
        assert_eq!(install.stateroot, None);
        assert_eq!(install.karg_deletes, Vec::<String>::new());
    }

    #[test]
    fn every_key_is_read() {
        let install = one("[install]
root-fs-type = \"xfs\"
block = [\"tpm2-luks\", \"direct\"]
filesystem.root.type = \"btrfs\"
root-mount-spec = \"\"
boot-mount-spec = \"LABEL=boot\"
bootupd.skip-boot-uuid = true
bootloader = \"systemd\"
discoverable-partitions = true
enforce-container-sigpolicy = false
")
        .unwrap();
        assert_eq!(install.root_fs, Some(RootFs::Btrfs));
        assert_eq!(install.root_mount_spec.as_deref(), Some(""));
        assert_eq!(install.boot_mount_spec.as_deref(), Some("LABEL=boot"));
        assert_eq!(install.skip_boot_uuid, Some(true));
        assert_eq!(install.discoverable_partitions, Some(true));
        let notices =
            [Notice::RootFs(RootFs::Btrfs), Notice::Luks, Notice::Bootloader(Bootloader::Systemd)];
        assert_eq!(install.notices(), notices);
        assert_eq!(one("").unwrap(), Install::default());
    }

    #[test]
    fn mount_specs_can_be_left_out() {
        let cases = [
            ("", "UUID=u", None),
            ("root-mount-spec = \"\"\nboot-mount-spec = \"\"", "", None),
            (
                "root-mount-spec = \"LABEL=root\"\nboot-mount-spec = \"LABEL=b\"",
                "LABEL=root",
                Some("LABEL=b"),
            ),
            ("discoverable-partitions = true", "", None),
            ("discoverable-partitions = false", "UUID=u", None),
            ("discoverable-partitions = true\nroot-mount-spec = \"LABEL=r\"", "LABEL=r", None),
        ];
        for (text, root, boot) in cases {
            let install = one(&format!("[install]\n{text}\n")).unwrap();
            assert_eq!(
                (install.root_spec("u").as_str(), install.boot_spec()),
                (root, boot),
                "{text}"
            );
        }
    }

    #[test]
    fn the_boot_loader_can_be_left_out() {
        let cases = [
            ("none", true, None),
            ("grub", false, None),
            ("grub-cc", false, Some(Bootloader::GrubCc)),
            ("systemd", false, Some(Bootloader::Systemd)),
        ];
        for (name, forgone, notice) in cases {
            let install = one(&format!("[install]\nbootloader = \"{name}\"\n")).unwrap();
            assert_eq!(install.forgoes_boot_loader(), forgone, "{name}");
            let notices: Vec<_> = notice.into_iter().map(Notice::Bootloader).collect();
            assert_eq!(install.notices(), notices, "{name}");
        }
    }

    #[test]
    fn enforced_signatures_are_refused_by_name() {
        let path = "usr/lib/bootc/install/50-sign.toml";
        let text = "[install]\nenforce-container-sigpolicy = true\n";
        let files = MemoryFiles::default().with(path, text);
        let error = Install::load(&files, Arch::X86_64).unwrap_err().to_string();
        assert!(error.contains(path) && error.contains("enforce-container-sigpolicy"), "{error}");
        let later = text.replace("true", "false");
        let files = files.with("usr/lib/bootc/install/60.toml", later);
        assert!(Install::load(&files, Arch::X86_64).is_ok());
    }

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        let cases = [
            "[install]\nunknown = 1\n",
            "[other]\nx = 1\n",
            "[install.ostree]\nx = 1\n",
            "[install.filesystem.boot]\n",
            "[install.filesystem.root]\nsize = 1\n",
            "[install.bootupd]\nx = 1\n",
            "[install]\nroot-fs-type = \"zfs\"\n",
            "[install]\nmatch-architectures = [\"s390x\"]\nunknown = 1\n",
        ];
        for text in cases {
            let error = one(text).unwrap_err();
            assert!(matches!(&error, ConfigError::Invalid { .. }), "{text:?}: {error}");
            assert!(
                error.to_string().starts_with("`usr/lib/bootc/install/a.toml` line "),
                "{error}"
            );
        }
    }
}
