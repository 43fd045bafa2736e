//! Where the image keeps units, and what their `[Install]` sections say.
//!
//! | directory, the first wins | |
//! |---|---|
//! | `/etc/systemd/system` | the owner's |
//! | `/usr/local/lib/systemd/system` | |
//! | `/usr/lib/systemd/system` | packages' |
//!
//! A unit is a file, a link to another unit (an alias), or masked: a link to `/dev/null` or an empty
//! file. `foo@x.service` without a file is the template `foo@.service`. Drop-ins (`foo.service.d/*.conf`)
//! may have an `[Install]` section too.

use std::collections::BTreeMap;

use super::super::error::Error;
use super::super::overlay::Overlay;
use crate::files::{FileKind, Files as _};

/// Where links to units are made.
pub(super) const CONFIG: &str = "etc/systemd/system";
const DIRECTORIES: [&str; 3] = [CONFIG, "usr/local/lib/systemd/system", "usr/lib/systemd/system"];

/// A unit's name: `prefix.type`, `prefix@.type` (a template), `prefix@instance.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'n> {
    pub(super) prefix: &'n str,
    /// Empty for a template.
    pub(super) instance: Option<&'n str>,
    /// With its dot.
    pub(super) suffix: &'n str,
}

impl<'n> Name<'n> {
    /// Takes a name apart; `None` when it is none.
    pub(super) fn parse(name: &'n str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if name.len() > 255 || !name.chars().all(is_plain) {
            return None;
        }
        let (stem, _) = name.rsplit_once('.')?;
        let suffix = &name[stem.len()..];
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        let is_complete = !prefix.is_empty() && suffix.len() > 1;
        is_complete.then_some(Self { prefix, instance, suffix })
    }

    /// Whether it waits for an instance.
    pub(super) fn is_template(self) -> bool {
        self.instance == Some("")
    }

    /// The same with an instance.
    pub(super) fn with_instance(self, instance: &str) -> String {
        format!("{}@{instance}{}", self.prefix, self.suffix)
    }

    /// The template of an instance.
    pub(super) fn template(self) -> Option<String> {
        self.instance.filter(|instance| !instance.is_empty())?;
        Some(self.with_instance(""))
    }

    /// Replaces what `[Install]` may say of the unit: `%i %j %n %N %p %%`.
    pub(super) fn expand(self, text: &str) -> String {
        let instance = self.instance.unwrap_or_default();
        let stem = match self.instance {
            Some(instance) => format!("{}@{instance}", self.prefix),
            None => self.prefix.to_owned(),
        };
        let mut expanded = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '%') {
                (_, false) => expanded.push(letter),
                _ => match letters.next() {
                    Some('i' | 'I') => expanded.push_str(instance),
                    Some('j') => {
                        expanded.push_str(self.prefix.rsplit('-').next().unwrap_or_default())
                    }
                    Some('n') => expanded.push_str(&format!("{stem}{}", self.suffix)),
                    Some('N') => expanded.push_str(&stem),
                    Some('p' | 'P') => expanded.push_str(self.prefix),
                    Some('%') | None => expanded.push('%'),
                    Some(other) => expanded.extend(['%', other]),
                },
            }
        }
        expanded
    }
}

/// A unit of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A file.
    File {
        /// The unit's name, an alias resolved.
        name: String,
        /// Path of the file from the root.
        path: String,
    },
    /// Forbidden to start.
    Masked,
}

/// Looks a unit up, its template where there is no file of its own.
pub(super) fn find(overlay: &Overlay<'_>, name: &str) -> Option<Found> {
    let mut name = name.to_owned();
    for _ in 0..16 {
        let own = look(overlay, &name);
        let template = || look(overlay, &Name::parse(&name)?.template()?);
        match own.or_else(template)? {
            Looked::File(path) => return Some(Found::File { name, path }),
            Looked::Masked => return Some(Found::Masked),
            Looked::Alias(target) => {
                let instance = Name::parse(&name).and_then(|name| name.instance);
                name = match (Name::parse(&target), instance) {
                    (Some(target), Some(instance)) if target.is_template() => {
                        target.with_instance(instance)
                    }
                    _ => target,
                };
            }
        }
    }
    None
}

enum Looked {
    File(String),
    Alias(String),
    Masked,
}

fn look(overlay: &Overlay<'_>, name: &str) -> Option<Looked> {
    DIRECTORIES.iter().find_map(|directory| {
        let path = format!("{directory}/{name}");
        match overlay.kind(&path)? {
            FileKind::Regular { len_bytes: 0 } => Some(Looked::Masked),
            FileKind::Regular { .. } => Some(Looked::File(path)),
            FileKind::Directory => None,
            FileKind::Symlink { target } if target == "/dev/null" => Some(Looked::Masked),
            FileKind::Symlink { target } => {
                let base = target.rsplit('/').next().unwrap_or_default();
                let is_alias = base != name && Name::parse(base).is_some();
                if is_alias {
                    Some(Looked::Alias(base.to_owned()))
                } else {
                    overlay.leads_to_file(&path).then_some(Looked::File(path))
                }
            }
        }
    })
}

/// The names of all units.
pub(super) fn names(overlay: &Overlay<'_>) -> Vec<String> {
    let names = DIRECTORIES.iter().flat_map(|directory| overlay.names(directory));
    names.filter(|name| !name.ends_with(".wants") && !name.ends_with(".d")).collect()
}

