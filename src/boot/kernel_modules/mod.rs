//! The modules of a kernel that an installer needs: which, in which order, and unpacked.
//!
//! | file in `usr/lib/modules/<version>` | lines | what they say |
//! |---|---|---|
//! | `modules.dep` | `kernel/a/x.ko.xz: kernel/b/y.ko.xz …` | `x` cannot be loaded before `y` |
//! | `modules.builtin` | `kernel/a/z.ko` | `z` needs no loading |
//! | `modules.softdep` | `softdep x pre: y … post: z …` | `x` is better loaded after `y` and before `z` |
//! | `modules.alias` | `alias y-generic y` | what else `y` answers to in `modules.softdep` |
//!
//! All but the first may be missing. A module is what its file is called without `.ko` and what
//! follows; in names `-` and `_` are the same. A soft dependency that nothing answers to is passed
//! over; if several do, all are taken, and so are all lines of a module, of which modprobe heeds but
//! one. Where soft dependencies contradict others, they give way.
//!
//! The installer's first program loads one module after the other, as a list says: one path a line,
//! each ended by a line feed. Some fail to load where their hardware is missing; that is no reason to
//! stop. Modules are unpacked here: kernels without `CONFIG_MODULE_DECOMPRESS` take no others.
//!
//! Source: modules.dep(5), modprobe.d(5), the kernel's `Documentation/kbuild/kbuild.rst`.

use std::collections::BTreeSet;

use super::compression::Compression;
use crate::files::{Deployed, FileKind, Files};

mod choice;
mod error;
mod lists;
mod order;
mod unpack;
mod wanted;

pub use error::KernelModulesError;
pub use wanted::{Group, Purpose, WANTED};

use lists::{Lists, Texts};

/// The largest that is unpacked; few modules have more than 10 MiB.
const MODULE_LIMIT_BYTES: u64 = 256 << 20;

/// The modules that an installer loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// In the order in which they are loaded.
    pub modules: Vec<Module>,
    /// Wanted ones that the kernel has in itself.
    pub built_in: Vec<&'static str>,
    /// Wanted ones that the kernel does not have at all.
    pub missing: Vec<&'static str>,
    served: BTreeSet<Purpose>,
}

/// A module as the image has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path in the folder of the kernel's modules.
    pub path: String,
    /// The path in the image of the file that is there, links followed.
    pub source: String,
    /// The length of that file.
    pub len_bytes: u64,
    /// How it is compressed.
    pub compression: Option<Compression>,
}

impl Chosen {
    /// Whether the kernel has any module for this, built in or not.
    pub fn serves(&self, purpose: Purpose) -> bool {
        self.served.contains(&purpose)
    }

    /// The list that the installer loads, of modules that lie unpacked in the folder.
    pub fn list(&self, folder: &str) -> String {
        self.modules.iter().map(|module| format!("{folder}/{}\n", module.file_name())).collect()
    }
}

impl Module {
    /// What its file is called when unpacked, which no other module's is.
    pub fn file_name(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.find(".ko").map_or(name, |at| &name[..at + 3])
    }
}

/// Chooses those of the wanted modules that the kernel with this folder has, and what they need.
///
/// # Errors
///
/// A list that no kernel has, or that names what is not there.
pub fn choose(
    files: &dyn Files,
    folder: &str,
    wanted: &[Group],
) -> Result<Chosen, KernelModulesError> {
    let files = &Deployed(files);
    let texts = Texts::load(files, folder)?;
    let choice = choice::choose(&Lists::parse(&texts)?, wanted)?;
    let modules = choice.paths.iter().map(|path| look(files, folder, path));
    Ok(Chosen {
        modules: modules.collect::<Result<_, _>>()?,
        built_in: choice.built_in,
        missing: choice.missing,
        served: choice.served,
    })
}

fn look(
    files: &dyn Files,
    folder: &str,
    path: &lists::Path<'_>,
) -> Result<Module, KernelModulesError> {
    let named = format!("{folder}/{}", path.text);
    let source = files.resolve(&named);
    let kind = source.as_ref().and_then(|source| files.kind(source));
    let (Some(source), Some(FileKind::Regular { len_bytes })) = (source, kind) else {
        return Err(KernelModulesError::Absent { path: named });
    };
    if len_bytes > MODULE_LIMIT_BYTES {
        return Err(KernelModulesError::TooLarge { path: named, limit_bytes: MODULE_LIMIT_BYTES });
    }
    let path_text = path.text.to_owned();
    Ok(Module { path: path_text, source, len_bytes, compression: path.compression })
}

#[cfg(test)]
mod tests;
