//! Links to units as we make them against `systemctl --root`.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that runs tools")]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bootc_image::additions::AdditionKind;
use bootc_image::customize::{Inputs, customize};
use bootc_image::files::MemoryFiles;
use bootc_image::settings::{Settings, Units};

const CONFIG: &str = "etc/systemd/system";

const UNITS: &[(&str, &str)] = &[
    ("multi-user.target", "[Unit]\nDescription=x\n"),
    ("graphical.target", "[Unit]\nDescription=x\n"),
    ("sockets.target", "[Unit]\nDescription=x\n"),
    ("plain.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"),
    (
        "two.service",
        "[Install]\nWantedBy=multi-user.target graphical.target\nRequiredBy=graphical.target\n",
    ),
    ("ssh.service", "[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n"),
    ("web.service", "[Install]\nAlso=web.socket web-extra.service\nWantedBy=multi-user.target\n"),
    ("web.socket", "[Install]\nAlso=web.service\nWantedBy=sockets.target\n"),
    (
        "getty@.service",
        "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\nAlias=autovt@.service\n",
    ),
    ("worker@.service", "[Install]\nWantedBy=multi-user.target\nAlso=helper-%i.service\n"),
    ("helper-a.service", "[Install]\nRequiredBy=worker@%p.service\n"),
    ("alias.target", "[Install]\nAlias=default.target\n"),
    (
        "continued.timer",
        "[Install]\n# WantedBy=a.target\nWantedBy=timers.target \\\n  multi-user.target\n",
    ),
    ("dropped.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("dropped.service.d/10-more.conf", "[Install]\nWantedBy=graphical.target\n"),
    (
        "reset.service",
        "[Install]\nWantedBy=multi-user.target\nWantedBy=\nWantedBy=graphical.target\n",
    ),
    ("foo-bar.service", "[Install]\nWantedBy=%j.target %p.target\n"),
];

/// What is linked already.
const LINKS: &[(&str, &str)] = &[
    ("multi-user.target.wants/plain.service", "/usr/lib/systemd/system/plain.service"),
    ("multi-user.target.wants/two.service", "/usr/lib/systemd/system/two.service"),
    ("graphical.target.wants/two.service", "/usr/lib/systemd/system/two.service"),
    ("graphical.target.requires/two.service", "/usr/lib/systemd/system/two.service"),
    ("multi-user.target.wants/ssh.service", "/usr/lib/systemd/system/ssh.service"),
    ("sshd.service", "/usr/lib/systemd/system/ssh.service"),
    ("getty.target.wants/getty@tty1.service", "/usr/lib/systemd/system/getty@.service"),
    ("getty.target.wants/getty@tty2.service", "/usr/lib/systemd/system/getty@.service"),
    ("multi-user.target.wants/web.service", "/usr/lib/systemd/system/web.service"),
    ("sockets.target.wants/web.socket", "/usr/lib/systemd/system/web.socket"),
    ("multi-user.target.wants/other.service", "/usr/lib/systemd/system/other.service"),
];

/// Whether links are there before, the verb, and its units.
const CASES: &[(bool, &str, &[&str])] = &[
    (false, "enable", &["plain.service"]),
    (true, "enable", &["plain.service"]),
    (false, "enable", &["two.service"]),
    (false, "enable", &["ssh.service"]),
    (false, "enable", &["web.service"]),
    (false, "enable", &["web.socket"]),
    (false, "enable", &["getty@.service"]),
    (false, "enable", &["getty@ttyS0.service"]),
    (false, "enable", &["worker@a.service"]),
    (false, "enable", &["worker@b.service"]),
    (false, "enable", &["alias.target"]),
    (false, "enable", &["continued.timer"]),
    (false, "enable", &["dropped.service"]),
    (false, "enable", &["reset.service"]),
    (false, "enable", &["foo-bar.service"]),
    (false, "enable", &["plain.service", "two.service", "continued.timer"]),
    (true, "disable", &["plain.service"]),
    (true, "disable", &["two.service"]),
    (true, "disable", &["ssh.service"]),
    (true, "disable", &["web.service"]),
    (true, "disable", &["getty@tty1.service"]),
    (true, "disable", &["getty@.service"]),
    (false, "disable", &["plain.service"]),
    (false, "mask", &["plain.service"]),
    (true, "mask", &["plain.service"]),
    (false, "mask", &["getty@tty3.service"]),
];

type Links = BTreeMap<String, String>;

fn ours(has_links: bool, verb: &str, names: &[&str]) -> Links {
    let mut image = MemoryFiles::default();
    for (name, text) in UNITS {
        image = image.with(&format!("usr/lib/systemd/system/{name}"), text);
    }
    let mut links = Links::new();
    for (name, target) in LINKS.iter().filter(|_| has_links) {
        image = image.with_link(&format!("usr/{CONFIG}/{name}"), target);
        links.insert((*name).to_owned(), (*target).to_owned());
    }
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let units = match verb {
        "enable" => Units { enabled: names, ..Units::default() },
        "disable" => Units { disabled: names, ..Units::default() },
        _ => Units { masked: names, ..Units::default() },
    };
    let settings = Settings { units, ..Settings::default() };
    let inputs = Inputs { settings: &settings, files: &image, root_keys: None, seed: b"", day: 1 };
    for addition in customize(&inputs).unwrap().additions {
        let Some(name) = addition.path.strip_prefix("etc/systemd/system/") else { continue };
        match addition.kind {
            AdditionKind::Symlink(target) => {
                links.insert(name.to_owned(), target);
            }
            AdditionKind::Removed => {
                links.remove(name);
            }
            _ => {}
        }
    }
    links
}

fn theirs(has_links: bool, verb: &str, names: &[&str]) -> Links {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, text) in UNITS {
        let path = root.join("usr/lib/systemd/system").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    symlink("usr/lib", root.join("lib")).unwrap();
    std::fs::create_dir_all(root.join(CONFIG)).unwrap();
    for (name, target) in LINKS.iter().filter(|_| has_links) {
        let path = root.join(CONFIG).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
    let mut command = Command::new("systemctl");
    command.arg("--root").arg(root).arg(verb).args(names);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb} {names:?}: {errors}");
    let mut links = Links::new();
    walk(&root.join(CONFIG), "", &mut links);
    links
}

fn walk(folder: &Path, prefix: &str, links: &mut Links) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{name}/"), links);
        } else {
            let target = std::fs::read_link(entry.path()).unwrap();
            // newer versions keep `/lib` apart from `/usr/lib`, where they find it
            let target = target.to_str().unwrap();
            let merged = target.strip_prefix("/lib/").map(|rest| format!("/usr/lib/{rest}"));
            links.insert(name, merged.unwrap_or_else(|| target.to_owned()));
        }
    }
}

#[test]
fn links_are_those_of_systemctl() {
    if Command::new("systemctl").arg("--version").output().is_err() {
        eprintln!("SKIP: comparing links takes systemctl (package systemd)");
        return;
    }
    let mut wrong = Vec::new();
    for &(has_links, verb, names) in CASES {
        let (ours, theirs) = (ours(has_links, verb, names), theirs(has_links, verb, names));
        if ours != theirs {
            wrong.push(format!("{verb} {names:?}\n  theirs {theirs:#?}\n  ours {ours:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
