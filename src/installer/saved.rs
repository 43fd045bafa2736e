//! Which partitions survive. Pure: a table and globs of labels in, ranges out.
//!
//! ```text
//!  0                 end of the new layout                              the disk's end
//!  ├── new partitions ┤        │ saved  │ saved │                    │ backup GPT │
//! ```
//!
//! A partition whose label matches a [`Glob`] is saved. What is saved must be one block at the tail:
//! from the first of them on, every partition is saved, and all that is new ends before it. Then
//! nothing has to be moved, and one number keeps whoever writes away from them ([`Saved::start`]).
//!
//! It is an error when that cannot be, or when the table does not say plainly where partitions are:
//! a master boot record, which has no labels; two copies that differ; sectors that are not the
//! disk's; partitions that overlap or reach beyond the disk. A disk without a table has nothing to
//! save.

use super::content::{Content, Gpt, GptPartition, Health, Table};
use super::text;
pub use crate::settings::install::Glob;
use crate::units::{ByteLen, ByteOffset, SectorSize};

/// What the entries of the backup table have at least.
const BACKUP_ENTRIES_BYTES: u64 = 128 * 128;

/// The partitions that survive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// In order of where they are.
    pub partitions: Vec<GptPartition>,
    /// Patterns that matched none, though there is a table.
    pub unmatched: Vec<Glob>,
}

/// Why partitions cannot be saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// No labels.
    #[error("the disk has a master boot record, whose partitions have no labels to save them by")]
    Mbr,
    /// No copy of the table is good.
    #[error("the disk's GPT is damaged: it cannot be told where its partitions are")]
    Damaged,
    /// Two copies, two truths.
    #[error("the two copies of the disk's GPT differ: it cannot be told which one is right")]
    Different,
    /// A table of another disk.
    #[error("the disk's GPT counts in sectors of {table} bytes, the disk in {disk}")]
    SectorSize {
        /// What the table counts in.
        table: u64,
        /// What the disk has.
        disk: u64,
    },
    /// Part of it is not on the disk.
    #[error(
        "partition {partition} ends at byte {}, past the last usable one, {}", .end.0, .usable.0
    )]
    BeyondDisk {
        /// Number and label.
        partition: String,
        /// Where it ends.
        end: ByteOffset,
        /// Where usable space ends.
        usable: ByteOffset,
    },
    /// Two share bytes.
    #[error("partitions {first} and {second} overlap")]
    Overlap {
        /// The one that starts first.
        first: String,
        /// The other.
        second: String,
    },
    /// One that is not saved lies behind one that is.
    #[error("partition {other} is not saved, but lies behind partition {saved}, which is")]
    NotTheTail {
        /// The saved one.
        saved: String,
        /// The other.
        other: String,
    },
    /// The new layout needs the space.
    #[error(
        "the new partitions end at byte {}, but partition {saved}, which is saved, starts at {}",
        .new_end.0, .start.0
    )]
    NoSpace {
        /// The first saved one.
        saved: String,
        /// Where it starts.
        start: ByteOffset,
        /// Where the new layout ends.
        new_end: ByteOffset,
    },
}

impl Saved {
    /// What survives on a disk of that size and content.
    pub fn find(
        content: &Content,
        globs: &[Glob],
        disk: ByteLen,
        sector: SectorSize,
    ) -> Result<Self, SavedError> {
        let gpt = match &content.table {
            _ if globs.is_empty() => return Ok(Self::default()),
            None => return Ok(Self::default()),
            Some(Table::Mbr(_)) => return Err(SavedError::Mbr),
            Some(Table::Gpt(gpt)) => plain(gpt, sector)?,
        };
        let is_saved = |partition: &GptPartition| globs.iter().any(|g| g.matches(&partition.name));
        let mut partitions = gpt.partitions.clone();
        partitions.sort_by_key(|partition| (partition.start, partition.index));
        let first = partitions.iter().position(is_saved).unwrap_or(partitions.len());
        let (before, tail) = partitions.split_at(first);
        if let Some(other) = tail.iter().find(|partition| !is_saved(partition)) {
            return Err(SavedError::NotTheTail { saved: name(&tail[0]), other: name(other) });
        }
        check(before, tail, usable_end(disk, sector))?;
        let unmatched = globs.iter().filter(|g| !tail.iter().any(|p| g.matches(&p.name)));
        Ok(Self { partitions: tail.to_vec(), unmatched: unmatched.cloned().collect() })
    }

