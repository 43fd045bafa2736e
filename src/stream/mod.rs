//! Adapters for readers and writers; they know no word of the field.

mod ahead;
mod at;

pub use ahead::{Ahead, ahead};
pub use at::At;
