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

mod contexts;
mod error;
mod matcher;
mod pattern;
mod subs;
mod tree;

pub use error::{Error, LineError};
pub use pattern::PatternError;
