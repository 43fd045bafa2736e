//! A virtual machine, its login and its commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::accel::{Accelerator, Guest};
use crate::console::Console;

/// How long a machine may take from power-on to its login prompt.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(300);
/// libostree may have a whole SELinux policy compiled in a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(480);

/// What starts the machine, and so what machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
    /// OVMF with Secure Boot on and Microsoft's keys enrolled.
    SecureBoot,
    /// AAVMF, on aarch64.
    Aavmf,
    /// AAVMF with Secure Boot on and Microsoft's keys enrolled.
    AavmfSecureBoot,
}

impl Firmware {
    /// The machine's instructions.
    pub fn guest(self) -> Guest {
        match self {
            Self::Bios | Self::Uefi | Self::SecureBoot => Guest::X86_64,
            Self::Aavmf | Self::AavmfSecureBoot => Guest::Aarch64,
        }
    }

    /// The options for QEMU; the variable store becomes a file in `folder`.
    pub fn options(self, folder: &Path) -> Result<Vec<String>> {
        let (place, code, vars, machine) = match self {
            Self::Bios => return Ok(["-machine", "q35"].map(String::from).into()),
            Self::Uefi => ("OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "q35"),
            Self::SecureBoot => ("OVMF", "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", "q35,smm=on"),
            Self::Aavmf => ("AAVMF", "AAVMF_CODE.fd", "AAVMF_VARS.fd", "virt"),
            Self::AavmfSecureBoot => ("AAVMF", "AAVMF_CODE.ms.fd", "AAVMF_VARS.ms.fd", "virt"),
        };
        let place = Path::new("/usr/share").join(place);
        let store = folder.join("vars.fd");
        fs::copy(place.join(vars), &store)
            .with_context(|| format!("copying {vars}; is the firmware installed?"))?;
        let pflash = |unit, options, file: PathBuf| {
            format!("if=pflash,format=raw,unit={unit}{options},file={}", file.display())
        };
        let mut options = vec!["-machine".into(), machine.into()];
        options.extend(["-drive".into(), pflash(0, ",readonly=on", place.join(code))]);
        options.extend(["-drive".into(), pflash(1, "", store)]);
        if self == Self::SecureBoot {
            let secure = "driver=cfi.pflash01,property=secure,value=on";
            options.extend(["-global".into(), secure.into()]);
        }
        Ok(options)
    }
}

/// What the disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: `/dev/vda`.
    Virtio,
    /// The same with sectors of 4096 bytes.
    Virtio4K,
    /// NVMe: `/dev/nvme0n1`.
    Nvme,
    /// SATA: `/dev/sda`.
    Ahci,
}

impl Bus {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Virtio => &["-device", "virtio-blk-pci,drive=disk,bootindex=1"],
            Self::Virtio4K => &[
                "-device",
                "virtio-blk-pci,drive=disk,bootindex=1,logical_block_size=4096,\
                 physical_block_size=4096",
            ],
            Self::Nvme => &["-device", "nvme,drive=disk,serial=1,bootindex=1"],
            Self::Ahci => &[
                "-device",
                "ich9-ahci,id=sata",
                "-device",
                "ide-hd,bus=sata.0,drive=disk,bootindex=1",
            ],
        }
    }
}

/// The QEMU command for a machine without a disk, with so much memory.
pub fn diskless(folder: &Path, firmware: Firmware, memory_mib: u32) -> Result<Command> {
    let mut command = Command::new(firmware.guest().program());
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"])
        .args(["-no-reboot", "-m", &memory_mib.to_string()])
        .args(Accelerator::best(firmware.guest()).options(firmware.guest()))
        .args(firmware.options(folder)?);
    Ok(command)
}

/// The QEMU command for `disk`; where the serial line goes is left to add.
///
/// The machine ends at a reboot, so also at a panic with `panic=1`.
pub fn qemu(folder: &Path, disk: &Path, firmware: Firmware, bus: Bus) -> Result<Command> {
    let format = if disk.extension().is_some_and(|e| e == "qcow2") { "qcow2" } else { "raw" };
    let mut command = diskless(folder, firmware, 1024)?;
    command
        .arg("-drive")
        .arg(format!("if=none,id=disk,cache=unsafe,format={format},file={}", disk.display()))
        .args(bus.options());
    Ok(command)
}

/// A running machine; it is switched off when dropped.
#[derive(Debug)]
pub struct Vm {
    qemu: Child,
    console: Console,
    commands: u32,
    started: Instant,
}

/// What a command in the machine did.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: u8,
    /// What it printed, both streams, without the last line's end.
    pub text: String,
}

