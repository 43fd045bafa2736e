//! The installer: what this program is when a kernel starts it as `/init` of an initramfs.
//!
//! ```text
//!  machine ─► medium ─► wishes ─► question? ─► pipeline::onto ─► restart, power off, shell
//!     └────────┴──────────┴──────────┴───────────────┴──► error: retry, log, reboot, poweroff?
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `flow` | an installation from finding the medium to the end |
//! | `wishes` | what the owner wants: kernel arguments, files of the medium |
//! | `chance` | ids that no other disk has |
//! | `offers` | disks as they are shown |
//! | `dialog` | the questions: which disk, and whether really |
//! | `endings` | what can be done when nothing goes on |
//! | `show` | events on all consoles |
//! | `log` | what was said, for those who look for an error |
//! | `shell` | a shell in the installed system |
//! | `error` | why there is no installation |
//!
//! The first process must not end: the kernel panics when it does. So errors and panics come to a
//! prompt on all consoles, and where nobody can answer the machine waits to be turned off. It is never
//! restarted without being told to: a machine that fails over and over tells nobody why.
//!
//! Tests and people know the states by three lines: [`show::BEGUN`], [`show::DONE`] and
//! [`show::FAILED`].

use std::convert::Infallible;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use self::endings::Ending;
use self::show::Show;
use super::report::Report;
use super::surroundings::Surroundings;
use crate::machine::consoles::{Consoles, Heard};
use crate::machine::power::{self, Power};
use crate::machine::{modules, mounts};
use crate::progress::{Event, Reporter as _};

mod chance;
mod dialog;
mod endings;
mod error;
mod flow;
mod log;
mod offers;
mod shell;
mod show;
mod wishes;

pub(super) use error::InitError;

/// What kernels start first.
const NAME: &str = "/init";
/// The modules that the initramfs has, in the order in which they are loaded.
const MODULES: &str = "/modules.list";
const LONG: Duration = Duration::from_secs(3600);

/// Does what the first process does, if this is it, or what a child of it does.
pub(super) fn run(words: &[OsString]) -> Option<ExitCode> {
    let name = words.first()?;
    if name == NAME && std::process::id() == 1 {
        let _ = catch_unwind(live);
        wait_for_ever();
    }
    shell::run_inside(words)
}

/// A life without end.
fn live() -> Infallible {
    let mounted = mounts::of_the_kernel();
    let loaded = modules::load(Path::new(MODULES));
    let show = Arc::new(Show::new(Consoles::open(Path::new("/"))));
    let around = Surroundings::read();
    show.begin();
    // what is missing is told again by what cannot be done without it
    if let Err(error) = mounted {
        show.warn(&Report::of(&error));
    }
    match loaded {
        Ok(loaded) => tell(&show, &loaded),
        Err(error) => show.warn(&Report::of(&error)),
    }
    loop {
        let tried = catch_unwind(AssertUnwindSafe(|| flow::run(&show, &around)));
        match tried.unwrap_or(Err(InitError::Panic)) {
            Ok(power) => end(&show, power),
            Err(error) => show.fail(&Report::of(&error)),
        }
        match ask_for_ending(&show) {
            Ending::Retry => {}
            Ending::Power(power) => end(&show, power),
        }
    }
}

fn tell(show: &Show, loaded: &modules::Loaded) {
    let count = loaded.count;
    show.report(Event::Detail { message: format!("{count} modules of the kernel are loaded") });
    for (path, error) in &loaded.failed {
        let message = format!("`{}` is not loaded: {error}", path.display());
        show.report(Event::Detail { message });
    }
}

/// What is to be done after a failure, by whoever is there.
fn ask_for_ending(show: &Show) -> Ending {
    loop {
        show.ask(endings::QUESTION);
        match show.consoles().read_line(None) {
            Heard::Line(line) => match endings::Answer::parse(&line) {
                Some(endings::Answer::End(ending)) => return ending,
                Some(endings::Answer::Log) => show.print_log(),
                None => {}
            },
            Heard::Silence | Heard::Nobody => wait_for_ever(),
        }
    }
}

/// Ends the machine's day; returns when that cannot be.
fn end(show: &Show, power: Power) {
    show.say(match power {
        Power::Restart => "restarting",
        Power::Off => "turning off",
    });
    match power::end(power) {
        Ok(()) => wait_for_ever(),
        Err(error) => show.fail(&Report::of(&error)),
    }
}

fn wait_for_ever() -> ! {
    loop {
        sleep(LONG);
    }
}
