//! Work that is begun before its result is wanted: a [`Job`].
//!
//! Whoever does not get the result does the work themselves: what comes of it does not depend on
//! whether it was begun. Where there are few processors, it leaves them to what is waited for now.

use std::thread::JoinHandle;

/// The nice value of what is not waited for yet.
const LESS_URGENT: i32 = 5;

/// Work on a thread of its own. Dropping it waits for the end.
#[derive(Debug)]
pub struct Job<T>(Option<JoinHandle<T>>);

/// Leaves processors to threads with a lower nice value. Of this thread alone, on Linux; nothing depends
/// on it.
pub fn give_way(nice: i32) {
    let _ = rustix::process::nice(nice);
}

impl<T: Send + 'static> Job<T> {
    /// Begins `work`, unless there is no thread for it. Its name is for those who look at threads.
    pub fn begin(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let work = move || {
            give_way(LESS_URGENT);
            work()
        };
        Self(std::thread::Builder::new().name(name.to_owned()).spawn(work).ok())
    }
}

impl<T> Job<T> {
    /// Waits for the result; `None` when there was no thread, or it has panicked.
    pub fn finish(mut self) -> Option<T> {
        self.0.take()?.join().ok()
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        // What nobody wants may have panicked as well.
        drop(self.0.take().map(JoinHandle::join));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn jobs_are_done_meanwhile() {
        let ours = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&ours);
        let job = Job::begin("test", move || theirs.wait().is_leader());
        let leads = ours.wait().is_leader();
        assert_eq!(job.finish(), Some(!leads));
    }

    #[test]
    fn a_panic_is_no_result() {
        let job = Job::begin("test", || assert_eq!(1, 2, "as the test wants"));
        assert_eq!(job.finish(), None);
    }

    #[test]
    fn what_nobody_wants_ends_first() {
        let is_done = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&is_done);
        drop(Job::begin("test", move || theirs.store(true, Ordering::SeqCst)));
        assert!(is_done.load(Ordering::SeqCst));
    }
}
