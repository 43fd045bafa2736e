//! Deflate, a chunk at a time: each by itself, the same bytes whatever went before.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::batches::PackError;

/// A compressor, used again and again without memory of what it did before. Chunks that would grow
/// are stored.
#[derive(Debug)]
pub(super) struct Deflate {
    deflate: Compress,
    store: Compress,
    buffer: Vec<u8>,
}

impl Deflate {
    /// Bare deflate that looks back at most `1 << window_bits` bytes. Chunks have `chunk_bytes` at
    /// most; the level is brought into range (1 to 9).
    pub fn bare(level: u8, window_bits: u8, chunk_bytes: usize) -> Self {
        let new = |level| Compress::new_with_window_bits(level, false, window_bits);
        Self::new(new, level, chunk_bytes)
    }

    /// Deflate in a zlib wrapper: two bytes before, Adler-32 behind.
    pub fn zlib(level: u8, chunk_bytes: usize) -> Self {
        Self::new(|level| Compress::new(level, true), level, chunk_bytes)
    }

    fn new(new: impl Fn(Compression) -> Compress, level: u8, chunk_bytes: usize) -> Self {
        Self {
            deflate: new(Compression::new(u32::from(level.clamp(1, 9)))),
            store: new(Compression::none()),
            // Room for the worst case: zlib-rs 0.6.8 does not forget, on reset, a stream that was
            // cut short, and spoils the next one.
            buffer: vec![0; 2 * chunk_bytes + 64],
        }
    }

    /// `content` as a complete stream.
    pub fn stream(&mut self, content: &[u8]) -> Result<&[u8], PackError> {
        self.run(content, FlushCompress::Finish, Status::StreamEnd)
    }

    /// `content` as a part of a stream: it ends at a whole byte, and others may follow.
    pub fn part(&mut self, content: &[u8]) -> Result<&[u8], PackError> {
        self.run(content, FlushCompress::Sync, Status::Ok)
    }

    fn run(
        &mut self,
        content: &[u8],
        flush: FlushCompress,
        end: Status,
    ) -> Result<&[u8], PackError> {
        for compress in [&mut self.deflate, &mut self.store] {
            compress.reset();
            let status = compress.compress(content, &mut self.buffer, flush)?;
            let (read, len) =
                (usize::try_from(compress.total_in())?, usize::try_from(compress.total_out())?);
            if status != end || read != content.len() || len == self.buffer.len() {
                return Err("a chunk grew to twice its size".into());
            }
            if len <= content.len() {
                return Ok(&self.buffer[..len]);
            }
        }
        let len = usize::try_from(self.store.total_out())?;
        Ok(&self.buffer[..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn parts_make_one_stream_and_know_nothing_of_each_other() {
        let parts = [noise(100_000), vec![7; 1 << 17], b"text ".repeat(9000), vec![], noise(3)];
        for level in 1..=9 {
            let mut deflate = Deflate::bare(level, 15, 1 << 17);
            let mut whole = Vec::new();
            for part in &parts {
                let packed = deflate.part(part).unwrap().to_vec();
                assert!(packed.len() <= part.len() + 5 * (2 + part.len() / 16_000));
                let alone = Deflate::bare(level, 15, 1 << 17).part(part).unwrap().to_vec();
                assert!(packed == alone, "level {level}, {} bytes", part.len());
                whole.extend(packed);
            }
            whole.extend([3, 0]);
            let mut found = Vec::with_capacity(1 << 20);
            let mut inflate = Decompress::new(false);
            let status = inflate.decompress_vec(&whole, &mut found, FlushDecompress::Finish);
            assert_eq!(status.unwrap(), Status::StreamEnd);
            assert!(found == parts.concat(), "level {level}");
        }
    }
}
