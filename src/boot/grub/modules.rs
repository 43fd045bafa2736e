//! GRUB's modules in the image: one directory, all of one build.
//!
//! Such a directory holds what `grub-mkimage` makes images from:
//!
//! | file | what it is |
//! |---|---|
//! | `kernel.img` | the core that modules are loaded into |
//! | `NAME.mod` | a module |
//! | `moddep.lst` | which modules a module needs |
//! | other `*.lst` | commands, file systems, … by module, read by GRUB when it runs |
//! | `boot.img`, `diskboot.img`, `lzma_decompress.img` | BIOS only: see [`super::bios`] |
//!
//! `moddep.lst` has a line for each module with needs. The rules for reading it make the order of
//! modules in an image the same as the usual tool's (bootloader.md 2.6):
//!
//! ```text
//! normal: terminal crypto extcmd
//! ```
//!
//! * a module comes after all that it needs, each once, in the order they were asked for;
//! * the needs of one module are visited from the last to the first;
//! * of several lines for one module the last counts; a module without a line needs nothing.
//!
//! Modules only fit the kernel of their build, so directories are never mixed.

use std::collections::{BTreeMap, BTreeSet};

use crate::boot::{BootError, CONFIG_LIMIT_BYTES};
use crate::files::{FileKind, Files};
use crate::spec::Arch;

/// The most that is read of a file: the largest there are have a quarter of a megabyte.
const FILE_LIMIT_BYTES: u64 = 4 << 20;
/// The most that the modules of one image may have together. BIOS allows less, see [`super::bios`].
const TOTAL_LIMIT_BYTES: usize = 32 << 20;

/// What GRUB runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// BIOS.
    I386Pc,
    /// UEFI of x86.
    X86_64Efi,
    /// UEFI of ARM.
    Arm64Efi,
}

impl Platform {
    /// UEFI of an architecture.
    pub fn uefi(arch: Arch) -> Self {
        match arch {
            Arch::X86_64 => Self::X86_64Efi,
            Arch::Aarch64 => Self::Arm64Efi,
        }
    }

    /// The name of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::I386Pc => "i386-pc",
            Self::X86_64Efi => "x86_64-efi",
            Self::Arm64Efi => "arm64-efi",
        }
    }
}

/// Where distributions keep the directories of platforms.
const PLACES: [&str; 3] = ["usr/lib/grub", "usr/share/grub2", "usr/lib/grub2"];

/// A directory of GRUB modules in the image.
pub struct Modules<'a> {
    files: &'a dyn Files,
    directory: String,
    needs: BTreeMap<String, Vec<String>>,
}

