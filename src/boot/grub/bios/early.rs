//! Compresses what will probably be asked for, while other things are still to be done.
//!
//! Nothing else takes as long in composing a boot loader, and what goes in is known as soon as all
//! layers are read. What comes out is the same as without.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::compress::compress;

/// A payload that is being compressed on a thread of its own, or none. The thread ends before this does.
#[derive(Debug, Default)]
pub struct Early(Mutex<Option<Started>>);

#[derive(Debug)]
struct Started {
    payload: Vec<u8>,
    thread: Option<JoinHandle<Vec<u8>>>,
}

impl Started {
    /// The stream; `None` when the thread has panicked.
    fn finish(mut self) -> Option<Vec<u8>> {
        self.thread.take()?.join().ok()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // What nobody wants may have panicked as well.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Early {
    /// Starts to compress `payload`; what was started before is no longer expected to be asked for.
    pub(in crate::boot::grub) fn start(&self, payload: Vec<u8>) {
        let bytes = payload.clone();
        let thread = std::thread::Builder::new().name("compress".to_owned());
        // without a thread it is compressed when it is asked for
        let started = thread.spawn(move || compress(&bytes)).ok();
        let started = started.map(|thread| Started { payload, thread: Some(thread) });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = started;
    }

    /// The stream of `payload`.
    pub(super) fn stream(&self, payload: &[u8]) -> Vec<u8> {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = match started {
            Some(started) if started.payload == payload => started.finish(),
            // its thread is waited for when this one is done
            _unexpected => Some(compress(payload)),
        };
        stream.unwrap_or_else(|| compress(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_started_the_stream_is_the_same() {
        let payload = vec![7; 5000];
        let expected = compress(&payload);
        let early = Early::default();
        assert_eq!(early.stream(&payload), expected);
        early.start(payload.clone());
        assert_eq!(early.stream(&payload), expected);
        early.start(b"another".to_vec());
        assert_eq!(early.stream(&payload), expected);
        assert!(early.0.lock().unwrap().is_none());
    }
}
