//! The kernel that boots: the one directory of `usr/lib/modules` that has a `vmlinuz`.
//!
//! | file beside `vmlinuz` | name in `/boot/ostree/<stateroot>-<checksum>/` | in the checksum |
//! |---|---|---|
//! | `vmlinuz` | `vmlinuz-<version>` | yes |
//! | `initramfs.img`, else `initramfs` | `initramfs-<version>.img` | yes |
//! | `devicetree`, else the directory `dtb/` | `devicetree-<version>`, `dtb/` | yes |
//! | `.vmlinuz.hmac` | `.vmlinuz-<version>.hmac` | no |
//!
//! The checksum is one SHA-256 over the contents in that order, links followed ([`Kernel::hashed`]).
//! A `vmlinuz` that is a symbolic link counts, and the link itself goes to `/boot`, as the official
//! installer does; since it points nowhere from there, [`Kernel::is_link`] tells.

use super::BootError;
use crate::files::{Deployed, FileKind, Files};

const MODULES: &str = "usr/lib/modules";

/// The kernel of an image and the files that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The name of its directory in `usr/lib/modules`.
    pub version: String,
    /// Path of the kernel in the image.
    pub vmlinuz: String,
    /// Whether `vmlinuz` is a symbolic link: it will not boot then.
    pub is_link: bool,
    /// Path of the initramfs in the image.
    pub initramfs: String,
    /// Device trees, if the image brings any.
    pub devicetree: Option<DeviceTree>,
    /// Path of the kernel's checksum file for FIPS mode.
    pub hmac: Option<String>,
}

/// Device trees of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceTree {
    /// One file, at this path.
    File(String),
    /// A directory at `directory`, and the paths below it of its files, in the order in which they
    /// are hashed: names in byte order, directories descended into where they stand.
    Directory {
        /// Path in the image.
        directory: String,
        /// Paths relative to `directory`.
        files: Vec<String>,
    },
}

/// A file that `/boot` gets from the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFile {
    /// Path in the image.
    pub source: String,
    /// Path below `/boot/ostree/<stateroot>-<checksum>/`.
    pub name: String,
    /// Whether `/boot` gets a copy without xattrs instead of another link to the file.
    pub copied: bool,
}

impl Kernel {
    /// Paths whose contents, one after the other, make the boot checksum.
    pub fn hashed(&self) -> Vec<String> {
        let mut paths = vec![self.vmlinuz.clone(), self.initramfs.clone()];
        match &self.devicetree {
            None => {}
            Some(DeviceTree::File(path)) => paths.push(path.clone()),
            Some(DeviceTree::Directory { directory, files }) => {
                paths.extend(files.iter().map(|file| format!("{directory}/{file}")));
            }
        }
        paths
    }

    /// What goes to `/boot/ostree/<stateroot>-<checksum>/`.
    pub fn boot_files(&self) -> Vec<BootFile> {
        let version = &self.version;
        let linked = |source: &str, name: String| BootFile {
            source: source.to_owned(),
            name,
            copied: false,
        };
        let mut all = vec![
            linked(&self.vmlinuz, self.vmlinuz_name()),
            linked(&self.initramfs, self.initramfs_name()),
        ];
        match &self.devicetree {
            None => {}
            Some(DeviceTree::File(path)) => {
                all.push(linked(path, format!("devicetree-{version}")));
            }
            Some(DeviceTree::Directory { directory, files }) => {
                all.extend(files.iter().map(|file| BootFile {
                    source: format!("{directory}/{file}"),
                    name: format!("dtb/{file}"),
                    copied: true,
                }));
            }
        }
        all.extend(self.hmac.iter().map(|path| linked(path, format!(".vmlinuz-{version}.hmac"))));
        all
    }

    /// The kernel's name in `/boot`.
    pub fn vmlinuz_name(&self) -> String {
        format!("vmlinuz-{}", self.version)
    }

    /// The initramfs's name in `/boot`.
    pub fn initramfs_name(&self) -> String {
        format!("initramfs-{}.img", self.version)
    }
}

