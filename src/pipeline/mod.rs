//! The conductor: from an image to disks.
