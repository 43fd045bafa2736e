//! What the running system uses: mounts, swap, Btrfs.
//!
//! | file | a line, or an entry |
//! |---|---|
//! | `/proc/self/mountinfo` | `36 35 98:0 /root /mount\040point rw [field…] - type source rw` |
//! | `/proc/swaps` | a heading, then `/dev/sda3  partition  8388604  0  -2` |
//! | `/sys/fs/btrfs/UUID/devices/` | devices of a mounted Btrfs, whose mounts have other numbers |
//!
//! Blanks, backslashes and newlines of a name are written as three octal digits after a backslash.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::super::text;
use super::{Device, DeviceNumber, DisksError, Use, User, device_path, names_if_there};

/// Some 100,000 mounts.
const LIMIT_BYTES: u64 = 16 << 20;
/// More of them say nothing that the first do not.
const MOST_USES: usize = 64;

/// Everything that is in use.
pub(super) struct Busy {
    mounts: Vec<Mount>,
    swaps: Vec<Swap>,
    /// Device names, each with the UUID of the file system.
    btrfs: Vec<(String, String)>,
}

struct Mount {
    number: DeviceNumber,
    at: String,
    source: String,
}

struct Swap {
    path: String,
    number: Option<DeviceNumber>,
}

impl Busy {
    pub(super) fn load(root: &Path) -> Result<Self, DisksError> {
        let path = root.join("proc/self/mountinfo");
        let mounts = read(&path)?;
        let mounts = lines(&mounts).map(|(line, bytes)| {
            mount(bytes).ok_or_else(|| DisksError::Line {
                path: path.clone(),
                line,
                text: text::tame(&String::from_utf8_lossy(bytes)),
            })
        });
        let mounts = mounts.collect::<Result<_, _>>()?;
        let swaps = match read(&root.join("proc/swaps")) {
            // a kernel without swap
            Err(DisksError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Vec::new()
            }
            other => other?,
        };
        let swaps = lines(&swaps).skip(1).filter_map(|(_, line)| swap(root, line)).collect();
        Ok(Self { mounts, swaps, btrfs: btrfs(&root.join("sys/fs/btrfs"))? })
    }

    /// What uses a device.
    pub(super) fn uses_of(&self, device: &Device) -> Vec<Use> {
        let path = device_path(&device.name);
        let is_meant = |number, named: &str| device.number == number || named == path;
        let mounts = self.mounts.iter().filter(|m| is_meant(Some(m.number), &m.source));
        let mounts = mounts.map(|mount| User::Mount { at: mount.at.clone() });
        let is_swap = |swap: &&Swap| match swap.number {
            Some(number) => device.number == Some(number),
            None => swap.path == path,
        };
        let swaps = self.swaps.iter().filter(is_swap).map(|_| User::Swap);
        let btrfs = self.btrfs.iter().filter(|(name, _)| *name == device.name);
        let btrfs = btrfs.map(|(_, uuid)| User::Btrfs { uuid: uuid.clone() });
        let holders = device
            .holders
            .iter()
            .map(|(holder, name)| User::Holder { device: device_path(holder), name: name.clone() });
        let all = mounts.chain(swaps).chain(btrfs).chain(holders).take(MOST_USES);
        all.map(|by| Use { device: path.clone(), by }).collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DisksError> {
    let failed = |source| DisksError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= LIMIT_BYTES) {
        return Ok(bytes);
    }
    Err(DisksError::TooLong { path: path.to_owned(), limit_bytes: LIMIT_BYTES })
}

/// Lines that say something, with their numbers.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.is_empty())
}

fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let number = DeviceNumber::parse(str::from_utf8(fields.get(2)?).ok()?)?;
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    let at = text::tame(&String::from_utf8_lossy(&unescaped(fields.get(4)?)));
    let source = String::from_utf8_lossy(&unescaped(fields.get(dash + 2)?)).into_owned();
    Some(Mount { number, at, source })
}

/// A device used as swap; files are on something that is mounted.
fn swap(root: &Path, line: &[u8]) -> Option<Swap> {
    let name = line.split(u8::is_ascii_whitespace).next()?;
    let path = String::from_utf8_lossy(&unescaped(name)).into_owned();
    path.starts_with("/dev/").then(|| Swap { number: device_at(root, &path), path })
}

/// The numbers of a device file, if it is there.
fn device_at(root: &Path, path: &str) -> Option<DeviceNumber> {
    let file: PathBuf = root.join(path.trim_start_matches('/'));
    let file = fs::metadata(file).ok().filter(|file| file.file_type().is_block_device())?;
    let (major, minor) = (rustix::fs::major(file.rdev()), rustix::fs::minor(file.rdev()));
    Some(DeviceNumber { major, minor })
}

fn btrfs(folder: &Path) -> Result<Vec<(String, String)>, DisksError> {
    let mut found = Vec::new();
    for uuid in names_if_there(folder)? {
        // `features` is there as well, without devices
        for device in names_if_there(&folder.join(&uuid).join("devices"))? {
            found.push((device, text::tame(&uuid)));
        }
    }
    Ok(found)
}

/// Octal digits after backslashes as what they stand for.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let code = digits.and_then(|digits| {
            let is_octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
            u8::from_str_radix(str::from_utf8(digits).ok().filter(|_| is_octal)?, 8).ok()
        });
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mounts_are_read_with_their_odd_names() {
        let line = br"36 35 98:0 / /mnt/a\040b\134c rw,noatime master:1 - ext4 /dev/sda1 rw";
        let found = mount(line).unwrap();
        assert_eq!(found.number, DeviceNumber { major: 98, minor: 0 });
        assert_eq!((found.at.as_str(), found.source.as_str()), ("/mnt/a b\\c", "/dev/sda1"));
        let plain = mount(b"1 0 0:2 / / rw - rootfs rootfs rw").unwrap();
        assert_eq!((plain.at.as_str(), plain.source.as_str()), ("/", "rootfs"));
        for wrong in ["", "1 2 3", "1 2 x:y / / rw - a b c", "1 2 3:4 / / rw master:1 ext4"] {
            assert!(mount(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for (written, meant) in [
            (r"a\040b", "a b"),
            (r"\04", r"\04"),
            (r"\049", r"\049"),
            (r"\777", r"\777"),
            (r"\", r"\"),
            (r"\\040", r"\ "),
        ] {
            assert_eq!(unescaped(written.as_bytes()), meant.as_bytes(), "{written}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = mount(&line);
            let _ = swap(Path::new("/nowhere"), &line);
            prop_assert!(unescaped(&line).len() <= line.len());
        }

        #[test]
        fn lines_like_mounts_do_not_either(line in "([0-9:/ a\\\\-]{0,8} ){0,14}") {
            let _ = mount(line.as_bytes());
        }
    }
}
