use proptest::prelude::*;

use super::super::area::{Object, Word, pack};
use super::super::pe::GrubBinary;
use super::fake::{
    AARCH64, BSS_LEN, BSS_START, DATA, DATA_LEN, END, Relocation, START, TEXT_LEN, UNKNOWN, X86_64,
    kernel,
};
use super::*;

const ABSOLUTE: u32 = 1;
const RELATIVE: u32 = 2;

fn area() -> Vec<u8> {
    pack(Word::Bits64, &[Object::Prefix("/EFI/x")]).unwrap()
}

fn composed(relocations: &[Relocation]) -> Result<Vec<u8>, ImageError> {
    compose(Arch::X86_64, &kernel(X86_64, relocations), &area(), b"sbat,1\n")
}

fn u64_at(image: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(image[at..at + 8].try_into().unwrap())
}

#[test]
fn every_part_starts_at_a_page() {
    let image = composed(&[(0, DATA, ABSOLUTE, 0)]).unwrap();
    assert_eq!(image.len(), 0x8000);
    assert_eq!(image[0x1008..0x1000 + TEXT_LEN], [0xCC; TEXT_LEN - 8]);
    assert_eq!(image[0x2000..0x2000 + DATA_LEN], [0xDD; DATA_LEN]);
    assert!(image[0x2000 + DATA_LEN..0x5000].iter().all(|byte| *byte == 0), "zeros of .bss");
    assert_eq!(image[0x5000..0x5000 + area().len()], area());
    assert_eq!(image[0x6000..0x6008], *b"sbat,1\n\0");
    assert_eq!(image[0x7000..0x700C], *b"\0\x10\0\0\0\x10\0\0\0\xA0\0\0");
    let binary = GrubBinary::parse(&image).unwrap();
    assert_eq!(binary.prefix.as_deref(), Some("/EFI/x"));
}

#[test]
fn symbols_get_their_addresses() {
    let relocations = [
        (0x00, START, ABSOLUTE, 4),
        (0x08, DATA, ABSOLUTE, -8),
        (0x10, BSS_START, ABSOLUTE, 0),
        (0x18, END, ABSOLUTE, 0),
        (0x20, DATA, RELATIVE, -4),
    ];
    let image = composed(&relocations).unwrap();
    let addresses = [0x1000, 0x1008, 0x1010, 0x1018].map(|at| u64_at(&image, at));
    assert_eq!(addresses, [0x1004, 0x1FF8, 0x2018, 0x2020 + BSS_LEN]);
    assert_eq!(image[0x1020..0x1025], [0xDC, 0x0F, 0, 0, 0xCC]);
}

#[test]
fn only_kernels_that_can_do_with_it_ask_for_no_execute() {
    let with = kernel(X86_64, &[]);
    let at = with.windows(4).position(|name| name == b"grub").unwrap();
    let mut without = with.clone();
    without[at] = b'x';
    for (kernel, characteristics) in [(with, [0, 1]), (without, [0, 0])] {
        let image = compose(Arch::X86_64, &kernel, &area(), b"").unwrap();
        assert_eq!(image[0xDE..0xE0], characteristics);
    }
}

#[test]
fn what_cannot_be_relocated_is_refused() {
    let refused = |relocation| composed(&[relocation]).unwrap_err();
    let last = u64::try_from(TEXT_LEN).unwrap() - 7;
    assert_eq!(refused((0, UNKNOWN, ABSOLUTE, 0)), ImageError::Symbol("missing".to_owned()));
    assert_eq!(refused((0, START, 10, 0)), ImageError::RelocationType(10));
    assert_eq!(refused((0, START, RELATIVE, 1 << 32)), ImageError::Relocation(0x1000));
    assert_eq!(refused((last, START, ABSOLUTE, 0)), ImageError::Relocation(0x1000 + last));
    assert_eq!(refused((u64::MAX, START, ABSOLUTE, 0)), ImageError::Relocation(u64::MAX));
    assert!(matches!(refused((0, 99, ABSOLUTE, 0)), ImageError::Kernel(_)));
}

#[test]
fn kernels_without_bounds_are_refused() {
    let mut file = kernel(AARCH64, &[]);
    let headers = usize::try_from(u64_at(&file, 40)).unwrap();
    let zeros_len = headers + 3 * 64 + 32;
    for len in [LIMIT_BYTES, u64::MAX] {
        file[zeros_len..zeros_len + 8].copy_from_slice(&len.to_le_bytes());
        let error = compose(Arch::Aarch64, &file, &area(), b"").unwrap_err();
        assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
    }
    // sections that share their relocations
    let mut file = kernel(X86_64, &[(0, START, ABSOLUTE, 0); 40]);
    let headers = usize::try_from(u64_at(&file, 40)).unwrap();
    for section in [2, 3] {
        file.copy_within(headers + 4 * 64..headers + 5 * 64, headers + section * 64);
    }
    let error = compose(Arch::X86_64, &file, &area(), b"").unwrap_err();
    assert!(error.to_string().contains("overlap"), "{error}");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        words in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 0..2),
        keep in any::<prop::sample::Index>(),
        whole in any::<bool>(),
        arm in any::<bool>(),
    ) {
        let (arch, machine) = if arm { (Arch::Aarch64, AARCH64) } else { (Arch::X86_64, X86_64) };
        let kinds: &[u32] = if arm { &[257, 275, 277, 282, 283, 286] } else { &[1, 2, 4] };
        let relocations: Vec<Relocation> =
            (0..8).zip(kinds.iter().cycle()).map(|(at, kind)| (at * 8, START, *kind, 0)).collect();
        let mut file = kernel(machine, &relocations);
        let len = file.len();
        for (at, byte) in changes {
            file[at.index(len)] = byte;
        }
        for (at, word) in words {
            let at = at.index(len / 8) * 8;
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        if !whole {
            file.truncate(keep.index(len));
        }
        if let Ok(image) = compose(arch, &file, &area(), b"") {
            prop_assert!(to_u64(image.len()) <= LIMIT_BYTES);
            prop_assert!(GrubBinary::parse(&image).is_ok());
        }
    }
}