/// Finds the one kernel of the merged image.
pub fn find(files: &dyn Files) -> Result<Kernel, BootError> {
    let files = &Deployed(files);
    let modules = files.resolve(MODULES).unwrap_or_else(|| MODULES.to_owned());
    let directories: Vec<String> = files
        .names(&modules)
        .into_iter()
        .filter(|name| files.kind(&format!("{modules}/{name}")) == Some(FileKind::Directory))
        .collect();
    let mut kernels: Vec<&String> = directories
        .iter()
        .filter(|name| files.leads_to_file(&format!("{modules}/{name}/vmlinuz")))
        .collect();
    match (kernels.pop(), kernels.is_empty()) {
        (Some(version), true) => load(files, &modules, version),
        (Some(last), false) => {
            Err(BootError::SeveralKernels(kernels.into_iter().chain([last]).cloned().collect()))
        }
        (None, _) => Err(no_kernel(files, &modules, &directories)),
    }
}

fn load(files: &dyn Files, modules: &str, version: &str) -> Result<Kernel, BootError> {
    let beside = |name: &str| format!("{modules}/{version}/{name}");
    let regular = |name: &str| Some(beside(name)).filter(|path| files.leads_to_file(path));
    if let Some(path) = regular("aboot.img") {
        return Err(BootError::NotSupportedYet { what: "Android boot images", path });
    }
    if !version.chars().all(|c| c.is_ascii_graphic()) {
        return Err(BootError::KernelVersion { version: version.to_owned() });
    }
    let vmlinuz = beside("vmlinuz");
    Ok(Kernel {
        version: version.to_owned(),
        is_link: matches!(files.kind(&vmlinuz), Some(FileKind::Symlink { .. })),
        vmlinuz,
        initramfs: regular("initramfs.img")
            .or_else(|| regular("initramfs"))
            .ok_or_else(|| BootError::NoInitramfs { version: version.to_owned() })?,
        devicetree: regular("devicetree")
            .map(DeviceTree::File)
            .or_else(|| devicetree_directory(files, beside("dtb"))),
        hmac: regular(".vmlinuz.hmac"),
    })
}

fn devicetree_directory(files: &dyn Files, directory: String) -> Option<DeviceTree> {
    if files.kind(&directory) != Some(FileKind::Directory) {
        return None;
    }
    let mut found = Vec::new();
    let mut todo: Vec<String> = names_reversed(files, &directory, "");
    while let Some(path) = todo.pop() {
        let full = format!("{directory}/{path}");
        match files.kind(&full) {
            Some(FileKind::Directory) => todo.extend(names_reversed(files, &full, &path)),
            Some(FileKind::Regular { .. } | FileKind::Symlink { .. }) => found.push(path),
            None => {}
        }
    }
    Some(DeviceTree::Directory { directory, files: found })
}

fn names_reversed(files: &dyn Files, directory: &str, below: &str) -> Vec<String> {
    let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
    files.names(directory).into_iter().rev().map(|name| format!("{prefix}{name}")).collect()
}

