//! A layer blob becomes tar entries.
