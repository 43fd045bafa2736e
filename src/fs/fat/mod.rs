//! A write-once FAT32.
