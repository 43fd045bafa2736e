//! Compresses what will probably be asked for, while other things are still to be done.
//!
//! Nothing else takes as long in composing a boot loader, and what goes in is known long before the rest
//! of a disk is written. What comes out is the same as without.

use std::sync::{Mutex, PoisonError};

use super::compress::compress;
use crate::job::Job;

/// A payload that is being compressed, or none.
#[derive(Debug, Default)]
pub struct Early(Mutex<Option<Started>>);

#[derive(Debug)]
struct Started {
    payload: Vec<u8>,
    stream: Job<Vec<u8>>,
}

impl Early {
    /// Has `payload` compressed, if it is not already; what was started before is no longer expected to
    /// be asked for.
    pub(in crate::boot::grub) fn start(&self, payload: Vec<u8>) {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if started.as_ref().is_some_and(|started| started.payload == payload) {
            return;
        }
        let bytes = payload.clone();
        let stream = Job::begin("compress", move || compress(&bytes));
        *started = Some(Started { payload, stream });
    }

    /// The stream of `payload`.
    pub(super) fn stream(&self, payload: &[u8]) -> Vec<u8> {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let expected = started.filter(|started| started.payload == payload);
        let stream = expected.and_then(|started| started.stream.finish());
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
        early.start(payload.clone());
        assert_eq!(early.stream(&payload), expected);
        early.start(b"another".to_vec());
        assert_eq!(early.stream(&payload), expected);
        assert!(early.0.lock().unwrap().is_none());
    }
}
