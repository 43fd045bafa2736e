//! Units that start, that do not, and that must not: what `systemctl --root` does with links.
//!
//! | | in `/etc/systemd/system` |
//! |---|---|
//! | enable | `X.wants/UNIT`, `X.requires/UNIT`, `X.upholds/UNIT` and aliases, as `[Install]` says, with the units in `Also=` |
//! | disable | every link to the unit or of its name removed, and those to units in `Also=` |
//! | mask | `UNIT`, a link to `/dev/null` |
//!
//! Links lead to the unit's file by an absolute path. A machine without an id applies presets at its
//! first boot, which would undo all that: so `/etc/systemd/system-preset` says the same.

use std::collections::BTreeSet;

use super::error::{Error, nearest};
use super::overlay::Overlay;
use crate::additions::Addition;
use crate::files::{FileKind, Files as _};
use crate::settings::Units;
use unit_files::{CONFIG, Found, Install, Name};

mod unit_files;

/// Sorts before the presets of every distribution.
const PRESET: &str = "etc/systemd/system-preset/00-bootc-image.preset";
const LINK_FOLDERS: [&str; 3] = [".wants", ".requires", ".upholds"];

/// Makes and removes links.
pub(super) fn customize(
    overlay: &mut Overlay<'_>,
    units: &Units,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut presets = Vec::new();
    for unit in &units.disabled {
        let name = match file(overlay, unit)? {
            Found::File { name, .. } => name,
            Found::Masked => unit.clone(),
        };
        disable(overlay, &name)?;
        presets.push(format!("disable {name}"));
    }
    for unit in &units.enabled {
        let Found::File { name, path } = file(overlay, unit)? else {
            return Err(Error::MaskedUnit(unit.clone()));
        };
        if Install::load(overlay, &name, &path)?.is_empty() {
            warnings.push(format!(
                "the unit `{name}` is not enabled: it has no [Install] section, others start it"
            ));
            continue;
        }
        enable(overlay, &name, &path, &mut BTreeSet::new())?;
        presets.push(preset(&name));
    }
    for unit in &units.masked {
        file(overlay, unit)?;
        mask(overlay, unit)?;
    }
    if !presets.is_empty() {
        overlay.ensure_parent(PRESET, PRESET, true)?;
        overlay.put(Addition::file(PRESET, 0o644, presets.join("\n") + "\n"));
    }
    Ok(())
}

/// The unit, which must be there.
fn file(overlay: &Overlay<'_>, unit: &str) -> Result<Found, Error> {
    let found = Name::parse(unit).and_then(|_| unit_files::find(overlay, unit));
    found.ok_or_else(|| {
        let names = unit_files::names(overlay);
        let nearest = nearest(unit, names.iter().map(String::as_str));
        Error::NoSuchUnit { unit: unit.to_owned(), nearest }
    })
}

/// Presets name instances after their template.
fn preset(name: &str) -> String {
    let parsed = Name::parse(name);
    match parsed.and_then(|parsed| Some((parsed.template()?, parsed.instance?))) {
        Some((template, instance)) => format!("enable {template} {instance}"),
        None => format!("enable {name}"),
    }
}

fn enable(
    overlay: &mut Overlay<'_>,
    name: &str,
    path: &str,
    seen: &mut BTreeSet<String>,
) -> Result<(), Error> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let install = Install::load(overlay, name, path)?;
    let unit = Name::parse(name).ok_or_else(|| wrong_name(path, name))?;
    for alias in &install.aliases {
        link_alias(overlay, unit, &unit.expand(alias), name, path)?;
    }
    let started = match (&install.default_instance, unit.is_template()) {
        (Some(instance), true) => unit.with_instance(&unit.expand(instance)),
        _ => name.to_owned(),
    };
    let is_open = Name::parse(&started).ok_or_else(|| wrong_name(path, &started))?.is_template();
    if is_open && !install.pulled_in_by.is_empty() {
        return Err(Error::Template(name.to_owned()));
    }
    for (suffix, by) in &install.pulled_in_by {
        let by = unit.expand(by);
        Name::parse(&by).ok_or_else(|| wrong_name(path, &by))?;
        link(overlay, &format!("{CONFIG}/{by}.{suffix}/{started}"), path)?;
    }
    for also in &install.also {
        // one that is not there is passed over, as upstream does
        let also = unit.expand(also);
        if let Some(Found::File { name, path }) = unit_files::find(overlay, &also) {
            enable(overlay, &name, &path, seen)?;
        }
    }
    Ok(())
}

fn wrong_name(path: &str, value: &str) -> Error {
    Error::UnitName { path: path.to_owned(), value: value.to_owned() }
}

