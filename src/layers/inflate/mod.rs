//! Unpacks gzip members (RFC 1952) and the deflate streams in them (RFC 1951).
//!
//! ```text
//!  stream   block, block, …, the last block (its first bit says so), up to seven bits of nothing
//!  block    stored   00  to the next byte, length 16, its complement 16, bytes
//!           fixed    01  symbols
//!           dynamic  10  numbers of codes 5 + 5 + 4, code lengths, symbols
//!  symbol   literal 0..=255 │ end 256 │ length 257..=285, extra bits, distance 0..=29, extra bits
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `member` | header and trailer around a stream |
//! | `stream` | the blocks, and symbols one at a time |
//! | `fast` | many symbols at a time, where input and room are plenty |
//! | `codes` | prefix codes as tables of packed entries |
//! | `window` | the last 32 KiB and what is not handed out yet; copies matches |
//! | `bits` | bits from bytes |
//! | `fault` | what is wrong with a stream |
//!
//! A layer is as fast as the slowest step of its pipeline, and without the network that is this
//! one: hence a decoder of our own. It costs a hostile stream no more than an honest one: memory is
//! the same 300 KiB for every stream, tables are built only when a stream has paid for them with a
//! header.
//!
//! # Invariants
//!
//! * No byte behind a member is consumed: the source goes on where the member ends.
//! * As strict as zlib. Codes must be complete, but for distances (or a block of nothing but its
//!   end) a single code of one bit, and for distances none, will do; symbols 286 and 287, distances
//!   30 and 31, and matches from before the start are refused.
//! * What comes before a fault is handed out before the fault is reported.
//! * The content is checked before its end is reported.

mod bits;
mod codes;
mod fast;
mod fault;
mod member;
mod stream;
mod window;

#[cfg(test)]
mod tests;

pub(super) use fault::Fault;
pub(super) use member::Member;
