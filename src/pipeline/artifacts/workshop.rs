//! Where artifacts are made of the disk, one after the other, each on all threads. What several of
//! them hold is made once.

use std::fs::File;

use super::super::disk::Disk;
use super::super::error::Error;
use super::super::import::Context;
use super::super::install::Inputs;
use super::super::request::Qcow2Compression;
use super::{Complete, ami, anaconda, iso, text};
use crate::boot::netboot::README;
use crate::digest::{Sha256, Sha256Digest};
use crate::format::{
    FormatError, Summary, containerdisk, gce, len_of, netboot, ova, qcow2, squashfs, vhd, vhdx,
    vmdk, zst,
};
use crate::output::{Pending, PendingDirectory};
use crate::plan::ids::Uuid;
use crate::plan::layout::Role;
use crate::plan::manifest::Artifact;
use crate::plan::types::{DiskType, RAW_PATH};
use crate::progress::Event;

/// Fast levels: most of an image is compressed already.
const DEFLATE_LEVEL: u8 = 1;
const ZSTD_LEVEL: u8 = 1;
/// A qcow2 is kept and downloaded: with these it is as small as `qemu-img` makes it, in less time.
const QCOW2_DEFLATE_LEVEL: u8 = 9;
const QCOW2_ZSTD_LEVEL: u8 = 3;
/// Where the folder is while a tar is made of it.
const PACKED_FOLDER: &str = "xz/pxe.tar.xz.content";
/// The tag of a containerDisk in its layout.
const TAG: &str = "latest";

/// Artifacts under way.
pub(super) struct Workshop<'a> {
    disk: &'a Disk,
    inputs: Inputs<'a>,
    context: Context<'a>,
    qcow2: Option<(Pending, Summary)>,
    vmdk: Option<(Pending, vmdk::Encoded)>,
    netboot: Option<(PendingDirectory, Vec<netboot::Member>)>,
    records: Vec<Artifact>,
    complete: Vec<Complete>,
}

impl<'a> Workshop<'a> {
    pub fn new(disk: &'a Disk, inputs: Inputs<'a>, context: Context<'a>) -> Self {
        let (qcow2, vmdk, netboot) = (None, None, None);
        let (records, complete) = (Vec::new(), Vec::new());
        Self { disk, inputs, context, qcow2, vmdk, netboot, records, complete }
    }

    /// What was made, as the build record tells it, and what waits for its name.
    pub fn finish(mut self) -> (Vec<Artifact>, Vec<Complete>) {
        let is_asked_for = |kind| self.inputs.request.types.contains(&kind);
        let qcow2 = self.qcow2.take().filter(|_| is_asked_for(DiskType::Qcow2));
        let vmdk = self.vmdk.take().filter(|_| is_asked_for(DiskType::Vmdk));
        let shared = qcow2.map(|made| made.0).into_iter().chain(vmdk.map(|made| made.0));
        self.complete.extend(shared.map(Complete::File));
        let netboot = self.netboot.take().filter(|_| is_asked_for(DiskType::Pxe));
        self.complete.extend(netboot.map(|made| Complete::Directory(made.0)));
        (self.records, self.complete)
    }

