//! Archives that GNU tar wrote, in all its formats.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bootc_image::layers::{Chunk, Entry, Kind, Reader, Warnings};

type Members = BTreeMap<String, (Entry, Vec<u8>, u64)>;

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// What GNU tar packs of `dir` with `options`; `None` when there is no GNU tar.
#[allow(clippy::disallowed_methods)]
fn pack(dir: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "--mtime=@86400.25", "-c", "-C"]);
    let Ok(output) = command.arg(dir).args(options).arg(".").output() else {
        eprintln!("SKIP: no GNU tar");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

fn read(tar: &[u8]) -> Members {
    let mut reader = Reader::new(tar, &Warnings::default());
    let mut members = Members::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let (mut content, mut holes) = (Vec::new(), 0);
        while let Some(chunk) = reader.next_chunk().unwrap() {
            match chunk {
                Chunk::Data(bytes) => content.extend(bytes),
                Chunk::Hole(len) => {
                    holes += len;
                    content.resize(content.len() + usize::try_from(len).unwrap(), 0);
                }
            }
        }
        members.insert(String::from_utf8(entry.path.clone()).unwrap(), (entry, content, holes));
    }
    members
}

#[test]
fn every_format_is_read() {
    let dir = scratch("layers-formats");
    let deep = format!("{}/{}", "d".repeat(60), "e".repeat(60));
    fs::create_dir_all(dir.join(&deep)).unwrap();
    fs::write(dir.join("file"), b"content").unwrap();
    fs::hard_link(dir.join("file"), dir.join("hard")).unwrap();
    std::os::unix::fs::symlink("file", dir.join("soft")).unwrap();
    for format in ["v7", "ustar", "gnu", "pax"] {
        if format != "v7" {
            fs::write(dir.join(&deep).join("f"), vec![7; 600]).unwrap();
        }
        if matches!(format, "gnu" | "pax") {
            let long = "n".repeat(250);
            fs::write(dir.join(&long), b"long").unwrap();
            std::os::unix::fs::symlink(&deep, dir.join(format!("to-{format}"))).unwrap();
        }
        let option = format!("--format={format}");
        // V7 has no room for the deep directory's name.
        let options: &[&str] = match format {
            "v7" => &[&option, "--exclude=ddd*"],
            _ => &[&option],
        };
        let Some(tar) = pack(&dir, options) else { return };
        let members = read(&tar);
        assert_eq!(members["./file"].1, b"content", "{format}");
        let target = |name: &str| match &members[name].0.kind {
            Kind::Hardlink { target } | Kind::Symlink { target } => target.clone(),
            other => panic!("{format}: {name} is {other:?}"),
        };
        assert_eq!(target("./hard"), b"./file", "{format}");
        assert_eq!(target("./soft"), b"file", "{format}");
        assert_eq!(members["./"].0.kind, Kind::Directory, "{format}");
        let mtime = members["./file"].0.mtime;
        assert_eq!((mtime.secs, mtime.nanos > 0), (86400, format == "pax"), "{format}");
        if format != "v7" {
            assert_eq!(members[&format!("./{deep}/f")].1, [7; 600], "{format}");
        }
        if matches!(format, "gnu" | "pax") {
            assert_eq!(members[&format!("./{}", "n".repeat(250))].1, b"long", "{format}");
            assert_eq!(target(&format!("./to-{format}")), deep.as_bytes(), "{format}");
        }
    }
}

#[test]
fn sparse_files_are_read_in_every_form() {
    let dir = scratch("layers-sparse");
    let mut file = File::create(dir.join("sparse")).unwrap();
    for i in 0..40u64 {
        file.seek(SeekFrom::Start(i * 65536 + 8192)).unwrap();
        file.write_all(&[u8::try_from(i + 1).unwrap(); 5000]).unwrap();
    }
    file.set_len(40 * 65536 + 77).unwrap();
    drop(file);
    let expected = fs::read(dir.join("sparse")).unwrap();
    let forms: [&[&str]; 4] = [
        &["--sparse", "--format=gnu"],
        &["--sparse", "--format=pax", "--sparse-version=0.0"],
        &["--sparse", "--format=pax", "--sparse-version=0.1"],
        &["--sparse", "--format=pax", "--sparse-version=1.0"],
    ];
    for form in forms {
        let Some(tar) = pack(&dir, form) else { return };
        let members = read(&tar);
        let (entry, content, holes) = &members["./sparse"];
        let len_bytes = u64::try_from(expected.len()).unwrap();
        assert_eq!(entry.kind, Kind::Regular { len_bytes }, "{form:?}");
        assert!(*content == expected, "{form:?}");
        assert!(*holes > 0, "{form:?}: the file system of the test has no holes");
    }
}
