use super::*;

fn archive() -> Writer<Vec<u8>> {
    Writer::new(Vec::new())
}

fn file(path: &str, content: &[u8]) -> Result<Writer<Vec<u8>>, CpioError> {
    let len = u64::try_from(content.len()).unwrap();
    archive().file(path, 0o644, len, &mut &content[..])
}

fn message<T>(result: Result<T, CpioError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn every_byte_is_where_the_format_has_it() {
    let archive = archive().folder("d", 0o755).unwrap();
    let archive = archive.file("d/abc", 0o644, 5, &mut &b"hello"[..]).unwrap();
    let archive = archive.symlink("l", "d/abc").unwrap();
    let bytes = archive.character_device("c", 0o600, 5, 1).unwrap().finish().unwrap();
    let zeros = "00000000";
    let start = |inode, mode, links, len| {
        format!(
            "070701{inode:08X}{mode:08X}{zeros}{zeros}{links:08X}{zeros}{len:08X}{zeros}{zeros}"
        )
    };
    let expected = [
        start(1, 0o040_755, 2, 0) + &format!("{zeros}{zeros}00000002{zeros}d\0"),
        start(2, 0o100_644, 1, 5) + &format!("{zeros}{zeros}00000006{zeros}d/abc\0hello\0\0\0"),
        start(3, 0o120_777, 1, 5) + &format!("{zeros}{zeros}00000002{zeros}l\0d/abc\0\0\0"),
        start(4, 0o020_600, 1, 0) + &format!("0000000500000001{:08X}{zeros}c\0", 2),
        start(0, 0, 1, 0) + &format!("{zeros}{zeros}0000000B{zeros}TRAILER!!!\0\0\0\0"),
    ]
    .concat();
    assert_eq!(expected.len() % 4, 0);
    let (entries, padding) = bytes.split_at(expected.len());
    assert_eq!(String::from_utf8_lossy(entries), expected);
    assert_eq!(bytes.len() % 512, 0);
    assert!(padding.len() < 512 && padding.iter().all(|byte| *byte == 0));
}

#[test]
fn an_empty_archive_is_one() {
    assert_eq!(archive().finish().unwrap().len(), 512);
}

#[test]
fn a_path_stays_inside_and_is_there_once() {
    let long = "x".repeat(256);
    let deep = ["a"; 2049].join("/");
    for path in ["", "/init", "a//b", "a/", ".", "..", "a/../b", "./a", "a\0b", &long, &deep] {
        assert!(matches!(file(path, b""), Err(CpioError::Path { .. })), "{path:?}");
    }
    assert_eq!(
        message(file("TRAILER!!!", b"")),
        "\"TRAILER!!!\" cannot be a path in an initramfs: it would end the archive"
    );
    let twice = file("init", b"").unwrap().folder("init", 0o755);
    assert_eq!(message(twice), "`init` is twice in the initramfs");
}

#[test]
fn a_folder_comes_before_what_is_in_it() {
    let expected = "`a/b` is put into an initramfs in which there is no folder `a` yet";
    assert_eq!(message(file("a/b", b"")), expected);
    let in_file = file("a", b"").unwrap().folder("a/b", 0o755);
    assert_eq!(message(in_file), expected);
    let in_link = archive().symlink("a", "c").unwrap().symlink("a/b", "c");
    assert_eq!(message(in_link), expected);
}

#[test]
fn a_content_has_the_length_it_was_said_to_have() {
    let of = |len| archive().file("a", 0o644, len, &mut &b"1234"[..]);
    assert!(of(4).is_ok());
    assert_eq!(message(of(5)), "`a` has 4 bytes instead of 5");
    assert_eq!(message(of(3)), "`a` has more than 3 bytes");
    let expected = "`a` has 4294967296 bytes, an initramfs takes files of less than 4 GiB";
    assert_eq!(message(of(1 << 32)), expected);
}

#[test]
fn sides_of_a_copy_fail_apart() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let unread = archive().file("a", 0o644, 3, &mut Broken);
    assert!(matches!(unread, Err(CpioError::Content { path, .. }) if path == "a"));
    let mut room = [0; 150];
    let full = Writer::new(&mut room[..]).file("a", 0o644, 60, &mut &[7; 60][..]);
    assert!(matches!(full, Err(CpioError::Write(_))));
}

#[test]
fn what_the_kernel_would_not_take_is_refused() {
    let link = |target: &str| archive().symlink("l", target);
    assert!(link(&"t".repeat(4095)).is_ok());
    for target in ["", "a\0b", &"t".repeat(4096)] {
        assert!(matches!(link(target), Err(CpioError::Target { .. })));
    }
    let device = |major, minor| archive().character_device("dev", 0o600, major, minor);
    assert!(device(4095, 0xF_FFFF).is_ok());
    assert_eq!(message(device(4096, 0)), "`dev` cannot be the device 4096:0");
    assert_eq!(message(device(0, 1 << 20)), "`dev` cannot be the device 0:1048576");
    let mode = archive().folder("a", 0o100_644);
    assert_eq!(message(mode), "`a` cannot have the permissions 0o100644");
}