impl Vm {
    /// Switches a machine on. `disk` is written: use an [`Overlay`](crate::disk::Overlay).
    pub fn start(folder: &Path, disk: &Path, firmware: Firmware) -> Result<Self> {
        Self::start_on(folder, disk, firmware, Bus::Virtio)
    }

    /// The same with the disk on another bus.
    pub fn start_on(folder: &Path, disk: &Path, firmware: Firmware, bus: Bus) -> Result<Self> {
        let mut qemu = qemu(folder, disk, firmware, bus)?;
        Self::spawn(qemu.args(["-serial", "stdio"]), folder, false)
    }

    /// Switches on the machine of a QEMU command with its serial line on stdin and stdout; with
    /// `echo` what it says appears on our stdout too.
    pub fn spawn(command: &mut Command, folder: &Path, echo: bool) -> Result<Self> {
        let mut qemu = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting QEMU")?;
        let input = qemu.stdin.take().expect("stdin is piped");
        let output = qemu.stdout.take().expect("stdout is piped");
        let console = Console::new(input, output, &folder.join("serial.log"), echo)?;
        Ok(Self { qemu, console, commands: 0, started: Instant::now() })
    }

    /// The serial line.
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// Time since power-on.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the fixture's marker and returns that line.
    pub fn wait_for_marker(&mut self) -> Result<String> {
        self.console.wait_for_boot("BOOT-OK ", BOOT_TIMEOUT)?;
        let line = self.console.wait_for("\n", COMMAND_TIMEOUT)?;
        self.console.wait_for("BOOT-END", COMMAND_TIMEOUT)?;
        Ok(line)
    }

    /// Logs in as root, who has no password in the fixture, and makes the shell a quiet one.
    pub fn login(&mut self) -> Result<()> {
        self.console.wait_for_boot("login: ", BOOT_TIMEOUT)?;
        self.console.send("root\n")?;
        self.console.wait_for("# ", COMMAND_TIMEOUT).context("logging in as root")?;
        self.quiet_shell("# ")
    }

    /// Logs in as a user with a password, and makes the shell a quiet one.
    pub fn login_as(&mut self, user: &str, password: &str) -> Result<()> {
        self.console.wait_for_boot("login: ", BOOT_TIMEOUT)?;
        self.console.send(&format!("{user}\n"))?;
        self.console.wait_for("Password: ", COMMAND_TIMEOUT)?;
        self.console.send(&format!("{password}\n"))?;
        let shell = self.console.wait_for("$ ", COMMAND_TIMEOUT);
        shell.with_context(|| format!("logging in as {user}"))?;
        self.quiet_shell("$ ")
    }

    /// Leaves it, for another login.
    pub fn log_out(&mut self) -> Result<()> {
        self.console.send("exit\n")
    }

    fn quiet_shell(&mut self, prompt: &str) -> Result<()> {
        self.console.send("exec /bin/sh\n")?;
        self.console.wait_for(prompt, COMMAND_TIMEOUT)?;
        self.console.send("stty -echo; PS1=; dmesg -n 1; echo ready=$((6 * 7))\n")?;
        self.console.wait_for("ready=42", COMMAND_TIMEOUT).map(drop)
    }

    /// Runs a shell command to its end, whatever its status.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        self.commands += 1;
        let mark = format!("mark-{}", self.commands);
        // the quotes keep an echo of the command from looking like the mark
        self.console
            .send(&format!("echo '<'{mark}'>'; {{ {command}\n}} 2>&1; echo '<'{mark}:$?'>'\n"))?;
        self.console.wait_for(&format!("<{mark}>\r\n"), COMMAND_TIMEOUT)?;
        let text = self.console.wait_for(&format!("<{mark}:"), COMMAND_TIMEOUT);
        let text = text.with_context(|| format!("running {command:?}"))?;
        let status = self.console.wait_for(">", COMMAND_TIMEOUT)?;
        let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        Ok(Output { status: status.parse()?, text })
    }

    /// Runs a shell command that must succeed and returns what it printed.
    pub fn check(&mut self, command: &str) -> Result<String> {
        let output = self.run(command)?;
        ensure!(output.status == 0, "{command:?} exits with {}:\n{}", output.status, output.text);
        Ok(output.text)
    }

    /// Shuts down properly; needs the login.
    pub fn power_off(mut self) -> Result<()> {
        self.console.send("systemctl poweroff\n")?;
        let end = Instant::now() + COMMAND_TIMEOUT;
        while Instant::now() < end {
            if let Some(status) = self.qemu.try_wait()? {
                ensure!(status.success(), "QEMU ended with {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("the machine does not power off:\n{}", self.console.transcript());
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
