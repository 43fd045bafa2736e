//! What the lists beside the modules say.

use std::collections::{BTreeMap, BTreeSet};

use super::KernelModulesError;
use crate::boot::compression::Compression;
use crate::files::Files;

const DEPENDENCIES: &str = "modules.dep";
const BUILT_IN: &str = "modules.builtin";
const SOFT_DEPENDENCIES: &str = "modules.softdep";
const ALIASES: &str = "modules.alias";
/// Debian's largest has 1 MiB, with 4500 modules.
const DEPENDENCIES_LIMIT_BYTES: u64 = 16 << 20;
const BUILT_IN_LIMIT_BYTES: u64 = 1 << 20;
/// Debian's has 1.3 kB.
const SOFT_DEPENDENCIES_LIMIT_BYTES: u64 = 256 << 10;
/// Debian's largest has 1.5 MiB.
const ALIASES_LIMIT_BYTES: u64 = 8 << 20;
const MODULES_LIMIT: usize = 1 << 16;
/// A module needs a few dozen others at most.
const NEEDS_LIMIT: usize = 1024;
/// An alias stands for a few modules, the same for different machines.
const ANSWERS_LIMIT: usize = 64;
const PATH_LIMIT_BYTES: usize = 1024;
/// How much of what is wrong is shown.
const SHOWN_CHARACTERS: usize = 80;

/// The lists as they are.
pub(super) struct Texts {
    path: String,
    dependencies: Vec<u8>,
    built_in: Vec<u8>,
    soft_dependencies: Vec<u8>,
    aliases: Vec<u8>,
}

impl Texts {
    /// Reads the lists in a folder; one that is not there is empty, but for that of dependencies.
    pub(super) fn load(files: &dyn Files, folder: &str) -> Result<Self, KernelModulesError> {
        let path = format!("{folder}/{DEPENDENCIES}");
        let dependencies = files.read_following(&path, DEPENDENCIES_LIMIT_BYTES)?;
        let other = |name: &str, limit| {
            let bytes = files.read_following(&format!("{folder}/{name}"), limit)?;
            Ok::<_, KernelModulesError>(bytes.unwrap_or_default())
        };
        Ok(Self {
            dependencies: dependencies
                .ok_or_else(|| KernelModulesError::NoList { path: path.clone() })?,
            built_in: other(BUILT_IN, BUILT_IN_LIMIT_BYTES)?,
            soft_dependencies: other(SOFT_DEPENDENCIES, SOFT_DEPENDENCIES_LIMIT_BYTES)?,
            aliases: other(ALIASES, ALIASES_LIMIT_BYTES)?,
            path,
        })
    }
}

/// A module's name; `-` and `_` are the same in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn new(name: &str) -> Self {
        Self(name.replace('-', "_"))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A module's path in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path<'t> {
    pub(super) text: &'t str,
    pub(super) compression: Option<Compression>,
    stem: &'t str,
}

impl<'t> Path<'t> {
    fn parse(text: &'t str) -> Result<Self, &'static str> {
        let is_odd = |component: &str| matches!(component, "" | "." | "..");
        if text.len() > PATH_LIMIT_BYTES || text.split('/').any(is_odd) {
            return Err("no path inside the folder");
        }
        if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("a path with blanks or control characters");
        }
        let name = text.rsplit('/').next().unwrap_or_default();
        let (stem, compression) = match name.rsplit_once('.') {
            Some((stem, "ko")) => (stem, None),
            Some((packed, extension)) => {
                let compression = Compression::of_extension(extension);
                (packed.strip_suffix(".ko").unwrap_or_default(), compression)
            }
            None => ("", None),
        };
        let is_packed = !name.ends_with(".ko");
        if stem.is_empty() || stem.contains(".ko") || is_packed != compression.is_some() {
            return Err("not a module: neither `.ko` nor `.ko.gz`, `.ko.xz` or `.ko.zst`");
        }
        Ok(Self { text, compression, stem })
    }

    pub(super) fn name(&self) -> Name {
        Name::new(self.stem)
    }
}

/// A line of the dependencies.
struct Listed<'t> {
    line: usize,
    path: Path<'t>,
    needs: &'t str,
}

/// What should be loaded before and after a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Soft<'t> {
    pub(super) before: Vec<&'t str>,
    pub(super) after: Vec<&'t str>,
}

/// The lists, understood.
pub(super) struct Lists<'t> {
    path: &'t str,
    modules: BTreeMap<Name, Listed<'t>>,
    built_in: BTreeSet<Name>,
    soft: BTreeMap<Name, Soft<'t>>,
    aliases: BTreeMap<Name, Vec<Name>>,
}

