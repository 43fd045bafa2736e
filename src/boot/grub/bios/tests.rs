use super::*;
use crate::units::CdSector;
use proptest::prelude::*;

/// What a stream holds, by another library than the one that wrote it.
fn decompress(stream: &[u8], len: usize) -> Vec<u8> {
    let mut file = vec![(2 * 5) * 9 + 3];
    file.extend(0x1_0000_u32.to_le_bytes());
    file.extend(u64::try_from(len).unwrap().to_le_bytes());
    file.extend(stream);
    let (mut rest, mut content) = (file.as_slice(), Vec::new());
    lzma_rs::lzma_decompress(&mut rest, &mut content).unwrap();
    assert!(rest.is_empty(), "{} bytes after the stream", rest.len());
    content
}

fn compose(kernel: &[u8], area: &[u8]) -> Result<CoreImage, ImageError> {
    let (diskboot, decompressor) = (fake::diskboot(), fake::decompressor());
    core_image(Parts { diskboot: &diskboot, decompressor: &decompressor, kernel }, area)
}

/// Bytes that no compression makes smaller.
fn noise(len: usize) -> Vec<u8> {
    fake::noise(256, len)
}

#[test]
fn the_kernel_lies_as_it_is_linked_and_without_bss() {
    let kernel = fake::kernel(b"code!", b"data");
    assert_eq!(payload(&kernel, b"area").unwrap(), b"code!\0\0\0\0\0\0\0\0\0\0\0dataarea");
}

#[test]
fn sector_0_is_told_the_place_of_the_core() {
    let boot = fake::boot();
    let code = boot_code(&boot, Lba(0x0102_0304_0506_0708)).unwrap();
    let expected: [(usize, &[u8]); 6] = [
        (0x00, &[0xEB, 0x63, 0xC0]),
        (0x03, &[0; 87]),
        (0x5A, &[0x00, 0x80]),
        (0x5C, &[8, 7, 6, 5, 4, 3, 2, 1]),
        (0x64, &[0xFF, 0xFA, 0x90, 0x90]),
        (0x68, &[0xC0; 440 - 0x68]),
    ];
    for (at, bytes) in expected {
        assert_eq!(code[at..at + bytes.len()], *bytes, "{at:#x}");
    }
}

#[test]
fn a_core_is_told_its_place_and_its_lengths() {
    let area = noise(3000);
    let kernel = fake::kernel(b"code", b"data");
    let image = compose(&kernel, &area).unwrap();
    let len = image.len();
    let core = image.at(Lba(2048));
    assert_eq!(core.len(), len);
    let (diskboot, rest) = core.split_at(512);
    let (decompressor, stream) = rest.split_at(2848);
    let le32 = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    let count = u16::try_from(rest.len().div_ceil(512)).unwrap();
    assert!(count > 8, "the noise is in there");

    let mut expected = fake::diskboot();
    expected[0x1F4..0x1FC].copy_from_slice(&2049_u64.to_le_bytes());
    expected[0x1FC..0x1FE].copy_from_slice(&count.to_le_bytes());
    assert_eq!(diskboot, expected);

    let payload = payload(&kernel, &area).unwrap();
    let mut expected = fake::decompressor();
    expected[0x08..0x0C].copy_from_slice(&le32(stream.len()));
    expected[0x0C..0x10].copy_from_slice(&le32(payload.len()));
    assert_eq!(decompressor, expected);
    assert_eq!(decompress(stream, payload.len()), payload);
}

fn cd(cdboot: &[u8], area: &[u8]) -> Result<CdImage, ImageError> {
    let (diskboot, decompressor) = (fake::diskboot(), fake::decompressor());
    let kernel = fake::kernel(b"code", b"data");
    let parts = Parts { diskboot: &diskboot, decompressor: &decompressor, kernel: &kernel };
    cd_image(cdboot, parts, area)
}

