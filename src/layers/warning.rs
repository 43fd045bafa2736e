//! What was read in full, but would trip the updater of the installed system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::shown;

/// A well-formed oddity that the installed system's own updater refuses or garbles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// A gzip stream of several members; the updater reads the first one only.
    MultiMemberGzip,
    /// A PAX global header; the updater fails when a regular file follows.
    GlobalHeader,
    /// A short name that uses ustar's prefix field; the updater doubles the prefix.
    ShortNameWithPrefix,
    /// A directory spelt as a regular file whose name ends in a slash; the updater makes a file.
    SlashDirectory,
    /// An extended attribute with a newline in its value; the updater refuses it.
    NewlineInXattr,
    /// A sparse file in GNU's own form; the updater keeps its first segment only.
    GnuSparse,
    /// An extended attribute with a name so long that the updater passes over it.
    LongXattrName,
    /// A sparse map without the final empty segment; the updater refuses it.
    UnterminatedSparseMap,
    /// Bytes other than zeros after the end of the archive; nobody reads them.
    DataAfterEnd,
}

/// A [`Quirk`] and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was seen.
    pub quirk: Quirk,
    /// The first member concerned, escaped for display; empty when it is none in particular.
    pub first_path: String,
    /// How many times it was seen.
    pub count: u64,
}

/// The quirks of one layer, collected across threads; a clone shares the collection. Its size does
/// not grow with the layer.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<BTreeMap<Quirk, (String, u64)>>>);

impl Warnings {
    /// What was seen so far, in the order of [`Quirk`].
    pub fn to_vec(&self) -> Vec<Warning> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(quirk, (path, count))| Warning {
                quirk: *quirk,
                first_path: path.clone(),
                count: *count,
            })
            .collect()
    }

    pub(super) fn note(&self, quirk: Quirk, path: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(quirk).or_insert_with(|| (shown(path), 0)).1 += 1;
    }
}

impl Quirk {
    fn describe(self) -> &'static str {
        match self {
            Self::MultiMemberGzip => {
                "the gzip stream has several members, of which the installed system's updater \
                 reads only the first: it will refuse this layer"
            }
            Self::GlobalHeader => {
                "the tar has a pax global header, which the installed system's updater may refuse"
            }
            Self::ShortNameWithPrefix => {
                "a short name is split over the ustar prefix field; the installed system's updater \
                 will repeat the prefix"
            }
            Self::SlashDirectory => {
                "a directory is stored as a file whose name ends in a slash; the installed \
                 system's updater will make an empty file of it"
            }
            Self::NewlineInXattr => {
                "an extended attribute has a newline in its value; the installed system's updater \
                 will refuse this layer"
            }
            Self::GnuSparse => {
                "a sparse file is stored in the old GNU form; the installed system's updater will \
                 replace all but its first segment by zeros"
            }
            Self::LongXattrName => {
                "the name of an extended attribute is so long that the installed system's updater \
                 will pass over it"
            }
            Self::UnterminatedSparseMap => {
                "a sparse file's map has no final segment; the installed system's updater will \
                 refuse this layer"
            }
            Self::DataAfterEnd => "the tar has data after its end, which was ignored",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.quirk.describe())?;
        match (self.first_path.as_str(), self.count) {
            ("", _) => Ok(()),
            (path, 1) => write!(f, " (`{path}`)"),
            (path, count) => write!(f, " (`{path}` and {} more)", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_quirks_are_counted_with_their_first_path() {
        let warnings = Warnings::default();
        warnings.clone().note(Quirk::SlashDirectory, b"usr/a/");
        warnings.note(Quirk::MultiMemberGzip, b"");
        warnings.note(Quirk::SlashDirectory, b"usr/b/");
        let texts: Vec<String> = warnings.to_vec().iter().map(Warning::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].ends_with("it will refuse this layer"), "{}", texts[0]);
        assert!(texts[1].ends_with("(`usr/a/` and 1 more)"), "{}", texts[1]);
    }
}
