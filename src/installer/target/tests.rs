use proptest::prelude::*;

use super::super::content::Signature;
use super::super::disks;
use super::super::disks::fake::Machine;
use super::*;
use crate::units::{GIB, MIB};

/// A stick that is the medium, a disk in use, a large and a small one, and what is no disk to
/// install to.
fn machine() -> Machine {
    Machine::new()
        .disk("sda", "8:0", 8 << 10)
        .partition("sda", 1, "8:1", (2048, 4096))
        .disk("vda", "252:0", 100 << 10)
        .with("vda", "serial", "ROOT-1")
        .partition("vda", 1, "252:1", (2048, 4096))
        .disk("vdb", "252:16", 20 << 10)
        .with("vdb", "serial", "DATA-1")
        .disk("nvme0n1", "259:0", 40 << 10)
        .with("nvme0n1", "queue/logical_block_size", "4096")
        .with("nvme0n1", "wwid", "eui.0025388b710116a1")
        .disk("sr0", "11:0", 700)
        .disk("loop0", "7:0", 1)
        .with("loop0", "loop/backing_file", "/x")
        .disk("dm-0", "253:0", 1)
        .disk("vdc", "252:32", 1)
        .with("vdc", "ro", "1")
        .disk("vdd", "252:48", 0)
        .mount("252:1", "/boot", "ext4 /dev/vda1")
        .swap("/dev/vda1")
}

const MEDIUM: &[DeviceNumber] = &[DeviceNumber { major: 8, minor: 1 }];

fn needs(size: u64) -> Needs<'static> {
    Needs { size: ByteLen(size), sector: None, medium: MEDIUM, may_wipe: false }
}

fn blank() -> Content {
    Content { table: None, signatures: Vec::new(), is_zero: true }
}

fn full() -> Content {
    let signature = Signature { kind: "XFS", label: Some("data".to_owned()) };
    Content { table: None, signatures: vec![signature], is_zero: false }
}

fn parsed(text: &str) -> Target {
    Target::parse(text).unwrap()
}

#[test]
fn each_rule_chooses() {
    let machine = machine();
    let disks = disks::load(machine.root()).unwrap();
    let chosen = |target: &str| match choose(&parsed(target), &disks, MEDIUM) {
        Ok(disk) => disk.name.clone(),
        Err(refusal) => refusal.to_string(),
    };
    let cases = [
        ("/dev/vda", "vda"),
        ("/dev/sda", "sda"),
        ("/dev/dm-0", "dm-0"),
        (
            "/dev/vda1",
            "`/dev/vda1` is a partition of `/dev/vda`: only whole disks are installed to",
        ),
        (
            "/dev/vdx",
            "there is no disk `/dev/vdx`; there are /dev/sr0, /dev/dm-0, /dev/sda, /dev/vda, \
             /dev/vdb, /dev/vdc, /dev/vdd, /dev/loop0 and 1 more",
        ),
        ("serial:data-1", "vdb"),
        ("serial:EUI.0025388B710116A1", "nvme0n1"),
        (
            "serial:X",
            "no disk has the serial number `X`; there are /dev/sr0, /dev/dm-0, /dev/sda, \
             /dev/vda (ROOT-1), /dev/vdb (DATA-1), /dev/vdc, /dev/vdd, /dev/loop0 and 1 more",
        ),
        ("smallest", "vdb"),
        ("largest", "vda"),
        ("only", "`only` could be each of /dev/vda (ROOT-1), /dev/vdb (DATA-1), /dev/nvme0n1"),
    ];
    for (target, expected) in cases {
        assert_eq!(chosen(target), expected, "{target}");
    }
}

#[test]
fn the_only_disk_is_found_beside_what_is_none() {
    let machine = Machine::new()
        .disk("sda", "8:0", 8)
        .partition("sda", 1, "8:1", (0, 8))
        .disk("sr0", "11:0", 700)
        .disk("loop0", "7:0", 1)
        .with("loop0", "loop/backing_file", "/x")
        .disk("md0", "9:0", 5)
        .disk("vdb", "252:0", 5)
        .with("vdb", "ro", "1")
        .disk("vdc", "252:16", 0);
    let disks = disks::load(machine.root()).unwrap();
    let refusal = choose(&Target::Only, &disks, MEDIUM).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no disk can be installed to: `/dev/md0` is made of other devices, `/dev/sr0` is a CD-ROM, \
         `/dev/sda` is the medium of the installer, `/dev/vdb` is read-only, `/dev/vdc` is empty, \
         `/dev/loop0` is a loop device"
    );
    let machine = machine.disk("vda", "252:32", 5);
    let disks = disks::load(machine.root()).unwrap();
    for target in [Target::Only, Target::Smallest, Target::Largest] {
        assert_eq!(choose(&target, &disks, MEDIUM).map(Disk::path), Ok("/dev/vda".to_owned()));
    }
    let refusal = choose(&Target::Only, &[], MEDIUM).unwrap_err();
    assert_eq!(refusal.to_string(), "no disk can be installed to: there is none");
}