    /// Makes what a type consists of.
    pub fn make(&mut self, kind: DiskType) -> Result<(), Error> {
        match kind {
            DiskType::Raw => self.record(kind, RAW_PATH, self.disk.size.0, None),
            DiskType::Ami => {
                self.record(kind, RAW_PATH, self.disk.size.0, None);
                self.ami()?;
            }
            DiskType::Qcow2 => {
                let summary = self.qcow2()?.1;
                self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
            }
            DiskType::ContainerDisk => self.containerdisk()?,
            DiskType::Vmdk => {
                let summary = self.vmdk()?.1.summary;
                self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
            }
            DiskType::Ova => self.ova()?,
            DiskType::Vhd => self.vhd()?,
            DiskType::Vhdx => self.vhdx()?,
            DiskType::Gce => self.gce()?,
            DiskType::RawZst => self.raw_zst()?,
            DiskType::Pxe => {
                for netboot::Member { path, summary } in self.netboot()?.1.clone() {
                    let path = format!("{}/{path}", kind.path());
                    self.record(kind, &path, summary.size_bytes, Some(summary.sha256));
                }
            }
            DiskType::PxeTarXz => self.netboot_tar()?,
            DiskType::Iso => self.iso()?,
            DiskType::AnacondaIso => {
                let made = anaconda::write(self.inputs, self.context)?;
                self.complete.extend(made.complete);
                self.records.extend(made.records);
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        kind: DiskType,
        path: &str,
        size_bytes: u64,
        sha256: Option<Sha256Digest>,
    ) {
        self.records.push(Artifact {
            r#type: kind.name().to_owned(),
            path: path.to_owned(),
            size_bytes,
            sha256: sha256.map(|digest| digest.to_hex()),
        });
    }

    fn ami(&mut self) -> Result<(), Error> {
        let json = ami::register_image(self.disk, self.inputs.request.arch, self.context.reporter);
        let digest = Sha256Digest::of(json.as_bytes());
        let len_bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
        self.complete.push(Complete::File(text(self.inputs, ami::PATH, &json)?));
        self.record(DiskType::Ami, ami::PATH, len_bytes, Some(digest));
        Ok(())
    }

    /// What is in its place, made now if it is not there yet.
    fn once<T>(
        &mut self,
        place: fn(&mut Self) -> &mut Option<T>,
        make: fn(&Self) -> Result<T, Error>,
    ) -> Result<&T, Error> {
        let made = match place(self).take() {
            Some(made) => made,
            None => make(self)?,
        };
        Ok(place(self).insert(made))
    }

    /// The qcow2, which others hold too.
    fn qcow2(&mut self) -> Result<&(Pending, Summary), Error> {
        self.once(|shop| &mut shop.qcow2, Self::make_qcow2)
    }

    fn make_qcow2(&self) -> Result<(Pending, Summary), Error> {
        let request = self.inputs.request;
        let options = qcow2::Options {
            compression: match request.qcow2_compression {
                Qcow2Compression::None => qcow2::Compression::None,
                Qcow2Compression::Deflate => {
                    qcow2::Compression::Deflate { level: QCOW2_DEFLATE_LEVEL }
                }
                Qcow2Compression::Zstd => qcow2::Compression::Zstd { level: QCOW2_ZSTD_LEVEL },
            },
            threads: request.threads,
        };
        let (disk, context) = (self.disk, self.context);
        self.encode(DiskType::Qcow2, |source, out| {
            qcow2::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })
    }

    fn containerdisk(&mut self) -> Result<(), Error> {
        let kind = DiskType::ContainerDisk;
        let (context, request) = (self.context, self.inputs.request);
        let created_secs = self.inputs.time.secs;
        let target = request.output.join(kind.path());
        let folder = PendingDirectory::create(&target, containerdisk::NAMES)?;
        let options = containerdisk::Options { arch: request.arch, tag: TAG.into(), created_secs };
        let qcow2 = &self.qcow2()?.0;
        context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let (file, reporter, cancel) = (qcow2.file(), context.reporter, context.cancel);
        let summary = containerdisk::write(file, &folder, &options, reporter, cancel)
            .map_err(|error| Error::folder(&target, error))?;
        self.complete.push(Complete::Directory(folder));
        self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
        Ok(())
    }

    /// The VMDK, which others hold too.
    fn vmdk(&mut self) -> Result<&(Pending, vmdk::Encoded), Error> {
        self.once(|shop| &mut shop.vmdk, Self::make_vmdk)
    }

    fn make_vmdk(&self) -> Result<(Pending, vmdk::Encoded), Error> {
        let (disk, context, inputs) = (self.disk, self.context, self.inputs);
        let content_id = u32::from_le_bytes(*inputs.ids.disk.0.first_chunk().expect("4 of 16"));
        let options =
            vmdk::Options { level: DEFLATE_LEVEL, content_id, threads: inputs.request.threads };
        self.encode(DiskType::Vmdk, |source, out| {
            vmdk::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })
    }

    fn ova(&mut self) -> Result<(), Error> {
        let kind = DiskType::Ova;
        let (context, request) = (self.context, self.inputs.request);
        let name = machine_name(self.inputs.target.name());
        // The field's default: whether everything is signed is not known of every image.
        let machine = ova::Machine { name, arch: request.arch, secure_boot: false };
        let vmdk = self.vmdk()?;
        let made = (&**vmdk.0.file(), &vmdk.1);
        context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let pending = Pending::create(&request.output.join(kind.path()))?;
        let summary = ova::encode(made, &machine, pending.file(), context.reporter, context.cancel)
            .map_err(|source| Error::format(pending.target(), source))?;
        self.complete.push(Complete::File(pending));
        self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
        Ok(())
    }

    fn vhd(&mut self) -> Result<(), Error> {
        let (disk, context, inputs) = (self.disk, self.context, self.inputs);
        let (unique_id, created_secs) = (inputs.ids.disk.0, inputs.time.secs);
        let options = vhd::Options { unique_id, created_secs };
        let kind = DiskType::Vhd;
        let (pending, len) = self.encode(kind, |source, out| {
            vhd::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })?;
        self.complete.push(Complete::File(pending));
        self.record(kind, kind.path(), len.0, None);
        Ok(())
    }

    fn vhdx(&mut self) -> Result<(), Error> {
        let (disk, context, inputs) = (self.disk, self.context, self.inputs);
        let options = vhdx::Options {
            disk_id: inputs.ids.disk.0,
            content_id: derived(inputs.ids.disk, "vhdx content").0,
            sector_size: inputs.request.sector_size,
        };
        self.add(DiskType::Vhdx, |source, out| {
            vhdx::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })
    }

    fn gce(&mut self) -> Result<(), Error> {
        let (disk, context) = (self.disk, self.context);
        let options = gce::Options { level: DEFLATE_LEVEL, threads: self.inputs.request.threads };
        self.add(DiskType::Gce, |source, out| {
            gce::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })
    }

    fn raw_zst(&mut self) -> Result<(), Error> {
        let (disk, context) = (self.disk, self.context);
        let options = zst::Options { level: ZSTD_LEVEL, threads: self.inputs.request.threads };
        self.add(DiskType::RawZst, |source, out| {
            zst::encode(source, disk.size, out, &options, context.reporter, context.cancel)
        })
    }

    /// What boots from a network, which is a folder and in a tar.
    fn netboot(&mut self) -> Result<&(PendingDirectory, Vec<netboot::Member>), Error> {
        self.once(|shop| &mut shop.netboot, Self::make_netboot)
    }

    fn make_netboot(&self) -> Result<(PendingDirectory, Vec<netboot::Member>), Error> {
        let (disk, context, request) = (self.disk, self.context, self.inputs.request);
        // a tar alone must not be in the way of a folder of before
        let is_kept = request.types.contains(&DiskType::Pxe);
        let name = if is_kept { DiskType::Pxe.path() } else { PACKED_FOLDER };
        let target = request.output.join(name);
        let folder = PendingDirectory::create(&target, netboot::NAMES)?;
        let taken = disk.netboot.as_ref().expect("taken for these types");
        let root = disk.partitions.iter().find(|placed| placed.partition.role == Role::Root);
        let root = root.expect("there is always one");
        let mut others: Vec<(String, Vec<u8>)> = vec![
            ("boot.ipxe".to_owned(), taken.scripts.ipxe().into_bytes()),
            ("grub.cfg".to_owned(), taken.scripts.grub().into_bytes()),
            ("README".to_owned(), README.as_bytes().to_vec()),
        ];
        let is_program = |path: &str| path.to_ascii_lowercase().ends_with(".efi");
        let programs = disk.installed.esp.iter().filter(|file| is_program(&file.path));
        others.extend(programs.map(|file| (file.path.clone(), file.bytes.clone())));
        let parts = netboot::Parts {
            vmlinuz: &taken.vmlinuz,
            initramfs: &taken.initramfs,
            root: (disk.file.file(), &(root.start.0..root.start.0 + root.len.0)),
            others: &others,
        };
        let options = squashfs::Options {
            level: ZSTD_LEVEL,
            threads: request.threads,
            time_secs: self.inputs.time.secs,
        };
        let kind = DiskType::Pxe;
        context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let members = netboot::write(parts, &folder, &options, context.reporter, context.cancel)
            .map_err(|error| Error::folder(&target, error))?;
        Ok((folder, members))
    }

    fn netboot_tar(&mut self) -> Result<(), Error> {
        let (kind, context, threads) =
            (DiskType::PxeTarXz, self.context, self.inputs.request.threads);
        let made = self.netboot()?;
        let (folder, members) = (made.0.path().to_owned(), made.1.clone());
        self.add(kind, |_, out| {
            netboot::pack(&folder, &members, out, threads, context.reporter, context.cancel)
        })
    }

    /// The installer's medium, and its checksum beside it.
    fn iso(&mut self) -> Result<(), Error> {
        let kind = DiskType::Iso;
        self.context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let (medium, summary) = iso::write(self.disk, self.inputs, self.context)?;
        let checksum = iso::checksum(summary.sha256);
        self.complete.push(Complete::File(medium));
        self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
        let (path, digest) = (iso::checksum_path(), Sha256Digest::of(checksum.as_bytes()));
        self.complete.push(Complete::File(text(self.inputs, &path, &checksum)?));
        self.record(kind, &path, len_of(checksum.as_bytes()), Some(digest));
        Ok(())
    }

    /// A file that is an artifact of its own.
    fn add(
        &mut self,
        kind: DiskType,
        encoder: impl FnOnce(&File, &File) -> Result<Summary, FormatError>,
    ) -> Result<(), Error> {
        let (pending, summary) = self.encode(kind, encoder)?;
        self.complete.push(Complete::File(pending));
        self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
        Ok(())
    }

    /// A file with the name of a type, made of the disk by `encoder`.
    fn encode<T>(
        &self,
        kind: DiskType,
        encoder: impl FnOnce(&File, &File) -> Result<T, FormatError>,
    ) -> Result<(Pending, T), Error> {
        self.context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let pending = Pending::create(&self.inputs.request.output.join(kind.path()))?;
        let made = encoder(self.disk.file.file(), pending.file())
            .map_err(|source| Error::format(pending.target(), source))?;
        Ok((pending, made))
    }
}

/// What a virtual machine is called: the last part of the image's name, without tag and digest.
fn machine_name(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').find(|part| !part.is_empty()).unwrap_or("machine")
}

/// Another id of the same disk.
fn derived(id: Uuid, role: &str) -> Uuid {
    let mut hasher = Sha256::default();
    hasher.update(&id.0);
    hasher.update(role.as_bytes());
    Uuid::from_noise(*hasher.finish().0.first_chunk().expect("16 of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_called_as_the_image() {
        for (image, name) in [
            ("registry.example:5000/org/os:1.2", "os"),
            ("registry.example/os@sha256:00", "os"),
            ("dir/layout:latest", "layout"),
            ("", "machine"),
        ] {
            assert_eq!(machine_name(image), name, "{image}");
        }
    }
}
