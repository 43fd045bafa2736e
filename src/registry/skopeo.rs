//! Runs skopeo: the only program that this one starts, and only for images in local storage.
//!
//! It gets a process group of its own, so that Ctrl-C reaches it through us and not before us, and
//! so that it ends together with the copy of itself that it starts in a user namespace (which is how
//! it reads the storage of a user who is not root).

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::Error;
use super::source::read_limited;
use crate::progress::Cancel;

/// More than any complaint needs.
const COMPLAINT_LIMIT_BYTES: u64 = 64 << 10;
/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs skopeo with `arguments` and returns what it prints, at most `limit` bytes and one more.
/// `name` is the image as typed.
pub(crate) fn skopeo(
    name: &str,
    arguments: &[&OsStr],
    limit: u64,
    cancel: &Cancel,
) -> Result<Vec<u8>, Error> {
    let failed = |reason: String| Error::Skopeo { name: name.to_owned(), reason };
    let mut child = start(arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoSkopeo,
        _ => failed(error.to_string()),
    })?;
    let output = collect(child.stdout.take(), limit);
    let complaints = collect(child.stderr.take(), COMPLAINT_LIMIT_BYTES);
    let status = wait(&mut child, cancel, &failed)?;
    let bytes = |from: &Receiver<Vec<u8>>| from.recv().unwrap_or_default();
    if status.success() {
        return Ok(bytes(&output));
    }
    let text = String::from_utf8_lossy(&bytes(&complaints)).into_owned();
    Err(failed(complaint(&text).unwrap_or_else(|| status.to_string())))
}

#[expect(clippy::disallowed_methods, reason = "local storage has no other reader")]
fn start(arguments: &[&OsStr]) -> io::Result<Child> {
    Command::new("skopeo")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn wait(
    child: &mut Child,
    cancel: &Cancel,
    failed: &dyn Fn(String) -> Error,
) -> Result<ExitStatus, Error> {
    loop {
        if cancel.is_cancelled() {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
            return Err(Error::Cancelled);
        }
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => return Ok(status),
            None => thread::sleep(LOOK),
        }
    }
}

/// Reads a pipe to its end in a thread of its own, and keeps the first `limit` bytes and one more.
fn collect(pipe: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let bytes = read_limited(&mut pipe, limit).unwrap_or_default();
            let _ = io::copy(&mut pipe, &mut io::sink());
            // Nobody listens any more when the user stopped us.
            let _ = sender.send(bytes);
        });
    }
    receiver
}

/// The last message of `time="…" level=fatal msg="…"`, else the last line.
fn complaint(text: &str) -> Option<String> {
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    let message = line.split_once("msg=\"").and_then(|(_, rest)| rest.strip_suffix('"'));
    let Some(message) = message else { return Some(line.trim().to_owned()) };
    let mut plain = String::new();
    let mut characters = message.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 't') => plain.push(' '),
                other => plain.extend(other),
            },
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_unwrapped() {
        let fatal = r#"time="2025-01-01T00:00:00Z" level=fatal msg="Error: \"x\"\nis none""#;
        assert_eq!(complaint(&format!("warning\n{fatal}\n\n")).unwrap(), "Error: \"x\" is none");
        assert_eq!(complaint("a\nb\n").unwrap(), "b");
        assert_eq!(complaint("\n"), None);
    }
}
