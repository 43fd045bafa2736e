//! GRUB's configuration: a stub on the ESP that finds the system, and one static `grub.cfg` in
//! `/boot/grub2` that makes the menu of the boot entries found at boot. Upgrades write new entries and
//! never touch it.
//!
//! ```text
//! stub      search the root file system, configfile ($root)/boot/grub2/grub.cfg
//! grub.cfg  head, serial console if built in, the reader of entries, tail
//! ```
//!
//! The texts are `templates/grub-*.cfg`.

use super::super::loader::BootConfig;
use super::pe::GrubBinary;

const STUB: &str = include_str!("../../../templates/grub-stub.cfg");
const HEAD: &str = include_str!("../../../templates/grub-head.cfg");
const SERIAL: &str = include_str!("../../../templates/grub-serial.cfg");
const BLSCFG: &str = include_str!("../../../templates/grub-blscfg.cfg");
const BLSUKI: &str = include_str!("../../../templates/grub-blsuki.cfg");
const BRIDGE: &str = include_str!("../../../templates/grub-bridge.cfg");
const TAIL: &str = include_str!("../../../templates/grub-tail.cfg");

/// What any reader needs to be built in, since modules cannot be loaded under Secure Boot.
const NEEDED: [&str; 8] =
    ["normal", "configfile", "test", "search_fs_uuid", "part_gpt", "ext2", "linux", "loadenv"];

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
    /// The best reader that a binary has; else the modules that it lacks.
    pub fn choose(binary: &GrubBinary) -> Result<Self, Vec<String>> {
        let mut missing: Vec<&str> = NEEDED.into_iter().filter(|name| !binary.has(name)).collect();
        let reader = match (binary.has("blscfg"), binary.has("blsuki")) {
            (true, _) => Self::Blscfg,
            (false, true) => Self::Blsuki,
            (false, false) => Self::Bridge,
        };
        if reader == Self::Bridge && !binary.has("regexp") {
            missing.push("regexp");
        }
        if missing.is_empty() {
            Ok(reader)
        } else {
            Err(missing.into_iter().map(str::to_owned).collect())
        }
    }
}

/// The stub on the ESP. `root_uuid` is the UUID of the file system that `/boot` is on.
pub fn stub(root_uuid: &str) -> Vec<u8> {
    STUB.replace("@ROOT_UUID@", root_uuid).into_bytes()
}

/// The files of `/boot/grub2`.
pub fn boot_files(reader: Reader, binary: &GrubBinary) -> Vec<BootConfig> {
    let serial = if binary.has("serial") { SERIAL } else { "" };
    let entries = match reader {
        Reader::Blscfg => BLSCFG,
        Reader::Blsuki => BLSUKI,
        Reader::Bridge => BRIDGE,
    };
    let tail = if binary.has("efifwsetup") { TAIL } else { "" };
    let sections = [HEAD, serial, entries, tail];
    let text = sections.into_iter().filter(|section| !section.is_empty());
    let config = text.collect::<Vec<_>>().join("\n").into_bytes();
    vec![
        BootConfig { path: "grub2/grub.cfg", mode: 0o600, bytes: config },
        BootConfig { path: "grub2/grubenv", mode: 0o600, bytes: empty_grubenv() },
    ]
}

/// GRUB's environment block without variables: a header line and `#` up to 1024 bytes.
fn empty_grubenv() -> Vec<u8> {
    let mut block = b"# GRUB Environment Block\n".to_vec();
    block.resize(1024, b'#');
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(more: &[&str]) -> GrubBinary {
        let modules = NEEDED.iter().chain(more).map(|&name| name.to_owned()).collect();
        GrubBinary { prefix: None, modules }
    }

    fn text(reader: Reader, more: &[&str]) -> String {
        String::from_utf8(boot_files(reader, &binary(more)).remove(0).bytes).unwrap()
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
            assert_eq!(Reader::choose(&binary(modules)), Ok(reader), "{modules:?}");
        }
        assert_eq!(Reader::choose(&binary(&[])), Err(vec!["regexp".to_owned()]));
        let empty = Reader::choose(&GrubBinary::default()).unwrap_err();
        assert_eq!(empty.len(), NEEDED.len() + 1);
    }

    #[test]
    fn sections_depend_on_what_is_built_in() {
        let full = text(Reader::Bridge, &["serial", "efifwsetup"]);
        for part in ["set timeout=1", "serial --unit=0", "ostree-$bls_n.conf", "fwsetup"] {
            assert!(full.contains(part), "{part}");
        }
        let bare = text(Reader::Blscfg, &[]);
        assert!(
            bare.contains("\nblscfg\n") && !bare.contains("serial") && !bare.contains("fwsetup")
        );
        assert!(text(Reader::Blsuki, &[]).contains("\nblscfg --path /boot/loader/entries\n"));
    }

    #[test]
    fn no_placeholder_is_left() {
        let uuid = "11111111-2222-4333-8444-555555555555";
        let stub = String::from_utf8(stub(uuid)).unwrap();
        assert!(stub.contains(&format!("--set=root {uuid}\n")));
        let all = stub + &text(Reader::Bridge, &["serial", "efifwsetup"]);
        let left = all.split('@').nth(1);
        assert!(left.is_none(), "{left:?}");
    }

    #[test]
    fn the_environment_block_is_1024_bytes() {
        let files = boot_files(Reader::Bridge, &binary(&[]));
        let grubenv = &files[1].bytes;
        assert_eq!(grubenv.len(), 1024);
        assert!(grubenv.starts_with(b"# GRUB Environment Block\n###") && grubenv.ends_with(b"#"));
        assert!(files.iter().all(|file| file.mode == 0o600));
    }
}
