//! Tar as layers have it: V7, ustar, PAX and GNU, told apart header by header.
//!
//! ```text
//!  [g header, records]          global records, for all members that follow
//!  [x header, records]          records for the next member
//!  [L or K header, long name]   GNU: name or link target of the next member
//!  header [sparse extensions] [data, zeros up to 512 bytes]
//!  …
//!  512 zeros, 512 zeros         the end; one block of zeros, or none, is the end too
//! ```
//!
//! Precedence, from strong to weak: GNU long name, `GNU.sparse.name`, the last record of the `x`
//! header, of the `g` headers, the header's own field.
//!
//! Not read, and refused by name: multi-volume members, volume labels, GNU directory dumps, Solaris
//! sparse files (`SUN.holesdata`).

mod entry;
mod header;
mod input;
mod member;
mod pax;
mod reader;
mod sparse;

pub use entry::{Chunk, Entry, Kind};
pub use reader::Reader;
