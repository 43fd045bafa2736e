//! Accounts and groups, with the result of `groupadd`, `useradd --create-home`, `usermod --append` and
//! `chage` in a chroot of the deployment.
//!
//! | file | what happens to it |
//! |---|---|
//! | `/etc/group`, `/etc/gshadow` | new groups; members of groups |
//! | `/etc/passwd`, `/etc/shadow` | new users; fields of those that the image has |
//! | `/etc/subuid`, `/etc/subgid` | ranges for new users, where the image has these files |
//! | the home | made from `/etc/skel`, owned by the user; `.ssh/authorized_keys` ([`home`]) |
//!
//! Images of Fedora's family keep the accounts of their packages in `/usr/lib/passwd` and
//! `/usr/lib/group` (nss-altfiles). Those count as taken, and such a line is copied to `/etc` before it
//! is changed: a member cannot be added to a group outside of `/etc/group`.
//!
//! A user with `gid` gets that number as the group of its own name, unless a group has it already.
//! Backup files (`passwd-`) are not written.

use std::collections::BTreeSet;

use super::Inputs;
use super::error::{Error, nearest};
use super::overlay::Overlay;
use crate::settings::{Group, Owner, Password, User};
use login_defs::Defaults;
use table::Table;

mod home;
mod login_defs;
mod numbers;
mod password;
mod sub_ids;
mod table;
#[cfg(test)]
mod tests;

/// Everything about accounts, of `/etc` and of the image's packages.
struct Accounts {
    passwd: Table,
    shadow: Table,
    group: Table,
    gshadow: Table,
    sub_uid: Table,
    sub_gid: Table,
    vendor_passwd: Table,
    vendor_group: Table,
    defaults: Defaults,
}

impl Accounts {
    fn load(overlay: &Overlay<'_>) -> Result<Self, Error> {
        Ok(Self {
            passwd: Table::load(overlay, "etc/passwd")?,
            shadow: Table::load(overlay, "etc/shadow")?,
            group: Table::load(overlay, "etc/group")?,
            gshadow: Table::load(overlay, "etc/gshadow")?,
            sub_uid: Table::load(overlay, "etc/subuid")?,
            sub_gid: Table::load(overlay, "etc/subgid")?,
            vendor_passwd: Table::load(overlay, "usr/lib/passwd")?,
            vendor_group: Table::load(overlay, "usr/lib/group")?,
            defaults: Defaults::load(overlay)?,
        })
    }

    fn save(self, overlay: &mut Overlay<'_>) -> Result<(), Error> {
        let Self { passwd, shadow, group, gshadow, sub_uid, sub_gid, .. } = self;
        let tables = [passwd, shadow, group, gshadow, sub_uid, sub_gid];
        tables.into_iter().try_for_each(|table| table.save(overlay))
    }

    fn gid(&self, group: &str) -> Option<u32> {
        self.group.id(group).or_else(|| self.vendor_group.id(group))
    }

    fn group_of(&self, gid: u32) -> Option<&str> {
        self.group.name_of(gid).or_else(|| self.vendor_group.name_of(gid))
    }

    /// A free number for a group, or the one that is demanded.
    fn free_gid(&self, name: &str, demand: Option<u32>, wish: Option<u32>) -> Result<u32, Error> {
        if let Some(id) = demand {
            return match self.group_of(id) {
                Some(owner) => Err(taken("group", name, id, owner)),
                None => Ok(id),
            };
        }
        let used = used(&[&self.group, &self.vendor_group]);
        let (min, max) = self.defaults.gid;
        numbers::free(&used, (min, max), wish).ok_or_else(|| Error::NoFreeId {
            what: "group",
            name: name.to_owned(),
            min,
            max,
        })
    }

    fn free_uid(&self, name: &str, demand: Option<u32>) -> Result<u32, Error> {
        let tables = [&self.passwd, &self.vendor_passwd];
        if let Some(id) = demand {
            return match tables.into_iter().find_map(|table| table.name_of(id)) {
                Some(owner) => Err(taken("user", name, id, owner)),
                None => Ok(id),
            };
        }
        let (min, max) = self.defaults.uid;
        numbers::free(&used(&tables), (min, max), None).ok_or_else(|| Error::NoFreeId {
            what: "user",
            name: name.to_owned(),
            min,
            max,
        })
    }

    /// `groupadd`; `useradd` writes another password where there is no `gshadow`.
    fn add_group(&mut self, name: &str, gid: u32, by_useradd: bool) {
        let password = if by_useradd && !self.gshadow.is_there() { "!" } else { "x" };
        self.group.push(&[name, password, &gid.to_string(), ""]);
        if self.gshadow.is_there() {
            self.gshadow.push(&[name, "!", "", ""]);
        }
    }

    /// A group that is there already or is made; a number must be the one it has.
    fn ensure_group(&mut self, wanted: &Group) -> Result<(), Error> {
        let name = &wanted.name;
        match (self.gid(name), wanted.gid) {
            (Some(found), Some(asked)) if found != asked => {
                Err(Error::OtherId { what: "group", name: name.clone(), asked, found })
            }
            (Some(_), _) => Ok(()),
            (None, demand) => {
                let gid = self.free_gid(name, demand, None)?;
                self.add_group(name, gid, false);
                Ok(())
            }
        }
    }

