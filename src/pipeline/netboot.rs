//! What a system that boots from a network needs besides its root file system.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::error::Error;
use super::install::{Decisions, Inputs};
use super::parts::{Waiting, Writer};
use crate::boot::initramfs;
use crate::boot::netboot::{Netboot, missing_modules};
use crate::customize::IGNITION_KARG;
use crate::ostree::{self, Sysroot};
use crate::plan::PlanError;
use crate::plan::layout::{Content, Layout, LayoutError, Role};
use crate::progress::{Event, Reporter};
use crate::settings::Ignition;
use crate::tree::Directory;
use crate::volume::{Inode, Volume};

/// What the installation tells: scripts, and files of the root file system.
#[derive(Debug, Clone)]
pub struct Planned {
    scripts: Netboot,
    vmlinuz: Inode,
    initramfs: Inode,
    /// Path of the initramfs in the image.
    path: String,
}

/// Everything but the root file system, which is on the disk.
#[derive(Debug)]
pub struct Taken {
    /// Scripts.
    pub scripts: Netboot,
    /// The kernel.
    pub vmlinuz: Arc<File>,
    /// Its initramfs.
    pub initramfs: Arc<File>,
}

/// Finds what is needed, if it is asked for; `ostree` is the argument that leads to the deployment.
pub(super) fn plan<V: Volume>(
    sysroot: &Sysroot<V>,
    tree: &Directory,
    inputs: Inputs<'_>,
    decisions: &Decisions,
    options: &str,
) -> Result<Option<Planned>, Error> {
    if !inputs.request.types.iter().any(|kind| kind.is_netboot()) {
        return Ok(None);
    }
    check(&decisions.layout).map_err(PlanError::from)?;
    let kernel = &decisions.kernel;
    let ostree = options.rsplit(' ').next().unwrap_or_default();
    let kargs = first_boot(decisions.kargs.as_slice(), inputs)?;
    let scripts = Netboot::new(&decisions.name, &kargs, ostree)?;
    let inode = |path: &str| {
        let object = ostree::find_file(sysroot, tree, path);
        object.map(|object| object.inode).ok_or_else(|| ostree::Error::Missing(path.to_owned()))
    };
    Ok(Some(Planned {
        scripts,
        vmlinuz: inode(&kernel.vmlinuz)?,
        initramfs: inode(&kernel.initramfs)?,
        path: kernel.initramfs.clone(),
    }))
}

/// GRUB reads no stamp here: every boot is the first.
fn first_boot(kargs: &[String], inputs: Inputs<'_>) -> Result<Vec<String>, PlanError> {
    let own = match &inputs.request.settings.ignition {
        None => return Ok(kargs.to_vec()),
        Some(Ignition::FirstBoot) => vec!["ignition.firstboot".to_owned()],
        Some(Ignition::Url(url)) => ["ignition.firstboot", "rd.neednet=1"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("ignition.config.url={url}")])
            .collect(),
        Some(Ignition::Embedded(_)) => return Err(PlanError::EmbeddedIgnitionFromNetwork),
    };
    let kept = kargs.iter().filter(|karg| *karg != IGNITION_KARG).cloned();
    Ok(kept.chain(own).collect())
}

/// Nothing but root can be there after a boot from a network.
fn check(layout: &Layout) -> Result<(), LayoutError> {
    let is_missed = |partition: &&_| {
        let partition: &crate::plan::layout::Partition = partition;
        match &partition.content {
            Content::Swap { .. } => true,
            Content::Ext4(ext4) => partition.role != Role::Root && ext4.mountpoint.is_some(),
            Content::Fat(fat) => partition.role == Role::Other && fat.mountpoint.is_some(),
            Content::Nothing | Content::Raw { .. } => false,
        }
    };
    match layout.partitions.iter().find(is_missed) {
        Some(partition) => {
            let mountpoint = match &partition.content {
                Content::Ext4(ext4) => ext4.mountpoint.clone(),
                Content::Fat(fat) => fat.mountpoint.clone(),
                _ => None,
            };
            let name = mountpoint.unwrap_or_else(|| partition.name.clone());
            Err(LayoutError::NotFromNetwork { name })
        }
        None => Ok(()),
    }
}

/// Copies the files while the root file system can still be read, and looks into the initramfs.
pub(super) fn take(
    planned: Planned,
    root: &Writer,
    waiting: &mut Waiting,
    reporter: &dyn Reporter,
) -> Result<Taken, Error> {
    let Planned { scripts, vmlinuz, initramfs, path } = planned;
    let vmlinuz = waiting.copy(root, vmlinuz)?;
    let initramfs = waiting.copy(root, initramfs)?;
    match initramfs::dracut_modules(FromStart { file: &initramfs, offset: 0 }) {
        Ok(Some(modules)) => {
            let missing = missing_modules(&modules);
            if !missing.is_empty() {
                return Err(Error::NoLiveInitramfs { path, missing });
            }
        }
        Ok(None) => {
            let message = format!("`{path}` was not made by dracut: it may not find `root=live:`");
            reporter.report(Event::Warning { message });
        }
        Err(error) => {
            let message = format!("whether `{path}` can boot from a network is not known: {error}");
            reporter.report(Event::Warning { message });
        }
    }
    Ok(Taken { scripts, vmlinuz, initramfs })
}

/// A file read from its start, whoever else reads it.
struct FromStart<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}
