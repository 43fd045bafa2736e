//! The medium that this initramfs came from, found among all disks and drives.
//!
//! | byte of a volume | of the primary volume descriptor |
//! |---|---|
//! | 32768 | 1, `CD001` |
//! | 32808 | the label, 32 bytes, blanks at its end |
//!
//! A label is easily had twice: by an older medium, or a copy of this one on a disk. So each volume
//! with the right one is mounted, and is the medium if the file [`RECORD`] has the right digest. The
//! initramfs tells both in a small file of JSON, `{"volume_id": "…", "sha256": "…"}`.
//!
//! Drives take their time to show up, and sticks more of it: whoever looks for the medium looks more
//! than once ([`patience`]).
//!
//! Source: ECMA-119, 8.4; the kernel's `Documentation/ABI/stable/sysfs-block`.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mounts::Mounted;
use super::{MachineError, read, tame};
use crate::digest::Sha256Digest;

/// The file that tells one medium from all others: what is to be installed, and how.
pub const RECORD: &str = "bootc-image/medium.json";

const RECORD_LIMIT_BYTES: u64 = 64 << 20;
const ID_LIMIT_BYTES: u64 = 64 << 10;
/// Files of sysfs are a page at most.
const ATTRIBUTE_LIMIT: u64 = 4096;
/// The most entries of a folder of sysfs that are looked at.
const MOST_ENTRIES: usize = 4096;
const DESCRIPTOR_AT: u64 = 16 * 2048;
const MAGIC: &[u8; 6] = b"\x01CD001";
/// Nothing boots from these; opening some of them takes seconds.
const NO_MEDIA: [&str; 6] = ["fd", "loop", "mtdblock", "ram", "zram", "nbd"];
/// How a boot loader says that it started from a file of ours in some file system.
const FILE_KARG: &str = "iso-scan/filename=";

/// By what a medium is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumId {
    /// Its label.
    pub volume_id: String,
    /// SHA-256 of [`RECORD`].
    pub sha256: Sha256Digest,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    volume_id: String,
    sha256: String,
}

/// The medium, mounted until this is dropped.
#[derive(Debug)]
pub struct Medium<M> {
    /// Where.
    pub mount: M,
    /// Its device file.
    pub device: PathBuf,
    /// The device's driver.
    pub major: u32,
    /// Which of the driver's.
    pub minor: u32,
    /// What [`RECORD`] says.
    pub record: Vec<u8>,
}

/// Who mounts a volume.
pub trait Mounts {
    /// A mounted volume: the folder that it is at.
    type Mount: AsRef<Path>;

    /// Mounts the ISO 9660 of a device, to read.
    fn mount(&self, device: &Path) -> io::Result<Self::Mount>;
}

/// The kernel mounts, at this folder.
#[derive(Debug, Clone, Copy)]
pub struct ByKernel<'a>(pub &'a Path);

impl Mounts for ByKernel<'_> {
    type Mount = Mounted;

    fn mount(&self, device: &Path) -> io::Result<Mounted> {
        Mounted::to_read(device, "iso9660", self.0)
    }
}

/// A device that is not the medium.
#[derive(Debug)]
pub struct Seen {
    /// Its device file.
    pub device: PathBuf,
    /// Why it is not.
    pub because: NotIt,
}

/// Why a device is not the medium.
#[derive(Debug)]
pub enum NotIt {
    /// There is nothing in it.
    Empty,
    /// It cannot be read.
    Unreadable(io::Error),
    /// No ISO 9660 is on it.
    NoVolume,
    /// Its label is another.
    Label(String),
    /// Its label is right, but it cannot be mounted.
    NotMounted(io::Error),
    /// Its label is right, but it has no [`RECORD`] that can be read.
    NoRecord(Box<MachineError>),
    /// Its label is right, but it is another medium.
    Another,
}

impl MediumId {
    /// Reads the file that tells it.
    pub fn load(path: &Path) -> Result<Self, MachineError> {
        let bytes = read(path, ID_LIMIT_BYTES)?;
        let wrong = |problem| MachineError::MediumId { path: path.to_owned(), problem };
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let sha256 = Sha256Digest::parse_hex(&written.sha256);
        let sha256 = sha256.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { volume_id: written.volume_id, sha256 })
    }
}

/// Refuses a machine whose boot loader found the medium as a file of a disk: that file would have to
/// be made a device first.
pub fn check_origin(command_line: &[u8]) -> Result<(), MachineError> {
    let text = String::from_utf8_lossy(command_line);
    match text.split_whitespace().find_map(|karg| karg.strip_prefix(FILE_KARG)) {
        Some(path) => Err(MachineError::FileOfADisk { path: tame(path) }),
        None => Ok(()),
    }
}

/// Pauses between looks, ever longer ones: a minute in all.
pub fn patience() -> impl Iterator<Item = Duration> {
    let mut left = Duration::from_secs(60);
    let mut next = Duration::from_millis(100);
    std::iter::from_fn(move || {
        let pause = next.min(left);
        left -= pause;
        next = (next + next / 2).min(Duration::from_secs(2));
        (!pause.is_zero()).then_some(pause)
    })
}

/// Looks for the medium, again after each pause.
pub fn find<M: Mounts>(
    root: &Path,
    wanted: &MediumId,
    mounts: &M,
    pauses: impl Iterator<Item = Duration>,
) -> Result<Medium<M::Mount>, MachineError> {
    let mut pauses = pauses;
    loop {
        let mut seen = Vec::new();
        for device in devices(root)? {
            match device.look(root, wanted, mounts) {
                Ok(medium) => return Ok(medium),
                Err(because) => seen.push(Seen { device: device.path(Path::new("/")), because }),
            }
        }
        match pauses.next() {
            Some(pause) => std::thread::sleep(pause),
            None => {
                return Err(MachineError::NoMedium { volume_id: wanted.volume_id.clone(), seen });
            }
        }
    }
}

