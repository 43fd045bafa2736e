//! The tables of accounts: lines of fields separated by colons.
//!
//! | file | fields |
//! |---|---|
//! | `passwd` | name, password or `x`, uid, gid, comment, home, shell |
//! | `shadow` | name, hash, last change, least days, most days, warning, inactive, expiry, reserved |
//! | `group` | name, `x`, gid, members |
//! | `gshadow` | name, hash, administrators, members |
//! | `subuid`, `subgid` | name, first number, how many |
//!
//! Lines that nobody touches stay as they are, odd ones included. A new line comes last, but before
//! those of NIS at the end (`+…`, `-…`), as shadow-utils write it.

use super::super::error::Error;
use super::super::overlay::Overlay;
use crate::additions::Addition;
use crate::files::{FileKind, Files as _};

/// One table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    path: &'static str,
    lines: Vec<String>,
    is_there: bool,
    is_changed: bool,
}

impl Table {
    /// Reads a table; one that is not there is empty.
    pub(super) fn load(overlay: &Overlay<'_>, path: &'static str) -> Result<Self, Error> {
        let text = overlay.text(path)?;
        let is_there = text.is_some();
        let lines = text.unwrap_or_default().lines().map(str::to_owned).collect();
        Ok(Self { path, lines, is_there, is_changed: false })
    }

    /// Whether the image has this file.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// The fields of every line.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.lines.iter().map(|line| line.split(':').collect())
    }

    /// The names in the table.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.split(':').next())
    }

    /// The fields of the line of that name.
    pub(super) fn get(&self, name: &str) -> Option<Vec<&str>> {
        self.rows().find(|row| row.first() == Some(&name))
    }

    /// The number in the third field of a name's line.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.get(name)?.get(2)?.parse().ok()
    }

    /// The name whose third field is this number.
    pub(super) fn name_of(&self, id: u32) -> Option<&str> {
        let id = id.to_string();
        self.rows().find(|row| row.get(2) == Some(&id.as_str()))?.first().copied()
    }

    /// Appends a line. One of that name, whose user or group is gone, is dropped: the first would count.
    pub(super) fn push(&mut self, fields: &[&str]) {
        self.lines.retain(|line| line.split(':').next() != fields.first().copied());
        let is_nis = |line: &&String| line.starts_with(['+', '-']);
        let nis = self.lines.iter().rev().take_while(is_nis).count();
        self.lines.insert(self.lines.len() - nis, fields.join(":"));
        self.is_changed = true;
    }

    /// Sets one field of a name's line; missing fields before it become empty.
    pub(super) fn set(&mut self, name: &str, field: usize, value: &str) {
        let found = self.lines.iter_mut().find(|line| line.split(':').next() == Some(name));
        let Some(line) = found else { return };
        let mut fields: Vec<&str> = line.split(':').collect();
        if fields.len() <= field {
            fields.resize(field + 1, "");
        }
        if fields[field] != value {
            fields[field] = value;
            *line = fields.join(":");
            self.is_changed = true;
        }
    }

    /// Adds a member to the list in the fourth field of a group's line.
    pub(super) fn add_member(&mut self, group: &str, member: &str) {
        let Some(row) = self.get(group) else { return };
        let members = row.get(3).copied().unwrap_or_default();
        if members.split(',').any(|present| present == member) {
            return;
        }
        let members =
            if members.is_empty() { member.to_owned() } else { format!("{members},{member}") };
        self.set(group, 3, &members);
    }

    /// Sorts lines, those that compare equal staying in order.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&str) -> K) {
        self.lines.sort_by_key(|line| key(line));
    }

    /// Puts the table into the deployment if it has changed.
    pub(super) fn save(self, overlay: &mut Overlay<'_>) -> Result<(), Error> {
        if !self.is_changed {
            return Ok(());
        }
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let real = overlay.place(&format!("/{}", self.path))?;
        let is_file = matches!(overlay.kind(&real), Some(FileKind::Regular { .. }));
        let mode = if self.path.ends_with("shadow") { 0o600 } else { 0o644 };
        overlay.put(if is_file {
            Addition::content(real, text)
        } else {
            Addition::file(real, mode, text)
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn lines_are_changed_one_by_one() {
        let image = MemoryFiles::default()
            .with("usr/etc/group", "root:x:0:\nodd line\nwheel:x:10:a\n+nis\n-::\n");
        let mut overlay = Overlay::new(&image);
        let mut table = Table::load(&overlay, "etc/group").unwrap();
        assert_eq!((table.id("wheel"), table.id("odd line")), (Some(10), None));
        assert_eq!(table.name_of(0), Some("root"));
        for member in ["b", "a"] {
            table.add_member("wheel", member);
        }
        table.add_member("root", "c");
        table.push(&["ops", "x", "1000", ""]);
        table.save(&mut overlay).unwrap();
        let text = overlay.text("etc/group").unwrap().unwrap();
        assert_eq!(text, "root:x:0:c\nodd line\nwheel:x:10:a,b\nops:x:1000:\n+nis\n-::\n");
        assert_eq!(overlay.added("etc/group").unwrap().mode, None);
    }

    #[test]
    fn what_stays_as_it_is_is_not_written() {
        let image = MemoryFiles::default().with("usr/etc/group", "wheel:x:10:a\n");
        let mut overlay = Overlay::new(&image);
        let mut table = Table::load(&overlay, "etc/group").unwrap();
        table.add_member("wheel", "a");
        table.set("wheel", 2, "10");
        table.save(&mut overlay).unwrap();
        assert!(overlay.into_additions().is_empty());
    }
}