/// Tells an image that boots in a way we do not know from one that does not boot.
fn no_kernel(files: &dyn Files, modules: &str, directories: &[String]) -> BootError {
    let places = directories.iter().map(|name| format!("{modules}/{name}"));
    for directory in places.chain(["boot/EFI/Linux".to_owned()]) {
        let names = files.names(&directory);
        if let Some(name) = names.iter().find(|name| name.ends_with(".efi")) {
            let path = format!("{directory}/{name}");
            return BootError::NotSupportedYet { what: "unified kernel images", path };
        }
    }
    for directory in ["usr/lib/ostree-boot", "boot"] {
        let names = files.names(directory);
        if let Some(name) = names.iter().find(|name| name.starts_with("vmlinuz-")) {
            let path = format!("{directory}/{name}");
            let what = "kernels outside of `usr/lib/modules/VERSION/vmlinuz`";
            return BootError::NotSupportedYet { what, path };
        }
    }
    BootError::NoKernel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    const DIR: &str = "usr/lib/modules/6.1.0-golden";

    fn with(names: &[&str]) -> MemoryFiles {
        names
            .iter()
            .fold(MemoryFiles::default(), |files, name| files.with(&format!("{DIR}/{name}"), name))
    }

    #[test]
    fn a_kernel_brings_its_neighbours() {
        let files =
            with(&["vmlinuz", "initramfs.img", "initramfs", ".vmlinuz.hmac", "kernel/fs/ext4.ko"]);
        let kernel = find(&files).unwrap();
        assert_eq!(kernel.version, "6.1.0-golden");
        assert_eq!(kernel.initramfs, format!("{DIR}/initramfs.img"));
        assert!(!kernel.is_link);
        let names: Vec<String> = kernel.boot_files().into_iter().map(|file| file.name).collect();
        let expected =
            ["vmlinuz-6.1.0-golden", "initramfs-6.1.0-golden.img", ".vmlinuz-6.1.0-golden.hmac"];
        assert_eq!(names, expected);
        assert_eq!(kernel.hashed(), [format!("{DIR}/vmlinuz"), format!("{DIR}/initramfs.img")]);
    }

    #[test]
    fn the_golden_device_trees_are_hashed_in_upstreams_order() {
        let trees = ["dtb/z.dtb", "dtb/vendor/b.dtb", "dtb/vendor/a.dtb", "dtb/a.dtb"];
        let files = with(&[&["vmlinuz", "initramfs"], &trees[..]].concat());
        let kernel = find(&files).unwrap();
        let Some(DeviceTree::Directory { files, .. }) = &kernel.devicetree else {
            panic!("{kernel:?}");
        };
        assert_eq!(*files, ["a.dtb", "vendor/a.dtb", "vendor/b.dtb", "z.dtb"]);
        let copied = kernel.boot_files().into_iter().filter(|file| file.copied).count();
        assert_eq!(copied, 4);
    }

    #[test]
    fn one_device_tree_wins_over_a_directory() {
        let files = with(&["vmlinuz", "initramfs", "dtb/a.dtb", "devicetree"]);
        let tree = find(&files).unwrap().devicetree;
        assert_eq!(tree, Some(DeviceTree::File(format!("{DIR}/devicetree"))));
    }

    #[test]
    fn a_linked_kernel_counts_and_a_dangling_one_does_not() {
        let link = with(&["initramfs.img"])
            .with("usr/lib/kernel", "kernel")
            .with_link(&format!("{DIR}/vmlinuz"), "../../kernel");
        assert!(find(&link).unwrap().is_link);
        let dangling = with(&["initramfs.img"]).with_link(&format!("{DIR}/vmlinuz"), "/nowhere");
        assert!(matches!(find(&dangling), Err(BootError::NoKernel)));
    }

    #[test]
    fn images_that_cannot_boot_are_refused_by_name() {
        let two = with(&["vmlinuz"]).with("usr/lib/modules/5.0/vmlinuz", "");
        let refusal = find(&two).unwrap_err().to_string();
        assert!(refusal.ends_with("5.0, 6.1.0-golden"), "{refusal}");

        let refusal = find(&with(&["vmlinuz"])).unwrap_err().to_string();
        assert!(refusal.contains("usr/lib/modules/6.1.0-golden/initramfs.img"), "{refusal}");

        assert!(matches!(find(&with(&["modules.dep"])), Err(BootError::NoKernel)));
        for path in ["boot/vmlinuz-6", "boot/EFI/Linux/a.efi", "usr/lib/modules/6/a.efi"] {
            let files = MemoryFiles::default().with(path, "");
            let refusal = find(&files).unwrap_err();
            assert!(matches!(&refusal, BootError::NotSupportedYet { path: at, .. } if at == path));
        }
        let blank = MemoryFiles::default().with("usr/lib/modules/6 1/vmlinuz", "");
        assert!(matches!(find(&blank), Err(BootError::KernelVersion { .. })));
        let aboot = with(&["vmlinuz", "initramfs.img", "aboot.img"]);
        assert!(matches!(find(&aboot), Err(BootError::NotSupportedYet { .. })));
    }
}
