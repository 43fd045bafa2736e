use super::*;
use crate::additions::AdditionKind;
use crate::files::MemoryFiles;
use crate::settings::{
    Access, CloudInit, DirectorySetting, FileSetting, GrubConsole, Ignition, Owner, Units, User,
};

fn made(image: &MemoryFiles, settings: &Settings) -> Result<Customized, Error> {
    customize(&Inputs { settings, files: image, root_keys: None, seed: b"plan", day: 20_000 })
}

fn image() -> MemoryFiles {
    MemoryFiles::default()
        .with("usr/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n")
        .with("usr/etc/group", "root:x:0:\nwww:x:33:\n")
        .with("usr/etc/app/conf", "old")
        .with_link("usr/etc/link", "app/conf")
        .with_link("usr/etc/escape", "../usr/lib")
        .with_link("home", "var/home")
}

fn file(path: &str) -> FileSetting {
    FileSetting { path: path.into(), access: Access::default(), bytes: b"new".to_vec() }
}

fn directory(path: &str, ensure_parents: bool) -> DirectorySetting {
    DirectorySetting { path: path.into(), access: Access::default(), ensure_parents }
}

#[test]
fn no_settings_no_change() {
    assert_eq!(made(&image(), &Settings::default()).unwrap(), Customized::default());
}

#[test]
fn files_are_owned_by_users_made_before() {
    let access = |mode, user: &str, group| Access {
        mode: Some(mode),
        user: Some(Owner::Name(user.into())),
        group,
    };
    let settings = Settings {
        users: vec![User { name: "ops".into(), ..User::default() }],
        directories: vec![
            DirectorySetting {
                access: access(0o750, "ops", Some(Owner::Id(7))),
                ..directory("/etc/a/b", true)
            },
            DirectorySetting {
                access: Access { user: Some(Owner::Id(9)), ..Access::default() },
                ..directory("/etc/app", false)
            },
        ],
        files: vec![
            FileSetting { access: access(0o600, "www", None), ..file("/etc/a/b/c") },
            file("/etc/link"),
        ],
        ..Settings::default()
    };
    let made = made(&image(), &settings).unwrap();
    let of = |path: &str| {
        let found = made.additions.iter().find(|addition| addition.path == path).unwrap();
        (found.mode, found.uid, found.gid)
    };
    assert_eq!(of("etc/a"), (Some(0o755), Some(0), Some(0)));
    assert_eq!(of("etc/a/b"), (Some(0o750), Some(1000), Some(7)));
    assert_eq!(of("etc/a/b/c"), (Some(0o600), Some(33), Some(0)));
    assert_eq!(of("etc/app"), (None, Some(9), None));
    assert_eq!(of("etc/link"), (Some(0o644), Some(0), Some(0)));
}

#[test]
fn files_that_cannot_be_are_refused() {
    let read_only =
        "which no installed system can change: only what is in `/etc` and `/var` can be";
    for (path, expected) in [
        ("/etc/none/x", "`/etc/none/x`: the image has no directory `/etc/none`".to_owned()),
        ("/etc/app", "`/etc/app` is a directory in this image".to_owned()),
        ("/usr/bin/x", format!("`/usr/bin/x` is `/usr/bin/x` in this image, {read_only}")),
        ("/etc/escape/x", format!("`/etc/escape/x` is `/usr/lib/x` in this image, {read_only}")),
    ] {
        let settings = Settings { files: vec![file(path)], ..Settings::default() };
        assert_eq!(made(&image(), &settings).unwrap_err().to_string(), expected);
    }
    let owner = Access { user: Some(Owner::Name("ww".into())), ..Access::default() };
    let settings = Settings {
        files: vec![FileSetting { access: owner, ..file("/etc/x") }],
        ..Settings::default()
    };
    assert_eq!(
        made(&image(), &settings).unwrap_err().to_string(),
        "user `ww` does not exist in this image, nor is it made; the nearest is `www`"
    );
    let settings =
        Settings { directories: vec![directory("/etc/x/y", false)], ..Settings::default() };
    assert!(matches!(made(&image(), &settings), Err(Error::NoDirectory { .. })));
}