    /// `usermod --append --groups`.
    fn join(&mut self, user: &str, groups: &[String]) -> Result<(), Error> {
        for group in groups {
            if self.gid(group).is_none() {
                let names = self.group.names().chain(self.vendor_group.names());
                let (name, nearest) = (group.clone(), nearest(group, names));
                return Err(Error::NoSuchName { what: "group", name, nearest });
            }
            if self.group.get(group).is_none() {
                copy_line(group, &self.vendor_group, &mut self.group);
            }
            self.group.add_member(group, user);
            self.gshadow.add_member(group, user);
        }
        Ok(())
    }

    /// The group that a new user belongs to.
    fn primary_group(&mut self, user: &User, uid: u32) -> Result<u32, Error> {
        let name = &user.name;
        match (user.gid, self.gid(name)) {
            (Some(asked), Some(found)) if asked != found => match self.group_of(asked) {
                Some(_) => Ok(asked),
                None => Err(Error::OtherId { what: "group", name: name.clone(), asked, found }),
            },
            (Some(gid), _) if self.group_of(gid).is_some() => Ok(gid),
            (None, Some(found)) => Ok(found),
            (None, None) if !self.defaults.has_own_group => Ok(self.common_group()),
            (demand, _) => {
                let gid = self.free_gid(name, demand, Some(uid))?;
                self.add_group(name, gid, true);
                Ok(gid)
            }
        }
    }

    /// The group of users without one of their own.
    fn common_group(&self) -> u32 {
        let group = &self.defaults.group;
        group.parse().ok().or_else(|| self.gid(group)).unwrap_or(100)
    }

    /// `useradd`; returns the numbers of user and group.
    fn add_user(
        &mut self,
        user: &User,
        home: &str,
        hash: Option<&str>,
        day: u32,
    ) -> Result<(), Error> {
        let uid = self.free_uid(&user.name, user.uid)?;
        let gid = self.primary_group(user, uid)?;
        let hash = hash.unwrap_or("!");
        let field = if self.shadow.is_there() { "x" } else { hash };
        self.passwd.push(&[
            &user.name,
            field,
            &uid.to_string(),
            &gid.to_string(),
            user.description.as_deref().unwrap_or_default(),
            home,
            user.shell.as_deref().unwrap_or(&self.defaults.shell),
        ]);
        if self.shadow.is_there() {
            self.add_shadow(&user.name, hash, day);
        }
        let (min, max) = self.defaults.uid;
        if (min..=max).contains(&uid) {
            sub_ids::assign(&mut self.sub_uid, &user.name, self.defaults.sub_uid)?;
            sub_ids::assign(&mut self.sub_gid, &user.name, self.defaults.sub_gid)?;
        }
        Ok(())
    }

    fn add_shadow(&mut self, name: &str, hash: &str, day: u32) {
        let [min, max, warn] = &self.defaults.ageing;
        let inactive = &self.defaults.inactive;
        self.shadow.push(&[name, hash, &last_change(day), min, max, warn, inactive, "", ""]);
    }

    /// `usermod`.
    fn change_user(&mut self, user: &User, hash: Option<&str>, day: u32) -> Result<(), Error> {
        let name = &user.name;
        if self.passwd.get(name).is_none() {
            copy_line(name, &self.vendor_passwd, &mut self.passwd);
        }
        if let (Some(asked), Some(found)) = (user.uid, self.passwd.id(name))
            && asked != found
        {
            return Err(Error::OtherId { what: "user", name: name.clone(), asked, found });
        }
        if let Some(gid) = user.gid {
            if self.group_of(gid).is_none() {
                let (name, nearest) = (gid.to_string(), nearest("", []));
                return Err(Error::NoSuchName { what: "group", name, nearest });
            }
            self.passwd.set(name, 3, &gid.to_string());
        }
        let texts = [(4, &user.description), (5, &user.home), (6, &user.shell)];
        for (field, text) in texts {
            if let Some(text) = text {
                self.passwd.set(name, field, text);
            }
        }
        let needs_shadow =
            hash.is_some() || user.expire_days.is_some() || user.force_password_reset;
        if needs_shadow && self.shadow.is_there() && self.shadow.get(name).is_none() {
            self.add_shadow(name, "!", day);
            self.passwd.set(name, 1, "x");
        }
        let Some(hash) = hash else { return Ok(()) };
        if self.shadow.is_there() {
            self.shadow.set(name, 1, hash);
            self.shadow.set(name, 2, &last_change(day));
        } else {
            self.passwd.set(name, 1, hash);
        }
        Ok(())
    }

    /// `chage`.
    fn expire(&mut self, user: &User) {
        if let Some(days) = user.expire_days {
            self.shadow.set(&user.name, 7, &days.to_string());
        }
        if user.force_password_reset {
            self.shadow.set(&user.name, 2, "0");
        }
    }
}

/// Day 0 would demand a new password: a clock that says so is not believed.
fn last_change(day: u32) -> String {
    if day == 0 { String::new() } else { day.to_string() }
}

