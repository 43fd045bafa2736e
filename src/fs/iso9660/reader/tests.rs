use std::io::Cursor;

use super::super::{Builder, Layout, Options};
use super::*;
use crate::canvas::{Canvas as _, MemoryCanvas};
use crate::spec::VolumeId;
use crate::volume::Timestamp;

const FILES: [(&str, &str); 4] = [
    ("boot/grub/grub.cfg", "menu"),
    ("boot/ünï code.with a long name and dots.txt", "x"),
    ("empty", ""),
    ("a/b/c/d", "deep"),
];

fn builder() -> Builder {
    Builder::new(Options {
        volume_id: VolumeId::parse("Some-OS_1.0").unwrap(),
        application: "tests".into(),
        time: Timestamp::of_secs(1_700_000_000),
    })
    .unwrap()
}

fn written(layout: &Layout, canvas: &mut MemoryCanvas) -> Vec<u8> {
    layout.write(canvas, ByteLen(layout.end().0)).unwrap();
    canvas.bytes.resize(usize::try_from(layout.end().0).unwrap(), 0);
    std::mem::take(&mut canvas.bytes)
}

fn ours() -> Vec<u8> {
    let mut builder = builder();
    let ids = FILES.map(|(path, content)| {
        builder.add_file(path, ByteLen(u64::try_from(content.len()).unwrap())).unwrap()
    });
    let layout = builder.layout().unwrap();
    let mut canvas = MemoryCanvas::default();
    for (id, (_, content)) in ids.iter().zip(FILES) {
        canvas.write_at(layout.place(*id), content.as_bytes()).unwrap();
    }
    written(&layout, &mut canvas)
}

fn open(bytes: &[u8]) -> Result<Image<Cursor<&[u8]>>, ReadError> {
    Image::open(Cursor::new(bytes))
}

/// Where the root directory is, and the record of this name in it.
fn record(iso: &[u8], id: &[u8]) -> usize {
    let root = usize::try_from(le32(iso, 16 * 2048 + at::ROOT + 2).unwrap()).unwrap() * 2048;
    let found = iso[root..root + 2048].windows(id.len()).position(|window| window == id);
    root + found.unwrap() - 33
}

#[test]
fn our_images_are_read_back() {
    let iso = ours();
    let mut image = open(&iso).unwrap();
    assert_eq!(image.volume().id, "Some-OS_1.0");
    assert_eq!(image.volume().application, "tests");
    assert_eq!(image.volume().names, NameKind::RockRidge);
    assert_eq!(image.volume().len, image.len());
    assert!(image.boot_entries().is_empty());
    for (path, content) in FILES {
        assert_eq!(image.read(path, ByteLen(100)).unwrap(), content.as_bytes(), "{path}");
        let Some(Entry { kind: EntryKind::File { len }, mode }) = image.entry(path) else {
            panic!("{path}")
        };
        assert_eq!((len.0, mode), (u64::try_from(content.len()).unwrap(), Some(0o100_444)));
    }
    assert_eq!(image.list("").unwrap(), ["a", "boot", "empty"]);
    assert_eq!(image.list("/a/b/").unwrap(), ["c"]);
    assert_eq!(image.list("empty"), None);
    assert_eq!(image.entry("a/b").unwrap().kind, EntryKind::Directory);
    assert_eq!(image.entry("empty/x"), None);
    assert_eq!(image.paths().count(), 4 + 5);
    let [piece] = image.pieces("a/b/c/d").unwrap()[..] else { panic!() };
    let at = usize::try_from(piece.at.0).unwrap();
    assert_eq!(&iso[at..at + 4], b"deep");
}

#[test]
fn what_cannot_be_read_says_why() {
    let iso = ours();
    let mut image = open(&iso).unwrap();
    let mut error = |path| image.read(path, ByteLen(3)).unwrap_err();
    assert!(matches!(error("nothing"), ReadError::NotFound(_)));
    assert!(matches!(error("a"), ReadError::NotAFile(_)));
    let error = error("a/b/c/d");
    assert!(matches!(error, ReadError::TooLarge { len: ByteLen(4), .. }), "{error}");
    for (cut, sector) in [(0, 16), (2048 * 16, 16), (2048 * 17, 17)] {
        let error = open(&iso[..cut]).unwrap_err();
        assert!(matches!(error, ReadError::NotIso(found) if found == sector), "{error}");
    }
    let end = iso.len() - 2048;
    let mut cut = open(&iso[..end]).unwrap();
    let failed = FILES.iter().filter(|(path, _)| cut.read(path, ByteLen(9)).is_err()).count();
    assert_eq!(failed, 1, "one file is not there any more");
    assert!(matches!(open(&iso[..2048 * 20]).unwrap_err(), ReadError::Outside { .. }));
    let mut strange = iso;
    strange[16 * 2048 + at::SECTOR_BYTES..][..2].copy_from_slice(&[0, 2]);
    assert!(matches!(open(&strange).unwrap_err(), ReadError::SectorSize(512)));
}

