//! The tasks of this repository: `cargo xtask demo` and `cargo xtask test`.

fn main() {}
