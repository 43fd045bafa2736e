//! `usr/lib/bootc/kargs.d/*.toml`: kernel arguments that come with the image.
//!
//! ```toml
//! kargs = ["console=ttyS0", "two args"]      # required
//! match-architectures = ["x86_64"]           # optional
//! ```
//!
//! Files in byte order of their names; subdirectories and other suffixes are ignored. The strings of
//! one file are joined by blanks before they are split, so that a quote may span two of them.

use serde::Deserialize;

use super::{ConfigError, load, matches_arch, toml_names};
use crate::files::{Deployed, Files};
use crate::spec::Arch;

const DIRECTORY: &str = "usr/lib/bootc/kargs.d";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Fragment {
    kargs: Vec<String>,
    match_architectures: Option<Vec<String>>,
}

/// The kernel arguments of the image: one string, still to be split, for every file that counts.
pub fn load_kargs(files: &dyn Files, arch: Arch) -> Result<Vec<String>, ConfigError> {
    let files = &Deployed(files);
    let directory = files.resolve(DIRECTORY).unwrap_or_else(|| DIRECTORY.to_owned());
    let mut all = Vec::new();
    for name in toml_names(files, &directory) {
        let path = format!("{directory}/{name}");
        if !files.leads_to_file(&path) {
            continue;
        }
        let fragment: Fragment = load(files, &path)?;
        if matches_arch(fragment.match_architectures.as_deref(), arch) {
            all.push(fragment.kargs.join(" "));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn with(files: &[(&str, &str)]) -> MemoryFiles {
        files.iter().fold(MemoryFiles::default(), |all, (name, text)| {
            all.with(&format!("{DIRECTORY}/{name}"), text)
        })
    }

    #[test]
    fn the_golden_files_are_read_in_order() {
        let files = with(&[
            ("20-arch.toml", "kargs = [\"x86only\"]\nmatch-architectures = [\"x86_64\"]\n"),
            ("21-arm.toml", "kargs = [\"armonly\"]\nmatch-architectures = [\"aarch64\"]\n"),
            ("05-first.toml", "kargs = [\"first=1\", \"root=LABEL=other\"]\n"),
            ("40-none.toml", "kargs = []\n"),
            ("ignored.conf", "kargs = [\"conf\"]\n"),
            (".hidden.toml", "junk"),
            ("sub/50.toml", "kargs = [\"sub\"]\n"),
        ]);
        let x86 = load_kargs(&files, Arch::X86_64).unwrap();
        assert_eq!(x86, ["first=1 root=LABEL=other", "x86only", ""]);
        let arm = load_kargs(&files, Arch::Aarch64).unwrap();
        assert_eq!(arm, ["first=1 root=LABEL=other", "armonly", ""]);
    }

    #[test]
    fn wrong_files_are_refused_with_their_line() {
        let cases = [
            ("kargs = []\nunknown = 1\n", 2, "unknown field `unknown`"),
            ("match-architectures = []\n", 1, "missing field `kargs`"),
            ("kargs = \"one\"\n", 1, "invalid type"),
            ("kargs = [\n", 1, ""),
        ];
        for (text, at, says) in cases {
            let error = load_kargs(&with(&[("a.toml", text)]), Arch::X86_64).unwrap_err();
            let ConfigError::Invalid { line, problem, .. } = &error else { panic!("{error}") };
            assert!(problem.contains(says), "{problem}");
            assert!(*line >= at, "{text:?}: line {line}");
        }
    }
}