/// A disk, a drive or a partition.
struct Device {
    name: String,
    major: u32,
    minor: u32,
    is_empty: bool,
}

impl Device {
    /// From its folder in sysfs; `None` for what is no device.
    fn load(folder: &Path, name: &str) -> Option<Self> {
        let text = |file: &str| {
            let bytes = read(&folder.join(file), ATTRIBUTE_LIMIT).ok()?;
            Some(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let numbers = text("dev")?;
        let (major, minor) = numbers.split_once(':')?;
        Some(Self {
            name: name.replace('!', "/"),
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            is_empty: text("size").as_deref() == Some("0"),
        })
    }

    fn path(&self, root: &Path) -> PathBuf {
        root.join("dev").join(&self.name)
    }

    fn look<M: Mounts>(
        &self,
        root: &Path,
        wanted: &MediumId,
        mounts: &M,
    ) -> Result<Medium<M::Mount>, NotIt> {
        if self.is_empty {
            return Err(NotIt::Empty);
        }
        let device = self.path(root);
        let label = label(&device).map_err(NotIt::Unreadable)?.ok_or(NotIt::NoVolume)?;
        if label != wanted.volume_id.as_bytes() {
            return Err(NotIt::Label(tame(&String::from_utf8_lossy(&label))));
        }
        let mount = mounts.mount(&device).map_err(NotIt::NotMounted)?;
        let record = read(&mount.as_ref().join(RECORD), RECORD_LIMIT_BYTES);
        let record = record.map_err(|error| NotIt::NoRecord(Box::new(error)))?;
        if Sha256Digest::of(&record) != wanted.sha256 {
            return Err(NotIt::Another);
        }
        Ok(Medium { mount, device, major: self.major, minor: self.minor, record })
    }
}

/// All disks and drives, each followed by its partitions, in order of their names.
fn devices(root: &Path) -> Result<Vec<Device>, MachineError> {
    let folder = root.join("sys/block");
    let found = names(&folder);
    let mut found = found.map_err(|source| MachineError::Read { path: folder.clone(), source })?;
    found.retain(|name| !is_no_medium(name));
    let mut devices = Vec::new();
    for name in found {
        let folder = folder.join(&name);
        devices.extend(Device::load(&folder, &name));
        for part in names(&folder).unwrap_or_default() {
            let folder = folder.join(&part);
            if folder.join("partition").exists() {
                devices.extend(Device::load(&folder, &part));
            }
        }
    }
    Ok(devices)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.take(MOST_ENTRIES);
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

fn is_no_medium(name: &str) -> bool {
    NO_MEDIA.iter().any(|kind| {
        let number = name.strip_prefix(kind);
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The label of the ISO 9660 on a device, if there is one.
fn label(device: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut descriptor = [0; 2048];
    match File::open(device)?.read_exact_at(&mut descriptor, DESCRIPTOR_AT) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let label = descriptor[40..72].trim_ascii_end().to_vec();
    Ok(descriptor.starts_with(MAGIC).then_some(label))
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.device.display(), self.because)
    }
}

impl fmt::Display for NotIt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::NoVolume => f.write_str("no ISO 9660"),
            Self::Label(label) => write!(f, "has the label `{label}`"),
            Self::NotMounted(error) => write!(f, "cannot be mounted: {error}"),
            Self::NoRecord(error) => match std::error::Error::source(error) {
                Some(cause) => write!(f, "{error}: {cause}"),
                None => error.fmt(f),
            },
            Self::Another => f.write_str("another medium with the same label"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_after_a_minute() {
        let pauses: Vec<Duration> = patience().collect();
        assert_eq!(pauses.iter().sum::<Duration>(), Duration::from_secs(60));
        assert!(pauses.len() < 50, "{}", pauses.len());
        assert_eq!(pauses[0], Duration::from_millis(100));
    }

    #[test]
    fn ids_are_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("medium.json");
        let load = |text: &str| {
            fs::write(&path, text).unwrap();
            MediumId::load(&path)
        };
        let sha256 = Sha256Digest::of(b"");
        let good = format!(r#"{{"volume_id": "OS", "sha256": "{sha256}"}}"#);
        assert_eq!(load(&good).unwrap(), MediumId { volume_id: "OS".to_owned(), sha256 });
        for wrong in ["", "{}", "[]", r#"{"volume_id": "OS", "sha256": "abc"}"#] {
            assert!(matches!(load(wrong), Err(MachineError::MediumId { .. })), "{wrong}");
        }
        let more = good.replace('{', r#"{"more": 1, "#);
        assert!(matches!(load(&more), Err(MachineError::MediumId { .. })));
    }

    #[test]
    fn a_medium_that_is_a_file_is_refused() {
        assert!(check_origin(b"quiet root=/dev/sda\n").is_ok());
        let error = check_origin(b"quiet iso-scan/filename=/isos/a\x1b.iso rw\n").unwrap_err();
        assert!(error.to_string().contains("`/isos/a?.iso`"), "{error}");
    }

    #[test]
    fn some_devices_are_not_looked_at() {
        for name in ["loop0", "ram15", "fd0", "zram0"] {
            assert!(is_no_medium(name), "{name}");
        }
        for name in ["sda", "sr0", "vda", "nvme0n1", "mmcblk0", "dm-0", "fdisk"] {
            assert!(!is_no_medium(name), "{name}");
        }
    }
}
