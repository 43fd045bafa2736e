//! The LZMA stream: no header, no end marker, the parameters that GRUB's decompressor is built for
//! (bootloader.md 2.5).

use lzma_rust2::{EncodeMode, LzmaOptions, LzmaWriter, MfType};
use std::io::Write as _;

const DICTIONARY: u32 = 64 << 10;
const LITERAL_CONTEXT_BITS: u32 = 3;
const LITERAL_POSITION_BITS: u32 = 0;
const POSITION_BITS: u32 = 2;
/// What everybody waits for: a quarter of the time of [`hard`].
pub(super) fn compress(payload: &[u8]) -> Vec<u8> {
    stream(payload, EncodeMode::Fast, MfType::Hc4, 64, 16)
}

/// As short as the encoder can make it, 5 % shorter: for where there is little room.
pub(super) fn hard(payload: &[u8]) -> Vec<u8> {
    stream(payload, EncodeMode::Normal, MfType::Bt4, 273, 0)
}

fn stream(
    payload: &[u8],
    mode: EncodeMode,
    finder: MfType,
    nice_len: u32,
    depth_limit: i32,
) -> Vec<u8> {
    let options = LzmaOptions::new(
        DICTIONARY,
        LITERAL_CONTEXT_BITS,
        LITERAL_POSITION_BITS,
        POSITION_BITS,
        mode,
        nice_len,
        finder,
        depth_limit,
    );
    let write = || {
        let mut writer = LzmaWriter::new_no_header(Vec::new(), &options, false)?;
        writer.write_all(payload)?;
        writer.finish()
    };
    write().expect("the parameters are valid, and memory takes everything")
}
