//! `cargo xtask demo`: the main job, once, on the Debian fixture.

use std::io::{self, IsTerminal};
use std::iter;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::{cache, debian};
use bootc_image_vm_tests::disk::Format;
use bootc_image_vm_tests::product::{Build, artifact};
use bootc_image_vm_tests::vm::{BOOT_TIMEOUT, Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, working_folder};

use crate::packages;

/// Makes a qcow2 from the fixture and says how to boot it, or boots it.
pub fn run(boot: bool) -> Result<()> {
    packages::ensure(&[packages::FIXTURE, packages::MACHINES].concat())?;
    let layouts = debian::layouts()?;
    let output = cache::root().join("demo");
    let build = Build::new(&layouts.gzip, "latest", KARGS);
    let mut command = build.command(&output, &[Format::Qcow2])?;
    println!("$ {}", shell_line(&command));
    let start = Instant::now();
    let status = command.status().context("starting bootc-image")?;
    ensure!(status.success(), "bootc-image: {status}");
    let disk = artifact(&output, Format::Qcow2)?;
    println!("made {} in {:.1} s", disk.display(), start.elapsed().as_secs_f64());

    let folder = working_folder("demo")?;
    let mut machine = qemu(&folder, &disk, Firmware::Uefi, Bus::Virtio)?;
    machine.arg("-snapshot");
    let mut shown = qemu(&folder, &disk, Firmware::Uefi, Bus::Virtio)?;
    shown.args(["-snapshot", "-serial", "mon:stdio"]);
    println!(
        "\nTo boot it (log in as root, no password; changes are thrown away; Ctrl-A X ends it):"
    );
    println!("{}", shell_line(&shown));
    match (boot, io::stdin().is_terminal() && io::stdout().is_terminal()) {
        (false, _) => Ok(()),
        (true, true) => {
            let status = shown.status().context("starting QEMU")?;
            ensure!(status.success(), "QEMU: {status}");
            Ok(())
        }
        (true, false) => boot_to_login(machine.args(["-serial", "stdio"]), &folder),
    }
}

/// Boots with nobody to type: the login prompt is the end.
fn boot_to_login(machine: &mut Command, folder: &Path) -> Result<()> {
    let mut vm = Vm::spawn(machine, folder, true)?;
    vm.console().wait_for_boot("login: ", BOOT_TIMEOUT)?;
    println!("\nlogin prompt after {:.0} s", vm.uptime().as_secs_f64());
    Ok(())
}

/// A command as one would type it.
fn shell_line(command: &Command) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    let words = iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        if word.chars().all(plain) { word.into_owned() } else { format!("'{word}'") }
    });
    words.collect::<Vec<_>>().join(" ")
}
