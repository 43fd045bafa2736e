//! Ctrl-C and friends: the first asks the build to stop, so that its temporary files go; the second
//! ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::progress::{Cancel, Event, Reporter};

/// Which signal asked to stop.
#[derive(Debug, Clone, Default)]
pub(super) struct StoppedBy(Arc<AtomicU8>);

impl StoppedBy {
    /// What shells expect of a process that a signal stopped; `None` when none did.
    pub(super) fn exit_code(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(128 + signal),
        }
    }
}

/// Watches for signals until the process ends. Without a watcher they end the process, as ever.
pub(super) fn watch(cancel: &Cancel, reporter: &Arc<dyn Reporter>) -> StoppedBy {
    let stopped_by = StoppedBy::default();
    let (cancel, reporter, seen) = (cancel.clone(), reporter.clone(), stopped_by.clone());
    let watch = move |signals: &mut Signals| {
        for signal in signals.forever() {
            let signal = u8::try_from(signal).unwrap_or(1).min(127);
            if let Some(code) = seen.exit_code() {
                std::process::exit(code.into());
            }
            seen.0.store(signal, Ordering::Relaxed);
            cancel.cancel();
            reporter.report(Event::Stage { name: "stopping (again to stop at once)".to_owned() });
        }
    };
    if let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) {
        std::thread::spawn(move || watch(&mut signals));
    }
    stopped_by
}
