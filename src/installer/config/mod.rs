//! What the owner wants of an installation: kernel arguments, then `[install]` of `install.toml`.
//!
//! Another room reads the file; its keys are kernel arguments as well, `bootc-image.install.target=…`,
//! all but `saved`. Booleans need no value there. `bootc-image.install.config=` names a further file,
//! by URL or path. Each wish is taken from the strongest source that has it: arguments, then that
//! file, then the one that is embedded ([`Wishes::or`]). [`Wishes::settle`] makes decisions of them.

use super::saved::Glob;
use super::target::Target;
pub use crate::settings::install::{Ids, Then, Wishes};

mod kargs;
#[cfg(test)]
mod tests;

pub use kargs::{KargError, KargProblem, PREFIX, from_kargs};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    /// The disk; to be asked for when not given.
    pub target: Option<Target>,
    /// Whether nothing is asked; there is a target then.
    pub is_unattended: bool,
    /// Whether what is on the disk may go without being asked about.
    pub may_wipe: bool,
    /// Which ids.
    pub ids: Ids,
    /// What follows.
    pub then: Then,
    /// Labels of partitions that stay.
    pub saved: Vec<Glob>,
    /// Whether to help those who look for an error.
    pub is_debug: bool,
}

/// Wishes that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// Nobody can be asked for the disk.
    #[error(
        "`unattended` needs a `target`: set `install.target`, or `{PREFIX}target=` on the kernel's \
         command line"
    )]
    NoTarget,
}

impl Wishes {
    /// These wishes, and where they say nothing, those of a weaker source.
    pub fn or(self, weaker: Self) -> Self {
        Self {
            target: self.target.or(weaker.target),
            unattended: self.unattended.or(weaker.unattended),
            wipe: self.wipe.or(weaker.wipe),
            ids: self.ids.or(weaker.ids),
            then: self.then.or(weaker.then),
            saved: self.saved.or(weaker.saved),
            debug: self.debug.or(weaker.debug),
            config: self.config.or(weaker.config),
        }
    }

    /// What is to be done, when no source is left.
    pub fn settle(self) -> Result<Decisions, WishError> {
        let is_unattended = self.unattended.unwrap_or(false);
        if is_unattended && self.target.is_none() {
            return Err(WishError::NoTarget);
        }
        Ok(Decisions {
            target: self.target,
            is_unattended,
            may_wipe: self.wipe.unwrap_or(false),
            ids: self.ids.unwrap_or_default(),
            then: self.then.unwrap_or_default(),
            saved: self.saved.unwrap_or_default(),
            is_debug: self.debug.unwrap_or(false),
        })
    }
}
