//! Streams that cannot be read from the middle become temporary files.

use std::io::{self, Read};

use super::scratch::{Scratch, Sparse, Stopped};
use super::tar::{self, Made, Member, Stream, Tar};
use super::{FileImage, Shared};
use crate::inspect::bytes::{count, index};
use crate::inspect::error::Problem;

pub(super) const GZIP: &[u8] = &[0x1F, 0x8B];
pub(super) const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
const BUFFER: usize = 256 << 10;
/// The largest window of a Zstandard stream: 128 MiB.
const WINDOW_LOG: u32 = 27;

/// A compressed stream, unpacked; anything else as it is.
pub(super) fn unpacked(image: Shared) -> Result<Box<dyn Read>, Problem> {
    let mut magic = [0; 4];
    let len = index(image.len_bytes()).min(4);
    image.read_at(0, &mut magic[..len])?;
    let stream = io::BufReader::with_capacity(BUFFER, Stream::new(image));
    if magic.starts_with(GZIP) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stream)));
    }
    if magic == ZSTD {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(stream).map_err(Problem::Stream)?;
        decoder.window_log_max(WINDOW_LOG).map_err(Problem::Stream)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(stream))
}

/// A whole stream.
pub(super) fn whole(image: Shared, scratch: &Scratch) -> Result<FileImage, Stopped> {
    let mut stream = unpacked(image)?;
    let mut sparse = scratch.sparse()?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(sparse.finish()?),
            Ok(len) => sparse.write(&buffer[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::Stream(error).into()),
        }
    }
}

/// The first member that `wanted` likes of a tar in a compressed stream.
pub(super) fn member(
    image: Shared,
    scratch: &Scratch,
    wanted: impl Fn(&Member) -> bool,
) -> Result<Option<(Member, FileImage)>, Stopped> {
    let mut tar = Tar::new(Made(unpacked(image)?));
    while let Some(member) = tar.next()? {
        if !wanted(&member) {
            continue;
        }
        let mut stream = tar.into_stream();
        let mut sparse = scratch.sparse()?;
        let mut buffer = vec![0; BUFFER];
        for (offset, len) in &member.pieces {
            sparse.skip_to(*offset)?;
            copy(&mut stream, *len, &mut buffer, &mut sparse)?;
        }
        sparse.skip_to(member.len)?;
        return Ok(Some((member, sparse.finish()?)));
    }
    Ok(None)
}

fn copy(
    stream: &mut impl Read,
    len: u64,
    buffer: &mut [u8],
    sparse: &mut Sparse,
) -> Result<(), Stopped> {
    let mut left = len;
    while left > 0 {
        let step = buffer.len().min(index(left));
        stream.read_exact(&mut buffer[..step]).map_err(Problem::Stream)?;
        sparse.write(&buffer[..step])?;
        left -= count(step);
    }
    Ok(())
}

/// The first bytes of a compressed stream, to see what it is.
pub(super) fn peek(image: Shared) -> Result<Vec<u8>, Problem> {
    let mut head = Vec::new();
    let read = unpacked(image)?.take(count(tar::BLOCK)).read_to_end(&mut head);
    read.map_err(Problem::Stream)?;
    Ok(head)
}
