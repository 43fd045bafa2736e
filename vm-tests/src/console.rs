//! The serial line: everything the machine said, a place up to which it was read, and typing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a machine prints when it will not come up.
const DEFEATS: &[&str] = &[
    "Kernel panic",
    "Entering emergency mode",
    "You are in emergency mode",
    "dracut-emergency",
    "grub rescue>",
    "grub>",
    "UEFI Interactive Shell",
];

#[derive(Debug, Default)]
struct Heard {
    text: Vec<u8>,
    closed: bool,
}

/// A serial line.
#[derive(Debug)]
pub struct Console {
    heard: Arc<(Mutex<Heard>, Condvar)>,
    read_to: usize,
    input: ChildStdin,
    log: PathBuf,
}

impl Console {
    /// Listens on the machine's output, keeping all of it in the file `log` too, and with `echo`
    /// showing it on stdout.
    pub fn new(input: ChildStdin, mut output: ChildStdout, log: &Path, echo: bool) -> Result<Self> {
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let mut file = File::create(log)?;
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let n = output.read(&mut buffer).unwrap_or(0);
                let _ = file.write_all(&buffer[..n]);
                if echo {
                    let _ = io::stdout().write_all(&buffer[..n]);
                    let _ = io::stdout().flush();
                }
                let mut heard = shared.0.lock().expect("no holder panics");
                heard.text.extend_from_slice(&buffer[..n]);
                heard.closed = n == 0;
                shared.1.notify_all();
                if n == 0 {
                    break;
                }
            }
        });
        Ok(Self { heard, read_to: 0, input, log: log.into() })
    }

    /// Types `text`.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.input.write_all(text.as_bytes()).context("typing on the serial line")?;
        self.input.flush().context("typing on the serial line")
    }

    /// Waits for `text`, and returns what came before it and the rest of its line (without that
    /// line's end, which may still be on its way: wait for it when it matters).
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<String> {
        self.wait(text, &[], timeout)
    }

    /// As [`Self::wait_for`], but gives up at once when the machine has clearly failed to boot.
    pub fn wait_for_boot(&mut self, text: &str, timeout: Duration) -> Result<String> {
        self.wait(text, DEFEATS, timeout)
    }

    fn wait(&mut self, text: &str, defeats: &[&str], timeout: Duration) -> Result<String> {
        let end = Instant::now() + timeout;
        let mut heard = self.heard.0.lock().expect("no holder panics");
        loop {
            let unread = &heard.text[self.read_to..];
            if let Some(at) = find(unread, text) {
                let before = String::from_utf8_lossy(&unread[..at]).replace('\r', "");
                self.read_to += at + text.len();
                return Ok(before);
            }
            let problem = if let Some(defeat) = defeats.iter().find(|d| find(unread, d).is_some()) {
                format!("the machine says {defeat:?}")
            } else if heard.closed {
                "the machine stopped".to_owned()
            } else if Instant::now() >= end {
                format!("{} s have passed", timeout.as_secs())
            } else {
                let left = end.saturating_duration_since(Instant::now());
                heard = self.heard.1.wait_timeout(heard, left).expect("no holder panics").0;
                continue;
            };
            let tail = tail(&heard.text, 60);
            bail!("waiting for {text:?}: {problem}. End of {}:\n{tail}", self.log.display());
        }
    }

    /// Everything heard so far.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().expect("no holder panics").text).into_owned()
    }
}

fn find(text: &[u8], part: &str) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part.as_bytes())
}

fn tail(text: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().rev().take(lines).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