#[test]
fn without_rock_ridge_there_is_joliet_and_then_plain() {
    let mut iso = ours();
    let root = usize::try_from(le32(&iso, 16 * 2048 + at::ROOT + 2).unwrap()).unwrap() * 2048;
    let entries = root + 34;
    assert_eq!(&iso[entries..entries + 2], b"SP");
    iso[entries] = b'X';
    let joliet = open(&iso).unwrap();
    assert_eq!(joliet.volume().names, NameKind::Joliet);
    assert!(joliet.entry("boot/ünï code.with a long name and dots.txt").is_some());
    iso[17 * 2048 + at::ESCAPES] = b' ';
    let mut plain = open(&iso).unwrap();
    assert_eq!(plain.volume().names, NameKind::Plain);
    assert_eq!(plain.list("").unwrap(), ["A", "BOOT", "EMPTY"]);
    assert_eq!(plain.read("BOOT/GRUB/GRUB.CFG", ByteLen(9)).unwrap(), b"menu");
}

#[test]
fn directories_that_are_damaged_are_refused() {
    let iso = ours();
    let root = le32(&iso, 16 * 2048 + at::ROOT + 2).unwrap();
    let boot = record(&iso, b"BOOT");
    let changed = |at: usize, bytes: &[u8]| {
        let mut iso = iso.clone();
        iso[at..at + bytes.len()].copy_from_slice(bytes);
        open(&iso).unwrap_err()
    };
    let error = changed(boot + 2, &root.to_le_bytes());
    assert!(matches!(&error, ReadError::Loop(path) if path == "boot"), "{error}");
    let error = changed(boot + 2, &u32::MAX.to_le_bytes());
    assert!(matches!(error, ReadError::Outside { .. }), "{error}");
    let error = changed(boot + 10, &(u32::MAX - 2047).to_le_bytes());
    assert!(matches!(error, ReadError::Outside { .. }), "{error}");
    let error = changed(boot, &[20]);
    assert!(matches!(error, ReadError::Directory { .. }), "{error}");
    let name = iso[boot..].windows(4).position(|window| window == b"boot").unwrap();
    let error = changed(boot + name, b"b/..");
    assert!(matches!(&error, ReadError::Name { name, .. } if name == "b/.."), "{error}");
}

#[test]
fn catalogs_are_read_back() {
    let mut builder = builder();
    let bios = builder.add_file("bios", ByteLen(5000)).unwrap();
    let uefi = builder.add_file("esp", ByteLen(1 << 20)).unwrap();
    builder.boot_from_bios(bios);
    builder.boot_from_uefi(uefi);
    let layout = builder.layout().unwrap();
    let mut canvas = MemoryCanvas::default();
    let sector = layout.sector(bios).0;
    let info = [16, sector, 5000].map(u32::to_le_bytes).concat();
    canvas.write_at(ByteOffset(layout.place(bios).0 + 8), &info).unwrap();
    let iso = written(&layout, &mut canvas);
    let entry = |platform, load_sectors, sector, boot_info_len| BootEntry {
        platform,
        is_bootable: true,
        emulation: 0,
        load_sectors,
        sector,
        boot_info_len,
    };
    let expected = [
        entry(BootPlatform::Bios, 4, sector, Some(ByteLen(5000))),
        entry(BootPlatform::Uefi, 2048, layout.sector(uefi).0, None),
    ];
    assert_eq!(open(&iso).unwrap().boot_entries(), expected);
    let catalog = usize::try_from(le32(&iso, 17 * 2048 + 71).unwrap()).unwrap() * 2048;
    for (at, byte) in [(0, 2), (4, 9), (30, 0)] {
        let mut iso = iso.clone();
        iso[catalog + at] = byte;
        let error = open(&iso).unwrap_err();
        assert!(matches!(error, ReadError::Catalog { .. }), "{error}");
    }
}

#[test]
fn large_files_are_one_piece() {
    let mut builder = builder();
    let file = builder.add_file("large", ByteLen((1 << 33) + 5)).unwrap();
    let layout = builder.layout().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iso");
    let out = std::fs::File::options().read(true).write(true).create_new(true).open(path).unwrap();
    let mut canvas = crate::canvas::FileCanvas::new(std::sync::Arc::new(out));
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    let out = canvas.into_file();
    out.set_len(layout.end().0).unwrap();
    let image = Image::open(&*out).unwrap();
    let piece = Piece { at: layout.place(file), len: ByteLen((1 << 33) + 5) };
    assert_eq!(image.pieces("large").unwrap(), [piece]);
}

#[test]
fn any_byte_may_be_wrong() {
    let iso = ours();
    let mut random = 1_u64;
    for _ in 0..3000 {
        let mut iso = iso.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(random >> 33).unwrap() % (iso.len() - 16 * 2048);
            iso[16 * 2048 + at] = random.to_be_bytes()[7];
        }
        fuzz_image(&iso);
    }
}
