//! What the image itself says about its disk, and how that meets what the owner says.
//!
//! | file of the image | what of it |
//! |---|---|
//! | `usr/lib/image-builder/bootc/disk.yaml`, else `usr/lib/bootc-image-builder/disk.yaml` | the usual partition table of this image |
//! | `usr/lib/bootc-image-builder/config.json`, else `config.toml` there | `customizations.disk` and `customizations.filesystem`, when the owner gives neither |
//!
//! What the owner overrules is not read. XFS and btrfs become ext4, with a warning, as for the root file
//! system of the install configuration.

use super::disk_yaml;
use super::filesystems;
use super::partitions;
use super::reader::{Author, Field, Findings};
use super::syntax::Syntax;
use super::{BlueprintError, Position, Problem, Wrong, document, parsed, unwrapped};
use crate::files::{Files, FilesError};
use crate::settings::disk::{
    DiskLayout, FileSystemKind, FileSystemSize, FileSystemWish, PartitionTable, PartitionWish,
    Payload,
};

const LIMIT_BYTES: u64 = 1 << 20;
const TABLES: [&str; 2] =
    ["usr/lib/image-builder/bootc/disk.yaml", "usr/lib/bootc-image-builder/disk.yaml"];
const BLUEPRINTS: [&str; 2] =
    ["usr/lib/bootc-image-builder/config.json", "usr/lib/bootc-image-builder/config.toml"];

/// Why the image's wishes for its disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file of the image is wrong.
    #[error("the image's {0}")]
    Blueprint(BlueprintError),
}

/// What the image says about its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageDisk {
    /// Its usual partition table.
    pub table: Option<PartitionTable>,
    /// What it wants where the owner wants nothing.
    pub wish: Option<DiskLayout>,
    /// What is not wrong, but hardly meant.
    pub warnings: Vec<String>,
}

impl ImageDisk {
    /// Reads the files of the image that there are, and that count beside what the owner wants.
    pub fn load(files: &dyn Files, owner: Option<&DiskLayout>) -> Result<Self, EmbeddedError> {
        let mut image = Self::default();
        if !matches!(owner, Some(DiskLayout::Partitions(_)))
            && let Some((path, bytes)) = first_of(files, &TABLES)?
        {
            let (table, warnings) = parse_table(path, &bytes).map_err(EmbeddedError::Blueprint)?;
            image.table = Some(table);
            image.warn(path, warnings);
        }
        if owner.is_none()
            && let Some((path, bytes)) = first_of(files, &BLUEPRINTS)?
        {
            let (wish, warnings) = parse_wish(path, &bytes).map_err(EmbeddedError::Blueprint)?;
            image.wish = wish;
            image.warn(path, warnings);
        }
        Ok(image)
    }

    fn warn(&mut self, path: &str, warnings: Vec<String>) {
        let told = |warning| format!("the image's `{path}`: {warning}");
        self.warnings.extend(warnings.into_iter().map(told));
    }

    /// Reads a `disk.yaml`.
    pub fn parse_table(bytes: &[u8]) -> Result<PartitionTable, BlueprintError> {
        parse_table("disk.yaml", bytes).map(|(table, _)| table)
    }

    /// The layout to make: all partitions as the owner, else the image, lists them; sizes alone are
    /// applied to the image's table, if it has one.
    pub fn layout(self, owner: Option<DiskLayout>) -> Option<DiskLayout> {
        match (owner.or(self.wish), self.table) {
            (Some(DiskLayout::FileSystems(sizes)), Some(mut table)) => {
                for size in sizes {
                    enlarge(&mut table, size);
                }
                Some(DiskLayout::Partitions(table))
            }
            (None, Some(table)) => Some(DiskLayout::Partitions(table)),
            (wish, _) => wish,
        }
    }
}

