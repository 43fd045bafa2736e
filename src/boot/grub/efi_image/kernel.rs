//! `kernel.img`: an ELF file of relocatable sections, and the places these get.
//!
//! Only sections that occupy memory count, in this order, each at a multiple of its alignment:
//!
//! ```text
//! 0x1000   executable sections                 padded to a page: end of `.text`
//!          other sections with content
//!          sections without (`.bss`)           padded to a page: end of `.data`
//! ```

use std::collections::BTreeMap;

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, Rela64, SectionHeader64, Sym64};
use object::read::SectionIndex;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};

use super::{ImageError, PAGE, not_a_kernel, page_end, to_usize};
use crate::spec::Arch;

type Header = FileHeader64<LE>;

/// A symbol of kernels that mark what of their memory can be run and what written. Only those can be
/// started by firmware that wants it so.
const MEMORY_ATTRIBUTES: &[u8] = b"grub_update_mem_attrs";

/// A parsed `kernel.img`.
pub struct Kernel<'a> {
    file: &'a [u8],
    sections: SectionTable<'a, Header>,
    symbols: SymbolTable<'a, Header>,
}

/// Where the sections of a kernel are.
#[derive(Debug)]
pub struct Layout {
    /// The end of the executable sections, padded.
    pub text_end: u64,
    /// The end of all, padded.
    pub end: u64,
    places: BTreeMap<usize, u64>,
    content_end: u64,
    zeros_end: u64,
}

/// The relocations of a section.
pub struct Relocations<'a> {
    /// Where the section that is changed starts.
    pub start: u64,
    /// Its length.
    pub len: u64,
    /// What is changed.
    pub entries: &'a [Rela64<LE>],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Content,
    Zeros,
}

impl Kind {
    fn of(section: &SectionHeader64<LE>) -> Option<Self> {
        let flags = section.sh_flags(LE);
        if !flags.contains(elf::SHF_ALLOC) {
            return None;
        }
        match section.sh_type(LE) {
            elf::SHT_PROGBITS if flags.contains(elf::SHF_EXECINSTR) => Some(Self::Code),
            elf::SHT_PROGBITS => Some(Self::Content),
            elf::SHT_NOBITS => Some(Self::Zeros),
            _ => None,
        }
    }
}

impl<'a> Kernel<'a> {
    /// Reads the tables of a file.
    pub fn parse(arch: Arch, file: &'a [u8]) -> Result<Self, ImageError> {
        let header = Header::parse(file)?;
        header.endian()?;
        let machine = match arch {
            Arch::X86_64 => elf::EM_X86_64,
            Arch::Aarch64 => elf::EM_AARCH64,
        };
        if header.e_machine(LE) != machine {
            return Err(not_a_kernel("it is for another machine"));
        }
        if header.e_type(LE) != elf::ET_REL {
            return Err(not_a_kernel("it is not relocatable"));
        }
        let sections = header.sections(LE, file)?;
        let symbols = sections.symbols(LE, file, elf::SHT_SYMTAB)?;
        Ok(Self { file, sections, symbols })
    }

    /// Gives every section its place.
    pub fn layout(&self) -> Result<Layout, ImageError> {
        let mut places = BTreeMap::new();
        let text_end = page_end(self.place(Kind::Code, PAGE, &mut places)?)?;
        let content_end = self.place(Kind::Content, text_end, &mut places)?;
        let zeros_end = self.place(Kind::Zeros, content_end, &mut places)?;
        Ok(Layout { text_end, end: page_end(zeros_end)?, places, content_end, zeros_end })
    }

    /// Places the sections of one kind from `end`; says where they end.
    fn place(
        &self,
        kind: Kind,
        mut end: u64,
        places: &mut BTreeMap<usize, u64>,
    ) -> Result<u64, ImageError> {
        for (index, section) in self.sections.enumerate() {
            if Kind::of(section) == Some(kind) {
                let alignment = section.sh_addralign(LE).max(1);
                let start = end.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
                end = start.saturating_add(section.sh_size(LE));
                page_end(end)?;
                places.insert(index.0, start);
            }
        }
        Ok(end)
    }

