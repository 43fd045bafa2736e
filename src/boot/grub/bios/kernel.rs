//! GRUB's kernel as it lies in memory.
//!
//! `kernel.img` is an ELF file linked to run at 0x9000. Its sections that have bytes go where they
//! say. The module area follows where the last of them ends: `.bss` is not in there, because the
//! kernel looks for the area right behind its data (bootloader.md 2.4).

use object::LittleEndian;
use object::elf::{EM_386, ET_EXEC, FileHeader32, SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::{ImageError, PAYLOAD_LIMIT, verify, within};

/// Where the kernel runs.
const START: usize = 0x9000;
/// Where it must end, with `.bss`.
const END: usize = 0x6_8000;

/// What a core has in its LZMA stream: the kernel and the module area.
pub fn payload(kernel: &[u8], area: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut payload = flat(kernel)?;
    payload.extend(area);
    within("GRUB with its modules", payload.len(), PAYLOAD_LIMIT)?;
    Ok(payload)
}

fn flat(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    const LE: LittleEndian = LittleEndian;
    let header = FileHeader32::<LittleEndian>::parse(file)?;
    let checks = [
        (header.is_little_endian(), "its numbers are big-endian"),
        (header.e_machine(LE) == EM_386, "it is for another machine"),
        (header.e_type(LE) == ET_EXEC, "it is not linked"),
        (usize::try_from(header.e_entry(LE)) == Ok(START), "it does not start at 0x9000"),
    ];
    verify("kernel.img", &checks)?;
    let mut flat = Vec::new();
    for section in header.section_headers(LE, file)? {
        if !section.sh_flags(LE).contains(SHF_ALLOC) {
            continue;
        }
        let (start, len) = (section.sh_addr(LE), section.sh_size(LE));
        let end = usize::try_from(u64::from(start) + u64::from(len)).unwrap_or(usize::MAX);
        within("the kernel in memory, with what lies below it,", end, END)?;
        let offset = usize::try_from(start).ok().and_then(|start| start.checked_sub(START));
        let offset = offset.filter(|offset| *offset >= flat.len());
        let problem = "its sections are not in the order of their places";
        let offset = offset.ok_or(ImageError::NotGrub { file: "kernel.img", problem })?;
        if section.sh_type(LE) != SHT_NOBITS {
            flat.resize(offset, 0);
            flat.extend(section.data(LE, file)?);
        }
    }
    verify("kernel.img", &[(!flat.is_empty(), "it has no code")])?;
    Ok(flat)
}