#[test]
fn ties_and_twins_are_ambiguous() {
    let machine = Machine::new()
        .disk("sda", "8:0", 8)
        .with("sda", "serial", "TWIN")
        .disk("sdb", "8:16", 8)
        .with("sdb", "serial", "TWIN");
    let disks = disks::load(machine.root()).unwrap();
    for target in ["serial:TWIN", "smallest", "largest", "only"] {
        let refusal = choose(&parsed(target), &disks, &[]).unwrap_err();
        let expected = format!("`{target}` could be each of /dev/sda (TWIN), /dev/sdb (TWIN)");
        assert_eq!(refusal.to_string(), expected);
    }
}

#[test]
fn everything_that_speaks_against_a_disk_is_told() {
    let machine = machine();
    let disks = disks::load(machine.root()).unwrap();
    let told = |path: &str, content: &Content, needs: &Needs<'_>| -> Vec<String> {
        let disk = choose(&parsed(path), &disks, needs.medium).unwrap();
        match approve(disk, content, needs) {
            Ok(approved) => vec![approved.disk().name.clone()],
            Err(against) => against.iter().map(Refusal::to_string).collect(),
        }
    };
    let cases: [(&str, &[&str]); 7] = [
        ("/dev/vdb", &["vdb"]),
        ("/dev/nvme0n1", &["nvme0n1"]),
        ("/dev/sda", &["`/dev/sda` is the medium that the installer runs from"]),
        (
            "/dev/vda",
            &[
                "`/dev/vda` is in use: `/dev/vda1` is mounted at `/boot`, `/dev/vda1` is swap space \
                  in use",
            ],
        ),
        (
            "/dev/sr0",
            &[
                "`/dev/sr0` is a CD-ROM",
                "`/dev/sr0` has 700.0 MiB (734003200 bytes), 5.0 GiB (5368709120 bytes) are needed",
            ],
        ),
        (
            "/dev/vdc",
            &[
                "`/dev/vdc` is read-only",
                "`/dev/vdc` has 1.0 MiB (1048576 bytes), 5.0 GiB (5368709120 bytes) are needed",
            ],
        ),
        ("/dev/vdd", &["`/dev/vdd` is empty: no medium is in it"]),
    ];
    for (path, expected) in cases {
        assert_eq!(told(path, &blank(), &needs(5 * GIB)), expected, "{path}");
    }

    let holds = ["`/dev/vdb` holds data: XFS `data`"];
    assert_eq!(told("/dev/vdb", &full(), &needs(GIB)), holds);
    let wipe = Needs { may_wipe: true, ..needs(GIB) };
    assert_eq!(told("/dev/vdb", &full(), &wipe), ["vdb"]);
    let in_use = told("/dev/vda", &full(), &wipe);
    assert_eq!(in_use.len(), 1, "{in_use:?}");
    assert!(told("/dev/sda", &full(), &wipe)[0].contains("medium"));

    let small = Needs { sector: Some(SectorSize::B512), ..needs(GIB) };
    let expected = ["`/dev/nvme0n1` has sectors of 4096 bytes, 512 are needed"];
    assert_eq!(told("/dev/nvme0n1", &blank(), &small), expected);
    assert_eq!(told("/dev/vdb", &blank(), &small), ["vdb"]);
}

#[test]
fn size_is_compared_to_the_byte() {
    let machine = Machine::new().disk("vda", "252:0", 10);
    let disks = disks::load(machine.root()).unwrap();
    let count = |size| refusals(&disks[0], None, &needs(size)).len();
    assert_eq!((count(10 * MIB), count(10 * MIB + 1)), (0, 1));
}

#[test]
fn odd_sectors_are_refused() {
    let machine = Machine::new().disk("vda", "252:0", 10);
    let machine = machine.with("vda", "queue/logical_block_size", "2048");
    let disks = disks::load(machine.root()).unwrap();
    let against = refusals(&disks[0], None, &needs(1));
    let [refusal] = against.as_slice() else { panic!("{against:?}") };
    let expected = "`/dev/vda` has sectors of 2048 bytes, 512 or 4096 are needed";
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn the_medium_is_known_by_whatever_is_made_of_it() {
    let machine = Machine::new()
        .disk("sda", "8:0", 8)
        .partition("sda", 1, "8:1", (2048, 4096))
        .with("sda", "sda1/holders/dm-0/x", "")
        .disk("dm-0", "253:0", 4);
    let disks = disks::load(machine.root()).unwrap();
    let medium = [DeviceNumber { major: 253, minor: 0 }];
    for disk in &disks {
        let against = refusals(disk, None, &Needs { medium: &medium, ..needs(1) });
        assert_eq!(against[0], Refusal::IsTheMedium { disk: disk.path() });
    }
}

proptest! {
    #[test]
    fn targets_never_panic_and_return(text in "\\PC{0,40}|/dev/[a-z/.]{0,12}|serial:.{0,9}") {
        if let Ok(target) = Target::parse(&text)
            && !matches!(target, Target::Serial(_))
        {
            prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
        }
    }
}
