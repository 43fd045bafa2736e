//! Where a disk is to run, and what it is given for that: kernel arguments and boot menu, as data in
//! `bootloaders/platforms.toml`.
//!
//! | decides | |
//! |---|---|
//! | `--platform` | if given |
//! | the types | if all imply the same platform |
//! | neither | `generic`: what the official installer makes; said, when types disagree |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::types::DiskType;
use crate::spec::Arch;

const TABLE: &str = include_str!("../../bootloaders/platforms.toml");

/// A place where disks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Anywhere: nothing is added to what the image says.
    Generic,
    /// Podman's machines on macOS.
    Applehv,
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Compute Engine.
    Gcp,
    /// Microsoft Hyper-V.
    Hyperv,
    /// KubeVirt.
    Kubevirt,
    /// Bare metal.
    Metal,
    /// OpenStack.
    Openstack,
    /// Proxmox VE.
    Proxmox,
    /// QEMU and libvirt.
    Qemu,
    /// VMware.
    Vmware,
}

impl Platform {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Generic,
        Self::Applehv,
        Self::Aws,
        Self::Azure,
        Self::Gcp,
        Self::Hyperv,
        Self::Kubevirt,
        Self::Metal,
        Self::Openstack,
        Self::Proxmox,
        Self::Qemu,
        Self::Vmware,
    ];

    /// What the command line, the table and the build record call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Applehv => "applehv",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Hyperv => "hyperv",
            Self::Kubevirt => "kubevirt",
            Self::Metal => "metal",
            Self::Openstack => "openstack",
            Self::Proxmox => "proxmox",
            Self::Qemu => "qemu",
            Self::Vmware => "vmware",
        }
    }

    /// What disks for it are given.
    pub fn profile(self) -> Profile {
        let mut all: BTreeMap<Platform, Profile> =
            toml::from_str(TABLE).expect("the table is tested");
        all.remove(&self).expect("the table is tested")
    }
}

/// The platform of a disk that becomes all of these types; a sentence when they disagree.
pub fn choose(asked: Option<Platform>, types: &[DiskType]) -> (Platform, Option<String>) {
    if let Some(platform) = asked {
        return (platform, None);
    }
    let mut implied = types.iter().map(|kind| kind.platform());
    let first = implied.next().flatten();
    match first {
        Some(platform) if implied.all(|other| other == first) => (platform, None),
        _ if types.iter().any(|kind| kind.platform().is_some()) => {
            let names: Vec<_> = (types.iter())
                .filter_map(|kind| Some(format!("{} for {}", kind.name(), kind.platform()?.name())))
                .collect();
            let message = format!(
                "one disk is made for all types, so it is given nothing of a platform ({}): choose \
                 one with `--platform`, or build the types apart",
                names.join(", ")
            );
            (Platform::Generic, Some(message))
        }
        _ => (Platform::Generic, None),
    }
}

/// What disks for a platform are given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The boot menu's timeout.
    #[serde(default = "one_second")]
    pub timeout_secs: u32,
    /// The serial port that the menu shows on too; `None` for none.
    pub serial: Option<Serial>,
    /// `console=` arguments, the primary one last.
    #[serde(default)]
    console: Consoles,
    /// `ignition.platform.id`, for images with Ignition.
    pub ignition: Option<String>,
    /// What the platform is told of the image when it is registered there.
    #[serde(default)]
    guest_features: GuestFeatures,
}

fn one_second() -> u32 {
    1
}

/// A serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serial {
    /// Its number, from 0.
    pub unit: u32,
    /// Bits a second.
    pub speed: u32,
}

/// Values of `console=` by architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Consoles {
    #[serde(default)]
    x86_64: Vec<String>,
    #[serde(default)]
    aarch64: Vec<String>,
}

/// Words of the platform's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestFeatures {
    #[serde(default)]
    all: Vec<String>,
    #[serde(default)]
    x86_64: Vec<String>,
}

impl Profile {
    /// Kernel arguments for every image, and for those with Ignition.
    pub fn kargs(&self, arch: Arch, has_ignition: bool) -> Vec<String> {
        let consoles = match arch {
            Arch::X86_64 => &self.console.x86_64,
            Arch::Aarch64 => &self.console.aarch64,
        };
        let ignition = self.ignition.iter().filter(|_| has_ignition);
        let consoles = consoles.iter().map(|console| format!("console={console}"));
        consoles.chain(ignition.map(|id| format!("ignition.platform.id={id}"))).collect()
    }

    /// What the platform is told when the image is registered there.
    pub fn guest_features(&self, arch: Arch) -> Vec<String> {
        let own = match arch {
            Arch::X86_64 => self.guest_features.x86_64.as_slice(),
            Arch::Aarch64 => &[],
        };
        self.guest_features.all.iter().chain(own).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_is_in_the_table_and_nothing_else() {
        let table: BTreeMap<Platform, Profile> = toml::from_str(TABLE).unwrap();
        let names: Vec<Platform> = table.into_keys().collect();
        assert_eq!(names, Platform::ALL);
        for platform in Platform::ALL {
            let spelt: Platform =
                serde_json::from_str(&format!("\"{}\"", platform.name())).unwrap();
            assert_eq!(spelt, platform);
        }
    }

    #[test]
    fn generic_adds_nothing() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            assert!(Platform::Generic.profile().kargs(arch, true).is_empty());
        }
    }

    #[test]
    fn the_primary_console_is_the_last() {
        let kargs = |platform: Platform, arch| platform.profile().kargs(arch, true).join(" ");
        assert_eq!(
            kargs(Platform::Openstack, Arch::X86_64),
            "console=ttyS0,115200n8 console=tty0 ignition.platform.id=openstack"
        );
        assert_eq!(
            kargs(Platform::Aws, Arch::X86_64),
            "console=tty0 console=ttyS0,115200n8 ignition.platform.id=aws"
        );
        assert_eq!(
            kargs(Platform::Azure, Arch::Aarch64),
            "console=tty0 console=ttyAMA0,115200n8 ignition.platform.id=azure"
        );
        assert_eq!(Platform::Aws.profile().kargs(Arch::Aarch64, false), ["console=ttyS0,115200n8"]);
    }

    #[test]
    fn types_decide_where_they_agree() {
        use DiskType::{Ami, Qcow2, Raw};
        let cases: [(&[DiskType], Platform, bool); 5] = [
            (&[Ami], Platform::Aws, false),
            (&[Ami, Ami], Platform::Aws, false),
            (&[Qcow2, Raw], Platform::Generic, false),
            (&[Qcow2, Ami], Platform::Generic, true),
            (&[Ami, Qcow2], Platform::Generic, true),
        ];
        for (types, expected, is_said) in cases {
            let (platform, notice) = choose(None, types);
            assert_eq!((platform, notice.is_some()), (expected, is_said), "{types:?}");
            assert_eq!(choose(Some(Platform::Qemu), types), (Platform::Qemu, None));
        }
    }
}
