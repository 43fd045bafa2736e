//! Whether this machine virtualises or must emulate.
//!
//! A `/dev/kvm` that opens is no proof: on some hosts the firmware's first instructions already fail.
//! So the question is put to the firmware itself, once: does it say anything within a few seconds?

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, thread};

/// The firmware as one file, without a store for variables.
const OVMF: &str = "/usr/share/ovmf/OVMF.fd";

/// What the guest's instructions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    /// Those of a PC.
    X86_64,
    /// Those of 64-bit ARM.
    Aarch64,
}

impl Guest {
    /// QEMU for it.
    pub fn program(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }
}

/// How QEMU runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By translation, which is far slower.
    Tcg,
}

impl Accelerator {
    /// The options for QEMU.
    ///
    /// QEMU 7.2 spoils the flags in `cmpxchg16b`, and kernels from 6.12 on crash of it: without KVM
    /// the guest must not know that instruction. Nor does its translation always see in time what
    /// another processor wrote: a kernel that patches its own code then dies of `int3`. One processor
    /// it is, which takes less of the host's time too.
    pub fn options(self, guest: Guest) -> [&'static str; 6] {
        match (self, guest) {
            (Self::Kvm, _) => ["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            (Self::Tcg, Guest::X86_64) => ["-accel", "tcg", "-cpu", "qemu64,-cx16", "-smp", "1"],
            // `max` is a tenth slower, two processors a third
            (Self::Tcg, Guest::Aarch64) => ["-accel", "tcg", "-cpu", "cortex-a57", "-smp", "1"],
        }
    }

    /// The best that works here.
    pub fn best(guest: Guest) -> Self {
        static BEST: OnceLock<Accelerator> = OnceLock::new();
        match guest {
            Guest::X86_64 => *BEST.get_or_init(|| if kvm_works() { Self::Kvm } else { Self::Tcg }),
            Guest::Aarch64 => Self::Tcg,
        }
    }
}

fn kvm_works() -> bool {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return false;
    }
    let Ok(mut qemu) = Command::new(Guest::X86_64.program())
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-machine",
            "q35",
            "-m",
            "256",
        ])
        .args(Accelerator::Kvm.options(Guest::X86_64))
        .args(["-bios", OVMF])
        .args(["-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    else {
        return false;
    };
    let mut serial = qemu.stdout.take().expect("stdout is piped");
    let listener = thread::spawn(move || serial.read(&mut [0; 64]).is_ok_and(|n| n > 0));
    for _ in 0..50 {
        if listener.is_finished() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let _ = qemu.kill();
    let _ = qemu.wait();
    listener.join().unwrap_or(false)
}
