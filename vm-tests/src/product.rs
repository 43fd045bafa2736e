//! `bootc-image` itself, built and run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

use crate::disk::Format;
use crate::tool;

/// The program as it is handed out, built unless `BOOTC_IMAGE_BIN` names one.
pub fn binary() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    if let Some(path) = std::env::var_os("BOOTC_IMAGE_BIN") {
        return Ok(path.into());
    }
    let mut built = BUILT.lock().expect("no holder panics");
    match &*built {
        Some(path) => Ok(path.clone()),
        None => Ok(built.insert(dist()?).clone()),
    }
}

/// The program as it is handed out: released, linked statically, for this machine's architecture. What
/// an installer's medium starts must be.
///
/// Cargo is told the target, so that what runs while it builds is linked as usual.
pub fn dist() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_"));
    tool(
        cargo()
            .args(["build", "--release", "--bin", "bootc-image", "--target", &target])
            .env(flags, "-C target-feature=+crt-static")
            .current_dir(&root)
            .stderr(Stdio::inherit()),
    )?;
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let built = folder.join(target).join("release/bootc-image");
    let dist = folder.join("dist/bootc-image");
    std::fs::create_dir_all(folder.join("dist"))?;
    std::fs::copy(&built, &dist).with_context(|| format!("copying {}", built.display()))?;
    Ok(dist)
}

/// Cargo, to be run from a program that cargo itself may have started.
///
/// What cargo tells that program of its package is left out: build scripts that depend on it would
/// run again, and all that depends on them would be compiled again.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// What to make of an image.
#[derive(Debug, Clone)]
pub struct Build {
    /// The image as the command line takes it.
    pub image: String,
    /// Kernel arguments.
    pub kargs: Vec<String>,
    /// Further options.
    pub options: Vec<String>,
}

impl Build {
    /// The image `tag` of a layout, with these kernel arguments.
    pub fn new(layout: &Path, tag: &str, kargs: &[&str]) -> Self {
        Self {
            image: format!("oci:{}:{tag}", layout.display()),
            kargs: kargs.iter().map(|&karg| karg.into()).collect(),
            options: Vec::new(),
        }
    }

    /// The command that makes disks of these formats in `output`.
    pub fn command(&self, output: &Path, formats: &[Format]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("build").arg("--output").arg(output);
        for format in formats {
            command.args(["--type", format.kind()]);
        }
        for karg in &self.kargs {
            command.args(["--karg", karg]);
        }
        command.args(&self.options).arg(&self.image);
        Ok(command)
    }

    /// Makes disks of these formats in `output` and returns their paths in that order.
    pub fn run(&self, output: &Path, formats: &[Format]) -> Result<Vec<PathBuf>> {
        tool(&mut self.command(output, formats)?)?;
        formats.iter().map(|format| artifact(output, *format)).collect()
    }
}

/// Where a disk of that format is in the output folder.
pub fn artifact(output: &Path, format: Format) -> Result<PathBuf> {
    let path = match format {
        Format::Raw => output.join("image/disk.raw"),
        Format::Qcow2 => output.join("qcow2/disk.qcow2"),
        Format::Vmdk => output.join("vmdk/disk.vmdk"),
        Format::Vhd => output.join("vpc/disk.vhd"),
        Format::Vhdx => output.join("vhdx/disk.vhdx"),
    };
    ensure!(path.is_file(), "{} is missing", path.display());
    Ok(path)
}
