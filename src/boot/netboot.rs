//! What boots the system from a network: scripts for iPXE and GRUB, and how they are used.
//!
//! ```text
//!  iPXE or GRUB ── boot.ipxe / grub.cfg ──► vmlinuz, initrd.img
//!                                              │ root=live:http://…/rootfs.img
//!                          dracut's livenet ◄──┘ fetches rootfs.img into memory
//!                          dracut's dmsquash-live: the root file system, with a layer for writing
//!                          ostree-prepare-root: the deployment, as from a disk
//! ```
//!
//! The deployment is the same as on a disk, and so are the kernel arguments but for those that name
//! file systems of the disk (`root=`, `boot=`). What the system writes is in memory and gone when it is
//! switched off.
//!
//! Source: dracut.cmdline(7), "Booting live images"; <https://ipxe.org/cmd>; GRUB's manual, `initrd`.

use std::collections::BTreeSet;

use super::BootError;
use super::grub::script::{self, one_line, word};

/// Modules of dracut that the initramfs must have.
pub const MODULES: [&str; 2] = ["dmsquash-live", "livenet"];

/// How to use it, for those who find the folder.
pub const README: &str = include_str!("../../bootloaders/netboot.txt");

/// What the initramfs lacks, if it tells what it has.
pub fn missing_modules(has: &BTreeSet<String>) -> Vec<&'static str> {
    MODULES.into_iter().filter(|module| !has.contains(*module)).collect()
}

/// A system that boots from a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netboot {
    title: String,
    kargs: Vec<String>,
}

impl Netboot {
    /// The system of this name, and all arguments of its kernel but `root=`.
    ///
    /// # Errors
    ///
    /// An argument that a script would take for something else, or garble.
    pub fn new(title: &str, kargs: &[String]) -> Result<Self, BootError> {
        for karg in kargs {
            if let Some(what) = obstacle(karg) {
                return Err(BootError::NotForScripts { karg: karg.clone(), what });
            }
        }
        Ok(Self { title: one_line(title), kargs: kargs.to_vec() })
    }

    /// `boot.ipxe`: everything is fetched from where the script came from. An iPXE that does not know
    /// that place (`cwduri`, of 2024), and is not told (`base-url`), fetches `rootfs.img` itself.
    pub fn ipxe(&self) -> String {
        let kargs = self.kargs.join(" ");
        format!(
            "#!ipxe\n# {}\n\
             isset ${{base-url}} || set base-url ${{cwduri}}\n\
             isset ${{base-url}} || goto whole\n\
             kernel vmlinuz initrd=initrd.img root=live:${{base-url}}rootfs.img {kargs}\n\
             initrd initrd.img\nboot\n\
             :whole\n\
             kernel vmlinuz initrd=initrd.magic root=live:/rootfs.img {kargs}\n\
             initrd initrd.img\ninitrd rootfs.img /rootfs.img\nboot\n",
            self.title,
        )
    }

    /// `grub.cfg`: files from the root of the server that GRUB was loaded from, `rootfs.img` from the root
    /// of that machine's web server, or from memory.
    pub fn grub(&self) -> String {
        let title = word(&self.title);
        let kargs: Vec<String> = self.kargs.iter().map(|karg| script::karg(karg)).collect();
        let kargs = kargs.join(" ");
        format!(
            "set timeout=5\n\n\
             menuentry {title} {{\n\
             \x20   linux /vmlinuz root=live:http://${{net_default_server}}/rootfs.img {kargs}\n\
             \x20   initrd /initrd.img\n}}\n\n\
             menuentry {} {{\n\
             \x20   linux /vmlinuz root=live:/rootfs.img {kargs}\n\
             \x20   initrd /initrd.img newc:rootfs.img:/rootfs.img\n}}\n",
            word(&format!("{} (no web server)", self.title)),
        )
    }
}

/// What keeps an argument out of the scripts. iPXE takes lines apart at blanks, whatever the quotes.
fn obstacle(karg: &str) -> Option<&'static str> {
    let is_syntax = |word: &str| ["&&", "||", ";"].contains(&word) || word.starts_with('#');
    if karg.contains("${") {
        Some("`${`")
    } else if karg.split_whitespace().any(is_syntax) {
        Some("a word that ends commands of iPXE")
    } else {
        script::obstacle(karg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kargs(text: &[&str]) -> Vec<String> {
        text.iter().map(|karg| (*karg).to_owned()).collect()
    }

    #[test]
    fn scripts_carry_the_arguments() {
        let ostree = "ostree=/ostree/boot.1/default/0/0";
        let all = kargs(&["rw", "rootflags=x", "a=\"b c\"", "d=$e", ostree]);
        let netboot = Netboot::new("Some OS\\", &all).unwrap();
        let ipxe = netboot.ipxe();
        assert!(ipxe.starts_with("#!ipxe\n# Some OS \nisset ${base-url} || "), "{ipxe}");
        assert!(
            ipxe.contains(
                " root=live:${base-url}rootfs.img rw rootflags=x a=\"b c\" d=$e ostree=/ostree/boot.1/"
            ),
            "{ipxe}"
        );
        let grub = netboot.grub();
        assert!(grub.contains("menuentry 'Some OS ' {"), "{grub}");
        assert!(grub.contains(" rw rootflags=x 'a=b c' 'd=$e' ostree="), "{grub}");
        assert!(Netboot::new("", &kargs(&["o"])).unwrap().grub().contains("menuentry '' {"));
    }

    #[test]
    fn what_a_script_would_understand_is_refused() {
        let wrong = [
            "a=${net0/ip}",
            "&&",
            "||",
            ";",
            "#a",
            "a=\"b ; c\"",
            "a=\"b #c\"",
            "a=\"b  c\"",
            "a=b\\c",
            "a='b'",
            "a\tb",
        ];
        for karg in wrong {
            let result = Netboot::new("x", &kargs(&[karg]));
            let Err(BootError::NotForScripts { karg: named, .. }) = result else {
                panic!("{karg}: {result:?}")
            };
            assert_eq!(named, karg);
        }
        assert!(Netboot::new("x", &kargs(&["a=$b", "c=d&&e", "f#g;"])).is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        let has = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(missing_modules(&has(&["bash", "livenet"])), ["dmsquash-live"]);
        assert!(missing_modules(&has(&["livenet", "dmsquash-live"])).is_empty());
    }
}
