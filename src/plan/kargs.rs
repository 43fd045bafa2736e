//! The kernel arguments of the installed system, in the official installer's order:
//!
//! 1. `root=`, `rootflags=`, `rw`, `boot=`
//! 2. `kargs` of the install configuration
//! 3. `kargs.d`
//! 4. those of the platform, which the official installer does not know
//! 5. deletions: of the install configuration, then of the command line
//! 6. arguments of the command line
//!
//! (7., `ostree=`, belongs to the boot entry.) A list with set semantics: adding an argument whose key
//! and value are there already changes nothing; the same key with another value stays beside it. In
//! keys `-` and `_` are the same. Blanks within double quotes do not separate; quotes stay as written,
//! but do not make a value another one.

/// Ignition knows one platform: the chosen one replaces the image's.
const IGNITION_PLATFORM: &str = "ignition.platform.id";

/// Where kernel arguments come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// What `root=` says (`UUID=…`); empty for no `root=`.
    pub root: &'a str,
    /// What `rootflags=` says.
    pub root_flags: Option<&'a str>,
    /// What `boot=` says, for a separate `/boot`.
    pub boot: Option<&'a str>,
    /// `install.kargs`.
    pub install: &'a [String],
    /// `kargs.d`, one string for each file.
    pub kargs_d: &'a [String],
    /// The platform's.
    pub platform: &'a [String],
    /// `install.karg-deletes`.
    pub install_deletes: &'a [String],
    /// `--karg-delete`.
    pub cli_deletes: &'a [String],
    /// `--karg`.
    pub cli: &'a [String],
}

/// A list of kernel arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kargs(Vec<String>);

impl Kargs {
    /// The arguments that the sources add up to.
    pub fn from_sources(sources: &Sources<'_>) -> Self {
        let mut kargs = Self::default();
        if !sources.root.is_empty() {
            kargs.add(&format!("root={}", sources.root));
        }
        if let Some(flags) = sources.root_flags {
            kargs.add(&format!("rootflags={flags}"));
        }
        kargs.add("rw");
        if let Some(boot) = sources.boot {
            kargs.add(&format!("boot={boot}"));
        }
        sources.install.iter().chain(sources.kargs_d).for_each(|text| kargs.add(text));
        sources.platform.iter().for_each(|karg| {
            if key(karg) == IGNITION_PLATFORM {
                kargs.delete(IGNITION_PLATFORM);
            }
            kargs.add(karg);
        });
        sources
            .install_deletes
            .iter()
            .chain(sources.cli_deletes)
            .for_each(|text| kargs.delete(text));
        sources.cli.iter().for_each(|text| kargs.add(text));
        kargs
    }

    /// Adds each argument in `text` that is not there.
    pub fn add(&mut self, text: &str) {
        for karg in split(text) {
            if !self.0.iter().any(|present| same(present, karg)) {
                self.0.push(karg.to_owned());
            }
        }
    }

    /// Removes, for each argument in `text`: with a value that one, without a value all of that key.
    pub fn delete(&mut self, text: &str) {
        for karg in split(text) {
            self.0.retain(|present| match value(karg) {
                Some(_) => !same(present, karg),
                None => key(present) != key(karg),
            });
        }
    }

    /// Whether there is an argument of that key.
    pub fn have(&self, wanted: &str) -> bool {
        self.0.iter().any(|karg| key(karg) == wanted)
    }

    /// The arguments in order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Splits at blanks that are not within double quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let separates = move |character: char| {
        quoted ^= character == '"';
        !quoted && character.is_ascii_whitespace()
    };
    text.split(separates).filter(|karg| !karg.is_empty())
}

fn key(karg: &str) -> String {
    karg.split('=').next().unwrap_or_default().trim_start_matches('"').replace('-', "_")
}

fn value(karg: &str) -> Option<&str> {
    let (_, value) = karg.split_once('=')?;
    let value = value.strip_prefix('"').unwrap_or(value);
    Some(value.strip_suffix('"').unwrap_or(value))
}

fn same(one: &str, other: &str) -> bool {
    key(one) == key(other) && value(one) == value(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn the_golden_image_gets_its_golden_arguments() {
        let install = owned(&[
            "console=ttyS0,115200n8",
            "quiet splash",
            "dup=1",
            "dup=2",
            "dup=1",
            "both=yes",
            "from_etc",
        ]);
        let kargs_d = owned(&[
            "first=1 root=LABEL=other under_score=1 under-score=1",
            "dyndbg=\"file drivers/x.c +p\" plain key=a=b two args=1",
            "x86only",
            "many=1 quiet both=yes console=tty0",
            "",
        ]);
        let kargs = Kargs::from_sources(&Sources {
            root: "UUID=11111111-2222-4333-8444-555555555555",
            install: &install,
            kargs_d: &kargs_d,
            install_deletes: &owned(&["splash", "dup=2"]),
            ..Sources::default()
        });
        assert_eq!(
            kargs.as_slice().join(" "),
            "root=UUID=11111111-2222-4333-8444-555555555555 rw console=ttyS0,115200n8 quiet dup=1 \
             both=yes from_etc first=1 root=LABEL=other under_score=1 \
             dyndbg=\"file drivers/x.c +p\" plain key=a=b two args=1 x86only many=1 console=tty0"
        );
    }

    #[test]
    fn the_command_line_comes_after_deletions() {
        let kargs = Kargs::from_sources(&Sources {
            root: "",
            root_flags: Some("subvol=root"),
            boot: Some("UUID=b"),
            install: &owned(&["a=1", "b"]),
            cli_deletes: &owned(&["a", "absent"]),
            cli: &owned(&["a=2 c", "rw"]),
            ..Sources::default()
        });
        assert_eq!(
            kargs.as_slice(),
            ["rootflags=subvol=root", "rw", "boot=UUID=b", "b", "a=2", "c"]
        );
    }

    #[test]
    fn the_platform_comes_after_the_image_and_before_deletions() {
        let kargs = Kargs::from_sources(&Sources {
            kargs_d: &owned(&["console=tty0 ignition.platform.id=metal quiet"]),
            platform: &owned(&["console=tty0", "console=ttyS0", "ignition.platform.id=aws"]),
            cli_deletes: &owned(&["console=tty0"]),
            cli: &owned(&["console=tty1"]),
            ..Sources::default()
        });
        let expected = "rw quiet console=ttyS0 ignition.platform.id=aws console=tty1";
        assert_eq!(kargs.as_slice().join(" "), expected);
    }

    #[test]
    fn arguments_are_a_set() {
        let cases = [
            ("a=1", "a=1", "", "a=1"),
            ("a=1", "a=2", "", "a=1 a=2"),
            ("a-b=1", "a_b=1", "", "a-b=1"),
            ("a=x-y", "a=x_y", "", "a=x-y a=x_y"),
            ("a", "a=", "", "a a="),
            ("a=\"1\"", "a=1", "", "a=\"1\""),
            ("a=1 a=2 ab", "", "a", "ab"),
            ("a=1 a=2", "", "a=1", "a=2"),
            ("a-b=1 c", "", "a_b", "c"),
            ("a=\"x y\" b", "c=\"open end", "", "a=\"x y\" b c=\"open end"),
            (" a\t b\n", "", "", "a b"),
        ];
        for (first, second, delete, expected) in cases {
            let mut kargs = Kargs::default();
            kargs.add(first);
            kargs.add(second);
            kargs.delete(delete);
            assert_eq!(kargs.as_slice().join(" "), expected, "{first} + {second} - {delete}");
        }
    }
}
