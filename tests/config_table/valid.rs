//! Good blueprints, and one thing that must be in the result.

use bootc_image::config::blueprint::Blueprint;
use bootc_image::settings::disk::{DiskLayout, FileSystemKind, PartitionTable, Payload};
use bootc_image::settings::{Ignition, Owner, Password, Settings};
use bootc_image::units::{ByteLen, GIB, MIB};

pub type Row = (&'static str, &'static str, fn(&Blueprint) -> bool);

fn table(blueprint: &Blueprint) -> &PartitionTable {
    match &blueprint.disk {
        Some(DiskLayout::Partitions(table)) => table,
        other => panic!("{other:?}"),
    }
}

fn sizes(blueprint: &Blueprint) -> Vec<(&str, u64)> {
    match &blueprint.disk {
        Some(DiskLayout::FileSystems(all)) => {
            all.iter().map(|size| (size.mountpoint.as_str(), size.min_size.0)).collect()
        }
        other => panic!("{other:?}"),
    }
}

pub const ROWS: &[Row] = &[
    ("nothing at all", "", |b| *b == Blueprint::default()),
    ("an empty object", "{}", |b| b.settings == Settings::default()),
    ("only what is for people", "name = \"x\"\nversion = \"0.0.1\"\ndescription = \"y\"\n", |b| {
        *b == Blueprint::default()
    }),
    (
        "a user with a key",
        "[[customizations.user]]\nname = \"alice\"\npassword = \"$6$x$y\"\nkey = \"ssh-rsa AAAA alice@lab\"\ngroups = [\"wheel\"]\n",
        |b| {
            let user = &b.settings.users[0];
            user.keys == ["ssh-rsa AAAA alice@lab"]
                && user.groups == ["wheel"]
                && b.warnings.is_empty()
        },
    ),
    (
        "the same as JSON",
        r#"{"customizations": {"user": [{"name": "alice", "key": "ssh-rsa AAAA a", "groups": ["wheel", "admins"]}]}}"#,
        |b| b.settings.users[0].groups == ["wheel", "admins"],
    ),
    ("the wrapper of old files", r#"{"blueprint": {"customizations": {"hostname": "a"}}}"#, |b| {
        b.settings.hostname.as_deref() == Some("a")
    }),
    (
        "what generated files are full of",
        r#"{"name": "", "packages": [], "modules": null, "distro": "", "customizations": {"fips": false, "firewall": {}, "hostname": null}}"#,
        |b| *b == Blueprint::default(),
    ),
    (
        "a plain password warns",
        "[[customizations.user]]\nname = \"a\"\npassword = \"secret\"\n",
        |b| {
            b.settings.users[0].password == Some(Password::Plain("secret".into()))
                && b.warnings.len() == 1
                && b.warnings[0]
                    .starts_with("`customizations.user[0].password` is a plain password")
                && !b.warnings[0].contains("secret")
        },
    ),
    (
        "yescrypt is a hash too",
        "[[customizations.user]]\nname = \"a\"\npassword = \"$y$j9T$x$y\"\n",
        |b| b.settings.users[0].password == Some(Password::Hashed("$y$j9T$x$y".into())),
    ),
    ("a locked account", "[[customizations.user]]\nname = \"a\"\npassword = \"!\"\n", |b| {
        b.settings.users[0].password == Some(Password::Hashed("!".into()))
    }),
    (
        "an empty password is none",
        "[[customizations.user]]\nname = \"a\"\npassword = \"\"\n",
        |b| b.settings.users[0].password.is_none() && b.warnings.len() == 1,
    ),
    (
        "root with its home",
        "[[customizations.user]]\nname = \"root\"\nhome = \"/var/roothome\"\nkey = \"ssh-ed25519 A\"\n",
        |b| b.settings.users[0].home.as_deref() == Some("/var/roothome"),
    ),
    (
        "a slash after the home",
        "[[customizations.user]]\nname = \"a\"\nhome = \"/var/home/a/\"\n",
        |b| b.settings.users[0].home.as_deref() == Some("/var/home/a"),
    ),
    (
        "two keys in one string",
        "[[customizations.user]]\nname = \"a\"\nkey = \"\"\"\nssh-rsa A\nssh-ed25519 B\n\"\"\"\n",
        |b| b.settings.users[0].keys == ["ssh-rsa A", "ssh-ed25519 B"],
    ),
    (
        "a key by sshkey alone",
        "[[customizations.sshkey]]\nuser = \"root\"\nkey = \"ssh-rsa A\"\n",
        |b| {
            let user = &b.settings.users[0];
            user.name == "root" && user.keys == ["ssh-rsa A"] && user.must_exist
        },
    ),
    (
        "sshkey adds to a user",
        "[[customizations.user]]\nname = \"a\"\nkey = \"ssh-rsa A\"\n[[customizations.sshkey]]\nuser = \"a\"\nkey = \"ssh-rsa B\"\n",
        |b| b.settings.users.len() == 1 && b.settings.users[0].keys == ["ssh-rsa A", "ssh-rsa B"],
    ),
    ("a group without a number", "[[customizations.group]]\nname = \"lab\"\n", |b| {
        b.settings.groups[0].gid.is_none()
    }),
    (
        "kernel arguments stay one string",
        "[customizations.kernel]\nappend = \"mitigations=auto,nosmt a=\\\"b c\\\"\"\n",
        |b| b.settings.kargs == ["mitigations=auto,nosmt a=\"b c\""],
    ),
    ("no kernel arguments", "[customizations.kernel]\nappend = \"  \"\n", |b| {
        b.settings.kargs.is_empty()
    }),
    (
        "a size of the root",
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = \"20 GiB\"\n",
        |b| sizes(b) == [("/", 20 * GIB)],
    ),
    (
        "sizes only enlarge",
        "[[customizations.filesystem]]\nmountpoint = \"/\"\nminsize = 1\n[[customizations.filesystem]]\nmountpoint = \"/boot\"\nminsize = 1\n",
        |b| sizes(b) == [("/", GIB), ("/boot", 524_288_000)],
    ),
    (
        "size is minsize",
        "[[customizations.filesystem]]\nmountpoint = \"/var/lib/data\"\nsize = \"3 GB\"\n",
        |b| sizes(b) == [("/var/lib/data", 3_000_000_000)],
    ),
    (
        "sizes in JSON",
        r#"{"customizations": {"filesystem": [{"mountpoint": "/var/log", "minsize": 2147483648}]}}"#,
        |b| sizes(b) == [("/var/log", 2 * GIB)],
    ),
    (
        "plain partitions",
        "[customizations.disk]\nminsize = \"16 GiB\"\n[[customizations.disk.partitions]]\nmountpoint = \"/boot\"\nfs_type = \"ext4\"\nminsize = \"1 GiB\"\n[[customizations.disk.partitions]]\nmountpoint = \"/var/lib/data\"\nfs_type = \"ext4\"\nlabel = \"data\"\nminsize = \"4 GiB\"\n",
        |b| {
            let table = table(b);
            table.min_size == Some(ByteLen(16 * GIB)) && table.partitions.len() == 2
        },
    ),
    (
        "/var may be a partition",
        "[[customizations.disk.partitions]]\nmountpoint = \"/var\"\nfs_type = \"ext4\"\nminsize = \"5 GiB\"\n",
        |b| {
            matches!(&table(b).partitions[0].payload, Payload::FileSystem(system)
            if system.kind == FileSystemKind::Ext4 && system.mountpoint.as_deref() == Some("/var"))
        },
    ),
    (
        "an ESP of one's own",
        "[[customizations.disk.partitions]]\nmountpoint = \"/boot/efi\"\nfs_type = \"vfat\"\nlabel = \"ESP\"\nminsize = \"600 MiB\"\n",
        |b| {
            matches!(&table(b).partitions[0].payload, Payload::FileSystem(system)
            if system.kind == FileSystemKind::Vfat)
        },
    ),
    (
        "swap, and an empty partition",
        "[[customizations.disk.partitions]]\nfs_type = \"swap\"\nlabel = \"sw\"\nminsize = \"1 GiB\"\n[[customizations.disk.partitions]]\nfs_type = \"none\"\nminsize = \"1 MiB\"\npart_type = \"E6D6D379-F507-44C2-A23C-238F2A3DF928\"\n",
        |b| {
            table(b).partitions[0].payload == Payload::Swap { label: "sw".into() }
                && table(b).partitions[1].type_guid
                    == Some(0xE6D6_D379_F507_44C2_A23C_238F_2A3D_F928)
        },
    ),
    (
        "where partitions start",
        "[customizations.disk]\nstart_offset = \"8 MiB\"\nsector_size = 4096\n",
        |b| table(b).start == Some(ByteLen(9 * MIB)) && table(b).sector_bytes == Some(4096),
    ),
    (
        "directories",
        "[[customizations.directories]]\npath = \"/etc/a/b\"\nmode = \"1777\"\nuser = 1000\nensure_parents = true\n",
        |b| {
            let directory = &b.settings.directories[0];
            directory.access.mode == Some(0o1777)
                && directory.access.user == Some(Owner::Id(1000))
                && directory.ensure_parents
        },
    ),
    (
        "files",
        "[[customizations.files]]\npath = \"/etc/motd\"\ndata = \"hi\\n\"\nmode = \"644\"\ngroup = \"wheel\"\n[[customizations.files]]\npath = \"/usr/local/bin/x\"\nmode = \"0755\"\n[[customizations.files]]\npath = \"/root/.vimrc\"\n",
        |b| {
            b.settings.files[0].bytes == b"hi\n"
                && b.settings.files[0].access.group == Some(Owner::Name("wheel".into()))
                && b.settings.files[1].bytes.is_empty()
        },
    ),
    (
        "a file in a directory",
        "[[customizations.directories]]\npath = \"/etc/a\"\n[[customizations.files]]\npath = \"/etc/a/b\"\n",
        |b| b.settings.files.len() == 1,
    ),
    (
        "names that only begin alike",
        "[[customizations.files]]\npath = \"/etc/fstab.d/x\"\n[[customizations.files]]\npath = \"/etc/passwd-notes\"\n",
        |b| b.settings.files.len() == 2,
    ),
    ("Ignition runs", "[customizations.ignition.firstboot]\nempty = true\n", |b| {
        b.settings.ignition == Some(Ignition::FirstBoot)
    }),
    (
        "Ignition fetches",
        "[customizations.ignition.firstboot]\nurl = \"https://example.com/a.ign\"\n",
        |b| b.settings.ignition == Some(Ignition::Url("https://example.com/a.ign".into())),
    ),
    (
        "Ignition brings its own",
        "[customizations.ignition.embedded]\nconfig = \"eyJpZ25pdGlvbiI6eyJ2ZXJzaW9uIjoiMy40LjAifX0=\"\n",
        |b| {
            b.settings.ignition
                == Some(Ignition::Embedded(br#"{"ignition":{"version":"3.4.0"}}"#.to_vec()))
        },
    ),
    (
        "GRUB's terminals",
        "[customizations.bootloader.grub2]\nterminal_input = [\"serial\", \"console\"]\nterminal_output = [\"serial\"]\nserial = \"serial --unit=0 --speed=115200\"\n",
        |b| b.settings.grub.as_ref().is_some_and(|grub| grub.input == ["serial", "console"]),
    ),
    (
        "units get their suffix",
        "[customizations.services]\nenabled = [\"sshd\", \"podman.socket\"]\nmasked = [\"a.timer\"]\n",
        |b| {
            b.settings.units.enabled == ["sshd.service", "podman.socket"]
                && b.settings.units.masked == ["a.timer"]
        },
    ),
    (
        "language and time",
        "[customizations]\nlocale = { languages = [\"C.UTF-8\"], keyboard = \"us\" }\ntimezone = { timezone = \"Etc/GMT+1\" }\n",
        |b| {
            b.settings.locale.languages == ["C.UTF-8"]
                && b.settings.time.zone.as_deref() == Some("Etc/GMT+1")
        },
    ),
    (
        "a seed for cloud-init",
        "[customizations.cloud_init]\nuser_data = \"#cloud-config\\n{}\\n\"\n",
        |b| {
            b.settings.cloud_init.as_ref().is_some_and(|seed| seed.meta_data.is_none())
                && b.warnings.is_empty()
        },
    ),
    (
        "user data that is none",
        "[customizations.cloud_init]\nuser_data = \"users: []\\n\"\n",
        |b| b.warnings.len() == 1,
    ),
    (
        "credentials",
        "[customizations.credentials]\na = \"x\"\n\"b.c\" = { base64 = \"AAEC\" }\n",
        |b| b.settings.credentials["a"] == b"x" && b.settings.credentials["b.c"] == [0, 1, 2],
    ),
    ("every key", super::FULL, |b| {
        let kickstart = b.kickstart.as_deref() == Some("text --non-interactive\nreboot --eject\n");
        let is_good = b.warnings.is_empty() && b.settings.users.len() == 2 && kickstart;
        is_good && table(b).partitions.len() == 2
    }),
];

#[test]
fn good_blueprints_are_understood() {
    for (what, text, holds) in ROWS {
        match super::parse(text) {
            Ok(blueprint) => assert!(holds(&blueprint), "{what}: {blueprint:?}"),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn json_is_what_a_dash_means() {
    let blueprint = Blueprint::parse("-", br#"{"customizations": {"hostname": "a"}}"#).unwrap();
    assert_eq!(blueprint.settings.hostname.as_deref(), Some("a"));
    for name in ["config.yaml", "config", "toml", "-.x"] {
        assert!(Blueprint::parse(name, b"").unwrap_err().to_string().contains(name), "{name}");
    }
}
