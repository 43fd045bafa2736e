//! Random trees through the ext4 writer: `e2fsck` and ext4-view agree with what was written.
//!
//! `EXT4_CASES` is how many (60 by default). A failing case is repeated with `EXT4_FIRST`.
#![allow(clippy::as_conversions, clippy::disallowed_methods, clippy::unwrap_used)]

mod ext4_support;

use bootc_image::fs::ext4::{Error, Kind, Options};
use bootc_image::units::ByteLen;
use ext4_support::random::Random;
use ext4_support::tree::{compare, view_lines};
use ext4_support::{GIB, Image, MIB, options};

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn random_trees_are_read_back_as_written() {
    let first = from_environment("EXT4_FIRST", 0);
    for case in first..first + from_environment("EXT4_CASES", 60) {
        one(case);
    }
}

fn one(case: u64) {
    let mut random = Random::new(case);
    let tree = random.tree();
    let limit = random.pick(&[64 * MIB, GIB, 100 * GIB, 8 << 40]);
    let options = Options {
        growth_limit: ByteLen(limit.max(2 * GIB)),
        verity: random.one_in(2),
        hash_seed: if random.one_in(4) { [0; 16] } else { *b"some seed it is." },
        ..options()
    };
    let image = Image::new();
    let mut writer = image.writer(options.clone());
    tree.write(&mut writer, &mut random);
    let needed = writer.required().unwrap();
    let slack = match random.below(4) {
        0 => 0,
        1 => random.below(64) as u64 * 4096,
        2 => random.below(64 << 20) as u64,
        _ => random.below(1 << 30) as u64,
    };
    if random.one_in(4) {
        let small = Image::new();
        let mut writer = small.writer(options);
        tree.write(&mut writer, &mut Random::new(case));
        assert_eq!(writer.required().unwrap(), needed);
        let error = writer.finish(ByteLen(needed.0 - 1)).unwrap_err();
        assert!(matches!(error, Error::TooSmall { needed: said, .. } if said == needed));
    }
    let summary = image.finish(writer, needed.0 + slack);
    image.check(&format!("case {case}"));
    compare(&tree.lines(), &view_lines(&image.path), &format!("case {case}"));
    let mut end = 0;
    for part in &summary.parts {
        assert!(part.start.0 >= end && part.len.0 > 0, "case {case}: {part:?}");
        end = part.start.0 + part.len.0;
        let zeros = part.kind == Kind::Zeros;
        assert!(!zeros || image.is_zero(part.start.0, part.len.0), "case {case}: {part:?}");
    }
    assert!(end <= summary.block_count * 4096);
}
