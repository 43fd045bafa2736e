//! `[customizations]`: hands each key to the file that knows it.

use super::reader::Table;
use super::{Blueprint, accounts, filesystems, first_boot, partitions, placed, system};
use crate::settings::Settings;

/// The keys, for suggestions.
pub(super) const KEYS: &[&str] = &[
    "bootloader",
    "cloud_init",
    "credentials",
    "directories",
    "disk",
    "files",
    "filesystem",
    "group",
    "hostname",
    "ignition",
    "installer",
    "kernel",
    "locale",
    "services",
    "sshkey",
    "timezone",
    "user",
];

const IN_THE_IMAGE: &str = "this is about packages, which come with the image: do it there";
/// Why what is for Anaconda is of no use elsewhere.
pub(super) const ISO: &str =
    "it is for Anaconda's installers; ours reads `[install]` beside `[customizations]`";
const MODULES: &str = "not supported yet: Anaconda runs the modules of its boot ISO";
const IN_KICKSTART: &str = "not supported yet: say so in `kickstart.contents`";

/// Keys of osbuild's that have no meaning for disks of bootable images.
const NOT_FOR_DISKS: [(&str, &str); 15] = [
    ("repositories", IN_THE_IMAGE),
    ("rpm", IN_THE_IMAGE),
    ("dnf", IN_THE_IMAGE),
    ("rhsm", "register the system at its first boot, from a unit of the image or by cloud-init"),
    ("cacerts", "certificates come with the image: add them and run its trust tool there"),
    ("containers-storage", "let the image bring containers: as logically bound images"),
    ("firewall", "configure it in the image, or write `/etc/firewalld/…` with `files`"),
    ("openscap", "harden the image when it is built"),
    ("fips", "build the image for FIPS, and append `fips=1` with `kernel.append`"),
    ("fdo", "it is for installers of osbuild's edge images"),
    ("firstboot", "let a unit of the image do it, or `cloud_init`, or `ignition`"),
    ("sshd", "write `/etc/ssh/sshd_config.d/….conf` with `files`"),
    ("installation_device", ISO),
    ("partitioning_mode", "lay the disk out with `disk`"),
    ("iso", ISO),
];

pub(super) fn read(table: &mut Table<'_>) -> Blueprint {
    table.refuse(&NOT_FOR_DISKS);
    let (users, groups) = accounts::read(table);
    let (directories, files) = placed::read(table);
    let settings = Settings {
        users,
        groups,
        kargs: system::kernel(table),
        directories,
        files,
        hostname: system::hostname(table),
        locale: system::locale(table),
        time: system::time(table),
        units: system::units(table),
        credentials: first_boot::credentials(table),
        cloud_init: first_boot::cloud_init(table),
        ignition: first_boot::ignition(table),
        grub: system::grub(table),
    };
    let sizes = filesystems::read(table);
    let partitions = partitions::read(table);
    let kickstart = table.get("installer").and_then(|field| field.table(installer)).flatten();
    Blueprint { settings, disk: partitions.or(sizes), kickstart, warnings: Vec::new() }
}

/// `[installer]`: what Anaconda is told.
fn installer(table: &mut Table<'_>) -> Option<String> {
    table.refuse(&NOT_FOR_ANACONDA);
    table.get("kickstart")?.table(|table| {
        let contents = |text: &str| match text {
            text if text.contains('\0') => Err("contains a NUL".to_owned()),
            text => Ok(text.to_owned()),
        };
        table.require("contents")?.check(contents)
    })?
}

/// Keys of `[installer]` that are not carried out.
const NOT_FOR_ANACONDA: [(&str, &str); 3] =
    [("modules", MODULES), ("unattended", IN_KICKSTART), ("sudo-nopasswd", IN_KICKSTART)];
