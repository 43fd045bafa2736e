//! What tests need and the Debian of this machine may lack, borrowed from the next one or elsewhere.
//!
//! | what | from | for tests it is |
//! |---|---|---|
//! | composefs | packages, unpacked and never installed | on `PATH` |
//! | Anaconda's reader of kickstarts | Python's package index, not installed | on `PATH` |
//! | an SELinux policy | the forky fixture, where it was compiled | `BOOTC_IMAGE_SELINUX_CONTEXTS` |
//!
//! The programs are started by the dynamic linker that lies beside them, with the libraries that lie
//! beside them: they run whatever C library the machine has. Nothing outside of the cache changes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};
use bootc_image_fixtures::cache::{self, Recipe};
use bootc_image_fixtures::forky;
use bootc_image_fixtures::registry::first_layer;

const TOOLS: &str = "composefs-tools";
const PACKAGE: &str = "composefs";
const PROGRAMS: [&str; 2] = ["mkcomposefs", "composefs-info"];
/// In which order the archive is asked.
const SUITES: [&str; 2] = ["forky", "sid"];
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LINKER: &str = "ld-linux-x86-64.so.2";

const KICKSTART: &str = "pykickstart";
const KICKSTART_VERSION: &str = "3.78";
const KICKSTART_PROGRAM: &str = "ksvalidator";

const POLICY: &str = "selinux-policy";
/// The variable that names the folder of [`policy`] to tests.
pub const CONTEXTS: &str = "BOOTC_IMAGE_SELINUX_CONTEXTS";
const BELOW: &str = "etc/selinux/default/contexts/files";

/// The folder with composefs' programs, unpacked now if need be.
pub fn composefs() -> Result<PathBuf> {
    let entry = cache::entry(TOOLS, &tools_recipe(), unpack_tools)?;
    let programs = entry.join("bin");
    for program in PROGRAMS {
        let version = Command::new(programs.join(program)).stdout(Stdio::null()).output();
        let text = version.with_context(|| format!("starting {program}"))?.stderr;
        let text = String::from_utf8_lossy(&text).into_owned();
        ensure!(text.to_lowercase().contains("usage"), "{program} does not run: {text}");
    }
    Ok(programs)
}

/// That folder if it was unpacked before.
pub fn cached_composefs() -> Option<PathBuf> {
    Some(cache::path(TOOLS, &tools_recipe()).join("bin")).filter(|folder| folder.exists())
}

/// The folder with what checks kickstarts, unpacked now if need be.
pub fn kickstart() -> Result<PathBuf> {
    Ok(cache::entry(KICKSTART, &kickstart_recipe(), unpack_kickstart)?.join("bin"))
}

/// That folder if it was unpacked before.
pub fn cached_kickstart() -> Option<PathBuf> {
    Some(cache::path(KICKSTART, &kickstart_recipe()).join("bin")).filter(|folder| folder.exists())
}

fn kickstart_recipe() -> Recipe {
    Recipe::default().text(KICKSTART_VERSION).text(KICKSTART_STARTER)
}

const KICKSTART_STARTER: &str = "#!/bin/sh\n\
    lib=${0%/*}/../lib\n\
    PYTHONPATH=$lib exec python3 \"$lib/bin/ksvalidator\" \"$@\"\n";

fn unpack_kickstart(dir: &Path) -> Result<()> {
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(dir.join("lib"))
        .arg(format!("{KICKSTART}=={KICKSTART_VERSION}"))
        .stdout(io::stderr())
        .status()
        .context("starting python3")?;
    ensure!(pip.success(), "{KICKSTART} cannot be had: {pip}");
    let programs = dir.join("bin");
    fs::create_dir(&programs)?;
    executable(&programs.join(KICKSTART_PROGRAM), KICKSTART_STARTER)
}

fn executable(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The folder with `file_contexts`, unpacked now if need be (which may take root).
pub fn policy() -> Result<PathBuf> {
    contexts_of(&forky::layout()?)
}

/// That folder if the fixture was built before.
pub fn cached_policy() -> Result<Option<PathBuf>> {
    forky::cached()?.map(|layout| contexts_of(&layout)).transpose()
}

fn tools_recipe() -> Recipe {
    PROGRAMS.iter().fold(Recipe::default(), |recipe, program| recipe.text(&starter_of(program)))
}

fn unpack_tools(dir: &Path) -> Result<()> {
    let (root, log) = (dir.join("root"), dir.join("mmdebstrap.log"));
    let unpacked = SUITES.iter().any(|suite| mmdebstrap(suite, &root, &log).unwrap_or(false));
    if !unpacked {
        bail!("{PACKAGE} cannot be unpacked:\n{}", fs::read_to_string(&log).unwrap_or_default());
    }
    let programs = dir.join("bin");
    fs::create_dir(&programs)?;
    for program in PROGRAMS {
        ensure!(root.join("usr/bin").join(program).is_file(), "{PACKAGE} has no {program} today");
        executable(&programs.join(program), &starter_of(program))?;
    }
    Ok(())
}

/// Unpacks the package and all it depends on; no script of theirs runs.
fn mmdebstrap(suite: &str, root: &Path, log: &Path) -> Result<bool> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let output = fs::File::create(log)?;
    let status = Command::new("mmdebstrap")
        .args(["--variant=extract", "--architectures=amd64", "--components=main"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .arg("--aptopt=Acquire::Languages \"none\"")
        // a mirror may stand still
        .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
        .arg(format!("--include={PACKAGE}"))
        .arg(suite)
        .arg(root)
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("starting mmdebstrap")?;
    Ok(status.success())
}

/// The script that starts a program beside itself with the libraries beside itself.
fn starter_of(program: &str) -> String {
    format!(
        "#!/bin/sh\n\
         root=${{0%/*}}/../root\n\
         libraries=$root/{LIBRARIES}\n\
         exec \"$libraries/{LINKER}\" --library-path \"$libraries\" \"$root/usr/bin/{program}\" \"$@\"\n"
    )
}

/// The policy's contexts in the first layer of a layout.
fn contexts_of(layout: &Path) -> Result<PathBuf> {
    let fixture = layout.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let recipe = Recipe::default().text(BELOW).text(&fixture);
    let entry = cache::entry(POLICY, &recipe, |dir| {
        let layer = first_layer(layout)?;
        let tar = Command::new("tar")
            .args(["--extract", "--gzip", "--directory"])
            .arg(dir)
            .arg("--file")
            .arg(&layer)
            .arg(BELOW)
            .status()
            .context("starting tar")?;
        ensure!(tar.success(), "no {BELOW} in {}: {tar}", layer.display());
        Ok(())
    })?;
    let contexts = entry.join(BELOW);
    ensure!(contexts.join("file_contexts").is_file(), "the forky fixture has no file_contexts");
    Ok(contexts)
}
