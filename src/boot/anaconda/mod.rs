//! What Anaconda is told by a medium with an image on it: a kickstart, and menus that name it.
//!
//! | file | what it writes |
//! |---|---|
//! | `kickstart` | the kickstart: the owner's, and where the image is |
//! | `menu` | the menus of a boot ISO, with the kickstart in each line that starts Anaconda |
//!
//! Anaconda mounts the medium that `inst.stage2=` names at `/run/install/repo`. Whether a machine
//! gets the image is its owner's choice: a kickstart that says itself what is installed stays as it
//! is, and what no kickstart says is asked.

mod kickstart;
mod menu;

pub use kickstart::Kickstart;
pub use menu::Menu;

/// The kickstart's path on the medium.
pub const KICKSTART: &str = "bootc-image.ks";
/// Where a boot ISO may have menus.
pub const MENUS: [&str; 6] = [
    "EFI/BOOT/BOOT.conf",
    "EFI/BOOT/grub.cfg",
    "boot/grub2/grub.cfg",
    "boot/grub/grub.cfg",
    "isolinux/grub.conf",
    "isolinux/isolinux.cfg",
];
/// Where the ESP of a boot ISO may have menus, in short names.
pub const ESP_MENUS: [&str; 4] =
    ["EFI/BOOT/GRUB.CFG", "EFI/BOOT/BOOT.CON", "BOOT/GRUB2/GRUB.CFG", "BOOT/GRUB/GRUB.CFG"];
