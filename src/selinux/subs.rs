//! Substitutions: beginnings of paths that are looked up as if they were others.
//!
//! ```text
//! /usr/etc /etc          file_contexts.subs_dist, by the distribution
//! /srv/www /var/www      file_contexts.subs, by the administrator
//! ```
//!
//! Whole components only. Of several lines that fit the last one counts, and it counts once. The
//! administrator's are applied first, the distribution's to their result.

use super::contexts::fields;

/// libselinux reads lines in pieces of this length.
const PIECE: usize = 1023;

/// The substitutions of one file.
#[derive(Debug, Default)]
pub(super) struct Substitutions(Vec<(Vec<u8>, Vec<u8>)>);

impl Substitutions {
    /// Reads the file. Lines that are no pair are skipped.
    pub fn parse(text: &[u8]) -> Self {
        let lines = text.split_inclusive(|&byte| byte == b'\n').flat_map(|line| line.chunks(PIECE));
        let pair = |line| {
            let mut fields = fields(line);
            let from = fields.next().filter(|from| !from.starts_with(b"#"))?;
            Some((from.to_vec(), fields.next()?.to_vec()))
        };
        let mut pairs: Vec<_> = lines.filter_map(pair).collect();
        pairs.reverse();
        Self(pairs)
    }

    /// The path that is looked up for `path`, when it is another.
    pub fn apply(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find_map(|(from, to)| match path.strip_prefix(&from[..])? {
            [] => Some(to.clone()),
            [b'/', below @ ..] if to == b"/" => Some([b"/", below].concat()),
            below @ [b'/', ..] => Some([to, below].concat()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(subs: &str, path: &str) -> Option<String> {
        let subs = Substitutions::parse(subs.as_bytes());
        subs.apply(path.as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn whole_components_are_replaced() {
        let subs = "# comment\n/usr/etc /etc trailing\n\n/alone\n  /a\t/x/y\n/top /\n";
        assert_eq!(apply(subs, "/usr/etc").as_deref(), Some("/etc"));
        assert_eq!(apply(subs, "/usr/etc/passwd").as_deref(), Some("/etc/passwd"));
        assert_eq!(apply(subs, "/usr/etcetera"), None);
        assert_eq!(apply(subs, "/alone"), None);
        assert_eq!(apply(subs, "/a/b").as_deref(), Some("/x/y/b"));
        assert_eq!(apply(subs, "/top/b").as_deref(), Some("/b"));
        assert_eq!(apply(subs, "/top").as_deref(), Some("/"));
    }

    #[test]
    fn the_last_line_that_fits_counts() {
        let subs = "/a/b /first\n/a /second\n/a /third";
        assert_eq!(apply(subs, "/a/b").as_deref(), Some("/third/b"));
    }
}
