//! What makes the disk boot.
