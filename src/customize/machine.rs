//! Host name, language, keyboard, time zone and time servers.
//!
//! | setting | file |
//! |---|---|
//! | host name | `/etc/hostname` |
//! | languages | `/etc/locale.conf`: `LANG=`, and `LANGUAGE=` of all when there are several; where the image keeps it, `/etc/default/locale` likewise |
//! | keyboard | `/etc/vconsole.conf`: `KEYMAP=`, other lines stay |
//! | time zone | `/etc/localtime`, a link to `../usr/share/zoneinfo/ZONE`; `/etc/timezone` where the image has it |
//! | NTP servers | chrony's configuration, or a drop-in of systemd-timesyncd |
//!
//! In chrony's configuration ours replace the lines `server`, `pool` and `peer`, as osbuild does; what
//! its directories of sources (DHCP's) bring stays.

use super::error::{Error, nearest};
use super::overlay::Overlay;
use crate::additions::Addition;
use crate::files::{FileKind, Files};
use crate::settings::Settings;

const ZONES: &str = "usr/share/zoneinfo";
const CHRONY: [&str; 2] = ["etc/chrony/chrony.conf", "etc/chrony.conf"];
const CHRONYD: [&str; 2] = ["usr/sbin/chronyd", "usr/bin/chronyd"];
const TIMESYNCD: &str = "usr/lib/systemd/systemd-timesyncd";
const TIMESYNCD_DROP_IN: &str = "etc/systemd/timesyncd.conf.d/10-bootc-image.conf";

/// Writes all of it.
pub(super) fn customize(overlay: &mut Overlay<'_>, settings: &Settings) -> Result<(), Error> {
    if let Some(hostname) = &settings.hostname {
        write(overlay, "/etc/hostname", format!("{hostname}\n"))?;
    }
    let locale = &settings.locale;
    if let Some((first, more)) = locale.languages.split_first() {
        let mut lines = vec![("LANG", first.clone())];
        if !more.is_empty() {
            lines.push(("LANGUAGE", locale.languages.join(":")));
        }
        set_variables(overlay, "/etc/locale.conf", &lines)?;
        if matches!(overlay.kind("etc/default/locale"), Some(FileKind::Regular { .. })) {
            set_variables(overlay, "/etc/default/locale", &lines)?;
        }
    }
    if let Some(keyboard) = &locale.keyboard {
        set_variables(overlay, "/etc/vconsole.conf", &[("KEYMAP", keyboard.clone())])?;
    }
    if let Some(zone) = &settings.time.zone {
        time_zone(overlay, zone)?;
    }
    match settings.time.ntp_servers.as_slice() {
        [] => Ok(()),
        servers => time_servers(overlay, servers),
    }
}

/// Writes a file of root's where links lead.
fn write(overlay: &mut Overlay<'_>, path: &str, text: String) -> Result<(), Error> {
    let real = overlay.place(path)?;
    if overlay.kind(&real) == Some(FileKind::Directory) {
        return Err(Error::Occupied { path: path.to_owned(), found: "a directory" });
    }
    overlay.ensure_parent(path, &real, true)?;
    overlay.put(Addition::file(real, 0o644, text));
    Ok(())
}

/// Sets variables in a file of `NAME=value` lines and keeps the others.
fn set_variables(
    overlay: &mut Overlay<'_>,
    path: &str,
    variables: &[(&str, String)],
) -> Result<(), Error> {
    let before = overlay.text(path.trim_start_matches('/'))?.unwrap_or_default();
    let is_ours = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        variables.iter().any(|(ours, _)| *ours == name)
    };
    let mut text: String =
        before.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect();
    for (name, value) in variables {
        text.push_str(&format!("{name}={}\n", quoted(value)));
    }
    write(overlay, path, text)
}

/// A value as the shell and systemd read it.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:@/+,".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("\"{value}\"") }
}

fn time_zone(overlay: &mut Overlay<'_>, zone: &str) -> Result<(), Error> {
    let in_image =
        overlay.resolve(ZONES).filter(|zones| overlay.kind(zones) == Some(FileKind::Directory));
    if let Some(zones) = in_image {
        let path = format!("{zones}/{zone}");
        let is_clean = zone.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_clean || !overlay.leads_to_file(&path) {
            let names = zone_names(overlay, &zones);
            let nearest = nearest(zone, names.iter().map(String::as_str));
            return Err(Error::NoSuchZone { zone: zone.to_owned(), nearest });
        }
    }
    overlay.put(Addition::symlink("etc/localtime", format!("../{ZONES}/{zone}")));
    if matches!(overlay.kind("etc/timezone"), Some(FileKind::Regular { .. })) {
        write(overlay, "/etc/timezone", format!("{zone}\n"))?;
    }
    Ok(())
}

/// Names of zones, for a message: two levels, which is all but a few of them.
fn zone_names(files: &dyn Files, zones: &str) -> Vec<String> {
    let mut names = Vec::new();
    for name in files.names(zones) {
        if files.kind(&format!("{zones}/{name}")) == Some(FileKind::Directory) {
            let below = files.names(&format!("{zones}/{name}"));
            names.extend(below.into_iter().map(|below| format!("{name}/{below}")));
        } else {
            names.push(name);
        }
    }
    names
}

