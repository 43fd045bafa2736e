//! Accounts as we make them against `groupadd`, `useradd` and `usermod` on a copy of the same `/etc`.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that runs tools")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use bootc_image::additions::{Addition, AdditionKind};
use bootc_image::customize::{Customized, Inputs, customize};
use bootc_image::files::MemoryFiles;
use bootc_image::settings::{Group, Password, Settings, User};

const DAY: u32 = 20_000;
const TABLES: [&str; 6] =
    ["etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/subuid", "etc/subgid"];

/// An `/etc` by path.
type Etc = BTreeMap<&'static str, &'static str>;

fn debian() -> Etc {
    BTreeMap::from([
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        ),
        (
            "etc/shadow",
            "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
        ),
        (
            "etc/group",
            "root:x:0:\nadm:x:4:\nsudo:x:27:\nshadow:x:42:\nusers:x:100:\nnogroup:x:65534:\n",
        ),
        ("etc/gshadow", "root:*::\nadm:*::\nsudo:*::\nshadow:*::\nusers:*::\nnogroup:*::\n"),
        ("etc/subuid", ""),
        ("etc/subgid", ""),
        (
            "etc/login.defs",
            "UMASK\t\t022\nHOME_MODE\t0700\nPASS_MAX_DAYS\t99999\nPASS_MIN_DAYS\t0\nPASS_WARN_AGE\t7\nUID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUSERGROUPS_ENAB yes\n",
        ),
        ("etc/default/useradd", "SHELL=/bin/sh\n"),
        ("etc/skel/.bashrc", "# shell\n"),
        ("etc/skel/.config/x", "1"),
    ])
}

/// With users already, odd numbers, no own groups, no ageing.
fn crowded() -> Etc {
    let mut etc = debian();
    etc.insert("etc/passwd", "root:x:0:0::/root:/bin/bash\nold:x:2000:2000:Old:/home/old:/bin/bash\nhigh:x:3000:100::/home/high:/bin/sh\n");
    etc.insert(
        "etc/shadow",
        "root:!locked::0:99999:7:::\nold:$6$a$b:18000:0:99999:7:::\nhigh:!:18000::::::\n",
    );
    etc.insert(
        "etc/group",
        "root:x:0:\nsudo:x:27:old\nusers:x:100:\nold:x:2000:\ndata:x:2002:old,high\n",
    );
    etc.insert("etc/gshadow", "root:*::\nsudo:*::old\nusers:*::\nold:!::\ndata:!::old,high\n");
    etc.insert("etc/subuid", "old:165536:65536\nx:100000:10\n");
    etc.insert("etc/subgid", "old:100000:65536\n");
    etc.insert(
        "etc/login.defs",
        "UID_MIN 2000\nUID_MAX 3000\nGID_MIN 2000\nGID_MAX 60000\nUSERGROUPS_ENAB no\nUMASK 027\n",
    );
    etc.insert("etc/default/useradd", "GROUP=100\nSHELL=/bin/bash\nINACTIVE=30\nHOME=/home\n");
    etc
}

/// Without the shadow of groups.
fn plain() -> Etc {
    let mut etc = debian();
    etc.remove("etc/gshadow");
    etc.remove("etc/subuid");
    etc
}

fn user(name: &str) -> User {
    User { name: name.into(), ..User::default() }
}

fn hashed(hash: &str) -> Option<Password> {
    Some(Password::Hashed(hash.into()))
}

fn settings(groups: Vec<Group>, users: Vec<User>) -> Settings {
    Settings { users, groups, ..Settings::default() }
}

/// What is compared: the `/etc`, and groups and users to make or change in it.
fn cases() -> Vec<(&'static str, Etc, Settings)> {
    let group = |name: &str, gid| Group { name: name.into(), gid };
    let full = User {
        description: Some("Operator, lab 7".into()),
        password: hashed("$6$salt$hash"),
        shell: Some("/bin/bash".into()),
        home: Some("/var/home/elsewhere".into()),
        groups: vec!["sudo".into(), "adm".into()],
        uid: Some(1500),
        expire_days: Some(21_000),
        ..user("ops")
    };
    let root = User { password: hashed("$6$r$r"), shell: Some("/bin/sh".into()), ..user("root") };
    let joined = User { groups: vec!["data".into(), "sudo".into()], ..user("new") };
    let changed = User {
        description: Some("Changed".into()),
        groups: vec!["data".into(), "sudo".into()],
        password: hashed("$6$n$n"),
        expire_days: Some(30_000),
        ..user("high")
    };
    vec![
        ("plain user", debian(), settings(vec![], vec![user("ops")])),
        ("two users", debian(), settings(vec![], vec![user("ops"), user("dev")])),
        ("every field", debian(), settings(vec![], vec![full.clone(), user("dev")])),
        (
            "groups first",
            debian(),
            settings(vec![group("lab", None), group("low", Some(500))], vec![user("ops")]),
        ),
        (
            "uid is a gid",
            debian(),
            settings(vec![group("lab", Some(1000))], vec![user("ops"), user("dev")]),
        ),
        ("system uid", debian(), settings(vec![], vec![User { uid: Some(450), ..user("svc") }])),
        ("root", debian(), settings(vec![], vec![root])),
        ("crowded", crowded(), settings(vec![], vec![joined, user("more")])),
        ("changed", crowded(), settings(vec![group("lab", None)], vec![changed])),
        (
            "crowded ids",
            crowded(),
            settings(
                vec![group("lab", Some(2500))],
                vec![User { uid: Some(2400), ..user("a") }, user("b")],
            ),
        ),
        ("no gshadow", plain(), settings(vec![group("lab", None)], vec![full])),
    ]
}

