//! Names of stateroots. They come from the command line or from the image, and become part of paths
//! (`ostree/deploy/<name>`, `boot/ostree/<name>-<64 digits>`) and of the argument `ostree=`.

use super::PlanError;

/// What a stateroot is called when nobody says otherwise.
pub const DEFAULT: &str = "default";

const MAX_LEN: usize = 128;

/// The stateroot: of the command line, else of the install configuration, else `default`.
pub fn choose(cli: Option<&str>, install: Option<&str>) -> Result<String, PlanError> {
    let name = cli.or(install).unwrap_or(DEFAULT);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= MAX_LEN && name.chars().all(allowed) {
        Ok(name.to_owned())
    } else {
        Err(PlanError::Stateroot(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_first() {
        assert_eq!(choose(Some("cli"), Some("image")).as_deref(), Ok("cli"));
        assert_eq!(choose(None, Some("golden")).as_deref(), Ok("golden"));
        assert_eq!(choose(None, None).as_deref(), Ok("default"));
    }

    #[test]
    fn names_stay_within_their_directory() {
        for name in ["", ".", "..", "../x", "a/b", "-a", "a b", "a\nb", "ü", &"a".repeat(129)] {
            assert_eq!(choose(None, Some(name)), Err(PlanError::Stateroot(name.to_owned())));
        }
        for name in ["fedora-coreos", "rhel_9.4", &"a".repeat(128)] {
            assert!(choose(Some(name), None).is_ok(), "{name}");
        }
    }
}
