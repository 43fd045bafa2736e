//! Several file systems that are filled together, as one volume.
//!
//! A handle says which file system its inode is on, so names, metadata and content find their place by
//! themselves:
//!
//! | bits | |
//! |---|---|
//! | 28 to 31 | number of the file system, 0 for the first |
//! | 0 to 27 | the file system's own handle |
//!
//! What has no handle yet, a new inode, goes to the file system that was chosen last
//! ([`Volume::select`]). An inode cannot have names on two file systems.

use std::io::Read;

use super::{Inode, Meta, Volume, Xattrs};

const NUMBER_SHIFT: u32 = 28;
const HANDLES: u32 = 1 << NUMBER_SHIFT;
/// The most file systems there can be.
pub const MOST: usize = 16;

/// Several file systems, at least one.
#[derive(Debug)]
pub struct Several<V> {
    volumes: Vec<V>,
    selected: usize,
}

/// Why filling one of several file systems failed.
#[derive(Debug, thiserror::Error)]
pub enum SeveralError<E: std::error::Error + 'static> {
    /// The file system says so.
    #[error(transparent)]
    Volume(#[from] E),
    /// More inodes than handles.
    #[error("more than 268435456 inodes on one file system")]
    TooManyInodes,
    /// More file systems than handles can tell apart.
    #[error("more than 16 file systems")]
    TooMany,
    /// A name on one file system for an inode of another.
    #[error("an inode cannot have names on two file systems")]
    CrossesFileSystems,
}

/// A file of one of several file systems whose data is being written.
#[derive(Debug)]
pub struct SeveralOpen<O> {
    number: usize,
    open: O,
}

impl<V: Volume> Several<V> {
    /// One file system; more may follow.
    pub fn new(first: V) -> Self {
        Self { volumes: vec![first], selected: 0 }
    }

    /// Adds a file system; returns its number.
    pub fn add(&mut self, volume: V) -> Result<usize, SeveralError<V::Error>> {
        if self.volumes.len() >= MOST {
            return Err(SeveralError::TooMany);
        }
        self.volumes.push(volume);
        Ok(self.volumes.len() - 1)
    }

    /// The first file system, and the others in the order in which they were added.
    pub fn into_parts(mut self) -> (V, Vec<V>) {
        let others = self.volumes.split_off(1);
        (self.volumes.swap_remove(0), others)
    }

    /// The handle of an inode of the chosen file system.
    fn outer(&self, inode: Inode) -> Result<Inode, SeveralError<V::Error>> {
        outer(self.selected, inode).ok_or(SeveralError::TooManyInodes)
    }

    /// The file system that an inode is on, and its handle there.
    fn of(&self, inode: Inode) -> (&V, Inode) {
        let (number, inner) = split(inode);
        (&self.volumes[number], inner)
    }

    fn of_mut(&mut self, inode: Inode) -> (&mut V, Inode) {
        let (number, inner) = split(inode);
        (&mut self.volumes[number], inner)
    }

    fn chosen(&mut self) -> &mut V {
        &mut self.volumes[self.selected]
    }
}

fn outer(number: usize, inode: Inode) -> Option<Inode> {
    let number = u32::try_from(number).ok()?;
    (inode.0 < HANDLES).then_some(Inode(number << NUMBER_SHIFT | inode.0))
}

fn split(inode: Inode) -> (usize, Inode) {
    let number = usize::try_from(inode.0 >> NUMBER_SHIFT).expect("4 bits fit a usize");
    (number, Inode(inode.0 & (HANDLES - 1)))
}

impl<V: Volume> Volume for Several<V> {
    type Error = SeveralError<V::Error>;
    type Open = SeveralOpen<V::Open>;

    fn root(&self) -> Inode {
        let root = self.volumes[self.selected].root();
        outer(self.selected, root).unwrap_or(root)
    }

    fn select(&mut self, number: usize) -> usize {
        debug_assert!(number < self.volumes.len(), "there is no file system {number}");
        std::mem::replace(&mut self.selected, number)
    }

    fn begin(&mut self) -> Result<Self::Open, Self::Error> {
        let number = self.selected;
        Ok(SeveralOpen { number, open: self.chosen().begin()? })
    }

    fn append(&mut self, open: &mut Self::Open, bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(self.volumes[open.number].append(&mut open.open, bytes)?)
    }

    fn append_hole(&mut self, open: &mut Self::Open, len_bytes: u64) -> Result<(), Self::Error> {
        Ok(self.volumes[open.number].append_hole(&mut open.open, len_bytes)?)
    }

    fn commit(&mut self, open: Self::Open, meta: &Meta) -> Result<Inode, Self::Error> {
        let SeveralOpen { number, open } = open;
        let inode = self.volumes[number].commit(open, meta)?;
        outer(number, inode).ok_or(SeveralError::TooManyInodes)
    }

