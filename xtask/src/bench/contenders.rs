//! Who takes part: the floor, ourselves, and others.
//!
//! | others | what they do of our work | what they do not |
//! |---|---|---|
//! | `umoci unpack`, then `mke2fs -d` | decompress, unpack, an ext4 of the tree | ostree, partitions, boot |
//! | `ostree commit` of each layer | decompress, digests, objects in a repository | a merged tree, a disk |
//! | `qemu-img convert -c` | a compressed qcow2 of a disk | the disk |

use std::path::Path;

use anyhow::{Context, Result};
use bootc_image_vm_tests::product;

use super::images::Image;
use super::measure::{Contender, Facts};

/// The name of the floor in tables.
pub const FLOOR: &str = "floor";
/// The name of our raw disk in tables.
pub const RAW: &str = "ours (raw)";
/// Our compressed qcow2s and those of `qemu-img`, by the name of the algorithm there.
pub const QCOW2: [(&str, &str, &str); 2] = [
    ("zlib", "ours (qcow2 deflate)", "qemu-img -c zlib"),
    ("zstd", "ours (qcow2 zstd)", "qemu-img -c zstd"),
];
/// The name of the peer that makes a file system of an image.
pub const UMOCI: &str = "umoci + mke2fs -d";
/// The name of the peer that makes an ostree repository of an image.
pub const OSTREE: &str = "ostree commit";

/// What all contenders write to, and with how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The folder that is empty when they start.
    pub folder: &'a Path,
    /// Threads, for those that can be told.
    pub threads: usize,
}

impl Terms<'_> {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// What cannot be avoided.
    pub fn floor(&self, program: &Path, image: &Image) -> Contender {
        let mut command =
            vec![program.display().to_string(), self.threads.to_string(), self.path("content")];
        command.extend(image.blobs().iter().map(|blob| blob.display().to_string()));
        Contender { name: FLOOR.into(), command, facts: Facts::Floor(image.layers.clone()) }
    }

    /// Our raw disk.
    pub fn raw(&self, image: &Image) -> Result<Contender> {
        self.ours(image, RAW, "raw", &[])
    }

    /// Our qcow2, compressed as `qemu-img` calls it.
    pub fn qcow2(&self, image: &Image, name: &str, algorithm: &str) -> Result<Contender> {
        let method = if algorithm == "zlib" { "deflate" } else { algorithm };
        self.ours(image, name, "qcow2", &["--qcow2-compression", method])
    }

    fn ours(
        &self,
        image: &Image,
        name: &str,
        kind: &'static str,
        further: &[&str],
    ) -> Result<Contender> {
        let program = product::binary()?.display().to_string();
        let (threads, output) = (self.threads.to_string(), self.folder.display().to_string());
        let mut command = vec![program, "build".into()];
        for (option, value) in [("--type", kind), ("--threads", &threads), ("--output", &output)] {
            command.extend([option.to_owned(), value.to_owned()]);
        }
        command.extend(["--insecure-policy", "--progress", "none"].map(str::to_owned));
        command.extend(further.iter().map(|&option| option.to_owned()));
        command.push(image.reference());
        let facts = Facts::Record(if kind == "raw" { "raw" } else { "qcow2" });
        Ok(Contender { name: name.into(), command, facts })
    }

    /// Others' ext4 of the image, which takes root.
    pub fn umoci(&self, image: &Image) -> Contender {
        let (bundle, disk) = (self.path("bundle"), self.path("disk.ext4"));
        let script = "umoci unpack --image \"$1\" \"$2\" \
                      && mke2fs -q -t ext4 -d \"$2/rootfs\" \"$3\" 4G";
        let image = format!("{}:{}", image.layout.display(), image.tag);
        Contender {
            name: UMOCI.into(),
            command: shell(script, [image, bundle, disk]),
            facts: Facts::None,
        }
    }

    /// Others' ostree repository of the image.
    pub fn ostree(&self, image: &Image) -> Contender {
        let script = "set -o pipefail; repo=$1; shift; \
            ostree --repo=\"$repo\" init --mode=bare && \
            for blob; do zcat \"$blob\" | ostree --repo=\"$repo\" commit --tree=tar=/dev/stdin \
            --tar-autocreate-parents --branch=\"layer-$((++n))\" --timestamp=@0 || exit; done";
        let blobs = image.blobs().into_iter().map(|blob| blob.display().to_string());
        let arguments = [self.path("repo")].into_iter().chain(blobs);
        Contender { name: OSTREE.into(), command: shell(script, arguments), facts: Facts::None }
    }

    /// Others' compressed qcow2 of a raw disk.
    pub fn qemu_img(&self, disk: &Path, name: &str, algorithm: &str) -> Result<Contender> {
        // it takes at most 16
        let threads = self.threads.min(16).to_string();
        let disk = disk.to_str().context("a path that is not UTF-8")?;
        let qcow2 = self.path("disk.qcow2");
        let compression = format!("compression_type={algorithm}");
        let command = [
            "qemu-img",
            "convert",
            "-c",
            "-m",
            &threads,
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-o",
            &compression,
            disk,
            &qcow2,
        ];
        let command = command.map(str::to_owned).into();
        Ok(Contender { name: name.into(), command, facts: Facts::Length("disk.qcow2") })
    }
}

fn shell(script: &str, arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let command = ["bash", "-c", script, "bench"].map(str::to_owned);
    command.into_iter().chain(arguments).collect()
}
