//! Overlays: the disk under test is never written, and may look larger than it is.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tool;

const SECTORS: [u64; 2] = [512, 4096];

/// A format of disk image files, as QEMU names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain bytes.
    Raw,
    /// QEMU's own.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Azure's.
    Vhd,
    /// Hyper-V's.
    Vhdx,
}

impl Format {
    /// QEMU's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vhd => "vpc",
            _ => self.kind(),
        }
    }

    /// The product's name.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
        }
    }
}

/// A writable layer above a disk image.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
}

impl Overlay {
    /// An overlay of `disk` in `folder`, of the same size or of `size` bytes.
    pub fn create(folder: &Path, disk: &Path, format: Format, size: Option<u64>) -> Result<Self> {
        let path = folder.join("overlay.qcow2");
        let disk = disk.canonicalize().with_context(|| format!("finding {}", disk.display()))?;
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", "qcow2", "-F", format.name(), "-b"]);
        command.arg(disk).arg(&path);
        if let Some(size) = size {
            command.arg(size.to_string());
        }
        tool(&mut command)?;
        Ok(Self { path })
    }

    /// The overlay's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the machine sees, as a raw file beside the overlay.
    pub fn flatten(&self) -> Result<PathBuf> {
        let raw = self.path.with_extension("raw");
        tool(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(&self.path).arg(&raw))?;
        Ok(raw)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        for path in [&self.path, &self.path.with_extension("raw")] {
            let _ = fs::remove_file(path);
        }
    }
}

/// Virtual size of a disk image in bytes.
pub fn virtual_size(disk: &Path) -> Result<u64> {
    let info = tool(Command::new("qemu-img").args(["info", "--output=json"]).arg(disk))?;
    let info: serde_json::Value = serde_json::from_str(&info)?;
    info["virtual-size"].as_u64().context("qemu-img tells no virtual size")
}

/// A partition as the partition table has it.
#[derive(Debug)]
pub struct Partition {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
}

/// Partition `number` (from 1) of a raw disk with a GPT, whatever its sectors; none if that entry is empty.
pub fn partition(raw: &Path, number: u64) -> Result<Option<Partition>> {
    let disk = fs::File::open(raw)?;
    let at = |offset| -> Result<u64> {
        let mut bytes = [0; 8];
        disk.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let mut sector = None;
    for size in SECTORS {
        if at(size)?.to_le_bytes() == *b"EFI PART" {
            sector = Some(size);
        }
    }
    let sector = sector.with_context(|| format!("{} has no GPT", raw.display()))?;
    let table = at(sector + 72)? * sector;
    let entry = table + (number - 1) * 128;
    let (first, last) = (at(entry + 32)?, at(entry + 40)?);
    Ok((first > 0).then(|| Partition { start: first * sector, size: (last + 1 - first) * sector }))
}

/// Checks the ext4 file system at `start` of a raw disk with e2fsck, changing nothing.
pub fn check_ext4(raw: &Path, start: u64) -> Result<()> {
    let place = format!("{}?offset={start}", raw.display());
    let output = Command::new("e2fsck").args(["-f", "-n", &place]).output();
    let output = output.context("starting e2fsck")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "e2fsck finds errors: {}\n{text}", output.status);
    ensure!(!text.contains("recovering journal"), "the journal was not clean:\n{text}");
    Ok(())
}
