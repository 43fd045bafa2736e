//! registries.conf(5) as a whole: which registries stand for a name.
//!
//! The files, later ones overriding earlier ones (a registry by its prefix, an alias by its name):
//!
//! 1. `--registries-conf`, else `CONTAINERS_REGISTRIES_CONF`, else
//!    `~/.config/containers/registries.conf`, else `/etc/containers/registries.conf`
//! 2. `/etc/containers/registries.conf.d/*.conf`, unless the user's own file was taken
//! 3. `~/.config/containers/registries.conf.d/*.conf`
//!
//! Aliases that podman wrote down (`short-name-aliases.conf`) go before all others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::conf_file::{ConfFile, Pulls, Registry};
use super::credentials::Environment;
use super::error::Error;
use super::name::{RegistryReference, ShortName};
use super::reference::ParseReferenceError;
use super::source::read_limited;

const CONF_LIMIT_BYTES: u64 = 1 << 20;

/// What the files say together.
#[derive(Debug, Default)]
pub(crate) struct RegistriesConf {
    /// By prefix; with the file that it is from.
    registries: BTreeMap<String, (Registry, PathBuf)>,
    search: Vec<String>,
    aliases: BTreeMap<String, (String, PathBuf)>,
    /// What the user should know, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// A place to look for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) name: RegistryReference,
    /// Whether its certificate and even TLS do not matter.
    pub(crate) insecure: bool,
}

/// A registry that may not be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) prefix: String,
    pub(crate) path: PathBuf,
}

impl RegistriesConf {
    /// Reads every file there is. One that was asked for must exist.
    pub(crate) fn load(explicit: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        let mut conf = Self::default();
        let asked_for = explicit.or(environment.registries_conf.as_deref());
        let user = environment.home.as_ref().map(|home| home.join(".config/containers"));
        let system = environment.etc.as_ref().map(|etc| etc.join("containers"));
        let file = |folder: &Option<PathBuf>| Some(folder.as_ref()?.join("registries.conf"));
        let has_own = asked_for.is_none() && file(&user).is_some_and(|path| path.exists());
        if let Some(path) = asked_for {
            if !conf.add(path)? {
                let source = ErrorKind::NotFound.into();
                return Err(Error::File { path: path.to_owned(), source });
            }
        } else if let Some(path) = if has_own { file(&user) } else { file(&system) } {
            conf.add(&path)?;
        }
        for folder in [system.filter(|_| !has_own), user].into_iter().flatten() {
            for path in drop_ins(&folder.join("registries.conf.d"))? {
                conf.add(&path)?;
            }
        }
        if let Some(path) = &environment.short_name_aliases {
            conf.add(path)?;
        }
        Ok(conf)
    }

    /// Adds a file, if it is there.
    fn add(&mut self, path: &Path) -> Result<bool, Error> {
        let Some(text) = read(path)? else { return Ok(false) };
        let wrong = |reason| Error::RegistriesConf { path: path.to_owned(), reason };
        let file = ConfFile::parse(&text).map_err(wrong)?;
        let in_file = |warning: String| format!("`{}`: {warning}", path.display());
        self.warnings.extend(file.warnings.into_iter().map(in_file));
        for registry in file.registries {
            self.registries.insert(registry.prefix.clone(), (registry, path.to_owned()));
        }
        if let Some(search) = file.search {
            self.search = search;
        }
        for (name, value) in file.aliases {
            if value.is_empty() {
                self.aliases.remove(&name);
            } else {
                self.aliases.insert(name, (value, path.to_owned()));
            }
        }
        Ok(true)
    }

    /// The full name that a short one stands for. Nothing is guessed: an alias decides, or the only
    /// registry that may be searched.
    pub(crate) fn complete(&self, name: &ShortName) -> Result<RegistryReference, Error> {
        if let Some((value, path)) = self.aliases.get(&name.repository) {
            return name.within(value).map_err(|error| Error::RegistriesConf {
                path: path.clone(),
                reason: format!("`aliases.{}`: {error}", name.repository),
            });
        }
        let candidate = |host: &String| name.within(&format!("{host}/{}", name.repository));
        match self.search.as_slice() {
            [] => Err(ParseReferenceError::NoHost(name.text.clone()).into()),
            [only] => Ok(candidate(only)?),
            several => Err(Error::AmbiguousName {
                name: name.text.clone(),
                candidates: several
                    .iter()
                    .filter_map(|host| Some(candidate(host).ok()?.text))
                    .collect(),
            }),
        }
    }

    /// The places to look for an image, in that order: mirrors, then the registry itself, which may
    /// be elsewhere too.
    pub(crate) fn endpoints(&self, name: &RegistryReference) -> Result<Vec<Endpoint>, Error> {
        let full = name.full_name();
        let Some((registry, path, len)) = self.find(&full) else {
            return Ok(vec![Endpoint { name: name.clone(), insecure: false }]);
        };
        let moved = |location: &str| {
            name.moved(&format!("{location}{}", &full[len..])).map_err(|error| {
                let reason = format!("`{}` leads to no image: {error}", registry.prefix);
                Error::RegistriesConf { path: path.clone(), reason }
            })
        };
        let mut endpoints = Vec::new();
        for mirror in &registry.mirrors {
            let fits = match mirror.pulls {
                Pulls::All => true,
                Pulls::DigestOnly => name.digest.is_some(),
                Pulls::TagOnly => name.digest.is_none(),
            };
            if fits {
                let (name, insecure) = (moved(&mirror.location)?, mirror.insecure);
                endpoints.push(Endpoint { name, insecure });
            }
        }
        let is_elsewhere = !registry.location.is_empty() && full[..len] != registry.location;
        let name = if is_elsewhere { moved(&registry.location)? } else { name.clone() };
        endpoints.push(Endpoint { name, insecure: registry.insecure });
        Ok(endpoints)
    }

    /// Whether a name may not be pulled.
    pub(crate) fn block(&self, name: &RegistryReference) -> Option<Block> {
        let (registry, path, _) = self.find(&name.full_name())?;
        let block = || Block { prefix: registry.prefix.clone(), path: path.clone() };
        registry.blocked.then(block)
    }

    /// The registry with the longest prefix of a name, and how much of the name it covers.
    fn find(&self, full: &str) -> Option<(&Registry, &PathBuf, usize)> {
        let fitting = self.registries.iter().filter_map(|(prefix, (registry, path))| {
            Some((prefix.len(), (registry, path, covered(full, prefix)?)))
        });
        fitting.max_by_key(|(len, _)| *len).map(|(_, found)| found)
    }
}

/// How much of a name a prefix covers, if it fits.
fn covered(full: &str, prefix: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*').filter(|domain| domain.starts_with('.')) {
        let host = full.split('/').next()?;
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        return (host.len() > domain.len() && host.ends_with(domain)).then_some(host.len());
    }
    let rest = full.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', ':'])).then_some(prefix.len())
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    let in_file = |source| Error::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(in_file(source)),
    };
    let bytes = read_limited(file, CONF_LIMIT_BYTES).map_err(in_file)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > CONF_LIMIT_BYTES {
        return Err(Error::TooLarge { what: "registries.conf", size, limit: CONF_LIMIT_BYTES });
    }
    let not_utf8 = |_| in_file(io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"));
    String::from_utf8(bytes).map(Some).map_err(not_utf8)
}

/// The files named `*.conf` in a folder, sorted.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let in_folder = |source| Error::File { path: folder.to_owned(), source };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(in_folder(source)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(in_folder)?.path();
        if path.as_os_str().as_encoded_bytes().ends_with(b".conf") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
