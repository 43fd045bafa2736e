//! The `bootc-image` command.

fn main() {}
