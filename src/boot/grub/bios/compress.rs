//! The LZMA stream: no header, no end marker, the parameters that GRUB's decompressor is built for
//! (bootloader.md 2.5).

use lzma_rust2::{EncodeMode, LzmaOptions, LzmaWriter, MfType};
use std::io::Write as _;

const DICTIONARY: u32 = 64 << 10;
const LITERAL_CONTEXT_BITS: u32 = 3;
const LITERAL_POSITION_BITS: u32 = 0;
const POSITION_BITS: u32 = 2;
/// The best that the encoder can do, trees and matches of any length, makes the stream 1 % shorter, which
/// nobody has a use for, and takes half as long again, which everybody waits for.
const NICE_LEN: u32 = 32;
const DEPTH_LIMIT: i32 = 8;

pub(super) fn compress(payload: &[u8]) -> Vec<u8> {
    let options = LzmaOptions::new(
        DICTIONARY,
        LITERAL_CONTEXT_BITS,
        LITERAL_POSITION_BITS,
        POSITION_BITS,
        EncodeMode::Normal,
        NICE_LEN,
        MfType::Hc4,
        DEPTH_LIMIT,
    );
    let write = || {
        let mut writer = LzmaWriter::new_no_header(Vec::new(), &options, false)?;
        writer.write_all(payload)?;
        writer.finish()
    };
    write().expect("the parameters are valid, and memory takes everything")
}
