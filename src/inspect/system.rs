//! What is installed in a root file system: deployments, boot entries, who started it.

use super::filesystem::{Below, Ext4Tree};
use super::knowledge::Knowledge;
use super::model::{BootEntry, BootFile, BootLoader, Bootupd, Deployment, Selinux};
use crate::digest::Sha256Digest;
use crate::files::{FileKind, Files as _};

const SMALL: u64 = 1 << 20;
/// A commit has the image's manifest and config in it.
const COMMIT: u64 = 64 << 20;
const MOST_ENTRIES: usize = 1000;
const MOST_DEPLOYMENTS: usize = 1000;
const GRUB_CONFIGS: [&str; 3] = ["grub2/grub.cfg", "grub/grub.cfg", "loader/grub.cfg"];

/// Adds what a file system has of a boot loader.
pub(super) fn boot_loader(tree: &Ext4Tree, loader: &mut BootLoader) {
    let boot = boot(tree);
    let configs = GRUB_CONFIGS.iter().map(|path| format!("{boot}{path}"));
    let there = configs.filter(|path| tree.exists(path));
    loader.grub_configs.extend(there.map(|path| format!("/{path}")));
    let state = tree.content(&format!("{boot}bootupd-state.json"), SMALL);
    let found = state.and_then(|bytes| bootupd(&bytes));
    loader.bootupd = loader.bootupd.take().or(found);
}

/// Where a file system has what `/boot` has: a root in `boot/`, one of its own at its root, where
/// `boot` is a link to itself.
fn boot(tree: &Ext4Tree) -> &'static str {
    match tree.kind("boot") {
        Some(FileKind::Directory) => "boot/",
        _ => "",
    }
}

fn bootupd(bytes: &[u8]) -> Option<Bootupd> {
    let state: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let installed = state.get("installed")?.as_object()?;
    let version = |component: &serde_json::Value| {
        component.pointer("/meta/version").and_then(|version| version.as_str()).map(str::to_owned)
    };
    Some(Bootupd {
        components: installed
            .iter()
            .map(|(name, component)| (name.clone(), version(component).unwrap_or_default()))
            .collect(),
        static_configs: state.get("static-configs").is_some_and(|configs| !configs.is_null()),
    })
}

/// The boot entries of a file system: `/boot` of a root, or a file system of its own.
pub(super) fn boot_entries(tree: &Ext4Tree, partition: u32) -> Vec<BootEntry> {
    let directory = format!("{}loader/entries", boot(tree));
    let names = tree.list(&directory).into_iter().filter(|name| name.ends_with(".conf"));
    let entry = |name: String| {
        let bytes = tree.content(&format!("{directory}/{name}"), SMALL)?;
        Some(boot_entry(tree, partition, &name, &String::from_utf8_lossy(&bytes)))
    };
    names.take(MOST_ENTRIES).filter_map(entry).collect()
}