fn used(tables: &[&Table]) -> BTreeSet<u32> {
    let rows = tables.iter().flat_map(|table| table.rows());
    rows.filter_map(|row| row.get(2)?.parse().ok()).collect()
}

fn copy_line(name: &str, from: &Table, to: &mut Table) {
    if let Some(row) = from.get(name) {
        to.push(&row);
    }
}

fn taken(what: &'static str, name: &str, id: u32, owner: &str) -> Error {
    Error::IdTaken { what, name: name.to_owned(), id, owner: owner.to_owned() }
}

/// Makes groups and users, then homes; says what should be known.
pub(super) fn customize(
    overlay: &mut Overlay<'_>,
    inputs: &Inputs<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let settings = inputs.settings;
    if settings.users.is_empty() && settings.groups.is_empty() {
        return Ok(());
    }
    let mut accounts = Accounts::load(overlay)?;
    for group in &settings.groups {
        accounts.ensure_group(group)?;
    }
    let mut made = BTreeSet::new();
    for user in &settings.users {
        check_fields(user)?;
        let hash = match &user.password {
            Some(Password::Plain(plain)) => {
                warnings.push(format!(
                    "the password of `{}` is in the configuration as plain text: anyone who reads it \
                     can log in; use a hash (`openssl passwd -6`)",
                    user.name
                ));
                Some(password::hash(plain, inputs.seed, &user.name))
            }
            Some(Password::Hashed(hash)) => Some(hash.clone()),
            None => None,
        };
        let is_known = |table: &Table| table.get(&user.name).is_some();
        if is_known(&accounts.passwd) || is_known(&accounts.vendor_passwd) {
            accounts.change_user(user, hash.as_deref(), inputs.day)?;
        } else if user.must_exist {
            let names = accounts.passwd.names().chain(accounts.vendor_passwd.names());
            let (name, nearest) = (user.name.clone(), nearest(&user.name, names));
            return Err(Error::NoSuchName { what: "user", name, nearest });
        } else {
            made.insert(&user.name);
            let home = home::of_new(overlay, user, &accounts.defaults);
            accounts.add_user(user, &home, hash.as_deref(), inputs.day)?;
        }
        accounts.expire(user);
        accounts.join(&user.name, &user.groups)?;
    }
    for user in &settings.users {
        let more_keys = if user.name == "root" { inputs.root_keys } else { None };
        let wanted = home::Wanted { user, is_new: made.contains(&user.name), more_keys };
        home::make(overlay, wanted, &accounts.passwd, &accounts.defaults)?;
    }
    accounts.save(overlay)
}

/// No value may end its field or line.
fn check_fields(user: &User) -> Result<(), Error> {
    let hash = match &user.password {
        Some(Password::Hashed(hash)) => Some(hash),
        _ => None,
    };
    let fields = [
        ("the name", Some(&user.name)),
        ("the description", user.description.as_ref()),
        ("the password", hash),
        ("the home", user.home.as_ref()),
        ("the shell", user.shell.as_ref()),
    ];
    for (what, value) in fields {
        let wrong = value.and_then(|value| value.chars().find(|c| *c == ':' || c.is_control()));
        if let Some(character) = wrong {
            return Err(Error::Field { name: user.name.clone(), what, character });
        }
    }
    let mut keys = user.keys.iter().flat_map(|key| key.trim().chars());
    match keys.find(|c| c.is_control() && *c != '\t') {
        None => Ok(()),
        Some(character) => Err(Error::Field { name: user.name.clone(), what: "a key", character }),
    }
}

/// Numbers of owners, by the deployment's tables.
#[derive(Default)]
pub(super) struct Owners {
    tables: Option<[Table; 4]>,
}

impl Owners {
    /// The number of a user.
    pub(super) fn uid(
        &mut self,
        overlay: &Overlay<'_>,
        owner: Option<&Owner>,
    ) -> Result<u32, Error> {
        self.id(overlay, owner, "user", 0)
    }

    /// The number of a group.
    pub(super) fn gid(
        &mut self,
        overlay: &Overlay<'_>,
        owner: Option<&Owner>,
    ) -> Result<u32, Error> {
        self.id(overlay, owner, "group", 2)
    }

    fn id(
        &mut self,
        overlay: &Overlay<'_>,
        owner: Option<&Owner>,
        what: &'static str,
        at: usize,
    ) -> Result<u32, Error> {
        let name = match owner {
            None => return Ok(0),
            Some(Owner::Id(id)) => return Ok(*id),
            Some(Owner::Name(name)) => name,
        };
        if self.tables.is_none() {
            let load = |path| Table::load(overlay, path);
            self.tables = Some([
                load("etc/passwd")?,
                load("usr/lib/passwd")?,
                load("etc/group")?,
                load("usr/lib/group")?,
            ]);
        }
        let tables = self.tables.iter().flat_map(|tables| &tables[at..at + 2]);
        let found = tables.clone().find_map(|table| table.id(name));
        found.ok_or_else(|| {
            let nearest = nearest(name, tables.flat_map(Table::names));
            Error::NoSuchName { what, name: name.clone(), nearest }
        })
    }
}
