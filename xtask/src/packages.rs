//! The Debian packages that fixtures, reference tools and virtual machines come from.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

/// For building the Debian fixture.
pub const FIXTURE: &[Tool] = &[("mmdebstrap", "mmdebstrap"), ("tar", "tar")];

/// For building the arm64 fixture, besides.
pub const ARM64: &[Tool] = &[("readelf", "binutils")];

/// For committing the Debian fixture, as encapsulated images are.
pub const ENCAPSULATION: &[Tool] = &[("ostree", "ostree")];

/// For booting disks.
pub const MACHINES: &[Tool] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
    ("e2fsck", "e2fsprogs"),
    ("ssh", "openssh-client"),
    ("mkfs.fat", "dosfstools"),
    ("mcopy", "mtools"),
];

/// For booting disks of aarch64.
pub const ARM64_MACHINES: &[Tool] = &[
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("/usr/share/AAVMF/AAVMF_CODE.ms.fd", "qemu-efi-aarch64"),
];

/// For checking what we write with other people's readers.
pub const REFERENCES: &[Tool] = &[
    ("e2fsck", "e2fsprogs"),
    ("fsck.fat", "dosfstools"),
    ("mdir", "mtools"),
    ("sgdisk", "gdisk"),
    ("blkid", "util-linux"),
    ("fdisk", "fdisk"),
    ("qemu-img", "qemu-utils"),
    ("7zz", "7zip"),
    ("vhdiinfo", "libvhdi-utils"),
    ("ostree", "ostree"),
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("docker-registry", "docker-registry"),
    ("setfattr", "attr"),
    ("vmdkinfo", "libvmdk-utils"),
    ("zstd", "zstd"),
    ("xz", "xz-utils"),
    ("pigz", "pigz"),
    ("strace", "strace"),
    ("openssl", "openssl"),
    ("gpg", "gpg"),
    ("xorriso", "xorriso"),
    ("grub-script-check", "grub-common"),
    ("fsck.erofs", "erofs-utils"),
    ("matchpathcon", "selinux-utils"),
    ("setfiles", "policycoreutils"),
    ("unsquashfs", "squashfs-tools"),
    ("cpio", "cpio"),
    ("isoinfo", "genisoimage"),
    ("modprobe", "kmod"),
    ("useradd", "passwd"),
    ("systemctl", "systemd"),
    ("pip3", "python3-pip"),
];

/// For compiling what the bench measures with.
pub const FLOOR: &[Tool] = &[
    ("cc", "gcc"),
    ("/usr/include/isa-l.h", "libisal-dev"),
    ("/usr/include/zstd.h", "libzstd-dev"),
    ("/usr/include/openssl/sha.h", "libssl-dev"),
];

/// Others that the bench measures besides.
pub const PEERS: &[Tool] = &[
    ("umoci", "umoci"),
    ("mke2fs", "e2fsprogs"),
    ("ostree", "ostree"),
    ("qemu-img", "qemu-utils"),
    ("bash", "bash"),
];

/// A program (or a file, by its full path) and the package that has it.
pub type Tool = (&'static str, &'static str);

/// Installs what is missing when run as root; otherwise says which command would.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if fs::metadata("/proc/self").context("reading /proc/self")?.uid() != 0 {
        bail!("missing tools; run: sudo apt-get install --no-install-recommends {names}");
    }
    eprintln!("installing {names}");
    apt_get(&["update", "-qq"])?;
    install(&missing)?;
    // apt removes packages that do not go with the new ones: those of another release, say
    let removed = self::missing(tools);
    if !removed.is_empty() {
        eprintln!("installing {} again", removed.join(" "));
        install(&removed)?;
    }
    let missing = self::missing(tools);
    ensure!(missing.is_empty(), "installed, and yet without their tools: {}", missing.join(" "));
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    apt_get(&[&["install", "-qq", "--yes", "--no-install-recommends"], packages].concat())
}

/// The packages of tools that are not here.
pub fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> =
        tools.iter().filter(|(tool, _)| !present(tool)).map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn present(tool: &str) -> bool {
    folders().iter().any(|folder| folder.join(tool).exists())
}

/// Where programs are searched: a user's `PATH` has no sbin, but the tools there work for users too.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect()
}

/// The `PATH` of tests, with a folder of further programs in case there are none of the same name.
pub fn search_path(further: &[PathBuf]) -> Result<OsString> {
    env::join_paths(folders().iter().chain(further)).context("joining PATH")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .context("starting apt-get")?;
    ensure!(status.success(), "apt-get {}: {status}", arguments.join(" "));
    Ok(())
}