/// Makes an alias; an instance's alias that is a template gets the instance.
fn link_alias(
    overlay: &mut Overlay<'_>,
    unit: Name<'_>,
    alias: &str,
    name: &str,
    path: &str,
) -> Result<(), Error> {
    let parsed = Name::parse(alias).filter(|parsed| parsed.suffix == unit.suffix);
    let parsed = parsed.ok_or_else(|| wrong_name(path, alias))?;
    let alias = match unit.instance {
        Some(instance) if parsed.is_template() => parsed.with_instance(instance),
        _ => alias.to_owned(),
    };
    if alias == name {
        return Ok(());
    }
    let at = format!("{CONFIG}/{alias}");
    match overlay.kind(&at) {
        None => link(overlay, &at, path),
        Some(FileKind::Symlink { target }) if leads_to(&target, path) => Ok(()),
        Some(_) => Err(Error::UnitPath { unit: name.to_owned(), done: "enabled", path: at }),
    }
}

/// Whether a link's target is that file, up to how it is written.
fn leads_to(target: &str, path: &str) -> bool {
    target.rsplit('/').next() == path.rsplit('/').next()
}

fn link(overlay: &mut Overlay<'_>, at: &str, path: &str) -> Result<(), Error> {
    if overlay.kind(at).is_some() {
        return Ok(());
    }
    overlay.ensure_parent(at, at, true)?;
    overlay.put(Addition::symlink(at, format!("/{path}")));
    Ok(())
}

fn mask(overlay: &mut Overlay<'_>, unit: &str) -> Result<(), Error> {
    let at = format!("{CONFIG}/{unit}");
    match overlay.kind(&at) {
        None => {}
        Some(FileKind::Symlink { target }) if target == "/dev/null" => return Ok(()),
        Some(_) => {
            return Err(Error::UnitPath { unit: unit.to_owned(), done: "masked", path: at });
        }
    }
    overlay.ensure_parent(&at, &at, true)?;
    overlay.put(Addition::symlink(at, "/dev/null"));
    Ok(())
}

/// Removes links until none is left that leads to the unit, to what is installed with it, or to a link
/// that was removed.
fn disable(overlay: &mut Overlay<'_>, name: &str) -> Result<(), Error> {
    let mut gone = BTreeSet::new();
    installed_with(overlay, name, &mut gone)?;
    loop {
        let links: Vec<(String, String)> = links(overlay);
        let found = links.into_iter().find(|(at, target)| is_of(at, target, &gone));
        let Some((at, _)) = found else { return Ok(()) };
        let base = at.rsplit('/').next().unwrap_or_default().to_owned();
        overlay.put(Addition::removed(at.clone()));
        gone.insert(base);
        if let Some((folder, _)) = at.rsplit_once('/')
            && folder != CONFIG
            && overlay.names(folder).is_empty()
        {
            overlay.put(Addition::removed(folder));
        }
    }
}

fn installed_with(
    overlay: &Overlay<'_>,
    name: &str,
    gone: &mut BTreeSet<String>,
) -> Result<(), Error> {
    if !gone.insert(name.to_owned()) {
        return Ok(());
    }
    let Some(Found::File { name, path }) = unit_files::find(overlay, name) else { return Ok(()) };
    let also = Install::load(overlay, &name, &path)?.also;
    let expand = |also: String| Name::parse(&name).map_or(also.clone(), |unit| unit.expand(&also));
    also.into_iter().try_for_each(|also| installed_with(overlay, &expand(also), gone))
}

/// Whether a link goes with the units in `gone`; masks stay.
fn is_of(at: &str, target: &str, gone: &BTreeSet<String>) -> bool {
    let base = at.rsplit('/').next().unwrap_or_default();
    let template = Name::parse(base).and_then(Name::template);
    target != "/dev/null"
        && (gone.contains(base)
            || target.rsplit('/').next().is_some_and(|target| gone.contains(target))
            || template.is_some_and(|template| gone.contains(&template)))
}

/// The links of `/etc/systemd/system` and its folders, with their targets.
fn links(overlay: &Overlay<'_>) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut add = |at: String| {
        if let Some(FileKind::Symlink { target }) = overlay.kind(&at) {
            links.push((at, target));
        }
    };
    for name in overlay.names(CONFIG) {
        let at = format!("{CONFIG}/{name}");
        if LINK_FOLDERS.iter().any(|folder| name.ends_with(folder)) {
            overlay.names(&at).iter().for_each(|below| add(format!("{at}/{below}")));
        } else {
            add(at);
        }
    }
    links
}
