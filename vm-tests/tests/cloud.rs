//! A guest of clouds: cloud-init makes the user, the key and the name that it is told of, and the key
//! opens the machine. So do those of its owner, without a cloud.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::ssh::Ssh;
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, tool, working_folder};

const USER: &str = "ops";
const HOSTNAME: &str = "told-by-the-cloud";

/// The seed is on the disk, and the disk is its own cloud.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn guest_heeds_its_own_seed() -> Result<()> {
    let Some((folder, layout)) = guest("cloud-seed")? else { return Ok(()) };
    let ssh = Ssh::create(&folder)?;
    let config = folder.join("config.toml");
    let quoted = |text: String| format!("'''\n{text}'''");
    let (user_data, meta_data) = (quoted(user_data(&ssh)?), quoted(meta_data()));
    let text =
        format!("[customizations.cloud_init]\nuser_data = {user_data}\nmeta_data = {meta_data}\n");
    fs::write(&config, text)?;
    let mut build = Build::new(&layout, "latest", KARGS);
    build.options = vec!["--config".into(), config.display().to_string()];
    let qcow2 = build.run(&folder, &[Format::Qcow2])?.remove(0);
    heeds(&folder, &qcow2, &ssh, None, "DataSourceNoCloud")
}

/// The same disk for everybody; what it is told comes on another one, as OpenStack does it.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn guest_heeds_a_config_drive() -> Result<()> {
    let Some((folder, layout)) = guest("cloud-drive")? else { return Ok(()) };
    let ssh = Ssh::create(&folder)?;
    let mut build = Build::new(&layout, "latest", KARGS);
    build.options = vec!["--platform".into(), "openstack".into()];
    let qcow2 = build.run(&folder, &[Format::Qcow2])?.remove(0);
    let drive = config_drive(&folder, &user_data(&ssh)?)?;
    heeds(&folder, &qcow2, &ssh, Some(&drive), "DataSourceConfigDrive")
}

/// Nobody but the owner's configuration says who may come in.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn guest_lets_in_the_users_of_its_owner() -> Result<()> {
    let Some((folder, layout)) = guest("cloud-owner")? else { return Ok(()) };
    let ssh = Ssh::create(&folder)?;
    let config = folder.join("config.toml");
    fs::write(&config, OWNER.replace("KEY", &ssh.public_key()?))?;
    let mut build = Build::new(&layout, "latest", KARGS);
    build.options = vec!["--config".into(), config.display().to_string()];
    let qcow2 = build.run(&folder, &[Format::Qcow2])?.remove(0);
    let overlay = Overlay::create(&folder, &qcow2, Format::Qcow2, None)?;
    let mut qemu = qemu(&folder, overlay.path(), Firmware::Bios, Bus::Virtio)?;
    let mut vm = Vm::spawn(qemu.args(ssh.options()).args(["-serial", "stdio"]), &folder, false)?;
    let marker = vm.wait_for_marker()?;
    ensure!(marker.trim_end().ends_with("failed=0"), "{marker}");
    let told = ssh.run(USER, "id -un; id -Gn; hostname; date +%Z; echo $HOME; cat /etc/lab")?;
    let lines: Vec<_> = told.lines().collect();
    ensure!(lines == [USER, "ops adm lab", "owned", "JST", "/home/ops", "ours"], "{told}");
    ensure!(ssh.run("root", "id -un")?.trim_end() == "root");
    vm.login_as(USER, "correct horse")?;
    let who = vm.check("id -un")?;
    ensure!(who == USER, "{who}");
    vm.log_out()?;
    vm.login()?;
    let state = vm.run("systemctl is-enabled fstrim.timer")?.text;
    ensure!(state == "enabled", "fstrim.timer is {state}");
    vm.power_off()
}

/// `KEY` is the public key.
const OWNER: &str = r#"
[customizations]
hostname = "owned"

[customizations.timezone]
timezone = "Asia/Tokyo"

[customizations.services]
enabled = ["fstrim.timer"]

[[customizations.group]]
name = "lab"

[[customizations.user]]
name = "ops"
password = "correct horse"
key = "KEY"
groups = ["adm", "lab"]
shell = "/bin/bash"

[[customizations.user]]
name = "root"
key = "KEY"

[[customizations.files]]
path = "/etc/lab"
data = "ours\n"

[[customizations.files]]
path = "/etc/systemd/network/20-owner.network"
data = "[Match]\nName=e*\n[Network]\nDHCP=yes\n"
"#;

/// Where the machine lives, and what its disk is made of.
fn guest(name: &str) -> Result<Option<(PathBuf, PathBuf)>> {
    if !Tier::allows(Tier::Full, "a guest with cloud-init") {
        return Ok(None);
    }
    let Some(layout) = tier::cloud()? else { return Ok(None) };
    Ok(Some((working_folder(name)?, layout)))
}

fn user_data(ssh: &Ssh) -> Result<String> {
    Ok(format!(
        "#cloud-config\nusers:\n  - name: {USER}\n    shell: /bin/bash\n    lock_passwd: true\n    \
         ssh_authorized_keys:\n      - {}\n",
        ssh.public_key()?
    ))
}

fn meta_data() -> String {
    format!("instance-id: fixture-1\nlocal-hostname: {HOSTNAME}\n")
}

/// A disk as OpenStack attaches it to its machines.
fn config_drive(folder: &Path, user_data: &str) -> Result<PathBuf> {
    let tree = folder.join("openstack");
    fs::create_dir_all(tree.join("latest"))?;
    fs::write(tree.join("latest/user_data"), user_data)?;
    let meta_data = serde_json::json!({
        "uuid": "0b6e9f5e-0d3a-4a49-9b0c-5e3d6ed1f0aa",
        "hostname": HOSTNAME,
        "name": HOSTNAME,
    });
    fs::write(tree.join("latest/meta_data.json"), meta_data.to_string())?;
    let drive = folder.join("config-drive.img");
    fs::File::create(&drive)?.set_len(8 << 20)?;
    tool(Command::new("mkfs.fat").args(["-n", "config-2"]).arg(&drive))?;
    tool(Command::new("mcopy").arg("-s").arg("-i").arg(&drive).arg(&tree).arg("::"))?;
    Ok(drive)
}

/// The guest is who it was told to be, and lets in who it was told to.
fn heeds(folder: &Path, disk: &Path, ssh: &Ssh, drive: Option<&Path>, source: &str) -> Result<()> {
    let overlay = Overlay::create(folder, disk, Format::Qcow2, None)?;
    let mut qemu = qemu(folder, overlay.path(), Firmware::Uefi, Bus::Virtio)?;
    if let Some(drive) = drive {
        qemu.arg("-drive").arg(format!("if=none,id=config,format=raw,file={}", drive.display()));
        qemu.args(["-device", "virtio-blk-pci,drive=config"]);
    }
    let mut vm = Vm::spawn(qemu.args(ssh.options()).args(["-serial", "stdio"]), folder, false)?;
    vm.wait_for_marker()?;
    let told = ssh.run(USER, "id -un; hostname; cat /run/cloud-init/cloud-id")?;
    let (user, rest) = told.split_once('\n').unwrap_or_default();
    ensure!(user == USER, "{told}");
    ensure!(rest.starts_with(HOSTNAME), "{told}");
    vm.login()?;
    let status = vm.check("cloud-init status --long --wait")?;
    ensure!(status.contains("status: done") && status.contains(source), "{status}");
    let account = vm.check(&format!("getent passwd {USER}"))?;
    ensure!(account.ends_with(":/bin/bash"), "{account}");
    vm.power_off()
}
