//! The boot entry: `boot/loader.1/entries/ostree-1.conf`, byte for byte what ostree writes for the
//! first deployment of a sysroot.
//!
//! ```text
//! title <name> (ostree:0)
//! version 1
//! options <kargs> ostree=/ostree/boot.1/<stateroot>/<checksum>/0
//! devicetree /boot/ostree/<stateroot>-<checksum>/devicetree-<version>      only with such a file
//! linux /boot/ostree/<stateroot>-<checksum>/vmlinuz-<version>
//! initrd /boot/ostree/<stateroot>-<checksum>/initramfs-<version>.img
//! fdtdir /boot/ostree/<stateroot>-<checksum>/dtb                           only with such a directory
//! ```
//!
//! Paths begin with `/boot` (`sysroot.bootprefix=true`); on a separate `/boot` they lead through its
//! link `boot -> .`.
//!
//! A line feed within a value would start a line of its own, so control characters are refused.

use super::BootError;
use super::kernel::{DeviceTree, Kernel};
use crate::digest::Sha256Digest;

/// The entry's file name in `boot/loader.1/entries`.
pub const FILE_NAME: &str = "ostree-1.conf";

/// What a boot entry is made of.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The system's name ([`super::os_release::pretty_name`]).
    pub name: &'a str,
    /// The stateroot.
    pub stateroot: &'a str,
    /// The boot checksum ([`Kernel::hashed`]).
    pub checksum: Sha256Digest,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Kernel arguments, without `ostree=`.
    pub kargs: &'a [String],
}

impl Entry<'_> {
    /// The name of the directory in `/boot/ostree` that holds the kernel: `<stateroot>-<checksum>`.
    pub fn directory(&self) -> String {
        format!("{}-{}", self.stateroot, self.checksum)
    }

    /// The menu's title.
    pub fn title(&self) -> String {
        format!("{} (ostree:0)", self.name)
    }

    /// The kernel argument that leads to the deployment.
    pub fn ostree(&self) -> String {
        format!("ostree=/ostree/boot.1/{}/{}/0", self.stateroot, self.checksum)
    }

    /// All kernel arguments, the one that leads to the deployment last.
    pub fn options(&self) -> String {
        let ostree = self.ostree();
        let all: Vec<&str> = self.kargs.iter().map(String::as_str).chain([&*ostree]).collect();
        all.join(" ")
    }

    /// The entry's text.
    pub fn to_text(&self) -> Result<String, BootError> {
        let directory = format!("/boot/ostree/{}", self.directory());
        let kernel = self.kernel;
        let mut lines = vec![
            format!("title {}", self.title()),
            "version 1".to_owned(),
            format!("options {}", self.options()),
        ];
        if let Some(DeviceTree::File(_)) = kernel.devicetree {
            lines.push(format!("devicetree {directory}/devicetree-{}", kernel.version));
        }
        lines.push(format!("linux {directory}/{}", kernel.vmlinuz_name()));
        lines.push(format!("initrd {directory}/{}", kernel.initramfs_name()));
        if let Some(DeviceTree::Directory { .. }) = kernel.devicetree {
            lines.push(format!("fdtdir {directory}/dtb"));
        }
        match lines.iter().find(|line| line.chars().any(char::is_control)) {
            Some(line) => Err(BootError::ControlCharacter { line: line.clone() }),
            None => Ok(lines.join("\n") + "\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "title Golden Linux 1 (Fixture) (ostree:0)
version 1
options root=UUID=11111111-2222-4333-8444-555555555555 rw quiet ostree=/ostree/boot.1/golden/\
1a602ff34bbd48aaabe0d9e6ac63f34d78609ee5de1457c15bf07e58835615f7/0
linux /boot/ostree/golden-1a602ff34bbd48aaabe0d9e6ac63f34d78609ee5de1457c15bf07e58835615f7/\
vmlinuz-6.1.0-golden
initrd /boot/ostree/golden-1a602ff34bbd48aaabe0d9e6ac63f34d78609ee5de1457c15bf07e58835615f7/\
initramfs-6.1.0-golden.img
";

    fn kernel(devicetree: Option<DeviceTree>) -> Kernel {
        Kernel {
            version: "6.1.0-golden".to_owned(),
            vmlinuz: String::new(),
            is_link: false,
            initramfs: String::new(),
            devicetree,
            hmac: None,
        }
    }

    fn text(devicetree: Option<DeviceTree>) -> String {
        let hex = "1a602ff34bbd48aaabe0d9e6ac63f34d78609ee5de1457c15bf07e58835615f7";
        Entry {
            name: "Golden Linux 1 (Fixture)",
            stateroot: "golden",
            checksum: Sha256Digest::parse_hex(hex).unwrap(),
            kernel: &kernel(devicetree),
            kargs: &["root=UUID=11111111-2222-4333-8444-555555555555", "rw", "quiet"]
                .map(str::to_owned),
        }
        .to_text()
        .unwrap()
    }

    #[test]
    fn no_value_starts_a_line_of_its_own() {
        let kernel = kernel(None);
        let checksum = Sha256Digest::of(b"");
        let kargs = ["a=\"x\ninitrd /evil\"".to_owned()];
        let entry = Entry { name: "n", stateroot: "s", checksum, kernel: &kernel, kargs: &kargs };
        assert!(matches!(entry.to_text(), Err(BootError::ControlCharacter { .. })));
        assert!(matches!(
            Entry { name: "a\nb", kargs: &[], ..entry }.to_text(),
            Err(BootError::ControlCharacter { .. })
        ));
    }

    #[test]
    fn the_entry_is_the_golden_one() {
        assert_eq!(text(None), GOLDEN);
        let directory =
            DeviceTree::Directory { directory: "d".to_owned(), files: vec!["a".to_owned()] };
        let hex = "golden-1a602ff34bbd48aaabe0d9e6ac63f34d78609ee5de1457c15bf07e58835615f7";
        assert_eq!(text(Some(directory)), format!("{GOLDEN}fdtdir /boot/ostree/{hex}/dtb\n"));
    }

    #[test]
    fn a_device_tree_comes_before_the_kernel() {
        let text = text(Some(DeviceTree::File("x".to_owned())));
        let keys: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(keys, ["title", "version", "options", "devicetree", "linux", "initrd"]);
    }
}
