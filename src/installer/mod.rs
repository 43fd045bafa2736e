//! What an installer decides before it writes: which disks there are, which one is meant, and
//! whether that one may be overwritten.
//!
//! | file | question | knows |
//! |---|---|---|
//! | [`config`] | what does the owner want? | kernel arguments, wishes of `install.toml` |
//! | [`disks`] | which disks are there, and which are in use? | `/sys/block`, `/proc` |
//! | [`content`] | what is on a disk? | a device's first and last bytes |
//! | [`target`] | which disk is meant, and may it go? | the facts of the three above |
//! | [`saved`] | which partitions stay? | a GPT, labels |
//! | [`area`] | what may be replaced on a medium, and how? | files of fixed length |
//! | [`program`] | can this program run alone? | an ELF file's headers |
//!
//! `target`, `saved` and `area` are pure; the others read, and write nothing. What a machine, a stick or a
//! former owner says is not trusted: texts are bounded and lose what a terminal would obey, numbers
//! are checked, and where a fact that protects data cannot be had there is an error, never a guess.
//!
//! Left out on purpose: writing, the init, the screen. The kernel's last word on what is in use is
//! the exclusive open (`O_EXCL`) of the device, which is the writer's.

pub mod area;
pub mod config;
pub mod content;
pub mod disks;
pub mod program;
pub mod saved;
pub mod target;

use crate::text;
