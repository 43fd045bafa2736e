//! GRUB's configuration: a stub on the ESP that finds the system, and one static `grub.cfg` in
//! `/boot/grub2` that makes the menu of the boot entries found at boot. Upgrades write new entries and
//! never touch it.
//!
//! ```text
//! stub      search the file system with /boot, configfile ($root)/boot/grub2/grub.cfg
//! grub.cfg  head, serial console, user.cfg, Ignition, the reader of entries, tail
//! ```
//!
//! | in `/boot/grub2` | whose |
//! |---|---|
//! | `grub.cfg` | ours |
//! | `grubenv` | GRUB's: `next_entry` chooses an entry for one boot |
//! | `console.cfg` | the owner's, from settings: in place of our serial console |
//! | `user.cfg` | the owner's, not there at first: `set timeout=10`, `GRUB2_PASSWORD=grub.pbkdf2…` |
//!
//! Where `/boot` is a file system of its own, the directory is `/grub2` on it; other paths begin with
//! `/boot` there too, as those of boot entries do, and lead through its link `boot -> .`.
//!
//! GRUB on UEFI and on BIOS read the same `grub.cfg`, though they may not have the same modules. Only
//! what both have is used, and each reads entries as it can. The texts are `templates/grub-*.cfg`, the
//! numbers in them the target's [`Menu`].

use std::collections::BTreeSet;

use super::super::loader::{BootFile, BootPlace, Content, Menu, Reads, SerialPort};

const STUB: &str = include_str!("../../../templates/grub-stub.cfg");
const HEAD: &str = include_str!("../../../templates/grub-head.cfg");
const SERIAL: &str = include_str!("../../../templates/grub-serial.cfg");
const CONSOLE: &str = include_str!("../../../templates/grub-console.cfg");
const IGNITION: &str = include_str!("../../../templates/grub-ignition.cfg");
const USER: &str = include_str!("../../../templates/grub-user.cfg");
const PASSWORD: &str = include_str!("../../../templates/grub-password.cfg");
const BRIDGE: &str = include_str!("../../../templates/grub-bridge.cfg");
const TAIL: &str = include_str!("../../../templates/grub-tail.cfg");

/// What any reader needs to be built in, since modules cannot be loaded under Secure Boot.
pub(super) const NEEDED: [&str; 9] = [
    "normal",
    "configfile",
    "test",
    "search",
    "search_fs_uuid",
    "part_gpt",
    "ext2",
    "linux",
    "loadenv",
];

/// How GRUB reads boot entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Its own `blscfg`, as Fedora's has.
    Blscfg,
    /// The module `blsuki` of GRUB 2.14, built in.
    Blsuki,
    /// A GRUB script; see [`super::bridge`] for what it cannot carry.
    Bridge,
}

impl Reader {
    /// The command that makes the menu. Fedora's `blscfg` looks in `/boot` by itself, upstream's wants
    /// to be told.
    fn command(self) -> &'static str {
        match self {
            Self::Blscfg => "blscfg",
            Self::Blsuki => "blscfg --path /boot/loader/entries",
            Self::Bridge => "bls_menu",
        }
    }
}

/// A GRUB that will read the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grub {
    /// How it reads boot entries.
    pub reader: Reader,
    modules: BTreeSet<String>,
}

impl Grub {
    /// The GRUB that these modules are built into; else those that it lacks.
    pub fn of(modules: BTreeSet<String>) -> Result<Self, Vec<String>> {
        let has = |name: &str| modules.contains(name);
        let mut missing: Vec<&str> = NEEDED.into_iter().filter(|name| !has(name)).collect();
        let reader = match (has("blscfg"), has("blsuki")) {
            (true, _) => Reader::Blscfg,
            (false, true) => Reader::Blsuki,
            (false, false) => Reader::Bridge,
        };
        if reader == Reader::Bridge && !has("regexp") {
            missing.push("regexp");
        }
        if missing.is_empty() {
            Ok(Self { reader, modules })
        } else {
            Err(missing.into_iter().map(str::to_owned).collect())
        }
    }
}

/// What reads one configuration; at least one of the two is there.
#[derive(Debug, Clone, Copy)]
pub struct Grubs<'a> {
    /// GRUB on UEFI.
    pub uefi: Option<&'a Grub>,
    /// GRUB on BIOS.
    pub bios: Option<&'a Grub>,
}

