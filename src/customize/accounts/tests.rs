use super::super::{Inputs, customize as customize_all};
use super::*;
use crate::additions::{Addition, AdditionKind};
use crate::files::MemoryFiles;
use crate::settings::Settings;

/// An image of Fedora's family: packages' accounts in `/usr/lib`.
fn fedora() -> MemoryFiles {
    MemoryFiles::default()
        .with("usr/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        .with("usr/etc/shadow", "root:!locked::0:99999:7:::\n")
        .with("usr/etc/group", "root:x:0:\n")
        .with("usr/etc/gshadow", "root:::\n")
        .with("usr/lib/passwd", "sshd:x:74:74:sshd:/usr/share/empty.sshd:/usr/sbin/nologin\nold:x:1000:1000::/home/old:/bin/sh\n")
        .with("usr/lib/group", "wheel:x:10:\nsshd:x:74:\nold:x:1000:\n")
        .with("usr/etc/login.defs", "HOME_MODE 0700\nUSERGROUPS_ENAB yes\nPASS_MAX_DAYS 99999\n")
        .with("usr/etc/skel/.profile", "x")
        .with_link("root", "var/roothome")
        .with_link("home", "var/home")
}

fn user(name: &str) -> User {
    User { name: name.into(), ..User::default() }
}

fn settings(users: Vec<User>) -> Settings {
    Settings { users, ..Settings::default() }
}

fn additions(image: &MemoryFiles, settings: &Settings) -> Result<Vec<Addition>, Error> {
    let inputs = Inputs { settings, files: image, root_keys: None, seed: b"plan", day: 20_000 };
    customize_all(&inputs).map(|made| made.additions)
}

fn text<'a>(additions: &'a [Addition], path: &str) -> &'a str {
    match additions.iter().find(|addition| addition.path == path).map(|found| &found.kind) {
        Some(AdditionKind::File(bytes)) => std::str::from_utf8(bytes).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn groups_of_packages_are_copied_before_they_get_members() {
    let settings = settings(vec![User { groups: vec!["wheel".into()], ..user("ops") }]);
    let made = additions(&fedora(), &settings).unwrap();
    assert_eq!(text(&made, "etc/group"), "root:x:0:\nops:x:1001:\nwheel:x:10:ops\n");
    assert_eq!(
        text(&made, "etc/passwd"),
        "root:x:0:0:root:/root:/bin/bash\nops:x:1001:1001::/home/ops:\n"
    );
    assert_eq!(text(&made, "etc/shadow"), "root:!locked::0:99999:7:::\nops:!:20000::99999::::\n");
    let home = made.iter().find(|addition| addition.path == "var/home/ops").unwrap();
    assert_eq!((home.mode, home.uid, home.gid), (Some(0o700), Some(1001), Some(1001)));
    assert_eq!(text(&made, "var/home/ops/.profile"), "x");
}

#[test]
fn users_of_packages_are_copied_before_they_change() {
    let changed = User { shell: Some("/bin/bash".into()), ..user("old") };
    let made = additions(&fedora(), &settings(vec![changed])).unwrap();
    assert!(text(&made, "etc/passwd").ends_with("\nold:x:1000:1000::/home/old:/bin/bash\n"));
    assert_eq!(made.len(), 1);
}

#[test]
fn root_gets_keys_and_password() {
    let root = User {
        keys: vec!["ssh-ed25519 AA a@b\n".into(), "ssh-ed25519 BB".into()],
        password: Some(Password::Plain("secret".into())),
        force_password_reset: true,
        ..user("root")
    };
    let settings = settings(vec![root]);
    let image = fedora();
    let inputs = Inputs {
        settings: &settings,
        files: &image,
        root_keys: Some(b"ssh-rsa CC"),
        seed: b"plan",
        day: 20_000,
    };
    let made = customize_all(&inputs).unwrap();
    assert_eq!(made.warnings.len(), 1);
    let made = made.additions;
    let shadow = text(&made, "etc/shadow");
    assert!(shadow.starts_with("root:$6$") && shadow.ends_with(":0:0:99999:7:::\n"), "{shadow}");
    let paths: Vec<&str> = made.iter().map(|addition| addition.path.as_str()).collect();
    let expected =
        ["etc/shadow", "var/roothome", "var/roothome/.ssh", "var/roothome/.ssh/authorized_keys"];
    assert_eq!(paths, expected);
    let keys = text(&made, "var/roothome/.ssh/authorized_keys");
    assert_eq!(keys, "ssh-rsa CC\nssh-ed25519 AA a@b\nssh-ed25519 BB\n");
    let modes: Vec<Option<u16>> = made[1..].iter().map(|addition| addition.mode).collect();
    assert_eq!(modes, [Some(0o700), Some(0o700), Some(0o600)]);
}

#[test]
fn what_cannot_be_is_refused() {
    let group = |name: &str, gid| Group { name: name.into(), gid: Some(gid) };
    let message = |groups: Vec<Group>, user: User| {
        let settings = Settings { groups, users: vec![user], ..Settings::default() };
        additions(&fedora(), &settings).unwrap_err().to_string()
    };
    let cases = [
        (
            vec![],
            User { groups: vec!["weel".into()], ..user("ops") },
            "group `weel` does not exist in this image, nor is it made; the nearest is `wheel`",
        ),
        (
            vec![],
            User { uid: Some(74), ..user("ops") },
            "user `ops`: the number 74 belongs to `sshd`",
        ),
        (
            vec![],
            User { uid: Some(1), ..user("root") },
            "user `root` has the number 0 in this image, not 1",
        ),
        (vec![group("lab", 10)], user("ops"), "group `lab`: the number 10 belongs to `wheel`"),
        (
            vec![group("wheel", 11)],
            user("ops"),
            "group `wheel` has the number 10 in this image, not 11",
        ),
        (
            vec![],
            User { description: Some("a:b".into()), ..user("ops") },
            "user `ops`: the description cannot contain ':'",
        ),
        (
            vec![],
            User { password: Some(Password::Hashed("x\ny".into())), ..user("ops") },
            "user `ops`: the password cannot contain '\\n'",
        ),
        (
            vec![],
            User { home: Some("/opt/ops".into()), ..user("ops") },
            "`/opt/ops` is `/opt/ops` in this image, which no installed system can change: only what is in `/etc` and `/var` can be",
        ),
    ];
    for (groups, user, expected) in cases {
        assert_eq!(message(groups, user), expected);
    }
}

#[test]
fn a_number_makes_a_group_of_the_users_name() {
    let made = additions(&fedora(), &settings(vec![User { gid: Some(1234), ..user("ops") }]));
    assert_eq!(text(&made.unwrap(), "etc/group"), "root:x:0:\nops:x:1234:\n");
    let made =
        additions(&fedora(), &settings(vec![User { gid: Some(10), ..user("ops") }])).unwrap();
    assert!(text(&made, "etc/passwd").contains("\nops:x:1001:10:"));
}

#[test]
fn homes_without_a_link_to_var_are_in_var() {
    let mut image = fedora();
    image.symlinks.remove("home");
    let made = additions(&image, &settings(vec![user("ops")])).unwrap();
    assert!(text(&made, "etc/passwd").ends_with(":/var/home/ops:\n"));
}

#[test]
fn lines_of_users_who_are_gone_do_not_count() {
    let image = fedora()
        .with("usr/etc/shadow", "ops:$6$old$hash:1::::::\nroot:!locked::0:99999:7:::\n")
        .with("usr/etc/gshadow", "ops:!::somebody\nroot:::\n");
    let made = additions(&image, &settings(vec![user("ops")])).unwrap();
    let shadow = "root:!locked::0:99999:7:::\nops:!:20000::99999::::\n";
    assert_eq!(text(&made, "etc/shadow"), shadow);
    assert_eq!(text(&made, "etc/gshadow"), "root:::\nops:!::\n");
}

#[test]
fn keys_alone_make_no_account() {
    let keys = vec!["ssh-rsa A".to_owned()];
    let known = |name| User { keys: keys.clone(), must_exist: true, ..user(name) };
    assert!(additions(&fedora(), &settings(vec![known("root")])).is_ok());
    let refused = additions(&fedora(), &settings(vec![known("rooot")]));
    assert!(matches!(refused, Err(Error::NoSuchName { what: "user", .. })), "{refused:?}");
}

#[test]
fn a_skeleton_has_an_end() {
    let large = "x".repeat(9 << 20);
    let image = fedora().with("usr/etc/skel/a", &large).with("usr/etc/skel/b", &large);
    let refused = additions(&image, &settings(vec![user("ops")]));
    assert!(matches!(refused, Err(Error::Files(_))), "{refused:?}");
}
