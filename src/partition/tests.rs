use super::*;
use crate::units::GIB;

fn partition(unique: u128, start_mib: u64, len_mib: u64) -> Partition {
    Partition {
        type_guid: ESP,
        unique_guid: Guid::from_u128(unique),
        name: "p".into(),
        start: ByteOffset(start_mib * MIB),
        len: ByteLen(len_mib * MIB),
        attributes: 0,
    }
}

fn table(partitions: Vec<Partition>) -> Result<Table, PartitionError> {
    Table::new(ByteLen(GIB), SectorSize::B512, Guid::from_u128(0xD), partitions)
}

#[test]
fn the_last_usable_sector_may_be_used_and_no_further() {
    let usable = GIB - 33 * 512 - MIB;
    let mut whole = partition(1, 1, 1);
    whole.len = ByteLen(usable);
    assert!(table(vec![whole.clone()]).is_ok());
    whole.len = ByteLen(usable + 512);
    assert!(matches!(
        table(vec![whole]),
        Err(PartitionError::BeyondDisk { number: 1, usable_end_bytes, .. })
            if usable_end_bytes == usable + MIB
    ));
    let mut endless = partition(1, 1, 1);
    endless.len = ByteLen(!511);
    assert!(matches!(table(vec![endless]), Err(PartitionError::BeyondDisk { .. })));
}

#[test]
fn partitions_off_the_grid_are_refused() {
    let mut late = partition(1, 1, 1);
    late.start = ByteOffset(MIB + 512);
    let mut ragged = partition(1, 1, 1);
    ragged.len = ByteLen(513);
    for wrong in [late, ragged, partition(1, 0, 1), partition(1, 1, 0)] {
        assert!(matches!(table(vec![wrong]), Err(PartitionError::Misaligned { number: 1, .. })));
    }
}

#[test]
fn overlaps_are_found_whatever_the_order() {
    let error = table(vec![partition(1, 10, 5), partition(2, 30, 1), partition(3, 8, 3)]);
    assert_eq!(error, Err(PartitionError::Overlap { first: 3, second: 1 }));
    assert!(table(vec![partition(1, 10, 5), partition(3, 8, 2)]).is_ok());
}

#[test]
fn names_are_counted_in_utf16_units() {
    let mut named = partition(1, 1, 1);
    named.name = "𝄞".repeat(18);
    assert!(table(vec![named.clone()]).is_ok());
    named.name.push('x');
    assert!(matches!(table(vec![named.clone()]), Err(PartitionError::Name { units: 37, .. })));
    named.name = "a\0b".into();
    assert!(matches!(table(vec![named]), Err(PartitionError::Name { .. })));
}

#[test]
fn guids_must_be_there_and_differ() {
    let disk = table(vec![partition(0xD, 1, 1)]);
    let twice = table(vec![partition(1, 1, 1), partition(1, 2, 1)]);
    let nil = table(vec![partition(0, 1, 1)]);
    for refused in [disk, twice, nil] {
        assert!(matches!(refused, Err(PartitionError::Guid { .. })));
    }
}

#[test]
fn disks_without_room_are_refused() {
    let new = |size| Table::new(ByteLen(size), SectorSize::B4096, ESP, vec![]);
    assert!(matches!(new(GIB + 512), Err(PartitionError::DiskSize { .. })));
    for size in [0, 4096, MIB] {
        assert!(matches!(new(size), Err(PartitionError::DiskTooSmall { .. })));
    }
    let many = (0..129).map(|n| partition(u128::from(n + 1), n + 1, 1)).collect();
    assert_eq!(table(many), Err(PartitionError::TooMany { count: 129 }));
}

#[test]
fn the_smallest_disk_holds_its_partitions() {
    let end = ByteOffset(700 * MIB);
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let size = disk_size_for(end, sector).unwrap();
        assert_eq!(size, ByteLen(701 * MIB));
        assert!(Table::new(size, sector, ESP, vec![partition(1, 600, 100)]).is_ok());
    }
    assert_eq!(disk_size_for(ByteOffset(u64::MAX), SectorSize::B512), None);
}

#[test]
fn boot_code_survives_and_huge_disks_cap_the_mbr() {
    let table = Table::new(ByteLen(4 << 40), SectorSize::B512, ESP, vec![]).unwrap();
    let (at, mbr) = encode::regions(&table).pop().unwrap();
    assert_eq!((at, mbr.len()), (ByteOffset(440), 72));
    assert_eq!(mbr[18..22], [0xFF; 4]);
}
