//! Ignition, which configures a machine before it starts for the first time.

use crate::files::{FileKind, Files};

/// Where dracut's modules are; that of Ignition has a number in front of its name.
const DRACUT_MODULES: &str = "usr/lib/dracut/modules.d";

/// What the file system is called on which Fedora CoreOS has `ignition/config.ign`, and waits for when it
/// starts for the first time (fedora-coreos-config: `coreos-ignition-setup-user.sh`,
/// `coreos-diskful-generator`). Ignition itself reads no such file.
pub const BOOT_LABEL: &str = "boot";

/// Whether the image brings Ignition for its initramfs.
pub fn is_in(files: &dyn Files) -> bool {
    let number = |name: &str| name.trim_start_matches(|c: char| c.is_ascii_digit()) == "ignition";
    let is_directory = |name: &String| {
        files.kind(&format!("{DRACUT_MODULES}/{name}")) == Some(FileKind::Directory)
    };
    files.names(DRACUT_MODULES).iter().any(|name| number(name) && is_directory(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn a_module_of_dracut_is_ignition() {
        let image = |path: &str| MemoryFiles::default().with(path, "");
        assert!(is_in(&image("usr/lib/dracut/modules.d/30ignition/module-setup.sh")));
        assert!(!is_in(&image("usr/lib/dracut/modules.d/30ignition")));
        assert!(!is_in(&image("usr/lib/dracut/modules.d/35ignition-conf/module-setup.sh")));
        assert!(!is_in(&MemoryFiles::default()));
    }
}
