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
use crate::tree::{Directory, ObjectId};
use crate::volume::{Inode, Volume};

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
        let Ok(objects) = objects(store, tree, paths) else { return Self::default() };
        let inodes: Vec<Inode> = objects.iter().map(|id| store.object(*id).inode).collect();
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
        let objects = objects(store, tree, paths)?;
        let inodes = objects.iter().map(|id| store.object(*id).inode);
        let begun = self.0.filter(|begun| begun.inodes.iter().copied().eq(inodes));
        if let Some(Ok(checksum)) = begun.and_then(|begun| begun.checksum.finish()) {
            return Ok(checksum);
        }
        let mut hasher = Sha256::default();
        for (path, object) in paths.iter().zip(objects) {
            store.pieces(path, object, |bytes| {
                hasher.update(bytes);
                Ok(())
            })?;
        }
        Ok(hasher.finish())
    }
}

/// The files at `paths`.
fn objects<V: Volume>(
    store: &Store<V>,
    tree: &Directory,
    paths: &[String],
) -> Result<Vec<ObjectId>, Error> {
    paths.iter().map(|path| follow(store, tree, path)).collect()
}

fn checksum(contents: Vec<Box<dyn Read + Send>>) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::default();
    for mut content in contents {
        hasher.read(&mut content)?;
    }
    Ok(hasher.finish())
}
