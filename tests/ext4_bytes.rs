//! The same input gives the same bytes, whatever was abandoned on the way.
#![allow(clippy::unwrap_used)]

use std::io::Read as _;
use std::sync::Arc;

use bootc_image::canvas::{FileCanvas, MemoryCanvas, Window};
use bootc_image::fs::ext4::{Error, Options, Writer};
use bootc_image::units::{ByteLen, ByteOffset, GIB, MIB};
use bootc_image::volume::{Meta, Timestamp, Volume, Xattrs};

/// A small file system; `detours` are begun and abandoned, more than once past the last data.
fn build(detours: bool) -> Vec<u8> {
    let options = Options {
        uuid: *b"0123456789abcdef",
        hash_seed: *b"fedcba9876543210",
        label: "bytes".into(),
        time: Timestamp { secs: 1_700_000_000, nanos: 0 },
        growth_limit: ByteLen(GIB),
        ..Options::default()
    };
    let mut writer = Writer::create(MemoryCanvas::default(), options).unwrap();
    let root = writer.root();
    let label = (b"security.selinux".to_vec(), b"system_u:object_r:usr_t:s0\0".to_vec());
    let long = (b"user.long".to_vec(), vec![b'v'; 500]);
    let meta = Meta { xattrs: Xattrs::from_pairs([label, long]), ..Meta::root_owned(0o644) };
    for n in 0..300u32 {
        if detours && n % 60 == 0 {
            let mut open = writer.begin().unwrap();
            writer.append(&mut open, &vec![0xdd; 3 << 20]).unwrap();
            writer.abandon(open).unwrap();
        }
        let bytes = n.to_le_bytes().repeat(usize::try_from(n).unwrap());
        let file = writer.file(&meta, &bytes).unwrap();
        writer.link(root, format!("file-{n:0>60}").as_bytes(), file).unwrap();
    }
    let link = writer.symlink(&Meta::root_owned(0o777), &[b'l'; 200]).unwrap();
    writer.link(root, b"link", link).unwrap();
    let null = writer.char_device(&Meta::root_owned(0o666), 1, 3).unwrap();
    writer.link(root, b"null", null).unwrap();
    if detours {
        let open = writer.begin().unwrap();
        writer.abandon(open).unwrap();
    }
    writer.finish(ByteLen(16 * MIB)).unwrap().1.bytes
}

#[test]
fn what_was_abandoned_leaves_no_trace() {
    assert!(build(false) == build(true));
}

#[test]
fn the_bytes_are_pinned() {
    // A change here changes every disk: say in the commit what changed and why.
    assert_eq!(format!("{:08x}", crc32c::crc32c(&build(false))), "39a0d571");
}

#[test]
fn content_is_copied_while_it_is_written() {
    let mut writer = Writer::create(MemoryCanvas::default(), Options::default()).unwrap();
    let meta = Meta::root_owned(0o600);
    let bytes: Vec<u8> = (0..900_001u32).flat_map(u32::to_le_bytes).collect();
    let first = writer.file(&meta, &bytes).unwrap();
    let second = writer.copy_file(first, &meta).unwrap();
    let mut read = vec![0; bytes.len() + 1];
    assert_eq!(writer.read_at(second, 0, &mut read).unwrap(), bytes.len());
    assert!(read[..bytes.len()] == bytes);
    assert_eq!(writer.read_at(second, 3_600_000, &mut read).unwrap(), 4);
    assert_eq!(writer.read_at(second, u64::MAX, &mut read).unwrap(), 0);
    let link = writer.symlink(&meta, b"target").unwrap();
    assert_eq!(writer.read_at(link, 2, &mut read).unwrap(), 4);
    assert_eq!(&read[..4], b"rget");
}

/// Lengths around blocks and what is written at a time; the last one reaches past the head of a group.
const LENS: [usize; 9] = [0, 1, 4096, 4097, 100_000, 0, (3 << 20) + 5, 1 << 20, (140 << 20) + 1];

fn volume() -> Writer<MemoryCanvas> {
    let options = Options { growth_limit: ByteLen(GIB), ..Options::default() };
    Writer::create(MemoryCanvas::default(), options).unwrap()
}

#[test]
fn content_may_come_later() {
    let meta = Meta::root_owned(0o644);
    let bytes: Vec<u8> = (0..=250).cycle().take(141 << 20).collect();
    let (mut at_once, mut later) = (volume(), volume());
    let mut contents = Vec::new();
    for (n, len) in LENS.into_iter().enumerate() {
        let (name, content) = (n.to_string(), &bytes[n..][..len]);
        let file = at_once.file(&meta, content).unwrap();
        at_once.link(at_once.root(), name.as_bytes(), file).unwrap();
        let file = later.reserve(&meta, u64::try_from(len).unwrap()).unwrap();
        later.link(later.root(), name.as_bytes(), file).unwrap();
        contents.push((file, content));
    }
    later.fill(&contents[..3]).unwrap();
    later.fill(&contents[3..]).unwrap();
    for (file, content) in contents {
        let mut read = vec![9; content.len() + 1];
        assert_eq!(later.read_at(file, 0, &mut read).unwrap(), content.len());
        assert!(read[..content.len()] == *content);
    }
    let finished =
        |writer: Writer<MemoryCanvas>| writer.finish(ByteLen(200 * MIB)).unwrap().1.bytes;
    assert!(finished(at_once) == finished(later));
}

#[test]
fn content_is_read_elsewhere_meanwhile() {
    let canvas =
        Window::new(FileCanvas::new(Arc::new(tempfile::tempfile().unwrap())), ByteOffset(MIB));
    let mut writer = Writer::create(canvas, Options::default()).unwrap();
    let meta = Meta::root_owned(0o644);
    let bytes: Vec<u8> = (0..=250).cycle().take(3_000_007).collect();
    let mut open = writer.begin().unwrap();
    writer.append(&mut open, &bytes[..5000]).unwrap();
    writer.append_hole(&mut open, 100_000).unwrap();
    writer.append(&mut open, &bytes).unwrap();
    let file = writer.commit(open, &meta).unwrap();
    assert!(writer.detached(file).is_none(), "its end is not written yet");
    let link = writer.symlink(&meta, b"target").unwrap();
    assert!(writer.detached(link).is_none());
    // Which is too far away to be written together.
    let mut open = writer.begin().unwrap();
    writer.append(&mut open, &vec![7; 2 << 20]).unwrap();
    let mut detached = writer.detached(file).unwrap();
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        detached.read_to_end(&mut read).map(|_| read)
    });
    writer.append(&mut open, &vec![8; 2 << 20]).unwrap();
    writer.commit(open, &meta).unwrap();
    let read = reader.join().unwrap().unwrap();
    assert!(read == [&bytes[..5000], &vec![0; 100_000], &bytes].concat());
}

#[test]
fn content_must_be_as_long_as_said() {
    let mut writer = volume();
    let meta = Meta::root_owned(0o644);
    let file = writer.reserve(&meta, 5).unwrap();
    let link = writer.symlink(&meta, b"12345").unwrap();
    let mut open = writer.begin().unwrap();
    writer.append_hole(&mut open, 5).unwrap();
    let hole = writer.commit(open, &meta).unwrap();
    for contents in [(file, &b"1234"[..]), (file, b"123456"), (link, b"12345"), (hole, b"12345")] {
        assert!(matches!(writer.fill(&[contents]), Err(Error::Misuse { .. })));
    }
    writer.fill(&[(file, b"12345")]).unwrap();
}
