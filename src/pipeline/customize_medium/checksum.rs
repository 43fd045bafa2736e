//! The file beside a medium that says what `sha256sum` says of it: `install.iso.sha256`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{MediumError, in_file};
use crate::digest::{Sha256, Sha256Digest};
use crate::output::Pending;

const SUFFIX: &str = ".sha256";
/// One line, with a name in it.
const LIMIT_BYTES: u64 = 64 << 10;

/// What became of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// There is none, or it is still right.
    Untouched,
    /// It has the new sum.
    Renewed(PathBuf),
    /// It is none that we know how to change.
    NotUnderstood(PathBuf),
}

/// Gives the file of this medium, if there is one, the sum of the medium as it is now.
pub(super) fn renew(medium: &Path, is_changed: bool) -> Result<Checksum, MediumError> {
    let mut path = medium.as_os_str().to_owned();
    path.push(SUFFIX);
    let path = PathBuf::from(path);
    let file = match File::open(&path) {
        Ok(file) if is_changed => file,
        Err(error) if error.kind() != io::ErrorKind::NotFound && is_changed => {
            return Err(in_file("opening", &path)(error));
        }
        _ => return Ok(Checksum::Untouched),
    };
    let mut text = String::new();
    let read = file.take(LIMIT_BYTES).read_to_string(&mut text);
    let place = read.ok().and_then(|_| place(&text));
    let Some(place) = place else { return Ok(Checksum::NotUnderstood(path)) };
    text.replace_range(place, &sum(medium).map_err(in_file("reading", medium))?.to_hex());
    let pending = Pending::create(&path)?;
    let written = pending.file().as_ref().write_all(text.as_bytes());
    written.map_err(|source| pending.error(source))?;
    Ok(Checksum::Renewed(pending.commit()?))
}

/// Where the only sum of a text is.
fn place(text: &str) -> Option<std::ops::Range<usize>> {
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let is_sum = |word: &&str| word.len() == 64 && word.chars().all(is_digit);
    let mut sums = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_sum);
    let (sum, more) = (sums.next()?, sums.next());
    let start = text.find(sum).filter(|_| more.is_none())?;
    Some(start..start + sum.len())
}

fn sum(path: &Path) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::default();
    hasher.read(&mut File::open(path)?)?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sum_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let medium = folder.path().join("a.iso");
        std::fs::write(&medium, b"abc").unwrap();
        let beside = folder.path().join("a.iso.sha256");
        assert_eq!(renew(&medium, true).unwrap(), Checksum::Untouched);
        let abc = Sha256Digest::of(b"abc").to_hex();
        let old = "0".repeat(64);
        for form in ["@  a.iso\n", "@ *a.iso", "SHA256 (a.iso) = @\n"] {
            std::fs::write(&beside, form.replace('@', &old)).unwrap();
            assert_eq!(renew(&medium, false).unwrap(), Checksum::Untouched);
            assert_eq!(renew(&medium, true).unwrap(), Checksum::Renewed(beside.clone()));
            let text = std::fs::read_to_string(&beside).unwrap();
            assert_eq!(text, form.replace('@', &abc));
        }
        for form in ["", "abc  a.iso", &format!("{old}  a.iso\n{abc}  b.iso\n")] {
            std::fs::write(&beside, form).unwrap();
            assert_eq!(renew(&medium, true).unwrap(), Checksum::NotUnderstood(beside.clone()));
            assert_eq!(std::fs::read_to_string(&beside).unwrap(), form);
        }
    }
}
