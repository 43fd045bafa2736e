//! Which policy an image enables, by the rules by which ostree finds it.
//!
//! In `etc/selinux/config` only the beginnings of lines count. `SELINUX=` with a value that begins, in any
//! case, with `enforcing` or `permissive` switches it on, and no other line switches it off again. The last
//! `SELINUXTYPE=` names the policy, blanks around it do not matter. The policy must have a
//! `policy/policy.NN`, which nothing here reads.

use super::error::Error;
use crate::files::{FileKind, Files};

const CONFIG: &str = "etc/selinux/config";
const LIMIT_BYTES: u64 = 1 << 20;

/// The name of the policy that an image enables; `None` when it enables none.
pub(super) fn enabled_policy(files: &dyn Files) -> Result<Option<String>, Error> {
    let Some(bytes) = files.read_following(CONFIG, LIMIT_BYTES)? else { return Ok(None) };
    let path = CONFIG.to_owned();
    let Ok(config) = String::from_utf8(bytes) else { return Err(Error::ConfigEncoding { path }) };
    let enabled = values(&config, "SELINUX=").any(|value| {
        let begins =
            |word: &str| value.get(..word.len()).is_some_and(|v| v.eq_ignore_ascii_case(word));
        begins("enforcing") || begins("permissive")
    });
    if !enabled {
        return Ok(None);
    }
    let name = values(&config, "SELINUXTYPE=").map(str::trim).next_back();
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(Error::NoType { path }),
    }
}

fn values<'a>(config: &'a str, key: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
    config.split('\n').filter_map(move |line| line.strip_prefix(key))
}

/// Sees that the compiled policy exists.
pub(super) fn check_policy_file(files: &dyn Files, policy: &str) -> Result<(), Error> {
    let directory = format!("etc/selinux/{policy}/policy");
    let real = files.resolve(&directory).unwrap_or_else(|| directory.clone());
    let is_policy = |name: &String| {
        let version = name.strip_prefix("policy.").unwrap_or_default();
        let numbered = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        numbered && matches!(files.kind(&format!("{real}/{name}")), Some(FileKind::Regular { .. }))
    };
    if files.names(&real).iter().any(is_policy) {
        return Ok(());
    }
    Err(Error::Missing { policy: policy.to_owned(), missing: format!("{directory}/policy.NN") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn policy_in(config: &str) -> Result<Option<String>, Error> {
        enabled_policy(&MemoryFiles::default().with(CONFIG, config))
    }

    #[test]
    fn the_config_decides() {
        let cases = [
            ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", Some("targeted")),
            ("SELINUX=permissive\nSELINUXTYPE= mls  \n", Some("mls")),
            ("SELINUX=ENFORCING # x\nSELINUXTYPE=x\nSELINUXTYPE=targeted\r\n", Some("targeted")),
            ("SELINUX=disabled\nSELINUXTYPE=targeted\n", None),
            ("SELINUX= enforcing\nSELINUXTYPE=targeted\n", None),
            (" SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=t", Some("t")),
            ("SELINUX=enforcing\nSELINUX=disabled\nSELINUXTYPE=t", Some("t")),
            ("SELINUXTYPE=targeted\n", None),
            ("", None),
        ];
        for (config, policy) in cases {
            assert_eq!(policy_in(config).unwrap().as_deref(), policy, "{config:?}");
        }
        assert!(matches!(policy_in("SELINUX=enforcing\n"), Err(Error::NoType { .. })));
        let latin = MemoryFiles::default().with(CONFIG, b"# \xe9");
        assert!(matches!(enabled_policy(&latin), Err(Error::ConfigEncoding { .. })));
    }

    #[test]
    fn an_enabled_policy_must_exist() {
        let none = MemoryFiles::default().with("etc/selinux/t/policy/policy.kern", "");
        assert!(matches!(check_policy_file(&none, "t"), Err(Error::Missing { .. })));
        let some = none.with("etc/selinux/t/policy/policy.33", "");
        check_policy_file(&some, "t").unwrap();
    }
}
