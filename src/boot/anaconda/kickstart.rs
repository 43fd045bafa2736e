//! A kickstart: commands, a line each, and sections from `%name` to `%end`.

/// Commands that say what is installed.
const PAYLOADS: [&str; 4] = ["ostreecontainer", "bootc", "ostreesetup", "liveimg"];
/// Where Anaconda has the medium's image.
const IMAGE: &str = "/run/install/repo/container";
/// What begins with `%` and is no section.
const NO_SECTIONS: [&str; 2] = ["%include", "%ksappend"];

/// What Anaconda is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kickstart {
    /// The file's text.
    pub text: String,
    /// The owner's own command that says what is installed, in place of the medium's image.
    pub payload: Option<&'static str>,
}

impl Kickstart {
    /// The owner's kickstart, if there is one, behind what installs the image; `registry` is the
    /// name that the installed system updates from, if it is in a registry.
    pub fn new(owners: Option<&str>, registry: Option<&str>) -> Self {
        let payload = owners.and_then(payload);
        let ours = if payload.is_some() { String::new() } else { ours(registry) };
        let mut text = ours + owners.unwrap_or_default();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Self { text, payload }
    }
}

/// The command outside of sections that says what is installed.
fn payload(text: &str) -> Option<&'static str> {
    let mut is_in_section = false;
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        if word.starts_with('%') && !NO_SECTIONS.contains(&word) {
            is_in_section = word != "%end";
        } else if !is_in_section
            && let Some(payload) = PAYLOADS.into_iter().find(|payload| *payload == word)
        {
            return Some(payload);
        }
    }
    None
}

/// What installs the image. Its copy on the medium has no signature: it was verified when the
/// medium was made.
fn ours(registry: Option<&str>) -> String {
    let mut text = format!(
        "# The image of this medium.\n\
         ostreecontainer --url={IMAGE} --transport=oci --no-signature-verification\n"
    );
    if let Some(name) = registry {
        text += &format!(
            "\n# Where it is updated from.\n\
             %post --erroronfail\n\
             bootc switch --mutate-in-place --transport registry {}\n\
             %end\n\n",
            quoted(name)
        );
    }
    text
}

/// A word of a shell's.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "# The image of this medium.\n\
        ostreecontainer --url=/run/install/repo/container --transport=oci \
        --no-signature-verification\n";
    const SWITCH: &str = "\n# Where it is updated from.\n%post --erroronfail\n\
        bootc switch --mutate-in-place --transport registry registry.example/os:1\n%end\n\n";

    #[test]
    fn the_image_comes_first() {
        let registry = Some("registry.example/os:1");
        assert_eq!(Kickstart::new(None, None).text, OURS);
        assert_eq!(Kickstart::new(None, registry).text, format!("{OURS}{SWITCH}"));
        let owners = Kickstart::new(Some("text\nreboot"), registry);
        assert_eq!(owners.text, format!("{OURS}{SWITCH}text\nreboot\n"));
        assert_eq!(owners.payload, None);
    }

    #[test]
    fn an_owner_may_choose_what_is_installed() {
        for (text, payload) in [
            ("text\nostreecontainer --url=registry.example/x\n", Some("ostreecontainer")),
            ("%post\ntrue\n%end\n  liveimg --url=file:///x\n", Some("liveimg")),
            ("%post\nbootc status\n%end\n", None),
            ("%include /tmp/x\nbootc --source-imgref=x\n", Some("bootc")),
            ("# ostreecontainer\n", None),
        ] {
            let made = Kickstart::new(Some(text), Some("registry.example/os"));
            assert_eq!(made.payload, payload, "{text}");
            assert_eq!(made.text == text, payload.is_some(), "{text}");
        }
    }

    #[test]
    fn names_are_words_of_a_shell() {
        assert_eq!(quoted("a.example:5/b@sha256:0"), "a.example:5/b@sha256:0");
        assert_eq!(quoted("a$b'c"), "'a$b'\\''c'");
    }
}
