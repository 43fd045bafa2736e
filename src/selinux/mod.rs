//! The SELinux policy of an image: which label its `file_contexts` give to a path.
//!
//! The labels are those of libselinux (3.9 and later; `selabel_lookup_raw`, the file backend) as ostree
//! asks it. Everything is read from text, below `etc/selinux/NAME/contexts/files/`:
//!
//! ```text
//! file_contexts.subs        substitutions, applied first   }
//! file_contexts.subs_dist   substitutions, applied second  } the path that is looked up
//! file_contexts             }
//! file_contexts.homedirs    } patterns and labels, later files before earlier ones
//! file_contexts.local       }
//! ```
//!
//! Only `file_contexts` must exist. The compiled forms (`*.bin`) are not read: who changes a text without
//! compiling it gets what the text says.
//!
//! * `config` which policy is enabled
//! * `contexts` one line: pattern, type, label
//! * `subs` substitutions
//! * `pattern` Perl's regular expressions
//! * `matcher` a pattern against a path
//! * `tree` which line counts

mod config;
mod contexts;
mod error;
mod matcher;
mod pattern;
mod subs;
#[cfg(test)]
mod tests;
mod tree;

pub use error::{Error, LineError};
pub use pattern::PatternError;

use crate::digest::{Sha256, Sha256Digest};
use crate::files::{Deployed, Files};
use crate::labels::{FileType, Labels};
use subs::Substitutions;
use tree::Tree;

/// The most that a file of the policy may have: ten times what the largest policies have.
const FILE_LIMIT_BYTES: u64 = 8 << 20;
/// The most lines.
const LINES_LIMIT: usize = 100_000;
/// The most steps that all patterns may have together: ten times what the largest policies have.
const SIZE_LIMIT: u64 = 4_000_000;
/// The files with labels, in the order in which they are read.
const CONTEXTS: [&str; 3] = ["file_contexts", "file_contexts.homedirs", "file_contexts.local"];

/// A policy that is in force.
#[derive(Debug)]
pub struct Policy {
    name: String,
    identity: Sha256Digest,
    local: Substitutions,
    distribution: Substitutions,
    tree: Tree,
}

impl Policy {
    /// The policy that the merged image enables; `None` when it enables none.
    pub fn load(files: &dyn Files) -> Result<Option<Self>, Error> {
        let files = Deployed(files);
        let Some(name) = config::enabled_policy(&files)? else { return Ok(None) };
        let mut source = Source { files: &files, policy: &name, seen: Sha256::default() };
        let distribution = source.substitutions("file_contexts.subs_dist")?;
        let local = source.substitutions("file_contexts.subs")?;
        let tree = source.tree()?;
        let identity = source.seen.finish();
        if tree.lookup(b"/", None).is_none() {
            return Err(Error::NoRootLabel { policy: name });
        }
        config::check_policy_file(&files, &name)?;
        Ok(Some(Self { name, identity, local, distribution, tree }))
    }

    /// Its name, the value of `SELINUXTYPE=`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A digest of everything that decides labels: two policies with the same give the same labels.
    pub fn identity(&self) -> Sha256Digest {
        self.identity
    }
}

impl Labels for Policy {
    fn label(&self, path: &str, file_type: FileType) -> Option<String> {
        let path = if path == "/proc" { "/mnt" } else { path };
        let mut path = tidied(path.as_bytes());
        for substitutions in [&self.local, &self.distribution] {
            path = substitutions.apply(&path).map_or(path, Into::into);
        }
        self.tree.lookup(&path, Some(file_type)).map(str::to_owned)
    }
}

/// The path without repeated slashes or one at the end.
fn tidied(path: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if path == b"/" || !path.ends_with(b"/") && !path.windows(2).any(|pair| pair == b"//") {
        return path.into();
    }
    let mut tidied = path.to_vec();
    tidied.dedup_by(|second, first| *second == b'/' && *first == b'/');
    if tidied.len() > 1 && tidied.ends_with(b"/") {
        tidied.pop();
    }
    tidied.into()
}

/// The files that make a policy.
struct Source<'a> {
    files: &'a dyn Files,
    policy: &'a str,
    seen: Sha256,
}

impl Source<'_> {
    /// Reads the file of that name, if there is one, and notes for the identity what was seen.
    fn read(&mut self, name: &str) -> Result<(String, Option<Vec<u8>>), Error> {
        let path = format!("etc/selinux/{}/contexts/files/{name}", self.policy);
        let content = self.files.read_following(&path, FILE_LIMIT_BYTES)?;
        let bytes = content.as_deref().unwrap_or_default();
        self.seen.update(format!("{name} {}\n", bytes.len()).as_bytes());
        self.seen.update(bytes);
        Ok((path, content))
    }

    fn substitutions(&mut self, name: &str) -> Result<Substitutions, Error> {
        let (_, content) = self.read(name)?;
        Ok(Substitutions::parse(&content.unwrap_or_default()))
    }

    fn tree(&mut self) -> Result<Tree, Error> {
        let mut tree = Tree::new();
        for (number, name) in CONTEXTS.into_iter().enumerate() {
            let (path, content) = self.read(name)?;
            match content {
                Some(content) => self.add_lines(&mut tree, number, &path, &content)?,
                None if number == 0 => {
                    let policy = self.policy.to_owned();
                    return Err(Error::Missing { policy, missing: path });
                }
                None => {}
            }
        }
        Ok(tree)
    }

    fn add_lines(
        &self,
        tree: &mut Tree,
        file: usize,
        path: &str,
        text: &[u8],
    ) -> Result<(), Error> {
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let parsed = contexts::parse(line);
            let at = path.to_owned();
            let parsed = parsed.map_err(|source| Error::Line { path: at, line: number, source })?;
            let Some(parsed) = parsed else { continue };
            tree.add(file, &parsed).map_err(|source| Error::Pattern {
                path: path.to_owned(),
                line: number,
                pattern: parsed.pattern.to_owned(),
                source,
            })?;
            let too_large = |what| Err(Error::TooLarge { policy: self.policy.to_owned(), what });
            if tree.len() > LINES_LIMIT {
                return too_large("it has too many lines");
            }
            if tree.size() > SIZE_LIMIT {
                return too_large("its patterns are too long");
            }
        }
        Ok(())
    }
}
