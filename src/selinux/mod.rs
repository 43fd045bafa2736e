//! The SELinux policy of an image: which label its `file_contexts` give to a path.
