//! Whether the image has an SELinux policy, by the rules by which ostree finds one.
//!
//! `etc/selinux/config` counts when a line begins with `SELINUX=` whose value begins, in any case, with
//! `enforcing` or `permissive` (blanks before the value do not matter, blanks before the key do). The
//! policy is the value of `SELINUXTYPE=`; it must have a `policy/policy.NN`.

use super::{BootError, CONFIG_LIMIT_BYTES};
use crate::files::{Deployed, Files};

const CONFIG: &str = "etc/selinux/config";

/// The type of the policy that the merged image enables (`targeted`); `None` when it enables none.
pub fn selinux_policy(files: &dyn Files) -> Result<Option<String>, BootError> {
    let files = Deployed(files);
    let Some(bytes) = files.read_following(CONFIG, CONFIG_LIMIT_BYTES)? else { return Ok(None) };
    let Some(policy) = policy_in(&String::from_utf8_lossy(&bytes)) else { return Ok(None) };
    let binaries = format!("etc/selinux/{policy}/policy");
    let directory = files.resolve(&binaries).unwrap_or(binaries);
    if !files.names(&directory).iter().any(|name| name.starts_with("policy.")) {
        let missing = format!("{directory}/policy.NN");
        return Err(BootError::SelinuxPolicy { policy, missing });
    }
    Ok(Some(policy))
}

fn policy_in(config: &str) -> Option<String> {
    let value_of = |key: &str| {
        config.lines().filter_map(|line| line.strip_prefix(key)).map(str::trim).next_back()
    };
    let state = value_of("SELINUX=")?.to_ascii_lowercase();
    let enabled = state.starts_with("enforcing") || state.starts_with("permissive");
    let policy = value_of("SELINUXTYPE=").filter(|policy| !policy.is_empty())?;
    enabled.then(|| policy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn the_config_decides() {
        let cases = [
            ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", Some("targeted")),
            ("SELINUX= permissive\nSELINUXTYPE=mls  \n", Some("mls")),
            ("SELINUX=ENFORCING # x\nSELINUXTYPE=targeted\n", Some("targeted")),
            ("SELINUX=disabled\nSELINUXTYPE=targeted\n", None),
            (" SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=t", Some("t")),
            ("SELINUXTYPE=targeted\n", None),
            ("SELINUX=enforcing\n", None),
            ("", None),
        ];
        for (config, policy) in cases {
            assert_eq!(policy_in(config).as_deref(), policy, "{config:?}");
        }
    }

    #[test]
    fn an_enabled_policy_must_exist() {
        let config = "SELINUX=enforcing\nSELINUXTYPE=targeted\n";
        let files = MemoryFiles::default().with("usr/etc/selinux/config", config);
        assert!(matches!(selinux_policy(&files), Err(BootError::SelinuxPolicy { .. })));
        let files = files.with("usr/etc/selinux/targeted/policy/policy.33", "");
        assert_eq!(selinux_policy(&files).unwrap().as_deref(), Some("targeted"));
        assert_eq!(selinux_policy(&MemoryFiles::default()).unwrap(), None);
    }
}
