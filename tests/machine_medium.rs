//! The installer's medium is found among disks and drives that are made up; volumes are written by
//! our own ISO 9660.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bootc_image::canvas::MemoryCanvas;
use bootc_image::digest::Sha256Digest;
use bootc_image::fs::iso9660::{Builder, Options};
use bootc_image::machine::MachineError;
use bootc_image::machine::medium::{Medium, MediumId, Mounts, RECORD, find};
use bootc_image::units::ByteLen;
use bootc_image::volume::Timestamp;
use tempfile::TempDir;

const GOOD: &[u8] = br#"{"what": "this one"}"#;

/// The first bytes of a volume: its kernel would read the rest, and here a folder has it.
fn volume(label: &str) -> Vec<u8> {
    let options = Options {
        volume_id: bootc_image::spec::VolumeId::parse(label).unwrap(),
        application: "tests".to_owned(),
        time: Timestamp::of_secs(0),
    };
    let mut builder = Builder::new(options).unwrap();
    builder.add_file(RECORD, ByteLen(1)).unwrap();
    let layout = builder.layout().unwrap();
    let mut canvas = MemoryCanvas::default();
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    canvas.bytes
}

struct Machine {
    root: TempDir,
    /// Device files that were mounted.
    mounted: RefCell<Vec<PathBuf>>,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/block")).unwrap();
        fs::create_dir_all(root.path().join("dev")).unwrap();
        Self { root, mounted: RefCell::default() }
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Adds a device whose device file has this content; `folder` is `sda` or `sda/sda1`.
    fn with(self, folder: &str, dev: &str, content: &[u8]) -> Self {
        let name = folder.rsplit('/').next().unwrap();
        self.put(&format!("sys/block/{folder}/dev"), format!("{dev}\n").as_bytes());
        self.put(&format!("sys/block/{folder}/size"), b"8192\n");
        if folder.contains('/') {
            self.put(&format!("sys/block/{folder}/partition"), b"1\n");
        }
        self.put(&format!("dev/{name}"), content);
        self
    }

    /// What a device has when it is mounted.
    fn holding(self, name: &str, record: &[u8]) -> Self {
        self.put(&format!("volumes/{name}/{RECORD}"), record);
        self
    }

    fn find(&self, label: &str) -> Result<Medium<PathBuf>, MachineError> {
        self.find_with(label, std::iter::empty())
    }

    fn find_with(
        &self,
        label: &str,
        pauses: impl Iterator<Item = Duration>,
    ) -> Result<Medium<PathBuf>, MachineError> {
        let wanted = MediumId { volume_id: label.to_owned(), sha256: Sha256Digest::of(GOOD) };
        find(self.root.path(), &wanted, self, pauses)
    }
}

impl Mounts for Machine {
    type Mount = PathBuf;

    fn mount(&self, device: &Path) -> io::Result<PathBuf> {
        self.mounted.borrow_mut().push(device.to_owned());
        let folder = self.root.path().join("volumes").join(device.file_name().unwrap());
        if folder.exists() { Ok(folder) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

#[test]
fn the_medium_is_the_volume_with_the_right_record() {
    let machine = Machine::new()
        .with("loop0", "7:0", &volume("OS-1"))
        .with("nvme0n1", "259:0", &[0; 65536])
        .with("sda", "8:0", b"short")
        .with("sda/sda1", "8:1", &volume("OS-1"))
        .holding("sda1", b"an older one")
        .with("sr0", "11:0", &volume("OS-1"))
        .holding("sr0", GOOD)
        .with("sr1", "11:1", &volume("OS-1"))
        .holding("sr1", GOOD);
    let medium = machine.find("OS-1").unwrap();
    assert_eq!((medium.major, medium.minor), (11, 0));
    assert_eq!(medium.device, machine.root.path().join("dev/sr0"));
    assert_eq!(medium.record, GOOD);
    let mounted: Vec<_> =
        machine.mounted.borrow().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(mounted, ["sda1", "sr0"]);
}

#[test]
fn everything_that_is_not_the_medium_is_named() {
    let machine = Machine::new()
        .with("sda", "8:0", &[0; 65536])
        .with("sdb", "8:16", &volume("OTHER"))
        .with("sdc", "8:32", &volume("OS-1"))
        .with("sdd", "8:48", &volume("OS-1"))
        .holding("sdd", b"another")
        .with("sr0", "11:0", b"");
    machine.put("sys/block/sr0/size", b"0\n");
    let error = machine.find("OS-1").unwrap_err().to_string();
    for part in [
        "with the label `OS-1`, is not there",
        "`/dev/sda` (no ISO 9660)",
        "`/dev/sdb` (has the label `OTHER`)",
        "`/dev/sdc` (cannot be mounted: ",
        "`/dev/sdd` (another medium with the same label)",
        "`/dev/sr0` (empty)",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = Machine::new().find("OS-1").unwrap_err().to_string();
    assert!(error.ends_with("there is no disk and no drive at all"), "{error}");
    fs::remove_dir_all(machine.root.path().join("sys")).unwrap();
    assert!(matches!(machine.find("OS-1"), Err(MachineError::Read { .. })));
}

#[test]
fn a_medium_that_comes_late_is_found() {
    let machine = Machine::new().with("sda", "8:0", &[0; 65536]);
    let mut looks = 0;
    let pauses = std::iter::from_fn(|| {
        looks += 1;
        if looks == 3 {
            machine.put("dev/sda", &volume("OS-1"));
            machine.put(&format!("volumes/sda/{RECORD}"), GOOD);
        }
        (looks < 9).then_some(Duration::from_millis(1))
    });
    assert!(machine.find_with("OS-1", pauses).is_ok());
    assert_eq!(looks, 3);
}

#[test]
fn labels_are_shown_without_what_terminals_obey() {
    let mut bytes = volume("OS");
    bytes[32808..32840].copy_from_slice(b"\x1b[2J\xff\n                          ");
    let machine = Machine::new().with("sda", "8:0", &bytes);
    let error = machine.find("OS-1").unwrap_err().to_string();
    assert!(error.contains("label `?[2J?`") || error.contains("label `?[2J??`"), "{error}");
}
