//! What a system that boots from a network needs besides its root file system.

use std::fs::File;
use std::sync::Arc;

use super::error::Error;
use super::install::{Decisions, Inputs};
use super::parts::{Waiting, Writer};
use crate::boot::initramfs;
use crate::boot::netboot::{Netboot, missing_modules};
use crate::customize::IGNITION_KARG;
use crate::ostree::{self, Sysroot};
use crate::plan::PlanError;
use crate::plan::kargs::Kargs;
use crate::plan::layout::{Content, Layout, LayoutError, Partition, Role};
use crate::progress::{Event, Reporter};
use crate::settings::Ignition;
use crate::stream::At;
use crate::tree::Directory;
use crate::volume::{Inode, Volume};

/// What the installation tells: scripts, and files of the root file system.
#[derive(Debug)]
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
    ostree: &str,
) -> Result<Option<Planned>, Error> {
    if !inputs.request.types.iter().any(|kind| kind.is_netboot()) {
        return Ok(None);
    }
    check(&decisions.layout).map_err(PlanError::from)?;
    let kernel = &decisions.kernel;
    let kargs = kargs(&decisions.kargs, inputs.request.settings.ignition.as_ref(), ostree)?;
    let scripts = Netboot::new(&decisions.name, kargs.as_slice())?;
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

/// The arguments of a disk but those that name its file systems. GRUB reads no stamp of Ignition's: every
/// boot is the first.
fn kargs(of_disk: &Kargs, ignition: Option<&Ignition>, ostree: &str) -> Result<Kargs, PlanError> {
    let mut kargs = of_disk.clone();
    kargs.delete("root boot");
    kargs.delete(IGNITION_KARG);
    match ignition {
        None => {}
        Some(Ignition::FirstBoot) => kargs.add("ignition.firstboot"),
        Some(Ignition::Url(url)) => {
            kargs.add("ignition.firstboot rd.neednet=1");
            kargs.add(&format!("ignition.config.url={url}"));
        }
        Some(Ignition::Embedded(_)) => return Err(PlanError::EmbeddedIgnitionFromNetwork),
    }
    kargs.add(ostree);
    Ok(kargs)
}

/// Nothing but root can be there after a boot from a network.
fn check(layout: &Layout) -> Result<(), LayoutError> {
    match layout.partitions.iter().find_map(missed) {
        Some(name) => Err(LayoutError::NotFromNetwork { name }),
        None => Ok(()),
    }
}

/// What a partition is called that the system would miss.
fn missed(partition: &Partition) -> Option<String> {
    match &partition.content {
        Content::Swap { .. } => Some(partition.name.clone()),
        Content::Ext4(ext4) if partition.role != Role::Root => ext4.mountpoint.clone(),
        Content::Fat(fat) if partition.role == Role::Other => fat.mountpoint.clone(),
        _ => None,
    }
}

/// Copies the files while the root file system can still be read, and looks into the initramfs.
pub(super) fn take(
    planned: &Planned,
    root: &Writer,
    waiting: &mut Waiting,
    reporter: &dyn Reporter,
) -> Result<Taken, Error> {
    let path = planned.path.clone();
    let vmlinuz = waiting.copy(root, planned.vmlinuz)?;
    let initramfs = waiting.copy(root, planned.initramfs)?;
    match initramfs::dracut_modules(At::start(&initramfs)) {
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
    Ok(Taken { scripts: planned.scripts.clone(), vmlinuz, initramfs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_the_disk_are_left_out() {
        let mut of_disk = Kargs::default();
        of_disk.add("root=UUID=1 rw boot=UUID=2 rootflags=x $ignition_firstboot a=b");
        let of = |ignition| kargs(&of_disk, ignition, "ostree=/x").unwrap().as_slice().join(" ");
        assert_eq!(of(None), "rw rootflags=x a=b ostree=/x");
        let first = "rw rootflags=x a=b ignition.firstboot";
        assert_eq!(of(Some(&Ignition::FirstBoot)), format!("{first} ostree=/x"));
        let url = Ignition::Url("http://a/b".to_owned());
        let own = "rd.neednet=1 ignition.config.url=http://a/b";
        assert_eq!(of(Some(&url)), format!("{first} {own} ostree=/x"));
        let embedded = Ignition::Embedded(b"{}".to_vec());
        let refused = kargs(&of_disk, Some(&embedded), "ostree=/x");
        assert!(matches!(refused, Err(PlanError::EmbeddedIgnitionFromNetwork)));
    }
}
