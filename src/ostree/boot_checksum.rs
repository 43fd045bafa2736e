//! The boot checksum: SHA-256 of kernel, initramfs and device trees, one after the other
//! (ostree-contract 4.3).
//!
//! It covers tens of MiB that must be read back, and is asked for when everything around it waits. So
//! it can be begun as soon as the files have their places.

use std::io::{self, Read};

use super::deploy::follow;
use super::error::Error;
use super::store::Store;
use crate::digest::{Sha256, Sha256Digest};
use crate::job::Job;
use crate::tree::Directory;
use crate::volume::{Inode, Volume};

const BUFFER_BYTES: usize = 256 * 1024;

/// A boot checksum, begun or not.
#[derive(Debug, Default)]
pub struct BootChecksum(Option<Begun>);

#[derive(Debug)]
struct Begun {
    inodes: Vec<Inode>,
    checksum: Job<io::Result<Sha256Digest>>,
}

impl BootChecksum {
    /// Begins that of the files at `paths` of the deployed image, in this order, if they can be read by
    /// another thread. From now on no object that is used may be forgotten.
    pub fn begin<V: Volume>(store: &Store<V>, tree: &Directory, paths: &[String]) -> Self {
        let Ok(inodes) = inodes(store, tree, paths) else { return Self::default() };
        let contents: Option<Vec<_>> =
            inodes.iter().map(|inode| store.volume.detached(*inode)).collect();
        let checksum = contents.map(|contents| Job::begin("boot-checksum", || checksum(contents)));
        Self(checksum.map(|checksum| Begun { inodes, checksum }))
    }

    /// Whether it is begun.
    pub fn is_begun(&self) -> bool {
        self.0.is_some()
    }

    /// The checksum of the files at `paths`, whatever was begun.
    pub fn finish<V: Volume>(
        self,
        store: &Store<V>,
        tree: &Directory,
        paths: &[String],
    ) -> Result<Sha256Digest, Error> {
        let inodes = inodes(store, tree, paths)?;
        let begun = self.0.filter(|begun| begun.inodes == inodes);
        if let Some(Ok(checksum)) = begun.and_then(|begun| begun.checksum.finish()) {
            return Ok(checksum);
        }
        let mut hasher = Sha256::default();
        for path in paths {
            store.pieces(path, follow(store, tree, path)?, |bytes| {
                hasher.update(bytes);
                Ok(())
            })?;
        }
        Ok(hasher.finish())
    }
}

/// The inodes of the files at `paths`.
fn inodes<V: Volume>(
    store: &Store<V>,
    tree: &Directory,
    paths: &[String],
) -> Result<Vec<Inode>, Error> {
    let inode = |path: &String| Ok(store.object(follow(store, tree, path)?).inode);
    paths.iter().map(inode).collect()
}

fn checksum(contents: Vec<Box<dyn Read + Send>>) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    for mut content in contents {
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
    }
    Ok(hasher.finish())
}