fn ours(etc: &Etc, settings: &Settings) -> Customized {
    let mut image =
        MemoryFiles::default().with_link("home", "var/home").with_link("root", "var/roothome");
    for (path, text) in etc {
        image = image.with(&format!("usr/{path}"), text);
    }
    let inputs = Inputs { settings, files: &image, root_keys: None, seed: b"plan", day: DAY };
    customize(&inputs).unwrap()
}

fn run(prefix: &Path, program: &str, args: &[&str]) {
    let epoch = (u64::from(DAY) * 86_400).to_string();
    let mut command = Command::new(program);
    command
        .arg("--prefix")
        .arg(prefix)
        .args(args)
        .env("SOURCE_DATE_EPOCH", epoch)
        .env("LC_ALL", "C");
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
}

fn options(user: &User) -> Vec<String> {
    let mut args = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            args.extend([name.to_owned(), value]);
        }
    };
    add("--comment", user.description.clone());
    add("--shell", user.shell.clone());
    add("--uid", user.uid.map(|uid| uid.to_string()));
    add("--home-dir", user.home.clone());
    add("--groups", (!user.groups.is_empty()).then(|| user.groups.join(",")));
    add("--expiredate", user.expire_days.map(date));
    if let Some(Password::Hashed(hash)) = &user.password {
        add("--password", Some(hash.clone()));
    }
    args
}

/// `1970-01-01` and so on (civil from days).
fn date(days: u32) -> String {
    let z = i64::from(days) + 719_468;
    let era = z / 146_097;
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", doy - (153 * mp + 2) / 5 + 1)
}

fn theirs(prefix: &Path, etc: &Etc, settings: &Settings) {
    for (path, text) in etc {
        let path = prefix.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(prefix.join("var/home")).unwrap();
    std::os::unix::fs::symlink("var/home", prefix.join("home")).unwrap();
    for group in &settings.groups {
        let gid = group.gid.map(|gid| gid.to_string());
        let mut args = gid.as_deref().map_or(vec![], |gid| vec!["--gid", gid]);
        args.push(&group.name);
        run(prefix, "groupadd", &args);
    }
    for user in &settings.users {
        let options = options(user);
        let mut args: Vec<&str> = options.iter().map(String::as_str).collect();
        let is_there =
            etc["etc/passwd"].lines().any(|line| line.split(':').next() == Some(&user.name));
        if is_there {
            if !user.groups.is_empty() {
                args.insert(0, "--append");
            }
            args.push(&user.name);
            run(prefix, "usermod", &args);
        } else {
            let skeleton = prefix.join("etc/skel").display().to_string();
            let mut args = [vec!["--create-home", "--skel", &skeleton], args].concat();
            args.push(&user.name);
            run(prefix, "useradd", &args);
        }
    }
}

fn content<'a>(made: &'a Customized, etc: &'a Etc, path: &str) -> Option<&'a [u8]> {
    match made.additions.iter().find(|addition| addition.path == path) {
        Some(Addition { kind: AdditionKind::File(bytes), .. }) => Some(bytes),
        Some(_) => None,
        None => etc.get(path).map(|text| text.as_bytes()),
    }
}

/// Whether it is a directory, mode, owners, content.
type Inode = (bool, u32, u32, u32, String);

/// Type, mode, owners and content of everything below a folder.
fn walk(root: &Path, folder: &str, found: &mut BTreeMap<String, Inode>) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        let meta = entry.metadata().unwrap();
        let bytes = if meta.is_dir() {
            String::new()
        } else {
            std::fs::read_to_string(entry.path()).unwrap()
        };
        let mode = meta.permissions().mode() & 0o7777;
        found.insert(path.clone(), (meta.is_dir(), mode, meta.uid(), meta.gid(), bytes));
        if meta.is_dir() {
            walk(root, &path, found);
        }
    }
}

#[test]
fn accounts_are_those_of_shadow_utils() {
    let has_tools = Command::new("useradd").arg("--help").output().is_ok();
    if !has_tools || !rustix::process::geteuid().is_root() {
        eprintln!("SKIP: comparing accounts takes root, and useradd (package passwd)");
        return;
    }
    let mut wrong = Vec::new();
    for (name, etc, settings) in cases() {
        let folder = tempfile::tempdir().unwrap();
        theirs(folder.path(), &etc, &settings);
        let made = ours(&etc, &settings);
        for table in TABLES {
            let theirs = std::fs::read(folder.path().join(table)).ok();
            let ours = content(&made, &etc, table);
            if theirs.as_deref() != ours {
                let show = |bytes: Option<&[u8]>| {
                    bytes.map_or("none".into(), |b| String::from_utf8_lossy(b).into_owned())
                };
                wrong.push(format!(
                    "{name}: {table}\n-- theirs\n{}-- ours\n{}",
                    show(theirs.as_deref()),
                    show(ours)
                ));
            }
        }
        let mut homes = BTreeMap::new();
        walk(folder.path(), "var/home", &mut homes);
        let our_homes: BTreeMap<_, _> = (made.additions.iter())
            .filter(|addition| addition.path.starts_with("var/home/"))
            .map(|addition| {
                let (is_directory, bytes) = match &addition.kind {
                    AdditionKind::File(bytes) => (false, String::from_utf8(bytes.clone()).unwrap()),
                    _ => (true, String::new()),
                };
                let id = |id: Option<u32>| id.unwrap();
                let mode = u32::from(addition.mode.unwrap());
                (
                    addition.path.clone(),
                    (is_directory, mode, id(addition.uid), id(addition.gid), bytes),
                )
            })
            .collect();
        if homes != our_homes {
            wrong.push(format!("{name}: homes\n-- theirs\n{homes:?}\n-- ours\n{our_homes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
