//! What the tests of ext4 share: images in temporary files, reference tools, and a tree that can be
//! written and told as lines of text.
#![allow(dead_code, missing_docs, missing_debug_implementations)]
#![allow(clippy::as_conversions, clippy::disallowed_methods, clippy::print_stderr)]
#![allow(clippy::unwrap_used)]

pub mod random;
pub mod tree;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use bootc_image::canvas::FileCanvas;
use bootc_image::fs::ext4::{Options, Summary, Writer};
use bootc_image::units::ByteLen;
use bootc_image::volume::Timestamp;
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Options with ids that are not zero.
pub fn options() -> Options {
    Options {
        uuid: *b"0123456789abcdef",
        hash_seed: *b"fedcba9876543210",
        label: "root".into(),
        time: Timestamp { secs: 1_700_000_000, nanos: 0 },
        ..Options::default()
    }
}

/// Runs a tool; `None`, loudly, when it is absent.
pub fn run(tool: &str, args: &[&str]) -> Option<Output> {
    let output = Command::new(tool).args(args).env("LC_ALL", "C").output();
    match output {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIP: `{tool}` is not installed");
            None
        }
        Err(error) => panic!("{tool}: {error}"),
    }
}

/// A file system in a temporary file.
pub struct Image {
    _folder: TempDir,
    pub path: PathBuf,
    file: Arc<File>,
}

impl Image {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ext4.img");
        let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        Self { _folder: folder, path, file: Arc::new(file) }
    }

    pub fn writer(&self, options: Options) -> Writer<FileCanvas> {
        Writer::create(FileCanvas::new(self.file.clone()), options).unwrap()
    }

    /// Finishes at `size`, or at what is required when that is more, and gives the file its length.
    pub fn finish(&self, writer: Writer<FileCanvas>, size: u64) -> Summary {
        let needed = writer.required().unwrap();
        let (summary, _) = writer.finish(ByteLen(size).max(needed)).unwrap();
        self.file.set_len(summary.block_count * 4096).unwrap();
        summary
    }

    pub fn set_len(&self, size: u64) {
        self.file.set_len(size).unwrap();
    }

    /// Overwrites the beginning with zeros.
    pub fn wipe(&self, len: usize) {
        self.file.write_all_at(&vec![0; len], 0).unwrap();
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Whether a range holds only zeros.
    pub fn is_zero(&self, start: u64, len: u64) -> bool {
        let mut buffer = vec![0; 1 << 20];
        (start..start + len).step_by(1 << 20).all(|at| {
            let part = &mut buffer[..(start + len - at).min(1 << 20) as usize];
            self.file.read_exact_at(part, at).unwrap();
            part.iter().all(|byte| *byte == 0)
        })
    }

    /// `e2fsck` finds nothing to do.
    pub fn check(&self, what: &str) {
        let Some(output) = run("e2fsck", &["-fn", self.path()]) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let kept = std::env::temp_dir().join("ext4-failed.img");
            std::fs::copy(&self.path, &kept).unwrap();
            panic!("{what}: kept as {}\n{text}", kept.display());
        }
    }

    /// What `debugfs` says to one command.
    pub fn debugfs(&self, command: &str) -> Option<String> {
        let output = run("debugfs", &["-R", command, self.path()])?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Grows (or shrinks) with `resize2fs`, after which `e2fsck` still finds nothing.
    pub fn resize(&self, size: u64) {
        self.file.set_len(size).unwrap();
        let Some(output) = run("resize2fs", &["-f", self.path()]) else { return };
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "resize2fs to {size}: {text}");
        self.check(&format!("resized to {size}"));
    }
}