fn first_of(
    files: &dyn Files,
    paths: &[&'static str],
) -> Result<Option<(&'static str, Vec<u8>)>, FilesError> {
    for path in paths {
        if let Some(bytes) = files.read_following(path, LIMIT_BYTES)? {
            return Ok(Some((path, bytes)));
        }
    }
    Ok(None)
}

fn parse_table(name: &str, bytes: &[u8]) -> Result<(PartitionTable, Vec<String>), BlueprintError> {
    let root = parsed(name, bytes, Syntax::Yaml)?;
    let findings = Findings::of(Author::Image);
    let table = disk_yaml::read(&Field::root(&root, &findings));
    let warnings = findings.finish(name)?;
    // Without a table something was reported: this is for the compiler.
    let nothing = || BlueprintError::Invalid {
        name: name.to_owned(),
        problems: vec![Problem {
            at: Position { line: 1, column: 1 },
            key: String::new(),
            wrong: Wrong::Missing { key: "partition_table" },
        }],
    };
    Ok((table.ok_or_else(nothing)?, warnings))
}

/// The part about the disk of a blueprint; the others are not for us to judge.
fn parse_wish(
    name: &str,
    bytes: &[u8],
) -> Result<(Option<DiskLayout>, Vec<String>), BlueprintError> {
    let root = document(name, bytes)?;
    let findings = Findings::of(Author::Image);
    let wish = unwrapped(&root, &findings).table(|table| {
        let customizations = table.get("customizations");
        table.ignore_rest();
        customizations?.table(|table| {
            let sizes = filesystems::read(table);
            let wish = partitions::read(table).or(sizes);
            table.ignore_rest();
            wish
        })?
    });
    let warnings = findings.finish(name)?;
    Ok((wish.flatten(), warnings))
}

/// Gives a file system of a table a least size; one that it lacks comes before `/`.
fn enlarge(table: &mut PartitionTable, wish: FileSystemSize) {
    let mounted = |partition: &PartitionWish| match &partition.payload {
        Payload::FileSystem(system) => system.mountpoint.clone(),
        _ => None,
    };
    let at = |mountpoint: &str| {
        table.partitions.iter().position(|p| mounted(p).as_deref() == Some(mountpoint))
    };
    if let Some(index) = at(&wish.mountpoint) {
        let partition = &mut table.partitions[index];
        partition.min_size = partition.min_size.max(Some(wish.min_size));
        return;
    }
    let index = at("/").unwrap_or(table.partitions.len());
    let payload = Payload::FileSystem(FileSystemWish {
        kind: FileSystemKind::Ext4,
        mountpoint: Some(wish.mountpoint),
        label: None,
        uuid: None,
        options: None,
    });
    let min_size = Some(wish.min_size);
    table.partitions.insert(index, PartitionWish { min_size, payload, ..PartitionWish::default() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use crate::settings::disk::Mounts;
    use crate::units::{ByteLen, GIB, MIB};

    const TABLE: &str = "mount_configuration: fstab
partition_table:
  type: gpt
  uuid: D209C89E-EA5E-4FBD-B161-B461CCE297E0
  size: 10 GiB
  start_offset: 15 MiB
  absolute_start_offset: true
  sector_size: 512
  policy:
    grow_root_to_fill_disk: false
  partitions:
    - { size: 1 MiB, type: 21686148-6449-6e6F-744e-656564454649, bootable: true }
    - size: 200 MiB
      label: esp
      payload_type: filesystem
      payload: { type: vfat, mountpoint: /boot/efi, label: ESP, uuid: 7B77-95E7,
                 fstab_options: \"defaults,umask=077\", fstab_freq: 0, fstab_passno: 2,
                 mkfs_options: { geometry: { heads: 12, sectors_per_track: 42 } } }
    - size: 4194304
      attrs: [59, 2]
      payload_type: raw
      payload: { source_path: /usr/lib/boot.img }
    - size: \"4 GiB\"
      payload_type: filesystem
      payload: { type: ext4, label: root, mountpoint: /, mkfs_options: { verity: true } }
";

    fn load(files: &[(&str, &str)]) -> Result<ImageDisk, EmbeddedError> {
        let memory = MemoryFiles::default();
        ImageDisk::load(&files.iter().fold(memory, |all, (path, text)| all.with(path, *text)), None)
    }

    fn mounted(table: &PartitionTable) -> Vec<(&str, u64)> {
        let one = |partition: &'_ PartitionWish| partition.min_size.map_or(0, |size| size.0);
        let systems = table.partitions.iter().filter_map(|partition| match &partition.payload {
            Payload::FileSystem(system) => Some((system.mountpoint.as_deref()?, one(partition))),
            _ => None,
        });
        systems.collect()
    }

    #[test]
    fn an_image_without_wishes_has_none() {
        let image = load(&[]).unwrap();
        assert_eq!(image, ImageDisk::default());
        assert_eq!(image.layout(None), None);
    }

    #[test]
    fn every_key_of_a_table_is_read() {
        let table = load(&[(TABLES[0], TABLE), (TABLES[1], "wrong")]).unwrap().table.unwrap();
        assert_eq!(table.min_size, Some(ByteLen(10 * GIB)));
        assert_eq!(table.guid, Some(0xD209_C89E_EA5E_4FBD_B161_B461_CCE2_97E0));
        assert_eq!((table.start, table.sector_bytes), (Some(ByteLen(15 * MIB)), Some(512)));
        assert_eq!((table.mounts, table.keep_root_size), (Mounts::Fstab, true));
        assert_eq!(mounted(&table), [("/boot/efi", 200 * MIB), ("/", 4 * GIB)]);
        let [bios, esp, raw, _] = &table.partitions[..] else { panic!("{table:?}") };
        assert!(bios.is_bootable && bios.payload == Payload::None);
        let Payload::FileSystem(system) = &esp.payload else { panic!("{esp:?}") };
        assert_eq!((esp.name.as_str(), system.uuid), ("esp", Some(0x7B77_95E7)));
        assert_eq!(system.options.as_deref(), Some("defaults,umask=077"));
        assert_eq!(raw.payload, Payload::Raw { source: "/usr/lib/boot.img".to_owned() });
        assert_eq!(raw.attributes, 1 << 59 | 1 << 2);
        let old = load(&[(TABLES[1], TABLE)]).unwrap();
        assert_eq!(old.table.unwrap(), table);
    }

    #[test]
    fn wrong_tables_are_refused_by_name() {
        let partition =
            |text: &str| format!("partition_table:\n  partitions:\n    - {{ {text} }}\n");
        let cases = [
            ("", "expected a table, found nothing"),
            ("mount_configuration: units", "`partition_table` is missing"),
            ("partition_table: {}", "`partition_table`: `partitions` is missing"),
            ("mounts: fstab", "unknown key"),
            (
                "mount_configuration: autofs\npartition_table: { partitions: [] }",
                "`autofs` is none of",
            ),
            (
                "partition_table: { type: dos, partitions: [] }",
                "not supported yet: partition tables",
            ),
            ("partition_table: { grain_size: 4 MiB, partitions: [] }", "not supported yet: alignm"),
            (&partition("size: 1 GiB, payload_type: lvm, payload: {}"), "not supported yet: LVM"),
            (&partition("size: 1 GiB, payload_type: luks, payload: {}"), "not supported yet: LUKS"),
            (
                &partition("size: 1 GiB, payload_type: btrfs, payload: {}"),
                "not supported yet: btrfs",
            ),
            (&partition("payload_type: filesystem, payload: { type: zfs }"), "is no file system"),
            (&partition("payload_type: filesystem"), "`payload` is missing"),
            (&partition("payload: {}"), "`payload_type` is missing"),
            (&partition("payload_type: raw, payload: { source_path: /a }"), "`size` is missing"),
            (
                &partition("size: 1 MiB, payload_type: raw, payload: { source_path: a }"),
                "no absolute",
            ),
            (&partition("size: 1 MiB, attrs: [64]"), "`64` is not between 0 and 63"),
            (&partition("size: 1 MiB, lable: a"), "did you mean `label`"),
            (
                &partition(
                    "payload_type: filesystem, payload: { type: ext4, fstab_options: 'a b' }",
                ),
                "are no mount options",
            ),
        ];
        for (text, says) in cases {
            let error = load(&[(TABLES[0], text)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the image's `{}` ", TABLES[0])), "{error}");
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn an_image_that_asks_for_xfs_gets_ext4() {
        let table = "partition_table:\n  partitions:\n    - size: 2 GiB\n      payload_type: filesystem\n      \
                     payload: { type: xfs, mountpoint: / }\n";
        let image = load(&[(TABLES[0], table)]).unwrap();
        let Payload::FileSystem(root) = &image.table.unwrap().partitions[0].payload else {
            panic!("no file system")
        };
        assert_eq!(root.kind, FileSystemKind::Ext4);
        let [warning] = &image.warnings[..] else { panic!("{:?}", image.warnings) };
        assert!(warning.contains(TABLES[0]) && warning.contains("is xfs"), "{warning}");
        let blueprint =
            "[[customizations.disk.partitions]]\nmountpoint = \"/\"\nfs_type = \"btrfs\"\n";
        let image = load(&[(BLUEPRINTS[1], blueprint)]).unwrap();
        assert!(image.wish.is_some() && image.warnings[0].contains("is btrfs"), "{image:?}");
    }

    #[test]
    fn what_the_owner_overrules_is_not_read() {
        let files = MemoryFiles::default().with(TABLES[0], "wrong").with(BLUEPRINTS[1], "wrong");
        let table = DiskLayout::Partitions(PartitionTable::default());
        assert_eq!(ImageDisk::load(&files, Some(&table)).unwrap(), ImageDisk::default());
        let sizes = DiskLayout::FileSystems(Vec::new());
        let error = ImageDisk::load(&files, Some(&sizes)).unwrap_err().to_string();
        assert!(error.contains(TABLES[0]), "{error}");
        assert!(ImageDisk::load(&files, None).is_err());
    }

    #[test]
    fn of_an_embedded_blueprint_only_the_disk_counts() {
        let text = "packages = [1]\n[customizations]\nhostname = 7\nwhatever = true\n\
                    [[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = \"20 GiB\"\n";
        let sizes = |size| {
            let root = FileSystemSize { mountpoint: "/".to_owned(), min_size: ByteLen(size) };
            Some(DiskLayout::FileSystems(vec![root]))
        };
        let image = load(&[(BLUEPRINTS[1], text)]).unwrap();
        assert_eq!(image.wish, sizes(20 * GIB));
        assert_eq!(image.clone().layout(None), sizes(20 * GIB));
        assert_eq!(image.layout(sizes(GIB)), sizes(GIB));
        let json = "{\"customizations\": {}}";
        assert_eq!(load(&[(BLUEPRINTS[0], json), (BLUEPRINTS[1], text)]).unwrap().wish, None);
        let wrong = load(&[(BLUEPRINTS[0], "{\"customizations\": {\"disk\": {\"x\": 1}}}")]);
        assert!(wrong.unwrap_err().to_string().contains("customizations.disk.x"));
    }

    #[test]
    fn sizes_change_the_table_that_the_image_brings() {
        let size = |mountpoint: &str, size| FileSystemSize {
            mountpoint: mountpoint.to_owned(),
            min_size: ByteLen(size),
        };
        let sizes = vec![size("/", 20 * GIB), size("/var/log", GIB), size("/boot/efi", MIB)];
        let image = load(&[(TABLES[0], TABLE)]).unwrap();
        let layout = image.clone().layout(Some(DiskLayout::FileSystems(sizes)));
        let Some(DiskLayout::Partitions(table)) = layout else { panic!("{layout:?}") };
        let expected = [("/boot/efi", 200 * MIB), ("/var/log", GIB), ("/", 20 * GIB)];
        assert_eq!(mounted(&table), expected);
        assert_eq!(table.mounts, Mounts::Fstab);
        let own = DiskLayout::Partitions(PartitionTable::default());
        assert_eq!(image.layout(Some(own.clone())), Some(own));
    }
}