impl<'a> Grubs<'a> {
    fn all(self) -> impl Iterator<Item = &'a Grub> {
        self.uefi.into_iter().chain(self.bios)
    }

    fn have(self, module: &str) -> bool {
        self.all().all(|grub| grub.modules.contains(module))
    }

    /// The reader of each, with what it takes.
    fn entries(self) -> String {
        let functions =
            if self.all().any(|grub| grub.reader == Reader::Bridge) { BRIDGE } else { "" };
        let command = |grub: &Grub| grub.reader.command();
        let menu = match (self.uefi.map(command), self.bios.map(command)) {
            (Some(uefi), Some(bios)) if uefi != bios => {
                format!("if [ \"$grub_platform\" = \"pc\" ]; then\n  {bios}\nelse\n  {uefi}\nfi\n")
            }
            (uefi, bios) => format!("{}\n", uefi.or(bios).unwrap_or_default()),
        };
        if functions.is_empty() { menu } else { format!("{functions}\n{menu}") }
    }
}

/// The stub on the ESP. `boot_uuid` is the UUID of the file system that `/boot` is on.
pub fn stub(boot_uuid: &str, boot: BootPlace) -> Vec<u8> {
    let stub = STUB.replace("@BOOT_UUID@", boot_uuid);
    stub.replace("@GRUB@", boot.grub_directory()).into_bytes()
}

/// The files of `/boot/grub2`.
pub fn boot_files(grubs: Grubs<'_>, menu: Menu, reads: Reads) -> Vec<BootFile> {
    let file = |path: &str, bytes| BootFile {
        path: path.to_owned(),
        mode: 0o600,
        content: Content::Bytes(bytes),
    };
    let text = grub_cfg(grubs, menu, reads).into_bytes();
    vec![file("grub2/grub.cfg", text), file("grub2/grubenv", environment())]
}

