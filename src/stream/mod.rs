//! Adapters for readers and writers; they know no word of the field.

mod ahead;

pub use ahead::{Ahead, ahead};
