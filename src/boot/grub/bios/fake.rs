//! Files that look like GRUB's, for tests.

/// `boot.img`, with its code as 0xC0.
pub fn boot() -> Vec<u8> {
    let mut file = vec![0xC0; 512];
    file[..2].copy_from_slice(&[0xEB, 0x63]);
    file[0x03..0x5A].fill(0);
    file[0x5A..0x66].copy_from_slice(&[0x00, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFA]);
    file[0x66..0x68].copy_from_slice(&[0xEB, 0x05]);
    file[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
    file
}

/// `diskboot.img`, with its code as 0xD0.
pub fn diskboot() -> Vec<u8> {
    let mut file = vec![0xD0; 512];
    file[0x1E8..].fill(0);
    file[0x1F4] = 2;
    file[0x1FE..].copy_from_slice(&[0x20, 0x08]);
    file
}

/// `boot_hybrid.img`, with its code as 0xB0.
pub fn boot_hybrid() -> Vec<u8> {
    let mut file = vec![0xB0; 512];
    file[0] = 0xEB;
    file[0x5A..0x5C].copy_from_slice(&[0x00, 0x80]);
    file[0x64] = 0xFF;
    file[0x1B0..].fill(0);
    file[0x1B0] = 1;
    file[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
    file
}

/// `cdboot.img`, with its code as 0xA0.
pub fn cdboot() -> Vec<u8> {
    let mut file = vec![0xA0; 2048];
    file[..0x40].fill(0);
    file[..5].copy_from_slice(&[0xE8, 0, 0, 0xEB, 0x3B]);
    file[0x6E..0x73].copy_from_slice(&[0xEA, 0, 0, 0x20, 0x08]);
    file
}

/// `lzma_decompress.img`, with its code as 0xE0.
pub fn decompressor() -> Vec<u8> {
    let mut file = vec![0xE0; 2848];
    file[..0x14].fill(0);
    file[..5].copy_from_slice(&[0xEA, 0x1C, 0x82, 0, 0]);
    file
}

/// `kernel.img` with `.text` (`code`, at 0x9000), `.data` (at the next multiple of 16) and `.bss`.
pub fn kernel(code: &[u8], data: &[u8]) -> Vec<u8> {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let (code_at, data_at) = (52, 52 + len(code));
    let data_address = (0x9000 + len(code)).next_multiple_of(16);
    let bss_address = data_address + len(data);
    let table_at = data_at + len(data);
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2_u16, 3].map(u16::to_le_bytes).concat());
    file.extend([1, 0x9000, 0, table_at, 0].map(u32::to_le_bytes).concat());
    file.extend([52_u16, 0, 0, 40, 5, 0].map(u16::to_le_bytes).concat());
    file.extend(code);
    file.extend(data);
    // type, flags, address, offset, size
    let sections: [[u32; 5]; 5] = [
        [0; 5],
        [1, 6, 0x9000, code_at, len(code)],
        [1, 3, data_address, data_at, len(data)],
        [8, 3, bss_address, 0, 0x77B8],
        [3, 0, 0, 0, 52],
    ];
    for [kind, flags, address, offset, size] in sections {
        let header = [0, kind, flags, address, offset, size, 0, 0, 1, 0];
        file.extend(header.map(u32::to_le_bytes).concat());
    }
    file
}

/// The lowest bytes of numbers below `below`, without a pattern.
pub fn noise(below: u32, len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) % below
    };
    std::iter::repeat_with(next).take(len).map(|number| number.to_le_bytes()[0]).collect()
}
