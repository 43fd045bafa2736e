//! A layer blob becomes tar entries.
//!
//! The reader stack, in one column; each step is a plain [`Read`](std::io::Read) of the one before:
//!
//! ```text
//!  blob (verified bytes) ─► decoder ─► stream::ahead ─► Reader ─► Entry, Chunk, Chunk, …, Entry, …
//! ```
//!
//! [`decoder`] unpacks what the media type names, [`Reader`] reads the tar. Both are forward only and
//! need bounded memory whatever the blob holds.
//!
//! # What is believed
//!
//! The media type decides the compression, never the bytes. Every integrity value is checked: gzip's
//! CRC and length, zstd's checksum, each tar header's sum. [`Reader::next_entry`] returns `None` only
//! after the whole stream behind the archive's end was read too, so that the checks further up, the
//! blob's digest among them, have taken place.
//!
//! # What is read although the installed system would not
//!
//! Some well-formed layers are refused or garbled by the updater inside the image. They are read as
//! their format says, and [`Warnings`] names what was seen ([`Quirk`]).
//!
//! # What is left to others
//!
//! Paths come as raw bytes, not normalised: whiteouts, `..`, `/etc` and UTF-8 are matters of `ostree`.

mod decompress;
mod error;
mod gzip;
mod inflate;
mod source;
mod tar;
mod warning;

pub use decompress::{Decoder, decoder};
pub use error::Error;
pub use tar::{Chunk, Entry, Kind, Reader};
pub use warning::{Quirk, Warning, Warnings};