impl std::fmt::Debug for Modules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Modules").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl<'a> Modules<'a> {
    /// Finds the directory of a platform; `None` when the image has no modules for it.
    pub fn find(files: &'a dyn Files, platform: Platform) -> Result<Option<Self>, BootError> {
        let complete = |directory: &String| {
            let has = |name| files.leads_to_file(&format!("{directory}/{name}"));
            has("moddep.lst") && has("kernel.img")
        };
        let Some(directory) = Self::places(platform).into_iter().find(complete) else {
            return Ok(None);
        };
        let path = format!("{directory}/moddep.lst");
        let text = files.read_following(&path, CONFIG_LIMIT_BYTES)?.unwrap_or_default();
        let needs = parse(&text).map_err(|line| BootError::GrubModuleList { path, line })?;
        Ok(Some(Self { files, directory, needs }))
    }

    /// Where the directory of a platform is looked for, in that order.
    pub fn places(platform: Platform) -> Vec<String> {
        PLACES.iter().map(|place| format!("{place}/{}", platform.name())).collect()
    }

    /// The directory's path in the image.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Whether there is such a module.
    pub fn has(&self, module: &str) -> bool {
        is_name(module) && self.files.leads_to_file(&self.path(&format!("{module}.mod")))
    }

    /// The names of these modules and of all that they need, in the order of loading.
    pub fn closure(&self, wanted: &[&str]) -> Result<Vec<String>, BootError> {
        enum Step<'a> {
            Enter(&'a str),
            Leave(&'a str),
        }
        let mut entered = BTreeSet::new();
        let mut ordered = Vec::new();
        let mut missing = Vec::new();
        let mut steps: Vec<Step<'_>> = wanted.iter().rev().map(|name| Step::Enter(name)).collect();
        // what is pushed last comes first: a stack of its own, as chains may have any length
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(name) if entered.insert(name) => {
                    steps.push(Step::Leave(name));
                    let needs = self.needs.get(name).into_iter().flatten();
                    steps.extend(needs.map(|need| Step::Enter(need)));
                    if !self.has(name) {
                        missing.push(name.to_owned());
                    }
                }
                Step::Enter(_) => {}
                Step::Leave(name) => ordered.push(name.to_owned()),
            }
        }
        if missing.is_empty() {
            Ok(ordered)
        } else {
            Err(BootError::GrubModules { path: self.directory.clone(), missing })
        }
    }

    /// The files of these modules and of all that they need, in the order of loading.
    pub fn load(&self, wanted: &[&str]) -> Result<Vec<Vec<u8>>, BootError> {
        let mut loaded = Vec::new();
        let mut left = TOTAL_LIMIT_BYTES;
        for name in self.closure(wanted)? {
            let file = self.module(&name)?;
            let too_large = || BootError::GrubModulesTooLarge { path: self.directory.clone() };
            left = left.checked_sub(file.len()).ok_or_else(too_large)?;
            loaded.push(file);
        }
        Ok(loaded)
    }

    /// The file of a module.
    pub fn module(&self, name: &str) -> Result<Vec<u8>, BootError> {
        self.file(&format!("{name}.mod"))
    }

    /// A file of the directory: `kernel.img`, `boot.img`, …
    pub fn file(&self, name: &str) -> Result<Vec<u8>, BootError> {
        let path = self.path(name);
        let file = self.files.read_following(&path, FILE_LIMIT_BYTES)?;
        file.ok_or(BootError::GrubFile { path })
    }

    /// The names of the files that GRUB looks for when it runs: all modules and lists, at most
    /// [`TOTAL_LIMIT_BYTES`] of them.
    pub fn installable(&self) -> Result<Vec<String>, BootError> {
        let mut left = TOTAL_LIMIT_BYTES;
        let mut names = Vec::new();
        for name in self.files.names(&self.real_directory()) {
            let stem = name.strip_suffix(".mod").or_else(|| name.strip_suffix(".lst"));
            let real = self.files.resolve(&self.path(&name)).filter(|_| stem.is_some_and(is_name));
            let kind = real.and_then(|real| self.files.kind(&real));
            let Some(FileKind::Regular { len_bytes }) = kind else { continue };
            let too_large = || BootError::GrubModulesTooLarge { path: self.directory.clone() };
            let len = usize::try_from(len_bytes).map_err(|_| too_large())?;
            left = left.checked_sub(len).ok_or_else(too_large)?;
            names.push(name);
        }
        Ok(names)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    fn real_directory(&self) -> String {
        self.files.resolve(&self.directory).unwrap_or_default()
    }
}

/// Reads `moddep.lst`; the error is the number of a line that cannot be understood.
fn parse(text: &[u8]) -> Result<BTreeMap<String, Vec<String>>, usize> {
    let mut needs = BTreeMap::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = str::from_utf8(line).map_err(|_| number)?.trim();
        if line.is_empty() {
            continue;
        }
        let (name, rest) = line.split_once(':').ok_or(number)?;
        let needed: Vec<String> = rest.split_ascii_whitespace().map(str::to_owned).collect();
        if !needed.iter().map(String::as_str).chain([name]).all(is_name) {
            return Err(number);
        }
        needs.insert(name.to_owned(), needed);
    }
    Ok(needs)
}

