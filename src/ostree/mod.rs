//! The ostree repository, written natively.
