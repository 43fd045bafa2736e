//! Chance for the ids of disks, on a machine that has only just started.
//!
//! The kernel gives random bytes when it has seen enough of the world. A machine without a source of
//! chance, a virtual one for instance, may take minutes to that, and an installer is not to hang. Ids
//! need not be secret, only different on every machine and every time. So after a few seconds what the
//! kernel has by then is taken, with all that tells one machine and one moment from others.

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::digest::Sha256;
use crate::machine;

const PAUSE: Duration = Duration::from_millis(100);
/// How often the kernel is asked: five seconds.
const MOST_TRIES: u32 = 50;
/// Files of a page tell it all.
const LIMIT_BYTES: u64 = 1 << 16;

/// What tells one machine and one moment from others, below the root.
const MACHINE: [&str; 6] = [
    "sys/class/dmi/id/product_uuid",
    "sys/class/dmi/id/product_serial",
    "sys/class/rtc/rtc0/since_epoch",
    "proc/interrupts",
    "proc/uptime",
    "proc/diskstats",
];
/// Where network cards are, each with an `address`.
const CARDS: &str = "sys/class/net";

/// Bytes that no other installation has.
pub(super) fn bytes(root: &Path) -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    for _ in 0..MOST_TRIES {
        match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
            Ok(32) => return Ok(bytes),
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    getrandom(&mut bytes, GetRandomFlags::INSECURE)?;
    Ok(mixed(&bytes, root))
}

/// The bytes, and what is known of machine and moment.
fn mixed(bytes: &[u8], root: &Path) -> [u8; 32] {
    let mut hasher = Sha256::default();
    hasher.update(bytes);
    let cards = std::fs::read_dir(root.join(CARDS)).into_iter().flatten().flatten();
    let mut addresses: Vec<_> = cards.map(|card| card.path().join("address")).collect();
    addresses.sort();
    let files = MACHINE.iter().map(|path| root.join(path)).chain(addresses);
    // what is missing tells nothing
    for content in files.filter_map(|path| machine::read(&path, LIMIT_BYTES).ok()) {
        hasher.update(&u64::try_from(content.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(&content);
    }
    hasher.finish().0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(bytes(Path::new("/")).unwrap(), bytes(Path::new("/")).unwrap());
    }

    #[test]
    fn machines_differ_where_chance_does_not() {
        let root = tempfile::tempdir().unwrap();
        let card = root.path().join(CARDS).join("eth0");
        fs::create_dir_all(&card).unwrap();
        let of = |address: &str| {
            fs::write(card.join("address"), address).unwrap();
            mixed(&[7; 32], root.path())
        };
        assert_ne!(of("52:54:00:00:00:01"), of("52:54:00:00:00:02"));
        assert_eq!(of("52:54:00:00:00:01"), of("52:54:00:00:00:01"));
    }
}
