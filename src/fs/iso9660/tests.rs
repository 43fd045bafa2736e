use super::*;
use crate::canvas::{Canvas as _, MemoryCanvas};
use crate::units::ByteOffset;

fn builder() -> Builder {
    Builder::new(Options {
        volume_id: VolumeId::parse("Some-OS_1.0").unwrap(),
        application: "tests".into(),
        time: Timestamp::of_secs(1_700_000_000),
    })
    .unwrap()
}

/// The whole volume, its files filled with their paths.
fn written(layout: &Layout, files: &[(FileId, &str)]) -> Vec<u8> {
    let mut canvas = MemoryCanvas::default();
    for (file, path) in files {
        canvas.write_at(layout.place(*file), path.as_bytes()).unwrap();
    }
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    canvas.bytes.resize(usize::try_from(layout.end().0).unwrap(), 0);
    canvas.bytes
}

fn with(paths: &[&str]) -> Vec<u8> {
    let mut builder = builder();
    let mut add =
        |path: &&str| builder.add_file(path, ByteLen(u64::try_from(path.len()).unwrap())).unwrap();
    let ids: Vec<FileId> = paths.iter().map(&mut add).collect();
    let layout = builder.layout().unwrap();
    written(&layout, &ids.into_iter().zip(paths.iter().copied()).collect::<Vec<_>>())
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn bytes_do_not_depend_on_the_order_of_adding() {
    let paths = ["a/b/c", "a/d", "z", "boot/grub/grub.cfg"];
    let reversed: Vec<&str> = paths.iter().rev().copied().collect();
    assert!(with(&paths) == with(&reversed));
}

#[test]
fn the_first_descriptor_says_what_there_is() {
    let iso = with(&["a"]);
    let primary = &iso[16 * 2048..17 * 2048];
    assert_eq!(&primary[..8], b"\x01CD001\x01\0");
    assert_eq!(&primary[40..72], b"Some-OS_1.0                     ");
    assert_eq!(le32(primary, 80), u32::try_from(iso.len() / 2048).unwrap());
    assert_eq!(&primary[813..830], b"2023111422132000\0");
    assert_eq!(iso[17 * 2048], 2, "nothing boots, so there is no boot record");
    assert_eq!(iso[18 * 2048], 255);
    let root = le32(primary, 158);
    let records = &iso[usize::try_from(root).unwrap() * 2048..];
    assert_eq!(records[32..34], [1, 0]);
}

#[test]
fn catalogs_lead_to_what_boots() {
    let mut builder = builder();
    let bios = builder.add_file("boot/bios.img", ByteLen(5000)).unwrap();
    let uefi = builder.add_aligned_file("boot/esp.img", ByteLen(40 << 20), 1 << 20).unwrap();
    let small = builder.add_file("boot/small.img", ByteLen(1 << 20)).unwrap();
    let catalog = |bios: Option<FileId>, uefi: Option<FileId>| {
        let mut builder = builder.clone();
        bios.into_iter().for_each(|file| builder.boot_from_bios(file));
        uefi.into_iter().for_each(|file| builder.boot_from_uefi(file));
        let layout = builder.layout().unwrap();
        let mut canvas = MemoryCanvas::default();
        layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
        assert_eq!(&canvas.bytes[17 * 2048..][..9], b"\0CD001\x01EL");
        let at = usize::try_from(le32(&canvas.bytes, 17 * 2048 + 71)).unwrap();
        let catalog = canvas.bytes[at * 2048..][..128].to_vec();
        let words = catalog[..32].chunks(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
        assert_eq!(words.fold(0, u16::wrapping_add), 0);
        (layout, catalog)
    };
    let (layout, both) = catalog(Some(bios), Some(uefi));
    assert_eq!(layout.place(uefi).0 % (1 << 20), 0);
    assert_eq!((both[1], both[32], both[38], le32(&both, 40)), (0, 0x88, 4, layout.sector(bios).0));
    assert_eq!(both[64..68], [0x91, 0xEF, 1, 0]);
    assert_eq!((both[96], both[102], both[103]), (0x88, 0, 0), "too long for 16 bits");
    assert_eq!(le32(&both, 104), layout.sector(uefi).0);
    let (_, small) = catalog(None, Some(small));
    assert_eq!((small[1], small[32], small[38], small[39]), (0xEF, 0x88, 0, 8));
    assert_eq!(catalog(Some(bios), None).1[64..], [0; 64]);
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let mut iso = builder();
    iso.add_file("a/b", ByteLen(1)).unwrap();
    let long = "x".repeat(121);
    for path in ["", "/a", "a/", "a//b", "a/../b", "a\n", "1/2/3/4/5/6/7/8/9", &long] {
        assert!(matches!(iso.add_file(path, ByteLen(0)), Err(IsoError::Path { .. })), "{path}");
    }
    for path in ["a", "a/b", "a/b/c"] {
        assert!(matches!(iso.add_file(path, ByteLen(0)), Err(IsoError::Taken(_))), "{path}");
    }
    for len in [u64::MAX, 1 << 44] {
        let mut iso = builder();
        iso.add_file("a", ByteLen(len)).unwrap();
        assert!(matches!(iso.layout(), Err(IsoError::TooLarge(_))), "{len}");
    }
    let layout = iso.layout().unwrap();
    let mut canvas = MemoryCanvas::default();
    for volume in [layout.end().0 - 2048, layout.end().0 + 512] {
        let error = layout.write(&mut canvas, ByteLen(volume));
        assert!(matches!(error, Err(IsoError::VolumeSize { .. })), "{volume}");
    }
    assert!(canvas.bytes.is_empty());
}

#[test]
fn large_files_have_several_extents() {
    let mut iso = builder();
    let len = (1 << 33) + 5;
    let file = iso.add_file("large", ByteLen(len)).unwrap();
    let after = iso.add_file("next", ByteLen(1)).unwrap();
    let layout = iso.layout().unwrap();
    assert_eq!(layout.place(after).0 - layout.place(file).0, len.next_multiple_of(2048));
    let mut canvas = MemoryCanvas::default();
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    let root = usize::try_from(le32(&canvas.bytes, 16 * 2048 + 158)).unwrap() * 2048;
    let mut found = Vec::new();
    let mut at = root;
    while canvas.bytes[at] != 0 {
        let record = &canvas.bytes[at..at + usize::from(canvas.bytes[at])];
        if record[33..].starts_with(b"LARGE.;1") {
            found.push((le32(record, 2), le32(record, 10), record[25]));
        }
        at += record.len();
    }
    let (first, whole) = (layout.sector(file).0, u32::MAX - 2047);
    let sectors = whole / 2048;
    let rest = u32::try_from(len - 2 * u64::from(whole)).unwrap();
    let expected =
        [(first, whole, 0x80), (first + sectors, whole, 0x80), (first + 2 * sectors, rest, 0)];
    assert_eq!(found, expected);
    assert_eq!(layout.place(file), ByteOffset(u64::from(first) * 2048));
}