fn time_servers(overlay: &mut Overlay<'_>, servers: &[String]) -> Result<(), Error> {
    let lines: String = servers.iter().map(|server| format!("server {server} iburst\n")).collect();
    if CHRONYD.iter().any(|path| overlay.leads_to_file(path)) {
        for path in CHRONY {
            if let Some(text) = overlay.text(path)? {
                return chrony(overlay, path, &text, &lines);
            }
        }
        return write(overlay, "/etc/chrony.conf", lines);
    }
    if overlay.leads_to_file(TIMESYNCD) {
        let text = format!("[Time]\nNTP={}\n", servers.join(" "));
        return write(overlay, &format!("/{TIMESYNCD_DROP_IN}"), text);
    }
    Err(Error::NoTimeService)
}

fn chrony(overlay: &mut Overlay<'_>, path: &str, text: &str, lines: &str) -> Result<(), Error> {
    let is_source = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        matches!(word.as_str(), "server" | "pool" | "peer")
    };
    let kept: String =
        text.lines().filter(|line| !is_source(line)).map(|line| format!("{line}\n")).collect();
    write(overlay, &format!("/{path}"), format!("{kept}{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use crate::settings::{Locale, Time};

    fn text(image: &MemoryFiles, settings: &Settings, path: &str) -> Option<String> {
        let mut overlay = Overlay::new(image);
        customize(&mut overlay, settings).unwrap();
        overlay.text(path).unwrap()
    }

    #[test]
    fn names_and_languages_are_written() {
        let image = MemoryFiles::default()
            .with("usr/etc/vconsole.conf", "FONT=eurlatgr\nKEYMAP=us\n")
            .with("usr/etc/default/locale", "LANG=C\n");
        let settings = Settings {
            hostname: Some("lab-7".into()),
            locale: Locale {
                languages: vec!["de_DE.UTF-8".into(), "en_GB.UTF-8".into()],
                keyboard: Some("de-nodeadkeys".into()),
            },
            ..Settings::default()
        };
        let locale = "LANG=de_DE.UTF-8\nLANGUAGE=de_DE.UTF-8:en_GB.UTF-8\n";
        for (path, expected) in [
            ("etc/hostname", "lab-7\n"),
            ("etc/locale.conf", locale),
            ("etc/default/locale", locale),
            ("etc/vconsole.conf", "FONT=eurlatgr\nKEYMAP=de-nodeadkeys\n"),
        ] {
            assert_eq!(text(&image, &settings, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn zones_must_be_there() {
        let zone = |zone: &str| Settings {
            time: Time { zone: Some(zone.into()), ntp_servers: vec![] },
            ..Settings::default()
        };
        let image = MemoryFiles::default()
            .with("usr/share/zoneinfo/Europe/Berlin", "TZif")
            .with("usr/etc/timezone", "Etc/UTC\n");
        let mut overlay = Overlay::new(&image);
        customize(&mut overlay, &zone("Europe/Berlin")).unwrap();
        let target = "../usr/share/zoneinfo/Europe/Berlin".to_owned();
        assert_eq!(overlay.kind("etc/localtime"), Some(FileKind::Symlink { target }));
        assert_eq!(overlay.text("etc/timezone").unwrap().as_deref(), Some("Europe/Berlin\n"));
        let error = customize(&mut overlay, &zone("Europe/Berln")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the image has no time zone `Europe/Berln`; the nearest is `Europe/Berlin`"
        );
        for wrong in ["Europe", "../../../etc/passwd", "Europe//Berlin", ""] {
            assert!(customize(&mut overlay, &zone(wrong)).is_err(), "{wrong}");
        }
        let bare = MemoryFiles::default();
        customize(&mut Overlay::new(&bare), &zone("Mars/Olympus")).unwrap();
    }

    #[test]
    fn time_servers_go_to_what_keeps_time() {
        let settings = Settings {
            time: Time { zone: None, ntp_servers: vec!["a.example".into(), "192.0.2.1".into()] },
            ..Settings::default()
        };
        let chrony = MemoryFiles::default().with("usr/sbin/chronyd", "").with(
            "usr/etc/chrony.conf",
            "# Use\npool 2.fedora.pool.ntp.org iburst\nmakestep 1.0 3\n",
        );
        assert_eq!(
            text(&chrony, &settings, "etc/chrony.conf").unwrap(),
            "# Use\nmakestep 1.0 3\nserver a.example iburst\nserver 192.0.2.1 iburst\n"
        );
        let timesyncd = MemoryFiles::default().with(TIMESYNCD, "");
        assert_eq!(
            text(&timesyncd, &settings, TIMESYNCD_DROP_IN).unwrap(),
            "[Time]\nNTP=a.example 192.0.2.1\n"
        );
        let neither = MemoryFiles::default();
        let error = customize(&mut Overlay::new(&neither), &settings).unwrap_err();
        assert!(matches!(error, Error::NoTimeService));
    }
}
