//! `ami.json`: what Amazon's EC2 is told when the disk is registered as a machine image.
//!
//! The fields are those of its call `RegisterImage`; what depends on the upload, the name and the
//! snapshot's id, is left to whoever makes the call.
//!
//! | field | value |
//! |---|---|
//! | `Architecture` | `x86_64`, `arm64` |
//! | `BootMode` | `uefi-preferred` with both boot loaders, else `uefi` or `legacy-bios` |
//! | `TpmSupport` | with `uefi` only: a machine that may start from BIOS has no TPM |
//! | `EnaSupport` | whether the kernel has the network driver `ena` |
//! | `ImdsSupport` | `v2.0`: metadata for those who have a token |

use serde::Serialize;

use super::super::disk::Disk;
use crate::progress::{Event, Reporter};
use crate::spec::Arch;
use crate::units::GIB;

/// Where it is in the output folder.
pub(super) const PATH: &str = "image/ami.json";
const ROOT_DEVICE: &str = "/dev/xvda";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegisterImage {
    architecture: &'static str,
    block_device_mappings: [BlockDeviceMapping; 1],
    boot_mode: &'static str,
    ena_support: bool,
    imds_support: &'static str,
    root_device_name: &'static str,
    sriov_net_support: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm_support: Option<&'static str>,
    virtualization_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BlockDeviceMapping {
    device_name: &'static str,
    ebs: Ebs,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ebs {
    delete_on_termination: bool,
    volume_size: u64,
    volume_type: &'static str,
}

/// The call's parameters; warns of drivers that instances cannot do without.
pub(super) fn register_image(disk: &Disk, arch: Arch, reporter: &dyn Reporter) -> String {
    let installed = &disk.installed;
    let has_driver = |name: &str| installed.drivers.contains(name);
    if !has_driver("nvme") {
        let message = format!(
            "kernel {} has no driver `nvme`: newer instances of EC2 will not find their disk",
            installed.kernel
        );
        reporter.report(Event::Warning { message });
    }
    let boot_mode = match (installed.esp.is_empty(), installed.bios.is_some()) {
        (false, true) => "uefi-preferred",
        (true, true) => "legacy-bios",
        (_, false) => "uefi",
    };
    let call = RegisterImage {
        architecture: match arch {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "arm64",
        },
        block_device_mappings: [BlockDeviceMapping {
            device_name: ROOT_DEVICE,
            ebs: Ebs {
                delete_on_termination: true,
                volume_size: disk.size.0.div_ceil(GIB),
                volume_type: "gp3",
            },
        }],
        boot_mode,
        ena_support: has_driver("ena"),
        imds_support: "v2.0",
        root_device_name: ROOT_DEVICE,
        sriov_net_support: "simple",
        tpm_support: (boot_mode == "uefi").then_some("v2.0"),
        virtualization_type: "hvm",
    };
    let json = serde_json::to_string_pretty(&call).expect("strings and numbers are always JSON");
    format!("{json}\n")
}
