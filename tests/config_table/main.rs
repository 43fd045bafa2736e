//! Blueprints as people write them, each with what becomes of it: good ones in [`valid`], wrong ones
//! in [`invalid`]; and what an installer is told, in [`install`]. [`schema`] holds the published JSON schema to the same tables.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use bootc_image::config::blueprint::{Blueprint, BlueprintError};

mod command;
mod docs;
mod install;
mod invalid;
mod mutations;
mod schema;
mod valid;

/// Every key there is.
const FULL: &str = include_str!("full.toml");

/// TOML, or JSON where it begins like JSON.
fn name_of(text: &str) -> &'static str {
    if text.trim_start().starts_with('{') { "config.json" } else { "config.toml" }
}

fn parse(text: &str) -> Result<Blueprint, BlueprintError> {
    Blueprint::parse(name_of(text), text.as_bytes())
}

#[test]
fn the_tables_are_large_enough() {
    let rows = valid::ROWS.len() + invalid::ROWS.len();
    assert!(rows >= 60, "{rows}");
}