    /// Where the first one starts; nothing may be written from there to the end of the last.
    pub fn start(&self) -> Option<ByteOffset> {
        self.partitions.first().map(|partition| partition.start)
    }

    /// Whether a layout that ends at `new_end`, exclusive, leaves them alone.
    pub fn fits(&self, new_end: ByteOffset) -> Result<(), SavedError> {
        match self.partitions.first() {
            Some(first) if first.start < new_end => {
                Err(SavedError::NoSpace { saved: name(first), start: first.start, new_end })
            }
            _ => Ok(()),
        }
    }

    /// The numbers that they have beside `taken` new partitions, which have the first: their own
    /// where those are free, else the next after the highest.
    pub fn numbers(&self, taken: u32) -> Vec<u32> {
        let highest = self.partitions.iter().map(|partition| partition.index).max();
        let mut next = highest.unwrap_or(0).max(taken);
        let number = |partition: &GptPartition| {
            if partition.index > taken {
                return partition.index;
            }
            next += 1;
            next
        };
        self.partitions.iter().map(number).collect()
    }
}

/// A table that says plainly where its partitions are.
fn plain(gpt: &Gpt, sector: SectorSize) -> Result<&Gpt, SavedError> {
    match gpt.health {
        Health::Damaged => Err(SavedError::Damaged),
        Health::Different => Err(SavedError::Different),
        Health::Good | Health::OneCopy if gpt.sector != sector => {
            Err(SavedError::SectorSize { table: gpt.sector.bytes(), disk: sector.bytes() })
        }
        Health::Good | Health::OneCopy => Ok(gpt),
    }
}

/// Checks that the tail overlaps nothing and is on the disk.
fn check(
    before: &[GptPartition],
    tail: &[GptPartition],
    usable: ByteOffset,
) -> Result<(), SavedError> {
    let reaching = before.iter().max_by_key(|partition| partition.end());
    let ordered: Vec<&GptPartition> = reaching.into_iter().chain(tail).collect();
    if let Some(pair) = ordered.windows(2).find(|pair| pair[0].end() > pair[1].start) {
        return Err(SavedError::Overlap { first: name(pair[0]), second: name(pair[1]) });
    }
    match tail.iter().find(|partition| partition.end() > usable) {
        Some(last) => {
            Err(SavedError::BeyondDisk { partition: name(last), end: last.end(), usable })
        }
        None => Ok(()),
    }
}

/// Where the backup table begins.
fn usable_end(disk: ByteLen, sector: SectorSize) -> ByteOffset {
    let whole = disk.0 - disk.0 % sector.bytes();
    ByteOffset(whole.saturating_sub(sector.bytes() + BACKUP_ENTRIES_BYTES))
}

