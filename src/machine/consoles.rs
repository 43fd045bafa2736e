//! All consoles of a machine as one: what is said is said on each, and who types first is heard.
//!
//! Which there are is told by `/sys/class/tty/console/active`, which has the one last that
//! `/dev/console` is. A console that takes nothing more, a serial line that nobody reads, say, is
//! waited for once and then passed over until it takes something again: it must not hold up the rest.
//!
//! Lines are edited and shown by the kernel, in each terminal by itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, tcflush, tcgetattr,
    tcsetattr,
};

use super::read;

const ACTIVE: &str = "sys/class/tty/console/active";
const ACTIVE_LIMIT: u64 = 4096;
/// More consoles than any machine has.
const MOST: usize = 16;
/// How long a console may take to take something.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);
/// Longer than any answer; the kernel's own limit, too.
const LINE_LIMIT: usize = 4096;
/// After so many reads of nothing there is nobody.
const MOST_NOTHINGS: u8 = 16;

/// The consoles.
#[derive(Debug)]
pub struct Consoles {
    all: Vec<Console>,
    /// Which one typed last.
    typed_last: AtomicUsize,
}

#[derive(Debug)]
struct Console {
    path: PathBuf,
    terminal: Mutex<Arc<File>>,
    is_stalled: AtomicBool,
    input: Mutex<Input>,
}

/// What was typed since the last line feed.
#[derive(Debug, Default)]
struct Input {
    typed: Vec<u8>,
    nothings: u8,
    is_deaf: bool,
}

/// What came of listening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A line, without blanks at its ends and without control characters.
    Line(String),
    /// Nothing in the time given.
    Silence,
    /// There is no console on which anything could be typed.
    Nobody,
}

impl Consoles {
    /// Opens all consoles of the machine that can be opened; there may be none.
    pub fn open(root: &Path) -> Self {
        let active = read(&root.join(ACTIVE), ACTIVE_LIMIT).unwrap_or_default();
        let active = String::from_utf8_lossy(&active);
        let named = active.split_whitespace().filter(|name| !name.contains('/')).take(MOST);
        let mut all: Vec<Console> =
            named.filter_map(|name| Console::open(&root.join("dev").join(name)).ok()).collect();
        if all.is_empty() {
            all.extend(Console::open(&root.join("dev/console")).ok());
        }
        Self::of(all)
    }

    /// Terminals, or what is as good, as consoles.
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, File)>) -> Self {
        Self::of(files.into_iter().map(|(path, terminal)| Console::new(path, terminal)).collect())
    }

    fn of(all: Vec<Console>) -> Self {
        let typed_last = AtomicUsize::new(all.len().saturating_sub(1));
        Self { all, typed_last }
    }

    /// Writes a text on all of them.
    pub fn write(&self, text: &str) {
        self.all.iter().for_each(|console| console.write(text.as_bytes()));
    }

    /// Forgets what was typed before now, so that it answers no question that comes after it.
    pub fn forget_input(&self) {
        for console in &self.all {
            let _ = tcflush(&*console.terminal(), QueueSelector::IFlush);
            console.input().typed.clear();
        }
    }

    /// The next line from any of them. Where somebody is typing, the time starts again.
    pub fn read_line(&self, patience: Option<Duration>) -> Heard {
        loop {
            for (index, console) in self.all.iter().enumerate() {
                if let Some(line) = console.input().take_line() {
                    self.typed_last.store(index, Ordering::Relaxed);
                    return Heard::Line(line);
                }
            }
            let listening: Vec<&Console> =
                self.all.iter().filter(|console| !console.input().is_deaf).collect();
            if listening.is_empty() {
                return Heard::Nobody;
            }
            let ready = wait(&listening, PollFlags::IN, patience);
            if ready.is_empty() {
                return Heard::Silence;
            }
            ready.into_iter().for_each(|(console, events)| console.read(events));
        }
    }

    /// Opens those again that have a device file: whoever had one for its own terminal, and ended, took
    /// it from everybody else.
    pub fn reopen(&self) {
        for console in &self.all {
            if let Ok(terminal) = open(&console.path) {
                make_usual(&terminal);
                *console.slot() = Arc::new(terminal);
                *console.input() = Input::default();
            }
        }
    }

    /// The device file of the console that typed last; before any did, of the kernel's favourite.
    pub fn favourite(&self) -> Option<&Path> {
        let console = self.all.get(self.typed_last.load(Ordering::Relaxed));
        console.map(|console| console.path.as_path())
    }
}