#[test]
fn an_image_for_a_cd_is_told_its_place_three_times() {
    // every length of a last word
    for len in 3000..3004 {
        let image = cd(&fake::cdboot(), &noise(len)).unwrap();
        let bytes = image.at(CdSector(0x0102_0304));
        assert_eq!(bytes.len(), image.len());
        let le32 = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([le32(0x08), le32(0x0C)], [16, 0x0102_0304]);
        assert_eq!(usize::try_from(le32(0x10)), Ok(bytes.len()));
        assert_eq!(bytes[0x9F4..0x9FC], 0x0408_0C15_u64.to_le_bytes());
        let mut padded = bytes.clone();
        padded.resize(bytes.len().next_multiple_of(4), 0);
        let words = padded[0x40..].chunks_exact(4);
        let words = words.map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
        assert_eq!(u64::from(le32(0x14)), words.sum::<u64>() & 0xFFFF_FFFF);
        assert_eq!(bytes[0x18..0x40], [0; 40]);
        let core = compose(&fake::kernel(b"code", b"data"), &noise(len)).unwrap();
        assert_eq!(bytes[2048..], core.at(Lba(0x0408_0C14)));
    }
    let last = cd(&fake::cdboot(), b"area").unwrap().at(CdSector(u32::MAX));
    assert_eq!(last[0x9F4..0x9FC], ((1_u64 << 34) + 1).to_le_bytes());
}

#[test]
fn sector_0_of_a_medium_leads_behind_the_first_sector_of_the_image() {
    let file = fake::boot_hybrid();
    let code = HybridCode::parse(&file).unwrap().at(CdSector(67));
    assert_eq!(code[..0x1B0], file[..0x1B0]);
    assert_eq!(code[0x1B0..], 272_u64.to_le_bytes());
    // where the other sector 0 has its field, this one has code
    HybridCode::parse(&fake::boot()).unwrap_err();
    boot_code(&file, Lba(1)).unwrap_err();
}

#[test]
fn what_would_not_fit_into_memory_is_refused() {
    let kernel = fake::kernel(b"code", b"data");
    let error = compose(&kernel, &noise(LOADED_LIMIT)).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { limit: LOADED_LIMIT, .. }), "{error}");
    // whatever it is, if it is huge
    let error = compose(&kernel, &vec![0; PAYLOAD_LIMIT]).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { limit: PAYLOAD_LIMIT, .. }), "{error}");
    // what is just small enough
    compose(&kernel, &noise(LOADED_LIMIT - 20_000)).unwrap();
    // .bss counts: it would end above 0x68000
    let kernel = fake::kernel(&vec![0; 0x6_8000 - 0x9000 - 0x7000], b"");
    let error = payload(&kernel, b"").unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { limit: 0x6_8000, .. }), "{error}");
}

