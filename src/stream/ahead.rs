//! Reads ahead on a thread of its own: [`ahead`].
//!
//! Buffers of 256 KiB go round: filled by the thread, emptied by the consumer, handed back. Their
//! number bounds both the memory and how far the thread runs ahead.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

const BUFFER_BYTES: usize = 256 * 1024;

/// What another thread read ahead. Dropping it stops that thread after the read it is in.
#[derive(Debug)]
pub struct Ahead {
    /// `None` once the stream has ended or failed.
    channels: Option<Channels>,
    current: Buffer,
    thread: Option<JoinHandle<()>>,
    is_unwanted: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Channels {
    filled: Receiver<Message>,
    emptied: SyncSender<Vec<u8>>,
}

/// Bytes from `start` to `end` are content.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

#[derive(Debug)]
enum Message {
    Filled(Buffer),
    Ended,
    Failed(io::Error),
}

/// Starts to read `reader` on a new thread, at most `buffers` times 256 KiB ahead.
pub fn ahead(reader: impl Read + Send + 'static, buffers: usize) -> io::Result<Ahead> {
    let buffers = buffers.max(1);
    // One place more, so that neither the last message nor a buffer's way back ever blocks.
    let (send_filled, filled) = sync_channel(buffers + 1);
    let (emptied, take_emptied) = sync_channel(buffers + 1);
    for _ in 0..buffers {
        emptied.send(Vec::new()).map_err(io::Error::other)?;
    }
    let is_unwanted = Arc::new(AtomicBool::new(false));
    let seen_by_thread = Arc::clone(&is_unwanted);
    let thread = std::thread::Builder::new()
        .name("read-ahead".to_owned())
        .spawn(move || run(reader, &take_emptied, &send_filled, &seen_by_thread))?;
    let channels = Some(Channels { filled, emptied });
    Ok(Ahead { channels, current: Buffer::default(), thread: Some(thread), is_unwanted })
}

/// The thread's whole life. A send or receive that fails means that the consumer is gone.
fn run(
    mut reader: impl Read,
    emptied: &Receiver<Vec<u8>>,
    filled: &SyncSender<Message>,
    is_unwanted: &AtomicBool,
) {
    while let Ok(bytes) = emptied.recv() {
        let (buffer, outcome) = fill(&mut reader, bytes, is_unwanted);
        if buffer.end > 0 && filled.send(Message::Filled(buffer)).is_err() {
            return;
        }
        if let Some(last) = outcome {
            // The consumer may be gone; then nobody wants to know.
            drop(filled.send(last));
            return;
        }
    }
}

/// Fills a buffer; also says when nothing comes after it.
fn fill(
    reader: &mut impl Read,
    mut bytes: Vec<u8>,
    is_unwanted: &AtomicBool,
) -> (Buffer, Option<Message>) {
    bytes.resize(BUFFER_BYTES, 0);
    let mut end = 0;
    let outcome = loop {
        if end == bytes.len() {
            break None;
        }
        if is_unwanted.load(Ordering::Relaxed) {
            break Some(Message::Ended);
        }
        match reader.read(&mut bytes[end..]) {
            Ok(0) => break Some(Message::Ended),
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Some(Message::Failed(error)),
        }
    };
    (Buffer { bytes, start: 0, end }, outcome)
}

impl Ahead {
    fn next_buffer(&mut self) -> io::Result<()> {
        let Some(channels) = &self.channels else { return Ok(()) };
        let used = std::mem::take(&mut self.current).bytes;
        if !used.is_empty() {
            // The thread may have ended already, with its last messages still in the channel.
            drop(channels.emptied.send(used));
        }
        let message = channels.filled.recv();
        if let Ok(Message::Filled(buffer)) = message {
            self.current = buffer;
            return Ok(());
        }
        self.channels = None;
        match message {
            Ok(Message::Failed(error)) => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the thread that reads ahead has panicked")),
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.start == self.current.end {
            self.next_buffer()?;
        }
        Ok(&self.current.bytes[self.current.start..self.current.end])
    }

    fn consume(&mut self, count: usize) {
        self.current.start = self.current.end.min(self.current.start + count);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
        self.channels = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported as an error to whoever read on.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless(Arc<AtomicBool>);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(7);
            Ok(buffer.len().min(1000))
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    struct Fails(usize);

    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert_ne!(self.0, 999, "as the test wants");
            let count = self.0.min(buffer.len());
            self.0 -= count;
            if count == 0 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(count) }
        }
    }

    #[test]
    fn everything_arrives_in_order() {
        let bytes: Vec<u8> = (0..3_000_001u32).map(|i| (i % 251).to_le_bytes()[0]).collect();
        for buffers in [0, 1, 2, 5] {
            let mut read = Vec::new();
            let source = io::Cursor::new(bytes.clone());
            ahead(source, buffers).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes, "with {buffers} buffers");
        }
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        let mut read = Vec::new();
        let error = ahead(Fails(700_000), 2).unwrap().read_to_end(&mut read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(read.len(), 700_000);
    }

    #[test]
    fn a_panic_is_an_error_and_no_end() {
        let mut ahead = ahead(Fails(999), 2).unwrap();
        assert!(ahead.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn dropping_ends_the_thread() {
        let is_dropped = Arc::new(AtomicBool::new(false));
        let mut ahead = ahead(Endless(Arc::clone(&is_dropped)), 3).unwrap();
        ahead.read_exact(&mut [0; 10]).unwrap();
        drop(ahead);
        assert!(is_dropped.load(Ordering::SeqCst));
    }
}
