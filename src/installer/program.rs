//! The program that an installer's medium starts: a file that needs no other.
//!
//! | field of the ELF | must be |
//! |---|---|
//! | class, byte order | 64 bits, little-endian |
//! | type | an executable, at a fixed place or not |
//! | machine | the medium's architecture |
//! | program headers | no `PT_INTERP`: nothing links it when it starts |
//!
//! Only headers are read. Whether it is a program of ours cannot be seen.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod;

use crate::spec::Arch;

/// The most program headers that are read; programs have a dozen.
const MOST_HEADERS: u16 = 1024;
const HEADER_LEN: usize = size_of::<FileHeader64<LittleEndian>>();
const PROGRAM_HEADER_LEN: u16 = 56;

/// Why a program cannot be an installer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be read.
    #[error("reading it")]
    Read(#[from] io::Error),
    /// It is no program.
    #[error("it is no program for Linux: {0}")]
    NotAProgram(&'static str),
    /// It is for other machines.
    #[error("it is no program for {}", .0.rust_name())]
    OtherMachine(Arch),
    /// It does not run without others.
    #[error("it is linked dynamically")]
    Dynamic,
}

/// Refuses what could not run alone, on that architecture.
///
/// # Errors
///
/// What is no such program, or cannot be read.
pub fn check(file: &File, arch: Arch) -> Result<(), ProgramError> {
    use ProgramError as E;
    let mut bytes = [0; HEADER_LEN];
    read(file, &mut bytes, 0)?;
    let (header, _) = pod::from_bytes::<FileHeader64<LittleEndian>>(&bytes)
        .map_err(|()| E::NotAProgram("it is too short"))?;
    let end = LittleEndian;
    let ident = &header.e_ident;
    if ident.magic != elf::ELFMAG {
        return Err(E::NotAProgram("no ELF"));
    }
    if ident.class != elf::ELFCLASS64 || ident.data != elf::ELFDATA2LSB {
        return Err(E::OtherMachine(arch));
    }
    if ![elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type.get(end)) {
        return Err(E::NotAProgram("no executable"));
    }
    let machine = match arch {
        Arch::X86_64 => elf::EM_X86_64,
        Arch::Aarch64 => elf::EM_AARCH64,
    };
    if header.e_machine.get(end) != machine {
        return Err(E::OtherMachine(arch));
    }
    let count = header.e_phnum.get(end);
    if header.e_phentsize.get(end) != PROGRAM_HEADER_LEN || !(1..=MOST_HEADERS).contains(&count) {
        return Err(E::NotAProgram("its program headers are of another kind"));
    }
    let mut bytes = vec![0; usize::from(count) * usize::from(PROGRAM_HEADER_LEN)];
    read(file, &mut bytes, header.e_phoff.get(end))?;
    let headers = pod::slice_from_all_bytes::<ProgramHeader64<LittleEndian>>(&bytes)
        .map_err(|()| E::NotAProgram("its program headers are of another kind"))?;
    match headers.iter().any(|header| header.p_type.get(end) == elf::PT_INTERP) {
        true => Err(E::Dynamic),
        false => Ok(()),
    }
}

fn read(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), ProgramError> {
    file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ProgramError::NotAProgram("it is too short"),
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS_AT: usize = 64;

    /// An executable for x86_64 with program headers of these types.
    fn program(types: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS_AT + types.len() * 56];
        bytes[..8].copy_from_slice(b"\x7FELF\x02\x01\x01\0");
        bytes[16] = 3;
        bytes[18] = 62;
        bytes[32] = u8::try_from(HEADERS_AT).unwrap();
        bytes[54] = 56;
        bytes[56] = u8::try_from(types.len()).unwrap();
        for (index, kind) in types.iter().enumerate() {
            bytes[HEADERS_AT + index * 56] = *kind;
        }
        bytes
    }

    fn checked(bytes: &[u8], arch: Arch) -> Result<(), String> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        check(&file, arch).map_err(|error| error.to_string())
    }

    #[test]
    fn programs_that_need_others_are_refused() {
        assert_eq!(checked(&program(&[6, 1, 2]), Arch::X86_64), Ok(()));
        let dynamic = checked(&program(&[6, 3, 1]), Arch::X86_64);
        assert_eq!(dynamic.unwrap_err(), "it is linked dynamically");
        let other = checked(&program(&[1]), Arch::Aarch64);
        assert_eq!(other.unwrap_err(), "it is no program for aarch64");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let with = |at: usize, value: u8| {
            let mut bytes = program(&[1]);
            bytes[at] = value;
            bytes
        };
        let whole = program(&[1, 1]);
        for bytes in [
            Vec::new(),
            b"#!/bin/sh\n".to_vec(),
            vec![7; 4096],
            with(4, 1),
            with(5, 2),
            with(16, 1),
            with(18, 3),
            with(39, 0xFF),
            with(54, 55),
            with(56, 0),
            with(57, 0xFF),
            whole[..whole.len() - 1].to_vec(),
        ] {
            assert!(checked(&bytes, Arch::X86_64).is_err(), "{bytes:?}");
        }
    }
}
