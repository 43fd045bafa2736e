//! `/etc/subuid` and `/etc/subgid`: numbers that a user may give to containers.

use super::super::error::Error;
use super::login_defs::SubIds;
use super::table::Table;

/// Gives `user` a range unless it has one, in the first gap that is large enough.
pub(super) fn assign(table: &mut Table, user: &str, wanted: SubIds) -> Result<(), Error> {
    if wanted.count == 0 || !table.is_there() || table.get(user).is_some() {
        return Ok(());
    }
    let mut taken: Vec<(u32, u32)> = table.rows().filter_map(|row| range(&row)).collect();
    taken.sort_unstable();
    let mut low = wanted.min;
    for (first, count) in taken {
        let end = first.saturating_add(count);
        if end <= low {
            continue;
        }
        if first >= low && first - low >= wanted.count {
            break;
        }
        low = end;
    }
    let last = low.checked_add(wanted.count - 1).filter(|last| *last <= wanted.max);
    if last.is_none() {
        let (min, max) = (wanted.min, wanted.max);
        return Err(Error::NoFreeId { what: "subordinate", name: user.to_owned(), min, max });
    }
    table.sort_by_key(|line| range(&line.split(':').collect::<Vec<_>>()).map(|(first, _)| first));
    table.push(&[user, &low.to_string(), &wanted.count.to_string()]);
    Ok(())
}

fn range(row: &[&str]) -> Option<(u32, u32)> {
    Some((row.get(1)?.parse().ok()?, row.get(2)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::super::overlay::Overlay;
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn the_first_gap_is_taken() {
        let sub_ids = SubIds { min: 100_000, max: 600_000, count: 65_536 };
        for (text, expected) in [
            ("", 100_000),
            ("a:100000:65536\n", 165_536),
            ("a:200000:10\n", 100_000),
            ("a:120000:10\n", 120_010),
            ("b:165536:65536\na:100000:65536\n", 231_072),
        ] {
            let image = MemoryFiles::default().with("usr/etc/subuid", text);
            let mut table = Table::load(&Overlay::new(&image), "etc/subuid").unwrap();
            assign(&mut table, "ops", sub_ids).unwrap();
            assert_eq!(table.get("ops").unwrap()[1], expected.to_string(), "{text}");
        }
        let image = MemoryFiles::default().with("usr/etc/subuid", "a:1:599999\n");
        let mut table = Table::load(&Overlay::new(&image), "etc/subuid").unwrap();
        assert!(assign(&mut table, "ops", sub_ids).is_err());
    }
}
