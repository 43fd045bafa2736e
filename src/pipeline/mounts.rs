//! Where the image has the places at which further file systems are mounted, and what of the
//! deployment's `/etc` mounts them.

use crate::additions::Addition;
use crate::files::{Deployed, FileKind, Files, FilesError};
use crate::plan::layout::{Content, Layout, LayoutError, Role, check_mountpoint};
use crate::plan::mounts::{Mount, Unit};
use crate::settings::disk::Mounts;

const FSTAB: &str = "etc/fstab";
const FSTAB_LIMIT_BYTES: u64 = 1 << 20;

/// A place of the running system at which a partition is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the partition.
    pub(super) index: usize,
    /// Path without leading `/` and without symbolic links.
    pub(super) path: String,
    /// Whether the image has something there that nobody will see.
    pub(super) hides: bool,
}

/// The places of all file systems but `/`, `/boot` and the ESP.
pub(super) fn places(files: &dyn Files, layout: &Layout) -> Result<Vec<Place>, LayoutError> {
    let files = &Deployed(files);
    let mut places: Vec<Place> = Vec::new();
    for (index, partition) in layout.partitions.iter().enumerate() {
        let (mountpoint, moves) = match &partition.content {
            _ if partition.role != Role::Other => continue,
            Content::Ext4(ext4) => (ext4.mountpoint.as_deref(), true),
            Content::Fat(fat) => (fat.mountpoint.as_deref(), false),
            _ => continue,
        };
        let Some(mountpoint) = mountpoint else { continue };
        let path = real_path(files, mountpoint)?;
        let is_var = path == "var" || path.starts_with("var/");
        if !is_var && files.kind(&path) != Some(FileKind::Directory) {
            let problem =
                "the image has no such directory, and it cannot be made outside of `/var`";
            return Err(LayoutError::Mountpoint { mountpoint: mountpoint.to_owned(), problem });
        }
        if places.iter().any(|place| place.path == path) {
            return Err(LayoutError::MountedTwice { mountpoint: format!("/{path}") });
        }
        let is_moved = is_var && moves;
        let hides = !is_moved && !files.names(&path).is_empty();
        places.push(Place { index, path, hides });
    }
    Ok(places)
}

/// The path that a mount point has on the running system, the image's symbolic links followed; what is
/// missing will be made.
fn real_path(files: &dyn Files, mountpoint: &str) -> Result<String, LayoutError> {
    let wrong = |problem| LayoutError::Mountpoint { mountpoint: mountpoint.to_owned(), problem };
    let mut todo: Vec<String> = mountpoint.split('/').rev().map(str::to_owned).collect();
    let mut done: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(component) = todo.pop() {
        match component.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(component),
        }
        match files.kind(&done.join("/")) {
            Some(FileKind::Symlink { target }) => {
                links += 1;
                if links > 40 {
                    return Err(wrong("the image has a loop of symbolic links there"));
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
            }
            Some(FileKind::Regular { .. }) => return Err(wrong("the image has a file there")),
            Some(FileKind::Directory) | None => {}
        }
    }
    let path = done.join("/");
    check_mountpoint(&format!("/{path}"))?;
    if matches!(path.as_str(), "" | "boot" | "boot/efi") {
        return Err(wrong("the system has its own there"));
    }
    Ok(path)
}

/// What the deployment's `/etc` gets. `boot` is what fstab says of `/boot`.
pub(super) fn additions(
    files: &dyn Files,
    layout: &Layout,
    places: &[Place],
    boot: Option<&str>,
) -> Result<Vec<Addition>, FilesError> {
    let mounts = mounts(layout, places);
    let (units, lines): (Vec<Unit>, String) = match layout.mounts {
        Mounts::Units => (mounts.iter().map(Mount::unit).collect(), String::new()),
        Mounts::Fstab => (Vec::new(), mounts.iter().map(Mount::fstab).collect()),
        Mounts::None => (Vec::new(), String::new()),
    };
    let fstab = match boot {
        Some(spec) => Some(format!("{spec} /boot auto {} 0 0\n{lines}", boot_options(layout))),
        None if lines.is_empty() => None,
        None => {
            let own = Deployed(files).read_following(FSTAB, FSTAB_LIMIT_BYTES)?.unwrap_or_default();
            let mut own = String::from_utf8_lossy(&own).into_owned();
            if !own.is_empty() && !own.ends_with('\n') {
                own.push('\n');
            }
            Some(own + &lines)
        }
    };
    let fstab = fstab.map(|lines| Addition::file(FSTAB, 0o644, lines));
    let units = units.into_iter().flat_map(|Unit { path, text, link, target }| {
        [Addition::file(path, 0o644, text), Addition::symlink(link, target)]
    });
    Ok(fstab.into_iter().chain(units).collect())
}

/// As bootc has them: those given, and `ro`.
fn boot_options(layout: &Layout) -> String {
    let wished = layout.has_boot().then(|| layout.boot().options.as_deref()).flatten();
    match wished.filter(|options| !options.is_empty()) {
        Some(options) => format!("{options},ro"),
        None => "ro".to_owned(),
    }
}