/// Modules are named by plain words, never by paths.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{FileKind, FilesError, MemoryFiles};
    use proptest::prelude::*;

    const DIRECTORY: &str = "usr/lib/grub/i386-pc";

    /// A directory with a module for each letter.
    fn files(moddep: &str) -> MemoryFiles {
        let files = MemoryFiles::default()
            .with(&format!("{DIRECTORY}/kernel.img"), "kernel")
            .with(&format!("{DIRECTORY}/moddep.lst"), moddep);
        ('a'..='z').fold(files, |files, name| {
            files.with(&format!("{DIRECTORY}/{name}.mod"), name.to_string())
        })
    }

    fn closure(moddep: &str, wanted: &[&str]) -> Result<String, BootError> {
        let files = files(moddep);
        let modules = Modules::find(&files, Platform::I386Pc)?.unwrap();
        Ok(modules.closure(wanted)?.concat())
    }

    #[test]
    fn modules_come_after_what_they_need() {
        let cases = [
            ("", &["b", "a"][..], "ba"),
            ("a: b c\n", &["a"], "cba"),
            ("a: b c\nc: d\nb: d\n", &["a"], "dcba"),
            ("a: b c\nc:\nb: c", &["a", "c", "x"], "cbax"),
            ("a: b c\nx: a\n", &["b", "x", "b"], "bcax"),
            // of two lines the last counts
            ("a: b\na: c\n", &["a"], "ca"),
            // a circle ends somewhere
            ("a: b\nb: c\nc: a\n", &["a"], "cba"),
            ("a: a\n\n", &["a", "a"], "a"),
        ];
        for (moddep, wanted, expected) in cases {
            assert_eq!(closure(moddep, wanted).unwrap(), expected, "{moddep:?} {wanted:?}");
        }
    }

    #[test]
    fn missing_modules_are_all_named() {
        let error = closure("a: gone b lost\n", &["a", "never"]).unwrap_err();
        let BootError::GrubModules { path, missing } = error else { panic!("{error}") };
        assert_eq!(path, DIRECTORY);
        assert_eq!(missing, ["lost", "gone", "never"]);
    }

    /// An image with every module there could be.
    struct Everything(String);

    impl Files for Everything {
        fn kind(&self, path: &str) -> Option<FileKind> {
            let file = FileKind::Regular { len_bytes: 0 };
            Some(if path.contains('.') { file } else { FileKind::Directory })
        }

        fn names(&self, _: &str) -> Vec<String> {
            Vec::new()
        }

        fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, FilesError> {
            Ok(Some(self.0.clone().into_bytes()))
        }
    }

    #[test]
    fn a_chain_may_have_any_length() {
        let chain = Everything((0..60_000).map(|n| format!("{n}: {}\n", n + 1)).collect());
        let modules = Modules::find(&chain, Platform::I386Pc).unwrap().unwrap();
        assert_eq!(modules.closure(&["0"]).unwrap().len(), 60_001);
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for (moddep, expected) in [("a: b\nnormal\n", 2), ("a: ../b\n", 1), (": a", 1), ("/: a", 1)]
        {
            let error = closure(moddep, &[]).unwrap_err();
            let BootError::GrubModuleList { line, .. } = error else { panic!("{error}") };
            assert_eq!(line, expected, "{moddep:?}");
        }
    }

    #[test]
    fn the_first_complete_directory_is_taken() {
        let files = MemoryFiles::default()
            .with("usr/lib/grub/i386-pc/kernel.img", "")
            .with("usr/share/grub2/i386-pc/kernel.img", "")
            .with("usr/share/grub2/i386-pc/moddep.lst", "")
            .with("usr/lib/grub2/i386-pc/kernel.img", "")
            .with("usr/lib/grub2/i386-pc/moddep.lst", "");
        let modules = Modules::find(&files, Platform::I386Pc).unwrap().unwrap();
        assert_eq!(modules.directory(), "usr/share/grub2/i386-pc");
        assert!(Modules::find(&files, Platform::X86_64Efi).unwrap().is_none());
    }

    #[test]
    fn files_are_read_through_links() {
        let files = files("a: b\n")
            .with(&format!("{DIRECTORY}/fs.lst"), "")
            .with_link("usr/lib/grub2", "grub")
            .with_link("usr/lib/grub/x86_64-efi", "i386-pc")
            .with_link(&format!("{DIRECTORY}/linked.mod"), "a.mod")
            .with_link(&format!("{DIRECTORY}/dangling.mod"), "nothing");
        let modules = Modules::find(&files, Platform::X86_64Efi).unwrap().unwrap();
        assert_eq!(modules.load(&["a"]).unwrap(), [b"b", b"a"]);
        assert_eq!(modules.module("linked").unwrap(), b"a");
        assert!(modules.has("linked") && !modules.has("dangling") && !modules.has("../a"));
        let error = modules.file("boot.img").unwrap_err();
        assert!(matches!(error, BootError::GrubFile { path } if path.ends_with("efi/boot.img")));
        let names = modules.installable().unwrap();
        assert_eq!(names.len(), 26 + 3, "{names:?}");
        assert!(names.is_sorted() && !names.contains(&"dangling.mod".into()));
    }

    #[test]
    fn modules_are_limited_together() {
        let wanted: Vec<String> = ('a'..='i').map(String::from).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let mut files = files("");
        for name in &wanted {
            files = files.with(&format!("{DIRECTORY}/{name}.mod"), vec![0; 4 << 20]);
        }
        let modules = Modules::find(&files, Platform::I386Pc).unwrap().unwrap();
        assert_eq!(modules.load(&wanted[1..]).unwrap().len(), 8);
        let error = modules.load(&wanted).unwrap_err();
        assert!(matches!(error, BootError::GrubModulesTooLarge { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused(moddep in "[a-e: \n/\0]{0,80}", wanted in "[a-f]{0,4}") {
            let wanted: Vec<String> = wanted.chars().map(String::from).collect();
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            if let Ok(ordered) = closure(&moddep, &wanted) {
                prop_assert!(wanted.iter().all(|name| ordered.contains(name)));
                let once: BTreeSet<char> = ordered.chars().collect();
                prop_assert_eq!(once.len(), ordered.len());
            }
        }
    }
}
