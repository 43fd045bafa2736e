//! Where images come from.

mod reference;
mod target;

pub use reference::{LayoutReference, ParseReferenceError, Reference, RegistryReference};
pub use target::TargetRef;
