//! `directories` and `files`.
//!
//! | what | where |
//! |---|---|
//! | directories | below `/etc` |
//! | files | below `/etc` (not `fstab`, `passwd`, `shadow`, `group`), `/root`, `/usr/local/bin`, `/usr/local/sbin` |
//!
//! Nothing may be given twice, and nothing may be below a file.

use std::collections::BTreeMap;

use super::checks;
use super::reader::{Field, Table};
use crate::settings::{Access, DirectorySetting, FileSetting, Owner};

const DIRECTORIES: [&str; 1] = ["/etc"];
const FILES: [&str; 4] = ["/etc", "/root", "/usr/local/bin", "/usr/local/sbin"];

/// Files that other keys are about.
const KEPT: [(&str, &str); 6] = [
    ("/etc/fstab", "is for `customizations.disk` and `customizations.filesystem` to change"),
    ("/etc/passwd", "is for `customizations.user` to change"),
    ("/etc/shadow", "is for `customizations.user` to change"),
    ("/etc/group", "is for `customizations.group` to change"),
    ("/etc/gshadow", "is for `customizations.group` to change"),
    ("/etc/machine-id", "is made at the first boot: two machines must not share it"),
];

const LARGEST_ID: i128 = 0xFFFF_FFFE;

/// What was placed so far: its key, and whether it is a file.
type Placed = BTreeMap<String, (String, bool)>;

pub(super) fn read(table: &mut Table<'_>) -> (Vec<DirectorySetting>, Vec<FileSetting>) {
    let mut placed = Placed::new();
    let directories = list(table, "directories", |table| directory(table, &mut placed));
    let files = list(table, "files", |table| file(table, &mut placed));
    let directories: Vec<_> = directories.into_iter().flatten().collect();
    let files: Vec<_> = files.into_iter().flatten().collect();
    (directories, files)
}

fn list<T>(
    table: &mut Table<'_>,
    key: &'static str,
    mut read: impl FnMut(&mut Table<'_>) -> T,
) -> Vec<T> {
    let Some(list) = table.get(key) else { return Vec::new() };
    let what = "a list of tables, `[[customizations.directories]]` or `[[customizations.files]]`";
    list.items(what).into_iter().filter_map(|item| item.table(&mut read)).collect()
}

fn directory(table: &mut Table<'_>, placed: &mut Placed) -> Option<DirectorySetting> {
    let path = path(table, &DIRECTORIES, "directories can be made below `/etc` only");
    let path = path.and_then(|(field, path)| claim(&field, path, false, placed));
    let access = access(table);
    let ensure_parents = table.boolean("ensure_parents");
    Some(DirectorySetting { path: path?, access, ensure_parents })
}

fn file(table: &mut Table<'_>, placed: &mut Placed) -> Option<FileSetting> {
    const WHERE: &str = "files can be written below `/etc`, `/root`, `/usr/local/bin` and \
                         `/usr/local/sbin` only: let the image bring the others";
    let path = path(table, &FILES, WHERE);
    let path = path.and_then(|(field, path)| claim(&field, path, true, placed));
    let access = access(table);
    let data = table.get("data").and_then(|field| field.text()).unwrap_or_default();
    table.refuse(&[("uri", "files cannot be fetched: give the content as `data`")]);
    Some(FileSetting { path: path?, access, bytes: data.as_bytes().to_vec() })
}

/// `path`, when it is below one of `allowed`.
fn path<'a>(
    table: &mut Table<'a>,
    allowed: &[&str],
    otherwise: &'static str,
) -> Option<(Field<'a>, &'a str)> {
    let field = table.require("path")?;
    let path = field.check(|text| {
        checks::path(text)?;
        if let Some((_, why)) = KEPT.iter().find(|(kept, _)| checks::is_below(text, kept)) {
            return Err((*why).to_owned());
        }
        let fits = |parent: &&str| text != *parent && checks::is_below(text, parent);
        if allowed.iter().any(fits) { Ok(text) } else { Err(format!("is elsewhere: {otherwise}")) }
    })?;
    Some((field, path))
}

/// Notes that a path is taken, unless it is already, or lies below a file.
fn claim(field: &Field<'_>, path: &str, is_file: bool, placed: &mut Placed) -> Option<String> {
    if let Some((first, _)) = placed.get(path) {
        field.duplicate(path, first);
        return None;
    }
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    for parent in parents {
        if let Some((first, true)) = placed.get(parent) {
            field.bad(path, format!("is below the file of `{first}`"));
            return None;
        }
    }
    let below = format!("{path}/");
    if is_file
        && let Some((child, (first, _))) = placed.range(below.clone()..).next()
        && child.starts_with(&below)
    {
        field.bad(path, format!("is a file, but the path of `{first}` is below it"));
        return None;
    }
    placed.insert(path.to_owned(), (field.path.clone(), is_file));
    Some(path.to_owned())
}

fn access(table: &mut Table<'_>) -> Access {
    Access {
        mode: table.get("mode").and_then(|field| field.check(checks::mode)),
        user: table.get("user").and_then(|field| owner(&field)),
        group: table.get("group").and_then(|field| owner(&field)),
    }
}

/// An owner by name or number.
fn owner(field: &Field<'_>) -> Option<Owner> {
    match field.number_or_text()? {
        Ok(_) => field.number(LARGEST_ID).map(Owner::Id),
        Err(name) => match checks::account(name) {
            Ok(()) => Some(Owner::Name(name.to_owned())),
            Err(why) => {
                field.bad(name, why);
                None
            }
        },
    }
}