fn boot_entry(tree: &Ext4Tree, partition: u32, name: &str, text: &str) -> BootEntry {
    let values = |wanted: &str| {
        let lines = text.lines().filter_map(|line| line.trim_start().split_once([' ', '\t']));
        let values = lines.filter(|(key, _)| *key == wanted);
        values.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let one = |wanted: &str| values(wanted).pop();
    let file = |path: String| {
        let present = tree.exists(path.trim_start_matches('/'));
        BootFile { path, present }
    };
    BootEntry {
        partition,
        file: name.to_owned(),
        title: one("title"),
        version: one("version"),
        options: values("options").join(" "),
        kernel: one("linux").map(file),
        initrds: values("initrd").into_iter().map(file).collect(),
    }
}

/// `.bootc-aleph.json`.
pub(super) fn aleph(tree: &Ext4Tree) -> Option<serde_json::Value> {
    serde_json::from_slice(&tree.content(".bootc-aleph.json", SMALL)?).ok()
}

/// The deployments of a root file system, in the order of stateroots, commits and serials.
pub(super) fn deployments(
    tree: &Ext4Tree,
    partition: u32,
    knowledge: &Knowledge<'_>,
    problems: &mut Vec<String>,
) -> Vec<Deployment> {
    let mut found = Vec::new();
    for stateroot in tree.list("ostree/deploy") {
        let below = format!("ostree/deploy/{stateroot}/deploy");
        for name in tree.list(&below) {
            let Some((checksum, serial)) = parse_name(&name) else { continue };
            if found.len() >= MOST_DEPLOYMENTS {
                return found;
            }
            let root = format!("{below}/{name}");
            let mut deployment = deployment(tree, &root, knowledge);
            deployment.partition = partition;
            deployment.stateroot = stateroot.clone();
            deployment.serial = serial;
            add_commit(tree, &mut deployment, checksum, knowledge, problems);
            found.push(deployment);
        }
    }
    found
}

/// `<checksum>.<serial>`; not `<checksum>.<serial>.origin`.
fn parse_name(name: &str) -> Option<(Sha256Digest, u32)> {
    let (checksum, serial) = name.split_once('.')?;
    Some((Sha256Digest::parse_hex(checksum).ok()?, serial.parse().ok()?))
}

fn deployment(tree: &Ext4Tree, root: &str, knowledge: &Knowledge<'_>) -> Deployment {
    let origin = tree.content(&format!("{root}.origin"), SMALL);
    let origin = origin.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let image = origin.as_deref().and_then(|origin| {
        let mut pairs = origin.lines().filter_map(|line| line.split_once('='));
        let found = pairs.find(|(key, _)| key.trim() == "container-image-reference");
        found.map(|(_, value)| value.trim().to_owned())
    });
    let files = Below { tree, root };
    let has_kernel =
        |version: &&String| files.leads_to_file(&format!("usr/lib/modules/{version}/vmlinuz"));
    let kernels = files.names("usr/lib/modules");
    let selinux = files.read_following("etc/selinux/config", SMALL).ok().flatten();
    Deployment {
        partition: 0,
        stateroot: String::new(),
        checksum: String::new(),
        serial: 0,
        os: (knowledge.os_name)(&files),
        kernels: kernels.iter().filter(has_kernel).cloned().collect(),
        origin,
        image,
        image_digest: None,
        version: None,
        commit_present: false,
        parent: None,
        selinux: selinux.map(|bytes| selinux_config(&String::from_utf8_lossy(&bytes))),
        composefs: (knowledge.composefs)(&files),
        composefs_image: tree.exists(&format!("{root}/.ostree.cfs")),
    }
}

/// What the commit says.
fn add_commit(
    tree: &Ext4Tree,
    deployment: &mut Deployment,
    checksum: Sha256Digest,
    knowledge: &Knowledge<'_>,
    problems: &mut Vec<String>,
) {
    let hex = checksum.to_hex();
    deployment.checksum.clone_from(&hex);
    let path = format!("ostree/repo/objects/{}/{}.commit", &hex[..2], &hex[2..]);
    let Some(bytes) = tree.content(&path, COMMIT) else { return };
    deployment.commit_present = true;
    if Sha256Digest::of(&bytes) != checksum {
        problems.push(format!("`/{path}` has another checksum than its name says"));
    }
    match (knowledge.commit)(&bytes) {
        Ok(facts) => {
            deployment.image_digest = facts.image_digest;
            deployment.parent = facts.parent;
            deployment.version = facts.version.or_else(|| version(facts.image_config.as_deref()?));
        }
        Err(problem) => problems.push(format!("`/{path}`: {problem}")),
    }
}

/// The version in an image's config.
fn version(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    let labels = config.pointer("/config/Labels")?;
    let label = |name: &str| labels.get(name)?.as_str().map(str::to_owned);
    label("org.opencontainers.image.version").or_else(|| label("version"))
}

/// `etc/selinux/config`: `KEY=value`, the last of a key counts.
pub fn selinux_config(text: &str) -> Selinux {
    let value = |wanted: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let mut values = lines.filter_map(|line| line.split_once('='));
        let last = values.rfind(|(key, _)| key.trim() == wanted);
        last.map(|(_, value)| value.trim().to_owned())
    };
    Selinux { mode: value("SELINUX"), policy: value("SELINUXTYPE") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_deployments_are_read() {
        let hex = Sha256Digest::of(b"").to_hex();
        assert_eq!(parse_name(&format!("{hex}.12")), Some((Sha256Digest::of(b""), 12)));
        for wrong in [format!("{hex}.0.origin"), hex.clone(), "x.0".to_owned(), format!("{hex}.x")]
        {
            assert_eq!(parse_name(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_word_on_selinux_counts() {
        let config = selinux_config("# SELINUX=x\nSELINUX=enforcing\n SELINUX = permissive \n");
        assert_eq!(config.mode.as_deref(), Some("permissive"));
        assert_eq!(config.policy, None);
    }

    #[test]
    fn versions_of_components_are_found() {
        let state = br#"{"installed":{"EFI":{"meta":{"version":"grub2-1"}},"BIOS":{}},
                         "static-configs":null}"#;
        let bootupd = bootupd(state).unwrap();
        assert_eq!(bootupd.components["EFI"], "grub2-1");
        assert_eq!(bootupd.components["BIOS"], "");
        assert!(!bootupd.static_configs);
    }
}
