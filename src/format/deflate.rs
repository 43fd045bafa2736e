//! Deflate, a chunk at a time: each by itself, the same bytes whatever went before.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::batches::PackError;

/// A compressor, used again and again without memory of what it did before.
#[derive(Debug)]
pub(super) struct Deflate {
    deflate: Box<Compress>,
    buffer: Vec<u8>,
}

impl Deflate {
    /// Bare deflate that looks back at most `1 << window_bits` bytes. Chunks have `chunk_bytes` at
    /// most; the level is brought into range (1 to 9).
    pub fn bare(level: u8, window_bits: u8, chunk_bytes: usize) -> Self {
        Self::new(Compress::new_with_window_bits(in_range(level), false, window_bits), chunk_bytes)
    }

    /// Deflate in a zlib wrapper: two bytes before, Adler-32 behind.
    pub fn zlib(level: u8, chunk_bytes: usize) -> Self {
        Self::new(Compress::new(in_range(level), true), chunk_bytes)
    }

    fn new(deflate: Compress, chunk_bytes: usize) -> Self {
        // Room for the worst case: zlib-rs 0.6.8 does not forget, on reset, a stream that was cut
        // short, and spoils the next one.
        Self { deflate: Box::new(deflate), buffer: vec![0; 2 * chunk_bytes + 64] }
    }

    /// `content` as a complete stream.
    pub fn stream(&mut self, content: &[u8]) -> Result<&[u8], PackError> {
        self.run(content, FlushCompress::Finish, Status::StreamEnd)
    }

    fn run(
        &mut self,
        content: &[u8],
        flush: FlushCompress,
        end: Status,
    ) -> Result<&[u8], PackError> {
        self.deflate.reset();
        let status = self.deflate.compress(content, &mut self.buffer, flush)?;
        let len = usize::try_from(self.deflate.total_out())?;
        let all_read = usize::try_from(self.deflate.total_in())? == content.len();
        if status != end || !all_read || len == self.buffer.len() {
            return Err("a chunk grew to twice its size".into());
        }
        Ok(&self.buffer[..len])
    }
}

fn in_range(level: u8) -> Compression {
    Compression::new(u32::from(level.clamp(1, 9)))
}
