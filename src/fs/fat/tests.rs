use super::*;
use crate::canvas::MemoryCanvas;
use crate::units::MIB;

fn options(size_mib: u64) -> Options {
    Options {
        size: ByteLen(size_mib * MIB),
        sector: SectorSize::B512,
        start: ByteOffset(2 * MIB),
        label: "EFI-SYSTEM".into(),
        serial: 0x1234_ABCD,
        time: Timestamp { secs: 1_700_000_000, nanos: 0 },
    }
}

fn builder(size_mib: u64) -> Builder {
    Builder::new(options(size_mib)).unwrap()
}

#[test]
fn names_fat_cannot_tell_apart_clash() {
    let mut fat = builder(64);
    fat.add_file("EFI/BOOT/grub.cfg", *b"1").unwrap();
    for path in ["EFI/BOOT/GRUB.cfg", "EFI/BOOT/grub.cfg", "efi/x", "EFI/boot", "EFI/BOOT"] {
        let error = fat.add_file(path, *b"2").unwrap_err();
        assert!(matches!(error, FatError::Clash { .. }), "{path}: {error}");
    }
    let below_a_file = fat.add_file("EFI/BOOT/grub.cfg/x", *b"2").unwrap_err();
    assert!(matches!(below_a_file, FatError::Clash { .. }));
}

#[test]
fn paths_that_are_none_are_refused() {
    let mut fat = builder(64);
    for path in ["", "/a", "a//b", "a/", "a/../b", "./a", "a:b", "dir./x"] {
        let error = fat.add_file(path, *b"").unwrap_err();
        assert!(matches!(error, FatError::Name { .. }), "{path}: {error}");
    }
}

#[test]
fn the_order_of_adding_does_not_show() {
    let write = |paths: &[&str]| {
        let mut fat = builder(64);
        paths.iter().for_each(|path| fat.add_file(path, path.as_bytes()).unwrap());
        let mut canvas = MemoryCanvas::default();
        fat.finish(&mut canvas).unwrap();
        canvas.bytes
    };
    let (forth, back) = (["b/x", "a/long name", "a/c", "z"], ["z", "a/c", "a/long name", "b/x"]);
    assert_eq!(write(&forth), write(&back));
}

#[test]
fn a_full_one_names_the_size_that_does() {
    let fill = |size_mib| {
        let mut fat = builder(size_mib);
        for number in 0..60 {
            fat.add_file(&format!("EFI/{number}"), vec![1; 5 << 20]).unwrap();
        }
        fat.finish(&mut MemoryCanvas::default())
    };
    let Err(FatError::TooSmall { size, needed }) = fill(100) else { panic!("fits") };
    assert_eq!((size, needed), (ByteLen(100 * MIB), ByteLen(301 * MIB)));
    assert!(fill(301).is_ok());
    assert!(matches!(fill(300), Err(FatError::TooSmall { .. })));
}

#[test]
fn a_directory_has_a_limit() {
    let mut fat = builder(64);
    for number in 0..40_000 {
        fat.add_file(&format!("d/lower-{number}"), *b"").unwrap();
    }
    let error = fat.finish(&mut MemoryCanvas::default()).unwrap_err();
    assert!(matches!(error, FatError::DirectoryTooLarge { .. }));
}

#[test]
fn wrong_labels_are_refused() {
    let wrong = Options { label: "efi".into(), ..options(64) };
    assert!(matches!(Builder::new(wrong), Err(FatError::Label(_))));
}