/// Each field that is verified, changed alone.
#[test]
fn files_that_are_not_of_grub_are_refused() {
    let diskboot = |file: &[u8]| sectors::diskboot(file, 1000).map(drop);
    let boot = |file: &[u8]| boot_code(file, Lba(1)).map(drop);
    let unpacker = |file: &[u8]| decompressor(file, 1, 1).map(drop);
    let kernel = |file: &[u8]| payload(file, b"").map(drop);
    type Check<'a> = &'a dyn Fn(&[u8]) -> Result<(), ImageError>;
    let cdboot = |file: &[u8]| cd(file, b"area").map(drop);
    let hybrid = |file: &[u8]| HybridCode::parse(file).map(drop);
    let cases: [(Vec<u8>, Check<'_>, &[usize]); 6] = [
        (fake::cdboot(), &cdboot, &[0, 3, 4, 0x08, 0x3F, 0x6E, 0x72]),
        (
            fake::boot_hybrid(),
            &hybrid,
            &[0, 0x5A, 0x5B, 0x64, 0x1B0, 0x1B7, 0x1B8, 0x1FD, 0x1FE, 0x1FF],
        ),
        (fake::boot(), &boot, &[0, 0x5A, 0x5B, 0x5C, 0x63, 0x64, 0x66, 0x1FE, 0x1FF]),
        (fake::diskboot(), &diskboot, &[0x1E8, 0x1F3, 0x1F4, 0x1FC, 0x1FE, 0x1FF]),
        (fake::decompressor(), &unpacker, &[0, 2, 3, 4, 0x08, 0x0C, 0x10]),
        // class, byte order, type, machine, entry, place of the sections, address of `.text`
        (fake::kernel(b"", b"data"), &kernel, &[0, 4, 5, 16, 18, 25, 33, 46, 0x38 + 40 + 13]),
    ];
    for (file, check, places) in cases {
        check(&file).unwrap();
        check(&file[..24]).unwrap_err();
        check(b"").unwrap_err();
        for place in places {
            let mut file = file.clone();
            file[*place] ^= 0xFF;
            assert!(check(&file).is_err(), "{place:#x} of {} bytes", file.len());
        }
    }
    unpacker(&[fake::decompressor(), vec![0; 3585 - 2848]].concat()).unwrap_err();
    boot(&[fake::boot(), vec![0x55, 0xAA]].concat()).unwrap_err();
}

#[test]
fn sections_must_be_in_order() {
    let kernel = fake::kernel(b"code of some length", b"data");
    let table = 52 + 23;
    let mut swapped = kernel.clone();
    let (text, data) = (table + 40, table + 80);
    swapped[text..data].copy_from_slice(&kernel[data..data + 40]);
    swapped[data..data + 40].copy_from_slice(&kernel[text..data]);
    let error = payload(&swapped, b"").unwrap_err().to_string();
    assert!(error.ends_with("its sections are not in the order of their places"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_holds_what_was_compressed(
        runs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 1..2000_usize), 0..20),
    ) {
        let content: Vec<u8> = runs.iter().flat_map(|(run, times)| run.repeat(*times)).collect();
        let stream = compress::compress(&content);
        prop_assert_eq!(stream[0], 0);
        prop_assert_eq!(decompress(&stream, content.len()), content);
    }
}

proptest! {
    #[test]
    fn no_kernel_makes_it_panic(
        changes in prop::collection::vec((0..400_usize, any::<u8>()), 0..6),
        keep in 0..400_usize,
    ) {
        let mut file = fake::kernel(b"code of some length", b"data");
        file.truncate(keep.max(1));
        let len = file.len();
        for (at, byte) in changes {
            file[at % len] = byte;
        }
        if let Ok(payload) = payload(&file, b"area") {
            prop_assert!(payload.len() <= 0x6_8000 - 0x9000 + 4);
        }
    }

    #[test]
    fn no_part_makes_it_panic(
        mut boot in Just(fake::boot()),
        mut diskboot in Just(fake::diskboot()),
        mut decompressor in Just(fake::decompressor()),
        changes in prop::collection::vec((0..3_usize, 0..4000_usize, any::<u8>()), 0..4),
        keep in (0..1000_usize, 0..1000_usize, 0..4000_usize),
    ) {
        let mut files = [&mut boot, &mut diskboot, &mut decompressor];
        for (file, keep) in files.iter_mut().zip([keep.0, keep.1, keep.2]) {
            file.truncate(keep.max(1));
        }
        for (file, at, byte) in changes {
            let len = files[file].len();
            files[file][at % len] = byte;
        }
        let kernel = fake::kernel(b"code", b"data");
        let parts = Parts { diskboot: &diskboot, decompressor: &decompressor, kernel: &kernel };
        let _ = boot_code(&boot, Lba(u64::MAX));
        let _ = core_image(parts, b"area").map(|image| image.at(Lba(u64::MAX)));
        let _ = cd_image(&fake::cdboot(), parts, b"area").map(|image| image.at(CdSector(u32::MAX)));
    }
}
