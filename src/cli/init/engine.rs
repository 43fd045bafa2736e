//! What writes onto a device, until the pipeline has it: the same names and types as there.

use std::sync::Arc;

use crate::digest::Sha256Digest;
use crate::installer::disks::DeviceNumber;
use crate::installer::saved::Glob;
use crate::installer::target::Target;
use crate::pipeline::{Error, Request};
use crate::plan::layout::Placed;
use crate::progress::{Cancel, Reporter};
use crate::units::ByteLen;

/// Tells the installed system of its installation.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "the pipeline will call it")]
pub(super) struct Log<'a>(pub(super) &'a (dyn Fn() -> Vec<u8> + Sync));

/// Which disk, and what may become of what is on it.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "the pipeline will read them")]
pub(super) struct Wish<'a> {
    pub(super) target: &'a Target,
    pub(super) may_wipe: bool,
    pub(super) saved: &'a [Glob],
    pub(super) medium: &'a [DeviceNumber],
    pub(super) least: ByteLen,
    pub(super) is_dry_run: bool,
    pub(super) log: Option<Log<'a>>,
}

/// What was installed.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) disk: String,
    pub(super) size: ByteLen,
    pub(super) partitions: Vec<Placed>,
    pub(super) deployment: Option<(Sha256Digest, String)>,
}

/// Installs onto a disk of this machine.
pub(super) fn install(
    _: &Request,
    _: &Wish<'_>,
    _: &Arc<dyn Reporter>,
    _: &Cancel,
) -> Result<Installed, Error> {
    Err(Error::Cancelled)
}
