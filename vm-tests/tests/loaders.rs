//! Loaders alone: from power-on to the kernel's first line, on buses other than virtio.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use anyhow::Result;
use bootc_image_fixtures::debian;
use bootc_image_vm_tests::disk::Format;
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{BOOT_TIMEOUT, Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::working_folder;

#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn grub_starts_the_kernel_from_sata_and_nvme() -> Result<()> {
    let folder = working_folder("loaders")?;
    let kargs = ["console=ttyS0", "earlyprintk=serial,ttyS0", "fixture.answer=43"];
    let disks =
        Build::new(&debian::layouts()?.gzip, "base", &kargs).run(&folder, &[Format::Qcow2])?;
    for bus in [Bus::Ahci, Bus::Nvme] {
        let mut qemu = qemu(&folder, &disks[0], Firmware::Uefi, bus)?;
        qemu.args(["-snapshot", "-serial", "stdio"]);
        let mut vm = Vm::spawn(&mut qemu, &folder, false)?;
        vm.console().wait_for_boot("Linux version", BOOT_TIMEOUT)?;
        vm.console().wait_for("fixture.answer=43", BOOT_TIMEOUT)?;
    }
    Ok(())
}
