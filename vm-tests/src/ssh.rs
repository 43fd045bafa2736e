//! Logging in to a machine from the host, as whoever got a guest in a cloud would.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::tool;

/// How long a machine may take to let somebody in once it runs.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A key, and the port of the host that leads to a machine's SSH server.
#[derive(Debug)]
pub struct Ssh {
    key: PathBuf,
    port: u16,
}

impl Ssh {
    /// A new key, in `folder`, and a port that is free now.
    pub fn create(folder: &Path) -> Result<Self> {
        let key = folder.join("id_ed25519");
        let mut keygen = Command::new("ssh-keygen");
        tool(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&key))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        Ok(Self { key, port })
    }

    /// The public key, one line without its end.
    pub fn public_key(&self) -> Result<String> {
        let text = fs::read_to_string(self.key.with_extension("pub"))?;
        Ok(text.trim_end().to_owned())
    }

    /// The options for QEMU that put the machine on a network which leads here.
    pub fn options(&self) -> [String; 4] {
        let netdev = format!("user,id=net,hostfwd=tcp:127.0.0.1:{}-:22", self.port);
        ["-netdev".into(), netdev, "-device".into(), "virtio-net-pci,netdev=net,romfile=".into()]
    }

    /// Runs a command as `user`, as soon as the machine lets it in; returns what it printed.
    pub fn run(&self, user: &str, command: &str) -> Result<String> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let output = self.attempt(user, command)?;
            // 255 is ssh's own failure: not there yet, or not let in
            if output.status.code() != Some(255) || Instant::now() > end {
                let errors = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "{user}: {command:?}: {errors}");
                return String::from_utf8(output.stdout).context("ssh prints no text");
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn attempt(&self, user: &str, command: &str) -> Result<Output> {
        let mut ssh = Command::new("ssh");
        ssh.arg("-i").arg(&self.key).args(["-p", &self.port.to_string()]);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=30",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg(format!("{user}@127.0.0.1")).arg(command).output().context("starting ssh")
    }
}
