//! What scripts for bootc-image-builder say, so that they need not change.
//!
//! | there | here |
//! |---|---|
//! | `--target-arch`, `--chown`, `--progress verbose`, `term`, `debug` | the same |
//! | `--store`, `--rpmmd`, `--use-librepo`, `--build-container`, `--in-vm`, `--local`, `--no-default-kernel-args`, `--log-level` | taken, and said to be of no use |
//! | `--aws-…`, `--seed`, `--installer-payload-ref` | refused, with what to do instead |
//! | called by that name: `bootc-image-builder [build] IMAGE` | the same as `bootc-image build IMAGE` |

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name of the program whose place ours can take.
const NAME: &str = "bootc-image-builder";

/// Options that mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct DropIn {
    #[arg(long, hide = true, value_name = "DIR")]
    store: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "DIR")]
    rpmmd: Option<PathBuf>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    use_librepo: Option<bool>,
    #[arg(long, hide = true, value_name = "REF")]
    build_container: Option<String>,
    #[arg(long, hide = true)]
    in_vm: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    local: Option<bool>,
    #[arg(long, hide = true)]
    no_default_kernel_args: bool,
    #[arg(long, hide = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    aws_ami_name: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    aws_bucket: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    aws_region: Option<String>,
    #[arg(long, hide = true, value_name = "N")]
    seed: Option<String>,
    #[arg(long, hide = true, value_name = "REF")]
    installer_payload_ref: Option<String>,
}

/// Why an option of bootc-image-builder is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// Uploads.
    #[error("`--aws-…`: nothing is uploaded here")]
    Aws,
    /// A seed for its random ids.
    #[error("`--seed`: ids do not come from a seed here")]
    Seed,
    /// Its installer.
    #[error("`--installer-payload-ref`: not supported yet")]
    Installer,
    /// An image that it would pull itself, into a local storage.
    #[error("`--local=false`: an image is read from where its name says")]
    Local,
}

impl Refused {
    /// What to do instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Aws => {
                "leave these options out: `--type ami` writes the disk and `ami.json`, with which a \
                 snapshot of it is registered"
            }
            Self::Seed => {
                "leave it out: the same image and options give the same ids and the same bytes"
            }
            Self::Installer => "leave it out",
            Self::Local => {
                "leave it out: names are looked up in their registry, `containers-storage:NAME` in \
                 the local storage"
            }
        }
    }
}

impl DropIn {
    /// Whether something was asked for that cannot be left out silently.
    pub fn check(&self) -> Result<(), Refused> {
        if self.aws_ami_name.is_some() || self.aws_bucket.is_some() || self.aws_region.is_some() {
            return Err(Refused::Aws);
        }
        if self.seed.is_some() {
            return Err(Refused::Seed);
        }
        if self.installer_payload_ref.is_some() {
            return Err(Refused::Installer);
        }
        if self.local == Some(false) { Err(Refused::Local) } else { Ok(()) }
    }

    /// A sentence for each option that was given and means nothing here.
    pub fn notices(&self) -> Vec<String> {
        let nothing = [
            (self.store.is_some(), "--store", "nothing is kept between builds"),
            (self.rpmmd.is_some(), "--rpmmd", "no packages are looked up"),
            (self.use_librepo.is_some(), "--use-librepo", "no packages are looked up"),
            (self.build_container.is_some(), "--build-container", "nothing is run to build"),
            (self.in_vm, "--in-vm", "no privilege is needed"),
            (
                self.local.is_some(),
                "--local",
                "the local storage is read as `containers-storage:NAME`",
            ),
            (
                self.no_default_kernel_args,
                "--no-default-kernel-args",
                "there are none but those of a platform that was chosen",
            ),
            (self.log_level.is_some(), "--log-level", "use `-v` or `-q`"),
        ];
        (nothing.into_iter())
            .filter(|(is_given, ..)| *is_given)
            .map(|(_, option, why)| format!("`{option}` does nothing here: {why}"))
            .collect()
    }
}

/// The words as ours, when the program was called by that other name.
pub fn translate(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    if !words.first().is_some_and(is_called) {
        return words;
    }
    let first = words.get(1).and_then(|word| word.to_str());
    match first {
        Some("version") => words[1] = "--version".into(),
        Some("help") => words.splice(1..2, ["build", "--help"].map(Into::into)).for_each(drop),
        Some("build" | "-V" | "--version") => {}
        None | Some(_) => words.insert(1, "build".into()),
    }
    words
}

/// Whether a program's path is one of that name.
pub fn is_called(program: &OsString) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == NAME)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Args, Command};
    use super::*;

    fn build(options: &[&str]) -> DropIn {
        let words = [&["bootc-image", "build", "x"], options].concat();
        match Args::try_parse_from(words).unwrap().command {
            Command::Build(build) => build.drop_in,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn useless_options_are_taken_and_said() {
        let options = [
            "--store=/store",
            "--rpmmd=/rpmmd",
            "--use-librepo=false",
            "--build-container=x",
            "--in-vm",
            "--local",
            "--no-default-kernel-args",
            "--log-level=debug",
        ];
        assert!(build(&[]).notices().is_empty());
        for option in options {
            let given = build(&[option]);
            assert_eq!(given.check(), Ok(()), "{option}");
            let notices = given.notices();
            let name = option.split('=').next().unwrap();
            assert!(notices.len() == 1 && notices[0].contains(name), "{option}: {notices:?}");
        }
        assert_eq!(build(&options).notices().len(), options.len());
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let cases = [
            ("--aws-ami-name=x", Refused::Aws),
            ("--aws-bucket=x", Refused::Aws),
            ("--aws-region=x", Refused::Aws),
            ("--seed=1", Refused::Seed),
            ("--installer-payload-ref=x", Refused::Installer),
            ("--local=false", Refused::Local),
        ];
        for (option, refused) in cases {
            assert_eq!(build(&[option]).check(), Err(refused), "{option}");
        }
    }

    #[test]
    fn the_other_name_implies_build() {
        let translated = |words: &[&str]| {
            let words = translate(words.iter().map(OsString::from));
            words.join(std::ffi::OsStr::new(" ")).into_string().unwrap()
        };
        let name = "/usr/bin/bootc-image-builder";
        for (words, expected) in [
            (&[name, "--type", "raw", "x"][..], "build --type raw x"),
            (&[name, "x"], "build x"),
            (&[name, "build", "x"], "build x"),
            (&[name, "version"], "--version"),
            (&[name, "--version"], "--version"),
            (&[name, "--help"], "build --help"),
            (&[name, "help"], "build --help"),
            (&[name], "build"),
        ] {
            assert_eq!(translated(words), format!("{name} {expected}"));
        }
        assert_eq!(translated(&["bootc-image", "x"]), "bootc-image x");
    }
}
