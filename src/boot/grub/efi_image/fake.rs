//! Makes a small `kernel.img` for tests.

/// A relocation in `.text`: offset, symbol, type, addend.
pub type Relocation = (u64, u32, u32, i64);

/// The symbol of the start of `.text`.
pub const START: u32 = 1;
/// The symbol of the start of `.data`.
pub const DATA: u32 = 2;
/// The undefined symbols that the composer knows, and one that it does not.
pub const BSS_START: u32 = 3;
pub const END: u32 = 4;
pub const UNKNOWN: u32 = 5;

/// Lengths of the sections.
pub const TEXT_LEN: usize = 0x40;
pub const DATA_LEN: usize = 0x18;
pub const BSS_LEN: u64 = 0x2345;

/// The machines.
pub const X86_64: u16 = 62;
pub const AARCH64: u16 = 183;

const STRINGS: &[u8] = b"\0_start\0__bss_start\0_end\0missing\0grub_update_mem_attrs\0";
const HEADER_LEN: usize = 64;
const SYMBOLS: u32 = 5;
const STRINGS_INDEX: u32 = 6;

/// A kernel of seven sections: none, `.text`, `.data`, `.bss`, relocations, symbols, strings.
pub fn kernel(machine: u16, relocations: &[Relocation]) -> Vec<u8> {
    let mut file = vec![0; HEADER_LEN];
    let mut headers = vec![0; 64];
    let mut section = |kind: u32, flags: u64, content: &[u8], len: u64, link: (u32, u32), align| {
        headers.extend([0_u32, kind].map(u32::to_le_bytes).concat());
        let offset = u64::try_from(file.len()).unwrap();
        headers.extend([flags, 0, offset, len].map(u64::to_le_bytes).concat());
        headers.extend([link.0, link.1].map(u32::to_le_bytes).concat());
        let entry_len = u64::from(link.0 > 0) * 24;
        headers.extend([align, entry_len].map(u64::to_le_bytes).concat());
        file.extend(content);
    };
    let len = |content: &[u8]| u64::try_from(content.len()).unwrap();
    section(1, 6, &[0xCC; TEXT_LEN], len(&[0; TEXT_LEN]), (0, 0), 16);
    section(1, 3, &[0xDD; DATA_LEN], len(&[0; DATA_LEN]), (0, 0), 8);
    section(8, 3, &[], BSS_LEN, (0, 0), 32);
    let entries: Vec<u8> = relocations.iter().flat_map(relocation).collect();
    section(4, 0, &entries, len(&entries), (SYMBOLS, 1), 8);
    let symbols = [
        symbol(0, 0),
        symbol(1, 1),
        symbol(0, 2),
        symbol(8, 0),
        symbol(20, 0),
        symbol(25, 0),
        symbol(33, 1),
    ]
    .concat();
    section(2, 0, &symbols, len(&symbols), (STRINGS_INDEX, 1), 8);
    section(3, 0, STRINGS, len(STRINGS), (0, 0), 1);

    let table = u64::try_from(file.len()).unwrap();
    file.extend(headers);
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16] = 1;
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[20] = 1;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    for (at, value) in [(52, 64), (58, 64), (60, 7), (62, 6)] {
        file[at] = value;
    }
    file
}

fn relocation((offset, symbol, kind, addend): &Relocation) -> Vec<u8> {
    let info = u64::from(*symbol) << 32 | u64::from(*kind);
    [offset.to_le_bytes(), info.to_le_bytes(), addend.to_le_bytes()].concat()
}

fn symbol(name: u32, section: u16) -> Vec<u8> {
    let mut symbol = name.to_le_bytes().to_vec();
    symbol.extend([0x10, 0]);
    symbol.extend(section.to_le_bytes());
    symbol.extend([0; 16]);
    symbol
}
