use proptest::prelude::*;

use super::*;
use crate::pipeline::{default_target, plan, request::Ids};
use crate::plan::platform;
use crate::plan::size::SizeRequest;
use crate::settings::disk::{
    FileSystemKind, FileSystemSize, FileSystemWish, Mounts, PartitionTable, PartitionWish, Payload,
};
use crate::settings::{
    Access, CloudInit, DirectorySetting, FileSetting, Group, GrubConsole, Ignition, Locale, Owner,
    Time, Units, User,
};
use crate::units::{GIB, MIB};
use crate::volume::Timestamp;

fn settings() -> Settings {
    let access = Access {
        mode: Some(0o640),
        user: Some(Owner::Name("ops".into())),
        group: Some(Owner::Id(7)),
    };
    Settings {
        users: vec![
            User {
                name: "ops".into(),
                description: Some("Operator".into()),
                password: Some(Password::Plain("geheim \"x\"".into())),
                keys: vec!["ssh-ed25519 AAAA ops".into()],
                home: Some("/var/home/o".into()),
                shell: Some("/bin/sh".into()),
                groups: vec!["wheel".into()],
                uid: Some(1000),
                gid: Some(1001),
                expire_days: Some(20_000),
                force_password_reset: true,
                must_exist: true,
            },
            User {
                name: "b".into(),
                password: Some(Password::Hashed("$6$x".into())),
                ..User::default()
            },
        ],
        groups: vec![Group { name: "g".into(), gid: Some(u32::MAX) }],
        kargs: vec!["a=b c".into()],
        directories: vec![DirectorySetting {
            path: "/etc/d".into(),
            access: access.clone(),
            ensure_parents: true,
        }],
        files: vec![FileSetting { path: "/etc/f".into(), access, bytes: vec![0, 255, 10] }],
        hostname: Some("host\u{e9}".into()),
        locale: Locale { languages: vec!["de_DE.UTF-8".into()], keyboard: Some("de".into()) },
        time: Time { zone: Some("Europe/Berlin".into()), ntp_servers: vec!["ntp.example".into()] },
        units: Units {
            enabled: vec!["a.service".into()],
            disabled: vec!["b.service".into()],
            masked: vec!["c.service".into()],
        },
        credentials: [("token".to_owned(), vec![1, 2])].into(),
        cloud_init: Some(CloudInit {
            user_data: b"#cloud-config\n".to_vec(),
            meta_data: Some(vec![]),
            network_config: None,
            vendor_data: Some(vec![3]),
        }),
        ignition: Some(Ignition::Url("https://ignition.example/x".into())),
        grub: Some(GrubConsole {
            input: vec!["console".into()],
            output: vec!["serial".into()],
            serial: Some("serial --unit=0".into()),
        }),
    }
}

fn layout() -> DiskLayout {
    let file_system = FileSystemWish {
        kind: FileSystemKind::Ext4,
        mountpoint: Some("/var".into()),
        label: None,
        uuid: Some(u128::MAX),
        options: Some("noatime".into()),
    };
    let partition = |payload| PartitionWish {
        min_size: Some(ByteLen(GIB)),
        type_guid: Some(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4),
        guid: None,
        name: "a name".into(),
        is_bootable: true,
        attributes: u64::MAX,
        payload,
    };
    DiskLayout::Partitions(PartitionTable {
        min_size: Some(ByteLen(20 * GIB)),
        guid: Some(1),
        sector_bytes: Some(512),
        start: Some(ByteLen(MIB)),
        partitions: vec![
            partition(Payload::FileSystem(file_system)),
            partition(Payload::Swap { label: "s".into() }),
            partition(Payload::Raw { source: "usr/x".into() }),
            partition(Payload::None),
        ],
        mounts: Mounts::Fstab,
        keep_root_size: true,
    })
}

/// A build of a raw disk with everything set.
fn full() -> Request {
    let source_text = "registry.example/org/os:1".to_owned();
    let source = Reference::parse(&source_text).unwrap();
    Request {
        types: vec![DiskType::Raw],
        platform: Some(Platform::Aws),
        bios: Bios::On,
        explicit_rootfs: true,
        layout: Some(layout()),
        kargs: vec!["quiet".into(), "a=\"b c\"".into()],
        karg_deletes: vec!["rhgb".into()],
        root_ssh_authorized_keys: Some(b"ssh-ed25519 AAAA root\n\xff".to_vec()),
        settings: settings(),
        stateroot: Some("state".into()),
        source_date_epoch: Some(-1),
        size: SizeRequest::Exact(ByteLen(30 * GIB)),
        ..Request::new(source, source_text, Arch::X86_64)
    }
}

fn facts(target: &TargetRef) -> Facts<'_> {
    Facts {
        volume_id: VolumeId::parse("OS-1-INSTALL").unwrap(),
        name: "An OS 1",
        image_digest: Sha256Digest::of(b"manifest"),
        least: ByteLen(3 * GIB),
        target,
    }
}

/// The plan's digest as a build computes it.
fn digest(request: &Request) -> Sha256Digest {
    let target = request.target.clone().unwrap_or_else(|| default_target(&request.source).unwrap());
    let secs = request.source_date_epoch.unwrap_or(5).max(0);
    let (platform, _) = platform::choose(request.platform, &request.types);
    plan(request, platform, &target, Timestamp { secs, nanos: 0 }).digest()
}

