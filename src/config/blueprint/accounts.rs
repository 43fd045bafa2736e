//! `user`, `group` and `sshkey`.
//!
//! `sshkey` is the older way to give an account a key: it adds one to the user of that name, here or
//! in the image.

use std::collections::BTreeMap;

use super::checks;
use super::reader::{Field, Table};
use crate::settings::{Group, Password, User, is_private_key};

/// The most that a user or group may have as its number: one less than what means "none".
const LARGEST_ID: i128 = 0xFFFF_FFFE;

/// The most days that fit what reads `/etc/shadow`.
const LARGEST_DAY: i128 = 0x7FFF_FFFF;

/// How hashes begin that crypt(5) knows.
const HASHES: [&str; 13] = [
    "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2x$", "$2y$", "$6$", "$5$", "$sha1$", "$md5$", "$1$",
    "$3$",
];

pub(super) fn read(table: &mut Table<'_>) -> (Vec<User>, Vec<Group>) {
    let keys = sshkeys(table);
    let mut users = users(table);
    for (name, key) in keys {
        match users.iter_mut().find(|user| user.name == name) {
            Some(user) => user.keys.push(key),
            None => {
                let keys = vec![key];
                users.push(User { name, keys, must_exist: true, ..User::default() });
            }
        }
    }
    (users, groups(table))
}

/// Tells of values that an earlier item of a list has too.
#[derive(Default)]
struct Unique(BTreeMap<String, String>);

impl Unique {
    fn see(&mut self, field: &Field<'_>, value: &str) {
        match self.0.get(value) {
            Some(first) => field.duplicate(value, first),
            None => drop(self.0.insert(value.to_owned(), field.path.clone())),
        }
    }
}

fn sshkeys(table: &mut Table<'_>) -> Vec<(String, String)> {
    let Some(list) = table.get("sshkey") else { return Vec::new() };
    let items = list.items("a list of tables, `[[customizations.sshkey]]`");
    let read = |item: Field<'_>| {
        item.table(|table| {
            let name = table.require("user").and_then(|field| account(&field));
            let keys = table.require("key").map(|field| keys(&field)).unwrap_or_default();
            name.into_iter()
                .flat_map(move |name| keys.clone().into_iter().map(move |key| (name.clone(), key)))
                .collect::<Vec<_>>()
        })
    };
    items.into_iter().filter_map(read).flatten().collect()
}

fn users(table: &mut Table<'_>) -> Vec<User> {
    let Some(list) = table.get("user") else { return Vec::new() };
    let (mut names, mut uids) = (Unique::default(), Unique::default());
    let items = list.items("a list of tables, `[[customizations.user]]`");
    let read = |item: Field<'_>| item.table(|table| user(table, &mut names, &mut uids)).flatten();
    items.into_iter().filter_map(read).collect()
}

fn user(table: &mut Table<'_>, names: &mut Unique, uids: &mut Unique) -> Option<User> {
    let name = table.require("name");
    if let Some(field) = &name
        && let Some(name) = account(field)
    {
        names.see(field, &name);
    }
    let name = name.and_then(|field| field.text()).map(str::to_owned);
    let uid_field = table.get("uid");
    let uid: Option<u32> = uid_field.as_ref().and_then(|field| field.number(LARGEST_ID));
    if let (Some(field), Some(uid)) = (&uid_field, uid) {
        uids.see(field, &uid.to_string());
        if name.as_deref() == Some("root") && uid != 0 {
            field.bad(&uid.to_string(), "is not root's: that is 0");
        }
    }
    let description = table
        .get("description")
        .and_then(|field| field.check(|text| checks::passwd_field(text).map(|()| text.to_owned())));
    let user = User {
        name: name.clone().unwrap_or_default(),
        description,
        password: table.get("password").and_then(|field| password(&field)),
        keys: table.get("key").map(|field| keys(&field)).unwrap_or_default(),
        home: table.get("home").and_then(|field| field.check(home)),
        shell: table.get("shell").and_then(|field| field.check(program)),
        groups: groups_of(table),
        uid,
        gid: table.get("gid").and_then(|field| field.number(LARGEST_ID)),
        expire_days: table.get("expiredate").and_then(|field| field.number(LARGEST_DAY)),
        force_password_reset: table.boolean("force_password_reset"),
        must_exist: false,
    };
    name.map(|_| user)
}

fn account(field: &Field<'_>) -> Option<String> {
    field.check(|name| checks::account(name).map(|()| name.to_owned()))
}

/// Further groups, each once.
fn groups_of(table: &mut Table<'_>) -> Vec<String> {
    let mut groups = table.texts("groups", checks::account);
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
    groups
}

fn home(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let home = if trimmed.is_empty() { text } else { trimmed };
    checks::path(home)?;
    checks::passwd_field(home)?;
    Ok(home.to_owned())
}

fn program(text: &str) -> Result<String, String> {
    checks::path(text)?;
    checks::passwd_field(text)?;
    Ok(text.to_owned())
}

/// A password; an empty one is none.
fn password(field: &Field<'_>) -> Option<Password> {
    let text = field.text()?;
    if text.is_empty() {
        field.warn("is empty: the account gets no password");
        return None;
    }
    let known = |text: &str| HASHES.iter().any(|hash| text.starts_with(hash));
    let locked = matches!(text, "*" | "!" | "!!") || text.strip_prefix('!').is_some_and(known);
    if locked || known(text) {
        let good = |c: char| c.is_ascii_graphic() && !":;\\".contains(c);
        if !text.chars().all(good) {
            field.bad("…", "has characters that a hash cannot have");
            return None;
        }
        return Some(Password::Hashed(text.to_owned()));
    }
    if text.chars().any(char::is_control) {
        field.bad("…", "has a line break or another control character");
        return None;
    }
    field.warn("is a plain password: better give its hash (`mkpasswd`, `openssl passwd -6`)");
    Some(Password::Plain(text.to_owned()))
}

/// Public keys, one a line.
fn keys(field: &Field<'_>) -> Vec<String> {
    let Some(text) = field.text() else { return Vec::new() };
    if is_private_key(text) {
        field.bad("…", "is a private key: give the public one (`….pub`)");
        return Vec::new();
    }
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<String> = lines.map(str::to_owned).collect();
    if keys.is_empty() {
        field.bad(text, "is no public key");
    }
    for key in &keys {
        if let Err(why) = checks::line(key) {
            field.bad(key, why);
        } else if !names_an_algorithm(key) {
            field.warn("does not look like a public SSH key");
        }
    }
    keys
}

fn names_an_algorithm(key: &str) -> bool {
    let known = |word: &str| {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|name| word.starts_with(name))
    };
    key.split_whitespace().any(known)
}

fn groups(table: &mut Table<'_>) -> Vec<Group> {
    let Some(list) = table.get("group") else { return Vec::new() };
    let (mut names, mut gids) = (Unique::default(), Unique::default());
    let read = |item: Field<'_>| {
        let group = item.table(|table| {
            let field = table.require("name")?;
            let name = account(&field);
            if let Some(name) = &name {
                names.see(&field, name);
            }
            let gid_field = table.get("gid");
            let gid: Option<u32> = gid_field.as_ref().and_then(|field| field.number(LARGEST_ID));
            if let (Some(field), Some(gid)) = (&gid_field, gid) {
                gids.see(field, &gid.to_string());
            }
            Some(Group { name: name?, gid })
        });
        group.flatten()
    };
    list.items("a list of tables, `[[customizations.group]]`")
        .into_iter()
        .filter_map(read)
        .collect()
}