    /// The sections at their places, after a page of zeros for the headers.
    pub fn load(&self, layout: &Layout) -> Result<Vec<u8>, ImageError> {
        let mut image = vec![0; to_usize(layout.end)?];
        for (index, place) in &layout.places {
            let content = self.sections.section(SectionIndex(*index))?.data(LE, self.file)?;
            let start = to_usize(*place)?;
            image[start..start + content.len()].copy_from_slice(content);
        }
        Ok(image)
    }

    /// Where the program starts.
    pub fn entry(&self, layout: &Layout) -> Result<u64, ImageError> {
        let start = self.symbol_named(b"_start").map(|start| self.address(layout, start));
        match start.transpose()? {
            Some(entry) if (PAGE..layout.text_end).contains(&entry) => Ok(entry),
            _ => Err(not_a_kernel("its code has no symbol `_start`")),
        }
    }

    /// Whether this GRUB keeps its memory either writable or executable.
    pub fn sets_memory_attributes(&self) -> bool {
        self.symbol_named(MEMORY_ATTRIBUTES).is_some()
    }

    fn symbol_named(&self, name: &[u8]) -> Option<&'a Sym64<LE>> {
        let defined = |symbol: &&Sym64<LE>| symbol.st_shndx(LE) != elf::SHN_UNDEF;
        let named = |symbol: &&Sym64<LE>| self.symbols.symbol_name(LE, symbol) == Ok(name);
        self.symbols.iter().filter(defined).find(named)
    }

    /// The symbol of a relocation.
    pub fn symbol(&self, index: u32) -> Result<&'a Sym64<LE>, ImageError> {
        let index = to_usize(index.into())?;
        Ok(self.symbols.symbol(object::SymbolIndex(index))?)
    }

    /// The address of a symbol.
    pub fn address(&self, layout: &Layout, symbol: &Sym64<LE>) -> Result<u64, ImageError> {
        let name = || self.symbols.symbol_name(LE, symbol).unwrap_or_default();
        let unknown = || ImageError::Symbol(String::from_utf8_lossy(name()).into_owned());
        let place = match symbol.st_shndx(LE) {
            elf::SHN_UNDEF => match name() {
                b"" => Some(0),
                b"__bss_start" => Some(layout.content_end),
                b"_end" => Some(layout.zeros_end),
                _ => None,
            },
            elf::SHN_ABS => Some(0),
            section => section.index().and_then(|index| layout.place(SectionIndex(index.into()))),
        };
        Ok(place.ok_or_else(unknown)?.wrapping_add(symbol.st_value(LE)))
    }

    /// The relocations of all placed sections, in the order of the file.
    pub fn relocations(&self, layout: &Layout) -> Result<Vec<Relocations<'a>>, ImageError> {
        let mut all = Vec::new();
        // sections that share their entries would make a small file endless work
        let mut room = self.file.len() / size_of::<Rela64<LE>>();
        for section in self.sections.iter() {
            let target = SectionIndex(to_usize(section.sh_info(LE).into())?);
            let Some(start) = layout.place(target) else { continue };
            if section.sh_type(LE) == elf::SHT_REL {
                return Err(not_a_kernel("its relocations have no addends"));
            }
            let Some((entries, symbols)) = section.rela(LE, self.file)? else { continue };
            if symbols != self.symbols.section() {
                return Err(not_a_kernel("its relocations are not those of its symbols"));
            }
            room = room
                .checked_sub(entries.len())
                .ok_or_else(|| not_a_kernel("its relocations overlap"))?;
            all.push(Relocations {
                start,
                len: self.sections.section(target)?.sh_size(LE),
                entries,
            });
        }
        Ok(all)
    }
}

impl Layout {
    /// Where a section starts; none when it occupies no memory.
    pub fn place(&self, section: SectionIndex) -> Option<u64> {
        self.places.get(&section.0).copied()
    }
}