fn mounts(layout: &Layout, places: &[Place]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for (index, partition) in layout.partitions.iter().enumerate() {
        let place = places.iter().find(|place| place.index == index);
        let place = place.map(|place| format!("/{}", place.path));
        match (&partition.content, place) {
            (Content::Swap { uuid, .. }, _) => mounts.push(Mount {
                uuid: uuid.to_string(),
                place: None,
                kind: "swap",
                options: None,
            }),
            (Content::Ext4(ext4), place @ Some(_)) => mounts.push(Mount {
                uuid: ext4.uuid.to_string(),
                place,
                kind: "ext4",
                options: ext4.options.clone(),
            }),
            (Content::Fat(fat), place @ Some(_)) => mounts.push(Mount {
                uuid: format!("{:04X}-{:04X}", fat.serial >> 16, fat.serial & 0xFFFF),
                place,
                kind: "vfat",
                options: fat.options.clone(),
            }),
            _ => {}
        }
    }
    // outer ones first, as lines of fstab should be
    mounts.sort_by(|one, other| one.place.cmp(&other.place));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::additions::AdditionKind;
    use crate::digest::Sha256Digest;
    use crate::files::MemoryFiles;
    use crate::plan::ids::Ids;
    use crate::plan::layout::Machine;
    use crate::settings::disk::{
        DiskLayout, FileSystemKind, FileSystemWish, PartitionTable, PartitionWish, Payload,
    };
    use crate::spec::Arch;
    use crate::units::SectorSize;

    fn layout(mountpoints: &[&str], options: Option<&str>, mounts: Mounts) -> Layout {
        let partition = |mountpoint: &&str| PartitionWish {
            payload: Payload::FileSystem(FileSystemWish {
                kind: FileSystemKind::Ext4,
                mountpoint: Some((*mountpoint).to_owned()),
                label: None,
                uuid: None,
                options: options.map(str::to_owned),
            }),
            ..PartitionWish::default()
        };
        let partitions = mountpoints.iter().map(partition).collect();
        let table = PartitionTable { partitions, mounts, ..PartitionTable::default() };
        let ids = Ids::derive(Sha256Digest::of(b""), Sha256Digest::of(b""));
        let (arch, sector_size) = (Arch::Aarch64, SectorSize::B512);
        let machine = Machine { arch, sector_size, may_have_bios: false };
        Layout::plan(Some(&DiskLayout::Partitions(table)), machine, &ids).unwrap()
    }

    fn image() -> MemoryFiles {
        MemoryFiles::default()
            .with_link("home", "var/home")
            .with_link("loop", "loop")
            .with_link("evil", "../../etc/x")
            .with("srv/www/index", "")
            .with("var/file", "")
            .with("usr/etc/fstab", "tmpfs /x tmpfs defaults 0 0")
    }

    fn paths(mountpoints: &[&str]) -> Result<Vec<(String, bool)>, LayoutError> {
        let places = places(&image(), &layout(mountpoints, None, Mounts::Units))?;
        Ok(places.into_iter().map(|place| (place.path, place.hides)).collect())
    }

    #[test]
    fn places_are_found_through_links() {
        let found = paths(&["/home/me", "/", "/srv", "/boot", "/var/new/x"]).unwrap();
        let expected = [("var/home/me", false), ("srv", true), ("var/new/x", false)];
        assert_eq!(found, expected.map(|(path, hides)| (path.to_owned(), hides)));
        for (bad, words) in [
            (&["/loop/x"][..], "loop of symbolic links"),
            (&["/evil"], "the system has its own there"),
            (&["/var/file/x"], "the image has a file there"),
            (&["/opt"], "no such directory"),
            (&["/home", "/var/home"], "two file systems"),
        ] {
            let error = paths(bad).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    fn etc(layout: &Layout, boot: Option<&str>) -> (Vec<(String, String)>, usize) {
        let places = places(&image(), layout).unwrap();
        let (mut files, mut links) = (Vec::new(), 0);
        for addition in additions(&image(), layout, &places, boot).unwrap() {
            match addition.kind {
                AdditionKind::File(bytes) => {
                    files.push((addition.path, String::from_utf8(bytes).unwrap()));
                }
                AdditionKind::Symlink(_) => links += 1,
                other => panic!("{other:?}"),
            }
        }
        (files, links)
    }

    #[test]
    fn fstab_has_boot_alone_unless_lines_are_wished() {
        let wish = layout(&["/boot", "/var/a"], Some("noatime"), Mounts::Units);
        let (files, links) = etc(&wish, Some("UUID=b"));
        let boot = "UUID=b /boot auto noatime,ro 0 0\n";
        assert_eq!(files[0], (FSTAB.to_owned(), boot.to_owned()));
        assert_eq!((files[1].0.as_str(), links), ("etc/systemd/system/var-a.mount", 1));
        let (files, links) = etc(&layout(&["/var/b", "/var"], None, Mounts::Fstab), None);
        let lines: Vec<&str> = files[0].1.lines().collect();
        assert_eq!((files.len(), lines.len(), links), (1, 3, 0));
        assert!(lines[0].starts_with("tmpfs ") && lines[1].contains(" /var ext4 "), "{lines:?}");
        assert_eq!(etc(&layout(&["/var/b"], None, Mounts::None), None), (vec![], 0));
        let (files, _) = etc(&layout(&[], None, Mounts::Units), Some("LABEL=b"));
        assert_eq!(files[0].1, "LABEL=b /boot auto ro 0 0\n");
    }
}
