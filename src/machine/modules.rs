//! Modules of the kernel, loaded as a list says: one path a line, what others need before them.
//!
//! A module that fails stops nothing: most fail because their hardware is missing, and what cannot be
//! done without one is told where it is missed. One that is loaded already is as good as loaded.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::system::finit_module;

use super::{MachineError, read};

/// A path for each module that there may be.
const LIMIT_BYTES: u64 = 1 << 20;

/// What became of a list.
#[derive(Debug, Default)]
pub struct Loaded {
    /// How many modules are there now.
    pub count: usize,
    /// The others, and why.
    pub failed: Vec<(PathBuf, io::Error)>,
}

/// Loads all modules of a list.
///
/// # Errors
///
/// The list cannot be read.
pub fn load(list: &Path) -> Result<Loaded, MachineError> {
    Ok(each(&read(list, LIMIT_BYTES)?, insert))
}

fn each(list: &[u8], insert: impl Fn(&Path) -> io::Result<()>) -> Loaded {
    let mut loaded = Loaded::default();
    let text = String::from_utf8_lossy(list);
    for path in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match insert(Path::new(path)) {
            Ok(()) => loaded.count += 1,
            Err(error) => loaded.failed.push((PathBuf::from(path), error)),
        }
    }
    loaded
}

fn insert(path: &Path) -> io::Result<()> {
    match finit_module(File::open(path)?, c"", 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn modules_come_in_the_order_of_the_list_and_none_stops_it() {
        let asked = RefCell::new(Vec::new());
        let loaded = each(b"/modules/a.ko\n\n  /modules/b.ko \n/modules/c.ko", |path| {
            asked.borrow_mut().push(path.display().to_string());
            if path.ends_with("b.ko") { Err(Errno::NODEV.into()) } else { Ok(()) }
        });
        assert_eq!(asked.into_inner(), ["/modules/a.ko", "/modules/b.ko", "/modules/c.ko"]);
        assert_eq!((loaded.count, loaded.failed.len()), (2, 1));
        assert_eq!(loaded.failed[0].0, Path::new("/modules/b.ko"));
    }

    #[test]
    fn a_list_is_there_and_not_endless() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("modules.list");
        assert!(matches!(load(&list), Err(MachineError::Read { .. })));
        std::fs::write(&list, vec![b'\n'; (1 << 20) + 1]).unwrap();
        assert!(matches!(load(&list), Err(MachineError::TooLong { .. })));
        std::fs::write(&list, "/nowhere/x.ko\n").unwrap();
        let loaded = load(&list).unwrap();
        assert_eq!((loaded.count, loaded.failed[0].1.kind()), (0, io::ErrorKind::NotFound));
    }
}