impl Console {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path.to_owned(), open(path)?))
    }

    fn new(path: PathBuf, terminal: File) -> Self {
        let (is_stalled, input) = (AtomicBool::new(false), Mutex::default());
        make_usual(&terminal);
        Self { path, terminal: Mutex::new(Arc::new(terminal)), is_stalled, input }
    }

    fn slot(&self) -> MutexGuard<'_, Arc<File>> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn terminal(&self) -> Arc<File> {
        Arc::clone(&self.slot())
    }

    fn write(&self, mut rest: &[u8]) {
        let terminal = self.terminal();
        while !rest.is_empty() {
            match (&*terminal).write(rest) {
                Ok(0) => return,
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.is_stalled.store(false, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_known = self.is_stalled.swap(true, Ordering::Relaxed);
                    let patience = if is_known { Duration::ZERO } else { OUTPUT_PATIENCE };
                    if wait(&[self], PollFlags::OUT, Some(patience)).is_empty() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Takes what there is to be read.
    fn read(&self, events: PollFlags) {
        let mut bytes = [0; 512];
        let mut input = self.input();
        match (&*self.terminal()).read(&mut bytes) {
            Ok(0) => {
                // Ctrl-D of a terminal, or the end of what is none
                input.nothings = input.nothings.saturating_add(1);
                let is_over = events.intersects(PollFlags::HUP | PollFlags::ERR);
                input.is_deaf = is_over || input.nothings > MOST_NOTHINGS;
            }
            Ok(count) => {
                input.nothings = 0;
                input.typed.extend(bytes.iter().take(count));
                let has_line = input.typed.iter().any(|byte| is_end(*byte));
                if !has_line && input.typed.len() > LINE_LIMIT {
                    input.typed.clear();
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                _ => input.is_deaf = true,
            },
        }
    }

    /// Whoever panicked with it left it whole.
    fn input(&self) -> MutexGuard<'_, Input> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Input {
    fn take_line(&mut self) -> Option<String> {
        let end = self.typed.iter().position(|byte| is_end(*byte))?;
        let line: Vec<u8> = self.typed.drain(..=end).collect();
        let text = String::from_utf8_lossy(&line);
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        Some(plain.trim().to_owned())
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Those of the consoles where something happened, and what.
fn wait<'c>(
    consoles: &[&'c Console],
    events: PollFlags,
    patience: Option<Duration>,
) -> Vec<(&'c Console, PollFlags)> {
    let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
    let terminals: Vec<Arc<File>> = consoles.iter().map(|console| console.terminal()).collect();
    let mut waited: Vec<PollFd<'_>> =
        terminals.iter().map(|terminal| PollFd::new(&**terminal, events)).collect();
    loop {
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Vec::new(),
        }
    }
    let happened =
        consoles.iter().zip(&waited).map(|(console, waited)| (*console, waited.revents()));
    happened.filter(|(_, events)| !events.is_empty()).collect()
}

fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// Gives a terminal the ways that people know: lines that are seen and can be edited. What is no
/// terminal has none.
fn make_usual(terminal: &File) {
    if let Ok(mut modes) = tcgetattr(terminal) {
        modes.input_modes |= InputModes::ICRNL;
        modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        modes.local_modes |= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHOE;
        let _ = tcsetattr(terminal, OptionalActions::Now, &modes);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Consoles, and the people at them.
    fn two() -> (Consoles, UnixStream, UnixStream) {
        let pair = |name: &str| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            ((PathBuf::from(name), File::from(OwnedFd::from(ours))), theirs)
        };
        let (one, at_one) = pair("/dev/tty0");
        let (other, at_other) = pair("/dev/ttyS0");
        (Consoles::from_files([one, other]), at_one, at_other)
    }

    const SOON: Option<Duration> = Some(Duration::from_millis(50));

    fn line(text: &str) -> Heard {
        Heard::Line(text.to_owned())
    }

    #[test]
    fn all_are_spoken_to_and_the_first_is_heard() {
        let (consoles, mut one, mut other) = two();
        consoles.write("hello\n");
        for stream in [&mut one, &mut other] {
            let mut heard = [0; 6];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello\n");
        }
        assert_eq!(consoles.favourite(), Some(Path::new("/dev/ttyS0")));
        assert_eq!(consoles.read_line(SOON), Heard::Silence);
        one.write_all(b"half").unwrap();
        other.write_all(b" /dev/vda \x1b\r\nnext\n").unwrap();
        assert_eq!(consoles.read_line(None), line("/dev/vda"));
        assert_eq!(consoles.read_line(None), line(""));
        one.write_all(b" and half\n").unwrap();
        assert_eq!(consoles.read_line(None), line("next"));
        assert_eq!(consoles.read_line(None), line("half and half"));
        assert_eq!(consoles.favourite(), Some(Path::new("/dev/tty0")));
    }

    #[test]
    fn what_was_typed_before_a_question_answers_none() {
        let (consoles, mut one, _other) = two();
        one.write_all(b"yes\nmore").unwrap();
        assert_eq!(consoles.read_line(SOON), line("yes"));
        consoles.forget_input();
        one.write_all(b"no\n").unwrap();
        assert_eq!(consoles.read_line(SOON), line("no"));
    }

    #[test]
    fn without_anybody_nobody_is_heard() {
        let (consoles, one, mut other) = two();
        drop(one);
        other.write_all(b"x\n").unwrap();
        assert_eq!(consoles.read_line(None), line("x"));
        drop(other);
        assert_eq!(consoles.read_line(None), Heard::Nobody);
        consoles.write("to nobody");
        let none = Consoles::from_files([]);
        assert_eq!((none.read_line(None), none.favourite()), (Heard::Nobody, None));
    }

    #[test]
    fn endless_lines_are_forgotten() {
        let (consoles, mut one, _other) = two();
        one.write_all(&[b'x'; 3 * LINE_LIMIT]).unwrap();
        assert_eq!(consoles.read_line(SOON), Heard::Silence);
        assert!(consoles.all[0].input().typed.len() <= LINE_LIMIT);
    }

    #[test]
    fn a_console_that_takes_nothing_holds_up_none() {
        let (consoles, _stuck, mut other) = two();
        let text = "x".repeat(16 << 10);
        let reader = std::thread::spawn(move || {
            let mut count = 0;
            let mut buffer = vec![0; 64 << 10];
            while count < 100 * (16 << 10) {
                count += other.read(&mut buffer).unwrap();
            }
        });
        (0..100).for_each(|_| consoles.write(&text));
        reader.join().unwrap();
    }

    #[test]
    fn consoles_are_found_by_what_the_kernel_says() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        std::fs::create_dir_all(at("sys/class/tty/console")).unwrap();
        std::fs::create_dir_all(at("dev")).unwrap();
        std::fs::write(at("dev/ttyS0"), "").unwrap();
        std::fs::write(at("dev/console"), "").unwrap();
        let favourite = || Consoles::open(root.path()).favourite().map(Path::to_owned);
        assert_eq!(favourite(), Some(at("dev/console")));
        std::fs::write(at(ACTIVE), "ttyS0 ttyS9 ../dev/console\n").unwrap();
        assert_eq!(favourite(), Some(at("dev/ttyS0")));

        let consoles = Consoles::open(root.path());
        std::fs::rename(at("dev/ttyS0"), at("dev/gone")).unwrap();
        std::fs::write(at("dev/ttyS0"), "").unwrap();
        consoles.write("before\n");
        consoles.reopen();
        consoles.write("after\n");
        assert_eq!(std::fs::read(at("dev/gone")).unwrap(), b"before\n");
        assert_eq!(std::fs::read(at("dev/ttyS0")).unwrap(), b"after\n");
    }
}
