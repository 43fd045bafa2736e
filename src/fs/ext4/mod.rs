//! A write-once ext4.