fn name(partition: &GptPartition) -> String {
    format!("{} (`{}`)", partition.index, text::tame(&partition.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;
    use proptest::prelude::*;

    fn partition(index: u32, name: &str, start_mib: u64, len_mib: u64) -> GptPartition {
        GptPartition {
            index,
            name: name.to_owned(),
            type_guid: 1,
            guid: index.into(),
            attributes: 0,
            start: ByteOffset(start_mib * MIB),
            len: ByteLen(len_mib * MIB),
            holds: None,
        }
    }

    fn content(partitions: Vec<GptPartition>, health: Health) -> Content {
        let gpt = Gpt { sector: SectorSize::B512, guid: 1, health, partitions };
        Content { table: Some(Table::Gpt(gpt)), signatures: Vec::new(), is_zero: false }
    }

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::parse(text).unwrap()).collect()
    }

    /// Saves from a disk of 100 MiB.
    fn saved(content: &Content, patterns: &[&str]) -> Result<Saved, SavedError> {
        Saved::find(content, &globs(patterns), ByteLen(100 * MIB), SectorSize::B512)
    }

    fn usual() -> Vec<GptPartition> {
        vec![
            partition(1, "EFI-SYSTEM", 1, 9),
            partition(2, "root", 10, 40),
            partition(4, "data-b", 65, 10),
            partition(3, "data-a", 55, 10),
        ]
    }

    #[test]
    fn the_tail_is_saved_in_order_of_place() {
        let found = saved(&content(usual(), Health::OneCopy), &["data-*", "other"]).unwrap();
        let labels: Vec<_> = found.partitions.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(labels, ["data-a", "data-b"]);
        assert_eq!(found.unmatched, globs(&["other"]));
        assert_eq!(found.start(), Some(ByteOffset(55 * MIB)));
        assert_eq!(found.fits(ByteOffset(55 * MIB)), Ok(()));
        let error = found.fits(ByteOffset(55 * MIB + 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the new partitions end at byte 57671681, but partition 3 (`data-a`), which is saved, \
             starts at 57671680"
        );
        assert_eq!(found.numbers(2), [3, 4]);
        assert_eq!(found.numbers(3), [5, 4]);
        assert_eq!(found.numbers(7), [8, 9]);
    }

    #[test]
    fn without_a_table_or_a_wish_nothing_is_saved() {
        let blank = Content { table: None, signatures: Vec::new(), is_zero: true };
        assert_eq!(saved(&blank, &["*"]), Ok(Saved::default()));
        let mbr = Content { table: Some(Table::Mbr(Vec::new())), ..blank };
        assert_eq!(saved(&mbr, &[]), Ok(Saved::default()));
        assert_eq!(saved(&mbr, &["*"]), Err(SavedError::Mbr));
        let found = saved(&content(usual(), Health::Good), &["other"]).unwrap();
        assert_eq!((found.start(), found.fits(ByteOffset(u64::MAX))), (None, Ok(())));
        assert_eq!(found.unmatched.len(), 1);
    }

    #[test]
    fn what_cannot_be_saved_is_refused() {
        let with = |further: GptPartition| {
            let partitions = usual().into_iter().chain([further]).collect();
            saved(&content(partitions, Health::Good), &["data*"]).unwrap_err().to_string()
        };
        let of = |health| saved(&content(usual(), health), &["data*"]);
        assert_eq!(of(Health::Damaged), Err(SavedError::Damaged));
        assert_eq!(of(Health::Different), Err(SavedError::Different));
        let large = Saved::find(
            &content(usual(), Health::Good),
            &globs(&["*"]),
            ByteLen(100 * MIB),
            SectorSize::B4096,
        );
        assert_eq!(large, Err(SavedError::SectorSize { table: 512, disk: 4096 }));
        assert_eq!(
            with(partition(5, "swap", 90, 5)),
            "partition 5 (`swap`) is not saved, but lies behind partition 3 (`data-a`), which is"
        );
        assert_eq!(
            with(partition(5, "data-c", 64, 2)),
            "partitions 3 (`data-a`) and 5 (`data-c`) overlap"
        );
        assert_eq!(
            with(partition(5, "wide", 5, 60)),
            "partitions 5 (`wide`) and 3 (`data-a`) overlap"
        );
        assert_eq!(
            with(partition(5, "data-c", 99, 1)),
            "partition 5 (`data-c`) ends at byte 104857600, past the last usable one, 104840704"
        );
        assert!(with(partition(5, "data-c", 1 << 43, 1 << 43)).contains("past the last usable"));
    }

    proptest! {
        #[test]
        fn globs_agree_with_their_meaning(glob in "[ab?*]{1,8}", label in "[ab]{0,8}") {
            fn means(glob: &[u8], label: &[u8]) -> bool {
                match (glob, label) {
                    ([], _) => label.is_empty(),
                    ([b'*', rest @ ..], _) => {
                        (0..=label.len()).any(|taken| means(rest, &label[taken..]))
                    }
                    (_, []) => false,
                    ([c, rest @ ..], [l, after @ ..]) => {
                        (*c == b'?' || c == l) && means(rest, after)
                    }
                }
            }
            let matches = Glob::parse(&glob).unwrap().matches(&label);
            prop_assert_eq!(matches, means(glob.as_bytes(), label.as_bytes()));
        }

        #[test]
        fn what_is_saved_is_apart_and_on_the_disk(
            parts in prop::collection::vec((0..110_u64, 1..20_u64, any::<bool>()), 0..6),
        ) {
            let partitions = (1..).zip(&parts).map(|(index, (start, len, keep))| {
                partition(index, if *keep { "keep" } else { "lose" }, *start, *len)
            });
            let content = content(partitions.collect(), Health::Good);
            if let Ok(found) = saved(&content, &["keep"]) {
                prop_assert_eq!(found.partitions.len(), parts.iter().filter(|p| p.2).count());
                for pair in found.partitions.windows(2) {
                    prop_assert!(pair[0].end() <= pair[1].start);
                }
                prop_assert!(found.partitions.iter().all(|p| p.end().0 <= 100 * MIB));
                let mut numbers = found.numbers(2);
                numbers.sort_unstable();
                numbers.dedup();
                prop_assert_eq!(numbers.len(), found.partitions.len());
            }
        }
    }
}
