//! File system writers.

pub mod ext4;
pub mod fat;