#[test]
fn cloud_init_finds_its_seed() {
    let cloud = CloudInit { user_data: b"#cloud-config\n".to_vec(), ..CloudInit::default() };
    let settings = Settings { cloud_init: Some(cloud), ..Settings::default() };
    let image = image()
        .with("usr/bin/cloud-init", "")
        .with("usr/etc/cloud/cloud.cfg", "x: 1\ndatasource_list: [ Ec2 ]\n")
        .with("usr/etc/cloud/cloud.cfg.d/90.cfg", "datasource_list:\n - ConfigDrive\n");
    let first = made(&image, &settings).unwrap();
    assert!(first.warnings.is_empty(), "{:?}", first.warnings);
    let paths: Vec<(&str, Option<u16>)> =
        first.additions.iter().map(|addition| (addition.path.as_str(), addition.mode)).collect();
    let seed = "var/lib/cloud/seed";
    let expected = [
        ("etc/cloud/cloud.cfg.d/zz-seed.cfg".to_owned(), 0o644),
        ("var/lib".to_owned(), 0o755),
        ("var/lib/cloud".to_owned(), 0o755),
        (seed.to_owned(), 0o755),
        (format!("{seed}/nocloud"), 0o700),
        (format!("{seed}/nocloud/meta-data"), 0o600),
        (format!("{seed}/nocloud/user-data"), 0o600),
    ];
    let expected: Vec<(&str, Option<u16>)> =
        expected.iter().map(|(path, mode)| (path.as_str(), Some(*mode))).collect();
    assert_eq!(paths, expected);
    let AdditionKind::File(meta_data) = &first.additions[5].kind else { panic!("a file") };
    let meta_data = std::str::from_utf8(meta_data).unwrap();
    assert!(meta_data.starts_with("instance-id: iid-") && meta_data.len() == 50, "{meta_data}");
    assert_eq!(made(&image, &settings).unwrap(), first);

    assert_eq!(made(&MemoryFiles::default(), &settings).unwrap().warnings.len(), 1);
}

#[test]
fn ignition_is_told_by_a_stamp() {
    let image = image();
    let boot = |ignition| {
        let settings = Settings { ignition: Some(ignition), ..Settings::default() };
        let made = made(&image, &settings).unwrap();
        assert_eq!(made.kargs, [IGNITION_KARG]);
        made.boot
            .into_iter()
            .map(|file| (file.path, file.mode, String::from_utf8(file.bytes).unwrap()))
            .collect::<Vec<_>>()
    };
    let stamp = |text: &str| ("ignition.firstboot".to_owned(), 0o644, text.to_owned());
    assert_eq!(boot(Ignition::FirstBoot), [stamp("")]);
    assert_eq!(
        boot(Ignition::Url("https://x/?a=$b".into())),
        [stamp(
            "set ignition_network_kcmdline=\"rd.neednet=1 ignition.config.url=https://x/?a=\\$b\"\n"
        )]
    );
    let config = ("ignition/config.ign".to_owned(), 0o600, "{}".to_owned());
    assert_eq!(boot(Ignition::Embedded(b"{}".to_vec())), [stamp(""), config]);
}

#[test]
fn credentials_and_consoles_are_files() {
    let settings = Settings {
        credentials: [("db.password".to_owned(), b"x".to_vec())].into(),
        grub: Some(GrubConsole {
            input: vec!["serial".into(), "console".into()],
            output: vec!["serial".into()],
            serial: Some("serial --unit=0 --speed=115200".into()),
        }),
        ..Settings::default()
    };
    let result = made(&image(), &settings).unwrap();
    let credentials: Vec<_> = result.additions.iter().map(|a| (a.path.as_str(), a.mode)).collect();
    assert_eq!(
        credentials,
        [("etc/credstore", Some(0o700)), ("etc/credstore/db.password", Some(0o600))]
    );
    assert_eq!(
        String::from_utf8_lossy(&result.boot[0].bytes),
        "serial --unit=0 --speed=115200\nterminal_input serial console\nterminal_output serial\n"
    );
    let wrong =
        Settings { credentials: [("../x".to_owned(), vec![])].into(), ..Settings::default() };
    assert!(matches!(made(&image(), &wrong), Err(Error::CredentialName(_))));
}

