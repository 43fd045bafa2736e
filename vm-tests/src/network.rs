//! QEMU's user network: a machine on it reaches what listens on the host's loopback.

use anyhow::{Result, bail};

use crate::vm::Vm;

/// The host's loopback as a machine sees it.
const HOST: &str = "10.0.2.2";

/// The options for QEMU.
pub const OPTIONS: [&str; 4] =
    ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="];

/// How a machine names what listens on `host`, an address of loopback with a port.
pub fn address(host: &str) -> String {
    let port = host.rsplit(':').next().unwrap_or_default();
    format!("{HOST}:{port}")
}

/// Puts a machine on the network; needs the login.
pub fn join(vm: &mut Vm) -> Result<()> {
    vm.check("mkdir -p /run/systemd/network")?;
    vm.check(
        "printf '[Match]\\nName=e*\\n[Network]\\nAddress=10.0.2.15/24\\n' \
         >/run/systemd/network/user.network",
    )?;
    vm.check("modprobe virtio_net && systemctl start systemd-networkd")?;
    let online = vm.run("/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=120")?;
    if online.status != 0 {
        let state = vm.run("networkctl status --all --no-pager")?;
        bail!("no network: {}\n{}", online.text, state.text);
    }
    Ok(())
}