fn grub_cfg(grubs: Grubs<'_>, menu: Menu, reads: Reads) -> String {
    let head = HEAD.replace("@TIMEOUT@", &menu.timeout_secs.to_string());
    let serial = menu.serial.filter(|_| grubs.have("serial")).map(serial);
    let efi_tail = grubs.uefi.is_some_and(|grub| grub.modules.contains("efifwsetup"));
    let sections = [
        Some(head),
        if reads.console { Some(CONSOLE.to_owned()) } else { serial },
        Some(USER.to_owned()),
        grubs.have("password_pbkdf2").then(|| PASSWORD.to_owned()),
        reads.ignition.then(|| IGNITION.to_owned()),
        Some(grubs.entries()),
        efi_tail.then(|| TAIL.to_owned()),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What makes a menu show on a serial port too.
pub(in crate::boot) fn serial(port: SerialPort) -> String {
    SERIAL
        .replace("@SERIAL_UNIT@", &port.unit.to_string())
        .replace("@SERIAL_SPEED@", &port.speed.to_string())
}

/// GRUB's environment block without variables, as `grub-editenv` of GRUB 2.06 and later makes it: two
/// header lines and `#` up to 1024 bytes.
pub(in crate::boot) fn environment() -> Vec<u8> {
    let mut block = b"# GRUB Environment Block\n\
                      # WARNING: Do not edit this file by tools other than grub-editenv!!!\n"
        .to_vec();
    block.resize(1024, b'#');
    block
}

#[cfg(test)]
mod tests {
    use super::super::super::loader::SerialPort;
    use super::*;

    const MENU: Menu =
        Menu { timeout_secs: 1, serial: Some(SerialPort { unit: 0, speed: 115_200 }) };

    fn modules(more: &[&str]) -> BTreeSet<String> {
        NEEDED.iter().chain(more).map(|&name| name.to_owned()).collect()
    }

    fn grub(more: &[&str]) -> Grub {
        Grub::of(modules(more)).unwrap()
    }

    fn text(uefi: Option<&[&str]>, bios: Option<&[&str]>) -> String {
        let (uefi, bios) = (uefi.map(grub), bios.map(grub));
        grub_cfg(Grubs { uefi: uefi.as_ref(), bios: bios.as_ref() }, MENU, Reads::default())
    }

    #[test]
    fn the_reader_follows_from_the_modules() {
        let cases: [(&[&str], Reader); 4] = [
            (&["blscfg", "regexp"], Reader::Blscfg),
            (&["blsuki"], Reader::Blsuki),
            (&["blsuki", "blscfg"], Reader::Blscfg),
            (&["regexp"], Reader::Bridge),
        ];
        for (modules, reader) in cases {
            assert_eq!(grub(modules).reader, reader, "{modules:?}");
        }
        assert_eq!(Grub::of(modules(&[])), Err(vec!["regexp".to_owned()]));
        assert_eq!(Grub::of(BTreeSet::new()).unwrap_err().len(), NEEDED.len() + 1);
    }

    #[test]
    fn sections_depend_on_what_is_built_in() {
        let full = text(Some(&["regexp", "serial", "efifwsetup", "password_pbkdf2"]), None);
        let parts =
            ["set timeout=1\n", "--unit=0 --speed=115200", "/user.cfg", "-$bls_n.conf", "fwsetup"];
        for part in parts {
            assert!(full.contains(part), "{part}");
        }
        let bare = text(Some(&["blscfg"]), None);
        for part in ["serial", "PASSWORD", "bls_n", "fwsetup"] {
            assert!(!bare.contains(part), "{part}");
        }
        assert!(bare.contains("/user.cfg"), "{bare}");
        assert!(bare.ends_with("\nblscfg\n"), "{bare}");
        let silent = Menu { timeout_secs: 5, serial: None };
        let grub = grub(&["regexp", "serial"]);
        let text = grub_cfg(Grubs { uefi: Some(&grub), bios: None }, silent, Reads::default());
        assert!(text.contains("set timeout=5\n") && !text.contains("--unit"), "{text}");
    }

    #[test]
    fn what_an_owner_sets_is_read_before_entries() {
        let grub = grub(&["regexp", "serial"]);
        let grubs = Grubs { uefi: Some(&grub), bios: None };
        let text = grub_cfg(grubs, MENU, Reads { console: true, ignition: true });
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("source \"$prefix/console.cfg\"") < at("/ignition.firstboot"));
        assert!(at("set ignition_firstboot=\"ignition.firstboot") < at("\nbls_menu\n"));
        assert!(!text.contains("--unit"), "{text}");
        let plain = grub_cfg(grubs, MENU, Reads::default());
        assert!(!plain.contains("ignition") && !plain.contains("console.cfg"), "{plain}");
    }

    #[test]
    fn each_platform_reads_entries_as_it_can() {
        let bls = "blscfg --path /boot/loader/entries";
        let mixed = text(Some(&["regexp", "serial"]), Some(&["blsuki"]));
        let choice =
            format!("\nif [ \"$grub_platform\" = \"pc\" ]; then\n  {bls}\nelse\n  bls_menu\nfi\n");
        assert!(mixed.ends_with(&choice) && mixed.contains("function bls_menu {"), "{mixed}");
        assert!(!mixed.contains("serial"), "GRUB on BIOS has no such command");
        for (uefi, bios) in [(Some(&["blsuki"][..]), None), (None, Some(&["blsuki"][..]))] {
            assert!(text(uefi, bios).ends_with(&format!("\n\n{bls}\n")));
        }
        let same = text(Some(&["regexp"]), Some(&["regexp"]));
        assert!(same.ends_with("}\n\nbls_menu\n"), "{same}");
    }

    #[test]
    fn no_placeholder_is_left() {
        let uuid = "11111111-2222-4333-8444-555555555555";
        let own = String::from_utf8(stub(uuid, BootPlace::Own)).unwrap();
        assert!(own.contains("prefix=\"($root)/grub2\""), "{own}");
        let stub = String::from_utf8(stub(uuid, BootPlace::OnRoot)).unwrap();
        assert!(stub.contains(&format!("--set=root {uuid}\n")));
        let all = stub + &text(Some(&["regexp", "serial", "efifwsetup", "password_pbkdf2"]), None);
        let left = all.split('@').nth(1);
        assert!(left.is_none(), "{left:?}");
    }

    #[test]
    fn the_environment_block_is_1024_bytes() {
        let grubenv = environment();
        assert_eq!(grubenv.len(), 1024);
        assert!(grubenv.starts_with(b"# GRUB Environment Block\n# W") && grubenv.ends_with(b"#"));
        let blscfg = grub(&["blscfg"]);
        let files = boot_files(Grubs { uefi: Some(&blscfg), bios: None }, MENU, Reads::default());
        assert!(files.iter().all(|file| file.mode == 0o600));
    }
}