fn units() -> MemoryFiles {
    let unit = |name: &str| format!("usr/lib/systemd/system/{name}");
    image()
        .with(&unit("ssh.service"), "[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n")
        .with(&unit("t@.service"), "[Install]\nWantedBy=multi-user.target\n")
        .with(&unit("static.service"), "[Service]\n")
        .with_link(
            "usr/etc/systemd/system/multi-user.target.wants/ssh.service",
            "/usr/lib/systemd/system/ssh.service",
        )
        .with_link("usr/etc/systemd/system/sshd.service", "/usr/lib/systemd/system/ssh.service")
        .with_link("usr/etc/systemd/system/off.service", "/dev/null")
}

fn with_units(enabled: &[&str], disabled: &[&str], masked: &[&str]) -> Settings {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let units = Units { enabled: owned(enabled), disabled: owned(disabled), masked: owned(masked) };
    Settings { units, ..Settings::default() }
}

#[test]
fn presets_say_what_links_say() {
    let made = made(&units(), &with_units(&["t@x.service"], &["ssh.service"], &[])).unwrap();
    let preset = made.additions.iter().find(|addition| addition.path.ends_with(".preset")).unwrap();
    let text = "disable ssh.service\nenable t@.service x\n";
    assert_eq!(preset.kind, AdditionKind::File(text.into()));
    let removed = made.additions.iter().filter(|addition| addition.kind == AdditionKind::Removed);
    let removed: Vec<&str> = removed.map(|addition| addition.path.as_str()).collect();
    assert_eq!(
        removed,
        [
            "etc/systemd/system/multi-user.target.wants/ssh.service",
            "etc/systemd/system/sshd.service"
        ]
    );
}

#[test]
fn units_that_cannot_be_are_refused() {
    let message = |settings| made(&units(), &settings).unwrap_err().to_string();
    assert_eq!(
        message(with_units(&["shs.service"], &[], &[])),
        "the image has no unit `shs.service`; the nearest is `ssh.service`"
    );
    assert_eq!(
        message(with_units(&["off.service"], &[], &[])),
        "the unit `off.service` cannot be enabled: the image masks it"
    );
    assert_eq!(
        message(with_units(&["t@.service"], &[], &[])),
        "the unit `t@.service` is a template without a default: name an instance, `t@NAME.service`"
    );
    assert!(message(with_units(&["../x"], &[], &[])).starts_with("the image has no unit"));
    let made = made(&units(), &with_units(&["static.service"], &[], &["ssh.service"])).unwrap();
    assert_eq!(made.warnings.len(), 1);
    let kind = &made.additions[0].kind;
    assert_eq!(kind, &AdditionKind::Symlink("/dev/null".into()));
}

const SEEDS: [&str; 6] = [
    "root:x:0:0::/root:/bin/sh\nops2:x:1000:1000::/home/x:\n---\nroot:*:1:0:9:7:::\n---\nroot:x:0:\n",
    "link /etc/other\n---\nlink ../../../../etc/shadow\n---\n+::\n-::\nx\n",
    "a:x:59999:0\n---\n---\ng:x:60000:\n---\n---\nu:4294967295:4294967295\nv:0:600100000\n",
    "---\n---\n---\n---\n---\nUID_MIN 0xffffffff\nUID_MAX 0\nSUB_UID_COUNT 4294967295\n",
    "---\n---\n---\n---\n---\n---\nHOME=/../..\nSKEL=/\nGROUP=\n---\nlab:x:1:\n",
    "---\n---\n---\n---\n---\n---\n---\n---\n[Install]\nWantedBy=%i %p@%i.target\nAlias=x@.service\nAlso=a@%i.service \\\n",
];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(400))]

    /// Whatever the image's files say, there is an answer.
    #[test]
    fn no_file_of_the_image_is_too_odd(
        seed in 0..SEEDS.len(),
        edits in proptest::collection::vec((0..200_usize, "[-:a-z0-9%@=\\[\\]./\n+ ]{0,6}"), 0..8),
    ) {
        let mut text = SEEDS[seed].to_owned();
        for (at, new) in edits {
            let at = at.min(text.len());
            let end = (at + new.len() / 2).min(text.len());
            text.replace_range(at..end, &new);
        }
        fuzz(text.as_bytes());
    }
}