impl<'t> Lists<'t> {
    pub(super) fn parse(texts: &'t Texts) -> Result<Self, KernelModulesError> {
        let soft = soft(&texts.soft_dependencies);
        let asked = soft.values().flat_map(|soft| soft.before.iter().chain(&soft.after));
        let asked: BTreeSet<Name> = asked.map(|name| Name::new(name)).collect();
        Ok(Self {
            path: &texts.path,
            modules: modules(&texts.path, &texts.dependencies)?,
            built_in: lines(&texts.built_in)
                .filter_map(|line| Path::parse(line.trim()).ok())
                .map(|path| path.name())
                .collect(),
            soft,
            aliases: aliases(&texts.aliases, &asked),
        })
    }

    /// The path of the list that decides.
    pub(super) fn path(&self) -> String {
        self.path.to_owned()
    }

    /// Whether there is a module to load.
    pub(super) fn have(&self, name: &Name) -> bool {
        self.modules.contains_key(name)
    }

    pub(super) fn have_built_in(&self, name: &Name) -> bool {
        self.built_in.contains(name)
    }

    /// Where a module is.
    pub(super) fn find(&self, name: &Name) -> Option<Path<'t>> {
        self.modules.get(name).map(|listed| listed.path)
    }

    /// What must be loaded before a module.
    pub(super) fn needs(&self, name: &Name) -> Result<Vec<Name>, KernelModulesError> {
        let Some(listed) = self.modules.get(name) else { return Ok(Vec::new()) };
        let wrong = |problem, value| line_error(self.path, listed.line, problem, value);
        let mut names = Vec::new();
        for text in listed.needs.split_whitespace() {
            if names.len() == NEEDS_LIMIT {
                return Err(wrong("a module that needs too many others", listed.path.text));
            }
            let needed = Path::parse(text).map_err(|problem| wrong(problem, text))?.name();
            if !self.have(&needed) {
                return Err(wrong("a needed module that is not listed", text));
            }
            names.push(needed);
        }
        Ok(names)
    }

    /// What should be loaded before and after a module.
    pub(super) fn soft(&self, name: &Name) -> Soft<'t> {
        self.soft.get(name).cloned().unwrap_or_default()
    }

    /// The modules to load where a soft dependency has this name. One that is built in may be an alias
    /// besides, of faster ones.
    pub(super) fn answering(&self, name: &str) -> Vec<Name> {
        let name = Name::new(name);
        if self.have(&name) {
            return vec![name];
        }
        let named = self.aliases.get(&name).into_iter().flatten();
        named.filter(|name| self.have(name)).cloned().collect()
    }
}

fn modules<'t>(
    path: &str,
    text: &'t [u8],
) -> Result<BTreeMap<Name, Listed<'t>>, KernelModulesError> {
    let mut modules = BTreeMap::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let wrong = |problem, value: &str| line_error(path, number, problem, value);
        let line = str::from_utf8(line)
            .map_err(|_| wrong("not UTF-8", &String::from_utf8_lossy(line)))?
            .trim();
        if line.is_empty() {
            continue;
        }
        let (module, needs) =
            line.split_once(':').ok_or_else(|| wrong("not a module and what it needs", line))?;
        let module = Path::parse(module).map_err(|problem| wrong(problem, module))?;
        if modules.len() == MODULES_LIMIT {
            return Err(KernelModulesError::TooMany {
                path: path.to_owned(),
                limit: MODULES_LIMIT,
            });
        }
        let listed = Listed { line: number, path: module, needs };
        if modules.insert(module.name(), listed).is_some() {
            return Err(wrong("a module that was listed before", module.text));
        }
    }
    Ok(modules)
}

fn line_error(path: &str, line: usize, problem: &'static str, value: &str) -> KernelModulesError {
    let value = value.chars().take(SHOWN_CHARACTERS).collect();
    KernelModulesError::Line { path: path.to_owned(), line, problem, value }
}

/// The lines that are text; the others say nothing, as whatever else is not understood.
fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok())
}

fn soft(text: &[u8]) -> BTreeMap<Name, Soft<'_>> {
    let mut all: BTreeMap<Name, Soft<'_>> = BTreeMap::new();
    for line in lines(text) {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(module)) = (words.next(), words.next()) else { continue };
        let soft = all.entry(Name::new(module)).or_default();
        let mut into = None;
        for word in words {
            match (word, &mut into) {
                ("pre:", _) => into = Some(&mut soft.before),
                ("post:", _) => into = Some(&mut soft.after),
                (name, Some(into)) => into.push(name),
                (_, None) => {}
            }
        }
    }
    all
}

/// The modules with one of these aliases. Patterns, which are for devices, are not looked at.
fn aliases(text: &[u8], asked: &BTreeSet<Name>) -> BTreeMap<Name, Vec<Name>> {
    let mut all: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for line in lines(text) {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        let ["alias", alias, module] = words[..] else { continue };
        let alias = Name::new(alias);
        if asked.contains(&alias) {
            let named = all.entry(alias).or_default();
            if named.len() < ANSWERS_LIMIT {
                named.push(Name::new(module));
            }
        }
    }
    all
}