/// What `[Install]` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Install {
    /// Directory suffix (`wants`) and unit.
    pub(super) pulled_in_by: Vec<(&'static str, String)>,
    pub(super) aliases: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) default_instance: Option<String>,
}

impl Install {
    /// Reads a unit's file and its drop-ins.
    pub(super) fn load(overlay: &Overlay<'_>, name: &str, path: &str) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        parse(&overlay.text(path)?.unwrap_or_default(), &mut keys);
        for drop_in in drop_ins(overlay, name) {
            parse(&overlay.text(&drop_in)?.unwrap_or_default(), &mut keys);
        }
        let mut take = |key: &str| keys.remove(key).unwrap_or_default();
        let mut pulled_in_by = Vec::new();
        for (key, suffix) in
            [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")]
        {
            pulled_in_by.extend(take(key).into_iter().map(|unit| (suffix, unit)));
        }
        let (aliases, also) = (take("Alias"), take("Also"));
        let default_instance = take("DefaultInstance").pop();
        Ok(Self { pulled_in_by, aliases, also, default_instance })
    }

    /// Whether there is nothing to install.
    pub(super) fn is_empty(&self) -> bool {
        self.pulled_in_by.is_empty() && self.aliases.is_empty() && self.also.is_empty()
    }
}

/// Drop-ins of a unit and of its template: by name, whatever directory they are in; the first
/// directory wins.
fn drop_ins(overlay: &Overlay<'_>, name: &str) -> Vec<String> {
    let template = Name::parse(name).and_then(Name::template);
    let mut found = BTreeMap::new();
    for unit in template.iter().map(String::as_str).chain([name]) {
        for directory in DIRECTORIES.iter().rev() {
            let folder = format!("{directory}/{unit}.d");
            for file in overlay.names(&folder).into_iter().filter(|file| file.ends_with(".conf")) {
                let path = format!("{folder}/{file}");
                found.insert(file, path);
            }
        }
    }
    found.into_values().collect()
}

/// Adds what `[Install]` sets to `keys`; an empty value forgets what was set before.
fn parse(text: &str, keys: &mut BTreeMap<String, Vec<String>>) {
    let joined = text.replace("\\\n", " ");
    let mut is_install = false;
    for line in joined.lines().map(str::trim) {
        if line.starts_with(['#', ';']) || line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            is_install = line == "[Install]";
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| is_install) else { continue };
        let values = keys.entry(key.trim().to_owned()).or_default();
        if value.trim().is_empty() {
            values.clear();
        }
        values.extend(value.split_whitespace().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn names_come_apart() {
        let name = Name::parse("getty@tty1.service").unwrap();
        assert_eq!((name.prefix, name.instance, name.suffix), ("getty", Some("tty1"), ".service"));
        assert_eq!(name.template().as_deref(), Some("getty@.service"));
        assert_eq!(
            name.expand("%p %i %n %N %% %x"),
            "getty tty1 getty@tty1.service getty@tty1 % %x"
        );
        assert!(Name::parse("a@.socket").unwrap().is_template());
        for wrong in ["", "x", ".service", "@a.service", "a/b.service", "a b.service", "x."] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sections_add_up() {
        let image = MemoryFiles::default()
            .with(
                "usr/lib/systemd/system/a.service",
                "[Unit]\nWantedBy=no.target\n[Install]\nWantedBy=a.target \\\n b.target\n# Alias=x\n\
                 Alias=c.service\nAlias=\nAlias=d.service\nDefaultInstance=one\n",
            )
            .with("usr/etc/systemd/system/a.service.d/10.conf", "[Install]\nRequiredBy=r.target\n");
        let overlay = Overlay::new(&image);
        let install =
            Install::load(&overlay, "a.service", "usr/lib/systemd/system/a.service").unwrap();
        let by = |suffix, unit: &str| (suffix, unit.to_owned());
        let expected =
            [by("wants", "a.target"), by("wants", "b.target"), by("requires", "r.target")];
        assert_eq!(install.pulled_in_by, expected);
        assert_eq!(install.aliases, ["d.service"]);
        assert_eq!(install.default_instance.as_deref(), Some("one"));
    }

    #[test]
    fn aliases_masks_and_templates_are_found() {
        let image = MemoryFiles::default()
            .with("usr/lib/systemd/system/ssh.service", "x")
            .with("usr/lib/systemd/system/t@.service", "x")
            .with("usr/lib/systemd/system/empty.service", "")
            .with_link("usr/lib/systemd/system/sshd.service", "ssh.service")
            .with_link("usr/lib/systemd/system/u@.service", "t@.service")
            .with_link("usr/etc/systemd/system/null.service", "/dev/null");
        let overlay = Overlay::new(&image);
        let file = |name: &str, base: &str| {
            let path = format!("usr/lib/systemd/system/{base}");
            Some(Found::File { name: name.to_owned(), path })
        };
        assert_eq!(find(&overlay, "sshd.service"), file("ssh.service", "ssh.service"));
        assert_eq!(find(&overlay, "t@x.service"), file("t@x.service", "t@.service"));
        assert_eq!(find(&overlay, "u@x.service"), file("t@x.service", "t@.service"));
        assert_eq!(find(&overlay, "null.service"), Some(Found::Masked));
        assert_eq!(find(&overlay, "empty.service"), Some(Found::Masked));
        assert_eq!(find(&overlay, "none.service"), None);
    }
}
