//! A machine without a disk boots from the network: its firmware starts iPXE, which fetches the script,
//! which fetches the rest.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use bootc_image_fixtures::registry::{Reply, Server};
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Firmware, Vm, diskless};
use bootc_image_vm_tests::{KARGS, network, tool, working_folder};

#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn ipxe_boots_from_a_web_server() -> Result<()> {
    if !Tier::allows(Tier::Full, "a boot from the network") {
        return Ok(());
    }
    let Some(layout) = tier::cloud()? else { return Ok(()) };
    let folder = working_folder("netboot")?;
    let mut build = Build::new(&layout, "latest", KARGS);
    build.options = ["--type", "pxe", "--size", "3G"].map(String::from).into();
    tool(&mut build.command(&folder, &[])?)?;
    // Debian's iPXE does not know where a script came from: one is told, the other is not
    boots(&folder, Firmware::Bios, Some("chain.ipxe"))?;
    boots(&folder, Firmware::Bios, None)?;
    boots(&folder, Firmware::Uefi, Some("chain.ipxe"))
}

/// Boots from the script, or from another that says where it is and chains to it.
fn boots(folder: &Path, firmware: Firmware, first: Option<&str>) -> Result<()> {
    let server = serve(&folder.join("pxe"));
    let address = network::address(&server.host);
    let script = format!("http://{address}/{}", first.unwrap_or("boot.ipxe"));
    let mut qemu = diskless(folder, firmware, 2048)?;
    qemu.arg("-netdev")
        .arg(format!("user,id=net,bootfile={script}"))
        .args(["-device", "virtio-net-pci,netdev=net,bootindex=1"]);
    let mut vm = Vm::spawn(qemu.args(["-serial", "stdio"]), folder, false)?;
    let marker = vm.wait_for_marker()?;
    ensure!(marker.trim_end().ends_with("failed=0"), "{marker}");
    vm.login()?;
    let arguments = vm.check("cat /proc/cmdline")?;
    let root = if first.is_some() { format!("http://{address}") } else { String::new() };
    ensure!(arguments.contains(&format!("root=live:{root}/rootfs.img ")), "{arguments}");
    for name in ["boot.ipxe", "vmlinuz", "initrd.img", "rootfs.img"] {
        let count = server.count(&format!("/{name}"));
        ensure!(count >= 1, "{name} was not fetched: {:?}", server.log());
    }
    // a deployment as from a disk, on a root file system that can be written to
    let sources = vm.check("findmnt -no SOURCE /sysroot; findmnt -no FSTYPE /sysroot")?;
    ensure!(sources.contains("ext4"), "{sources}");
    let status = vm.check("ostree admin status")?;
    ensure!(status.contains("default") && status.contains('*'), "{status}");
    vm.check("echo changed > /etc/changed && echo changed > /var/changed && sync")?;
    ensure!(vm.run("lsblk -dno TYPE | grep -q disk")?.status != 0, "there is a disk");
    vm.power_off()
}

/// The folder as a web server has it, and a script that says where that is.
fn serve(folder: &Path) -> Server {
    let folder = folder.to_owned();
    Server::start(move |request| {
        if request.path == "/chain.ipxe" {
            let host = request.headers.get("host").map_or("", String::as_str);
            let script = format!("#!ipxe\nset base-url http://{host}/\nchain boot.ipxe\n");
            return Reply::ok(script.as_bytes());
        }
        match fs::read(folder.join(request.path.trim_start_matches('/'))) {
            Ok(bytes) => Reply::range(request, &bytes),
            Err(_) => Reply::status(404),
        }
    })
}