    fn abandon(&mut self, open: Self::Open) -> Result<(), Self::Error> {
        Ok(self.volumes[open.number].abandon(open.open)?)
    }

    fn forget(&mut self, inode: Inode) -> Result<(), Self::Error> {
        let (volume, inode) = self.of_mut(inode);
        Ok(volume.forget(inode)?)
    }

    fn reserve(&mut self, meta: &Meta, len_bytes: u64) -> Result<Inode, Self::Error> {
        let inode = self.chosen().reserve(meta, len_bytes)?;
        self.outer(inode)
    }

    fn fill(&mut self, contents: &[(Inode, &[u8])]) -> Result<(), Self::Error> {
        for contents in contents.chunk_by(|one, other| split(one.0).0 == split(other.0).0) {
            let inner: Vec<_> =
                contents.iter().map(|(inode, bytes)| (split(*inode).1, *bytes)).collect();
            self.volumes[split(contents[0].0).0].fill(&inner)?;
        }
        Ok(())
    }

    fn symlink(&mut self, meta: &Meta, target: &[u8]) -> Result<Inode, Self::Error> {
        let inode = self.chosen().symlink(meta, target)?;
        self.outer(inode)
    }

    fn directory(&mut self, meta: &Meta) -> Result<Inode, Self::Error> {
        let inode = self.chosen().directory(meta)?;
        self.outer(inode)
    }

    fn char_device(&mut self, meta: &Meta, major: u32, minor: u32) -> Result<Inode, Self::Error> {
        let inode = self.chosen().char_device(meta, major, minor)?;
        self.outer(inode)
    }

    fn link(&mut self, directory: Inode, name: &[u8], child: Inode) -> Result<(), Self::Error> {
        let ((one, directory), (other, child)) = (split(directory), split(child));
        if one != other {
            return Err(SeveralError::CrossesFileSystems);
        }
        Ok(self.volumes[one].link(directory, name, child)?)
    }

    fn set_meta(&mut self, inode: Inode, meta: &Meta) -> Result<(), Self::Error> {
        let (volume, inode) = self.of_mut(inode);
        Ok(volume.set_meta(inode, meta)?)
    }

    fn set_lost_found_xattrs(&mut self, xattrs: &Xattrs) -> Result<(), Self::Error> {
        Ok(self.chosen().set_lost_found_xattrs(xattrs)?)
    }

    fn set_immutable(&mut self, inode: Inode) -> Result<(), Self::Error> {
        let (volume, inode) = self.of_mut(inode);
        Ok(volume.set_immutable(inode)?)
    }

    fn link_count(&self, inode: Inode) -> u32 {
        let (volume, inode) = self.of(inode);
        volume.link_count(inode)
    }

    fn len_bytes(&self, inode: Inode) -> u64 {
        let (volume, inode) = self.of(inode);
        volume.len_bytes(inode)
    }

    fn read_at(&self, inode: Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let (volume, inode) = self.of(inode);
        Ok(volume.read_at(inode, offset, buffer)?)
    }

    fn detached(&self, inode: Inode) -> Option<Box<dyn Read + Send>> {
        let (volume, inode) = self.of(inode);
        volume.detached(inode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Content, MemoryVolume};
    use super::*;

    #[test]
    fn inodes_are_made_on_the_chosen_file_system() {
        let mut several = Several::new(MemoryVolume::default());
        let number = several.add(MemoryVolume::default()).unwrap();
        let meta = Meta::root_owned(0o644);
        let first = several.file(&meta, b"first").unwrap();
        several.link(several.root(), b"a", first).unwrap();
        assert_eq!(several.select(number), 0);
        let copy = several.copy_file(first, &meta).unwrap();
        let crossing = several.link(several.root(), b"a", first);
        assert!(matches!(crossing, Err(SeveralError::CrossesFileSystems)));
        several.link(several.root(), b"b", copy).unwrap();
        assert_eq!((several.len_bytes(copy), several.link_count(copy)), (5, 1));
        assert_eq!(several.select(0), number);
        let (one, others) = several.into_parts();
        assert!(one.find("a").is_some() && one.find("b").is_none());
        let copied = &others[0].find("b").unwrap().content;
        assert_eq!(*copied, Content::Regular(b"first".to_vec()));
    }

    #[test]
    fn there_are_at_most_sixteen() {
        let mut several = Several::new(MemoryVolume::default());
        for number in 1..MOST {
            assert_eq!(several.add(MemoryVolume::default()).unwrap(), number);
        }
        several.select(MOST - 1);
        let last = several.file(&Meta::root_owned(0o600), b"x").unwrap();
        assert_eq!(split(last), (15, Inode(1)));
        assert!(matches!(several.add(MemoryVolume::default()), Err(SeveralError::TooMany)));
        assert_eq!(outer(1, Inode(HANDLES)), None);
    }
}
