//! File system writers.

pub mod erofs;
pub mod ext4;
pub mod fat;
pub mod iso9660;
pub mod swap;