/// The request comes back as one for the same disk.
fn check(request: &Request) -> Carried {
    let target = request.target.clone().unwrap_or_else(|| default_target(&request.source).unwrap());
    let carried = Carried::of(request, facts(&target));
    let json = carried.to_json().unwrap();
    assert_eq!(Carried::parse(&json).unwrap(), carried);
    let again = carried.request(Path::new("/run/medium/container"));
    let again = Request { size: request.size, sector_size: request.sector_size, ..again };
    assert_eq!(digest(&again), digest(request));
    assert_eq!(again.source.to_string(), "oci:/run/medium/container");
    assert_eq!(again.digest, Some(carried.image_digest));
    assert_eq!(again.boot_loader, request.boot_loader);
    assert_eq!(again.explicit_rootfs, request.explicit_rootfs);
    assert_eq!(again.ids, Ids::Derived);
    assert_eq!((&again.settings, &again.layout), (&request.settings, &request.layout));
    carried
}

#[test]
fn a_build_comes_back_whole() {
    let full = check(&full());
    assert_eq!(full.plain_passwords().collect::<Vec<_>>(), ["ops"]);
    let source = Reference::parse("oci:/a b:tag").unwrap();
    let target = Some(TargetRef::parse("containers-storage:localhost/x:1").unwrap());
    check(&Request { target, ..Request::new(source, "oci:/a b:tag".into(), Arch::Aarch64) });
}

#[test]
fn file_systems_and_ignition_come_back() {
    let sizes = vec![FileSystemSize { mountpoint: "/".into(), min_size: ByteLen(u64::MAX) }];
    for ignition in [Ignition::FirstBoot, Ignition::Embedded(b"{}".to_vec())] {
        let settings = Settings { ignition: Some(ignition), ..Settings::default() };
        let layout = Some(DiskLayout::FileSystems(sizes.clone()));
        let boot_loader = BootLoader::None;
        check(&Request { settings, layout, boot_loader, ..full() });
    }
}

/// Plans hash this JSON: ids of disks that were built before derive from it.
#[test]
fn the_json_of_settings_and_layouts_stays() {
    let of = |json: serde_json::Result<String>| Sha256Digest::of(json.unwrap().as_bytes()).to_hex();
    let settings = of(serde_json::to_string(&settings()));
    assert_eq!(settings, "89993b1347bcaaa536a4b6c1ae64f36253a613ebd209a4f11815e51b90d5f87a");
    let layout = of(serde_json::to_string(&layout()));
    assert_eq!(layout, "b9dd0afecff6077306f1afbfefb462dd548c39627bd6b196999b5ed605dae65d");
}

#[test]
fn a_mark_knows_its_medium() {
    let carried = check(&full());
    let document = carried.to_json().unwrap();
    let mark = Mark::parse(&Mark::of(&carried.volume_id, &document).to_json()).unwrap();
    assert!(mark.is_of(&document) && mark.volume_id == carried.volume_id);
    assert!(!mark.is_of(&document[1..]));
    assert!(Mark::parse(b"{}").is_err());
}

#[test]
fn other_documents_are_refused() {
    let json = String::from_utf8(check(&full()).to_json().unwrap()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        Carried::parse(json.replacen(from, to, 1).as_bytes())
    };
    let newer = with("\"version\":1", "\"version\":2,\"more\":[]");
    assert!(matches!(newer, Err(CarriedError::Version { found: 2 })), "{newer:?}");
    for (from, to) in [
        ("\"version\":1", "\"version\":1,\"more\":[]"),
        ("\"hostname\"", "\"host\""),
        ("\"min_size\"", "\"size\""),
        ("\"arch\":\"x86_64\"", "\"arch\":\"s390x\""),
        ("sha256:", "sha512:"),
        ("docker://registry", "nothing:registry"),
        ("OS-1-INSTALL", "OS 1"),
    ] {
        assert!(matches!(with(from, to), Err(CarriedError::Json(_))), "{to}");
    }
    for json in [&b""[..], b"{}", b"[]", b"{\"version\":1}", b"\xff"] {
        assert!(matches!(Carried::parse(json), Err(CarriedError::Json(_))));
    }
    let long = vec![b' '; usize::try_from(Carried::LIMIT_BYTES).unwrap() + 1];
    assert!(matches!(Carried::parse(&long), Err(CarriedError::TooLarge { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_set_comes_back(
        kargs in prop::collection::vec(any::<String>(), 0..4),
        keys in any::<Option<Vec<u8>>>(),
        hostname in any::<Option<String>>(),
        credentials in prop::collection::btree_map(any::<String>(), any::<Vec<u8>>(), 0..3),
        guid in any::<Option<u128>>(),
        attributes in any::<u64>(),
        secs in any::<Option<i64>>(),
    ) {
        let partition = PartitionWish { guid, attributes, ..PartitionWish::default() };
        let table = PartitionTable { partitions: vec![partition], ..PartitionTable::default() };
        check(&Request {
            kargs,
            root_ssh_authorized_keys: keys,
            settings: Settings { hostname, credentials, ..Settings::default() },
            layout: Some(DiskLayout::Partitions(table)),
            source_date_epoch: secs,
            ..full()
        });
    }
}
