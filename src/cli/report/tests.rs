use std::io;

use super::*;
use crate::digest::Sha256Digest;
use crate::pipeline::{self, LayerError};
use crate::plan::PlanError;
use crate::units::{ByteLen, MIB};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(&'static str, #[source] Option<io::Error>);

#[test]
fn causes_follow_from_the_outside_in() {
    let tar = crate::layers::Error::Io(io::Error::other("blob is cut off"));
    let error = pipeline::Error::Layer {
        number: 4,
        count: 7,
        digest: Sha256Digest::of(b""),
        source: LayerError::Tar(tar),
    };
    let expected = "error: reading layer 4 of 7 \
         (sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855)\n  \
         caused by: the layer's bytes cannot be read\n  \
         caused by: blob is cut off\n";
    assert_eq!(Report::of(&error).to_text(false), expected);
}

#[test]
fn a_hint_comes_last_after_an_empty_line() {
    let error = PlanError::TooSmall { asked: ByteLen(MIB), needed_mib: 682 };
    let expected = "error: 1.0 MiB is too small for this image: the smallest size that fits is 682M\n\
         \n\
         hint: use `--size 682M` or more, or `--size auto`\n";
    assert_eq!(Report::of(&error).to_text(false), expected);
    let coloured = Report::of(&error).to_text(true);
    assert!(coloured.starts_with("\x1b[1m\x1b[31merror:\x1b[0m 1.0 MiB"), "{coloured:?}");
}

#[test]
fn a_cause_that_was_told_is_not_repeated() {
    let told = Told("reading `x`: no such thing", Some(io::Error::other("no such thing")));
    assert_eq!(Report::of(&told).to_text(false), "error: reading `x`: no such thing\n");
}

#[test]
fn strangers_cannot_move_the_cursor() {
    let text = Report::of(&Told("a\x1b[2J\rb\nc", None)).to_text(false);
    assert_eq!(text, "error: a\\u{1b}[2J\\rb\n    c\n");
}

#[test]
fn programs_get_one_object() {
    let line = Report::of(&Told("a\nb", None)).to_json();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let expected = json!({ "event": "error", "message": "a\nb", "causes": [], "hint": null });
    assert_eq!(value, expected);
    assert!(!line.contains('\n'));
}
