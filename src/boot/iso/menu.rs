//! The menu of an installer's medium, and what leads to it: `bootloaders/iso*.cfg`.
//!
//! | text | where | what it does |
//! |---|---|---|
//! | menu | `boot/grub2/grub.cfg` | installs, installs with plain graphics, boots the first disk |
//! | loopback | `boot/grub{,2}/loopback.cfg` | the former two, for a GRUB of another disk |
//! | stub | where else GRUB looks | finds the medium, hands over to the menu |
//!
//! A GRUB that was started from the medium knows where it is: its `root` has the kernel. Others
//! search for the volume label. The ESP has no kernel, so a stub there never takes itself for the
//! menu.
//!
//! `loopback.cfg` is what a GRUB runs that found a file with a medium in it: `root` is that medium
//! then, and `iso_path` where the file is, which the installer hears of as `iso-scan/filename=`.
//!
//! # Room for kernel arguments
//!
//! A line that starts the kernel ends in [`KARGS_AREA_LEN`] bytes that may be replaced in place, in
//! a medium that was made long ago:
//!
//! ```text
//!   linux /images/pxeboot/vmlinuz quiet ##########################…     as it is made: a comment
//!   linux /images/pxeboot/vmlinuz quiet debug rd.break ###########…     with two more arguments
//! ```
//!
//! `#` where a word may begin starts a comment. So arguments go over the start of the area, with a
//! blank behind the last of them unless they fill it ([`kargs_area`]), and the area is found by its
//! end, used or not ([`kargs_areas`]).

use super::super::BootError;
use super::super::grub::{config, medium, script};
use super::super::loader::SerialPort;
use super::{INITRAMFS, KERNEL};
use crate::spec::VolumeId;

const MENU: &str = include_str!("../../../bootloaders/iso.cfg");
const FIND: &str = include_str!("../../../bootloaders/iso-find.cfg");
const ENTRY: &str = include_str!("../../../bootloaders/iso-entry.cfg");
const DISK: &str = include_str!("../../../bootloaders/iso-disk.cfg");
const STUB: &str = include_str!("../../../bootloaders/iso-stub.cfg");

/// Bytes for kernel arguments at the end of every line that starts the kernel.
pub const KARGS_AREA_LEN: usize = 1024;
const COMMENT: u8 = b'#';

/// What the texts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    label: VolumeId,
    name: String,
    kargs: String,
}

/// How a menu shows, and what it offers besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How long it waits.
    pub timeout_secs: u32,
    /// Where it shows besides the screen.
    pub serial: Option<SerialPort>,
    /// What UEFI starts of a disk, if the menu offers to boot one.
    pub removable: Option<&'static str>,
}

impl Script {
    /// The texts of the medium with this volume label, which installs the system of this name; its
    /// kernel has these arguments.
    ///
    /// # Errors
    ///
    /// An argument that would not arrive as it is.
    pub fn new(label: &VolumeId, name: &str, kargs: &[String]) -> Result<Self, BootError> {
        Ok(Self { label: label.clone(), name: script::one_line(name), kargs: words(kargs)? })
    }

    /// `grub.cfg` of the medium.
    pub fn menu(&self, shape: Shape) -> String {
        let disk = |name| fill(DISK, &[("KERNEL", KERNEL), ("REMOVABLE", name)]);
        let sections = [
            Some(fill(MENU, &[("TIMEOUT", &shape.timeout_secs.to_string())])),
            Some(self.find()),
            shape.serial.map(config::serial),
            Some(self.entries(None)),
            shape.removable.map(disk),
        ];
        sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// `loopback.cfg` of the medium.
    pub fn loopback(&self) -> String {
        self.entries(Some("\"iso-scan/filename=$iso_path\""))
    }

    /// `grub.cfg` where GRUB looks first.
    pub fn stub(&self) -> String {
        let find = self.find();
        let values = [
            ("FIND", find.trim_end()),
            ("KERNEL", KERNEL),
            ("GRUB", medium::DIRECTORY),
            ("LABEL", self.label.as_str()),
        ];
        fill(STUB, &values)
    }

    fn find(&self) -> String {
        fill(FIND, &[("KERNEL", KERNEL), ("LABEL", self.label.as_str())])
    }

    fn entries(&self, last: Option<&str>) -> String {
        let title = format!("Install {}", self.name);
        let basic = format!("{title} (basic graphics)");
        [self.entry(&title, None, last), self.entry(&basic, Some("nomodeset"), last)].join("\n")
    }

    fn entry(&self, title: &str, more: Option<&str>, last: Option<&str>) -> String {
        let area = char::from(COMMENT).to_string().repeat(KARGS_AREA_LEN);
        let own = Some(self.kargs.as_str()).filter(|kargs| !kargs.is_empty());
        let kargs: Vec<&str> = own.into_iter().chain(more).chain(last).chain([&*area]).collect();
        let values = [
            ("TITLE", script::word(title)),
            ("KERNEL", KERNEL.to_owned()),
            ("KARGS", kargs.join(" ")),
            ("INITRAMFS", INITRAMFS.to_owned()),
        ];
        fill(ENTRY, &values.each_ref().map(|(name, value)| (*name, value.as_str())))
    }
}

/// Kernel arguments as the script has them.
fn words(kargs: &[String]) -> Result<String, BootError> {
    let word = |karg: &String| match script::obstacle(karg) {
        Some(what) => Err(BootError::NotForGrub { what, karg: karg.clone() }),
        None => Ok(script::karg(karg)),
    };
    let words: Vec<String> = kargs.iter().map(word).collect::<Result<_, _>>()?;
    Ok(words.join(" "))
}

/// The template with `@NAME@` replaced by the value of that name. Values may have anything in them.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let value = |name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let parts = template.split('@').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { part } else { value(part).unwrap_or(part) }).collect()
}

/// What an area has to hold for these arguments.
///
/// # Errors
///
/// An argument that would not arrive as it is, or more than there is room for.
pub fn kargs_area(kargs: &[String]) -> Result<Vec<u8>, BootError> {
    let mut area = words(kargs)?.into_bytes();
    if area.len() > KARGS_AREA_LEN {
        return Err(BootError::TooManyKargs { len: area.len(), limit: KARGS_AREA_LEN });
    }
    if !area.is_empty() && area.len() < KARGS_AREA_LEN {
        area.push(b' ');
    }
    area.resize(KARGS_AREA_LEN, COMMENT);
    Ok(area)
}

/// The arguments that an area holds; `None` when [`kargs_area`] would make no such area.
pub fn kargs_in(area: &[u8]) -> Option<Vec<String>> {
    let text = str::from_utf8(area).ok()?;
    let used = text.trim_end_matches(char::from(COMMENT));
    // without padding, what looks like it is the end of an argument
    let used = if used.is_empty() { used } else { used.strip_suffix(' ').unwrap_or(text) };
    let mut kargs = Vec::new();
    let mut rest = used;
    while !rest.is_empty() {
        let end = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'')? + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        let (word, more) = rest.split_at(end);
        kargs.push(word.trim_matches('\'').to_owned());
        rest = match more {
            "" => more,
            _ => more.strip_prefix(' ').filter(|more| !more.is_empty())?,
        };
    }
    let same = kargs_area(&kargs).is_ok_and(|same| same == area);
    same.then_some(kargs)
}

/// Where the areas of a `grub.cfg` or `loopback.cfg` begin.
pub fn kargs_areas(text: &[u8]) -> Vec<usize> {
    let command = format!("linux /{KERNEL} ");
    let mut areas = Vec::new();
    let mut end = 0;
    for line in text.split(|byte| *byte == b'\n') {
        end += line.len();
        let is_kernel = line.trim_ascii_start().starts_with(command.as_bytes());
        let before = line.len().checked_sub(KARGS_AREA_LEN + 1);
        if is_kernel && before.is_some_and(|before| line[before] == b' ') {
            areas.push(end - KARGS_AREA_LEN);
        }
        end += 1;
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::super::super::shell;
    use super::*;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape {
        timeout_secs: 7,
        serial: Some(SerialPort { unit: 0, speed: 115_200 }),
        removable: Some("BOOTX64.EFI"),
    };

    fn kargs(text: &[&str]) -> Vec<String> {
        text.iter().map(|karg| (*karg).to_owned()).collect()
    }

    fn script(name: &str, all: &[&str]) -> Script {
        Script::new(&label(), name, &kargs(all)).unwrap()
    }

    fn label() -> VolumeId {
        VolumeId::parse("MY-LABEL").unwrap()
    }

    fn area() -> String {
        "#".repeat(KARGS_AREA_LEN)
    }

    #[test]
    fn the_menu_finds_the_medium_and_offers_three_things() {
        let text = script("Some OS", &["quiet", "a=b c"]).menu(SHAPE);
        let head = "set default=0\nset timeout=7\n\n\
            # The medium, unless GRUB was started from it.\n\
            if [ ! -f \"($root)/images/pxeboot/vmlinuz\" ]; then\n  \
              search --no-floppy --set=root --label MY-LABEL\n\
            fi\n\n";
        let entries = format!(
            "\n\nmenuentry 'Install Some OS' {{\n  \
               linux /images/pxeboot/vmlinuz quiet 'a=b c' {}\n  \
               initrd /images/pxeboot/initrd.img\n\
             }}\n\n\
             menuentry 'Install Some OS (basic graphics)' {{\n  \
               linux /images/pxeboot/vmlinuz quiet 'a=b c' nomodeset {}\n  \
               initrd /images/pxeboot/initrd.img\n\
             }}\n\n",
            area(),
            area(),
        );
        assert!(text.contains(head), "{text}");
        assert!(text.contains("  if serial --unit=0 --speed=115200; then\n"), "{text}");
        assert!(text.contains(&entries), "{text}");
        assert!(text.contains("if [ -f \"($disk,$part)/EFI/BOOT/BOOTX64.EFI\" ]"), "{text}");
        let bare = Shape { timeout_secs: 0, serial: None, removable: None };
        let text = script("x", &[]).menu(bare);
        assert!(!text.contains("serial") && !text.contains("first disk"), "{text}");
        assert!(text.contains(&format!("vmlinuz {}\n", area())), "{text}");
    }

    #[test]
    fn loopback_is_the_entries_with_the_place_of_the_file() {
        let text = script("x", &["a"]).loopback();
        assert!(text.starts_with("menuentry 'Install x' {\n"), "{text}");
        let places = [" a", " a nomodeset"]
            .map(|kargs| format!("vmlinuz{kargs} \"iso-scan/filename=$iso_path\" {}\n", area()));
        assert!(places.iter().all(|line| text.contains(line)), "{text}");
        assert!(!text.contains("search") && !text.contains("first disk"), "{text}");
    }

    #[test]
    fn a_stub_hands_over_to_what_has_a_kernel() {
        let text = script("x", &[]).stub();
        let handover = "fi\nif [ -f \"($root)/images/pxeboot/vmlinuz\" ]; then\n  \
            set prefix=\"($root)/boot/grub2\"\n  configfile \"$prefix/grub.cfg\"\nfi\n";
        assert!(text.contains(handover), "{text}");
        assert!(text.contains(" --label MY-LABEL\n"), "{text}");
    }

    #[test]
    fn no_placeholder_is_left_and_none_is_made() {
        let script = Script::new(&label(), "@KARGS@ '@AREA@'", &kargs(&["@TITLE@"])).unwrap();
        let text = script.menu(SHAPE) + &script.stub() + &script.loopback();
        assert!(text.contains(r"menuentry 'Install @KARGS@ '\''@AREA@'\''' {"), "{text}");
        let plain = text.replace("@KARGS@", "").replace("@AREA@", "").replace("@TITLE@", "");
        assert!(!plain.contains('@'), "{plain}");
    }

    #[test]
    fn arguments_that_would_not_arrive_are_refused() {
        for karg in ["", "a\\b", "a='b'", "a\tb", "a  b", "a\n"] {
            let error = Script::new(&label(), "x", &kargs(&[karg])).unwrap_err();
            let BootError::NotForGrub { karg: named, .. } = error else { panic!("{error}") };
            assert_eq!(named, karg);
            kargs_area(&kargs(&[karg])).unwrap_err();
        }
        let text = script("x", &["a=$b", "#c", "d=\"e f\"", "${g}", "h;"]).loopback();
        assert!(text.contains("vmlinuz 'a=$b' '#c' 'd=e f' '${g}' 'h;' \"iso-"), "{text}");
    }

    /// What GRUB makes of the end of a line: its words before a comment.
    fn arguments(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut rest = line;
        while !rest.is_empty() && !rest.starts_with('#') {
            let mut quoted = false;
            let end = rest.find(|c| {
                quoted ^= c == '\'';
                c == ' ' && !quoted
            });
            let (word, more) = rest.split_at(end.unwrap_or(rest.len()));
            words.push(shell::unquote(word).unwrap());
            rest = more.trim_start();
        }
        words
    }

    #[test]
    fn arguments_can_be_added_in_place() {
        let script = script("x", &["quiet"]);
        for text in [script.menu(SHAPE), script.loopback()] {
            let areas = kargs_areas(text.as_bytes());
            assert_eq!(areas.len(), 2);
            assert!(areas.iter().all(|at| text[*at..].starts_with(&(area() + "\n"))));
            let mut changed = text.clone().into_bytes();
            for new in [&["a", "b=c d"][..], &["e"], &[]] {
                for at in kargs_areas(&changed) {
                    let content = kargs_area(&kargs(new)).unwrap();
                    changed[at..at + KARGS_AREA_LEN].copy_from_slice(&content);
                }
                assert_eq!(kargs_areas(&changed), areas, "they are found again");
                let changed = str::from_utf8(&changed).unwrap();
                let line = changed.lines().find(|line| line.contains("vmlinuz quiet ")).unwrap();
                let line = &line[line.len() - KARGS_AREA_LEN..];
                assert_eq!(arguments(line), new);
                assert_eq!(kargs_in(line.as_bytes()).unwrap(), new);
            }
            assert_eq!(changed, text.into_bytes());
        }
        assert!(kargs_areas(script.stub().as_bytes()).is_empty());
        let joined = format!("  linux /images/pxeboot/vmlinuz a{}", area());
        assert!(kargs_areas(joined.as_bytes()).is_empty());
    }

    #[test]
    fn an_area_may_be_filled_to_its_end() {
        for len in [1022, 1023, 1024] {
            let area = kargs_area(&["a".repeat(len)]).unwrap();
            assert_eq!(area.len(), KARGS_AREA_LEN);
            let expected = format!("{} #", "a".repeat(len));
            assert_eq!(area, &expected.as_bytes()[..KARGS_AREA_LEN]);
            assert_eq!(kargs_in(&area).unwrap(), ["a".repeat(len)]);
        }
        let error = kargs_area(&["a".repeat(1025)]).unwrap_err();
        assert!(matches!(error, BootError::TooManyKargs { len: 1025, limit: 1024 }), "{error}");
    }

    #[test]
    fn areas_that_are_none_have_no_arguments() {
        let with = |text: &str| {
            let mut area = text.as_bytes().to_vec();
            area.resize(KARGS_AREA_LEN, COMMENT);
            area
        };
        assert_eq!(kargs_in(&with("a #")).unwrap(), ["a"]);
        for text in ["a", " a ", "a  b ", "'a ", "'a'b ", "'ab' ", "a;b ", "\u{e9}\n "] {
            assert_eq!(kargs_in(&with(text)), None, "{text:?}");
        }
        assert_eq!(kargs_in(b"\xff####"), None);
    }

    proptest! {
        #[test]
        fn areas_are_read_back(all in prop::collection::vec("[!-~]{1,9}( [!-~#]{1,5})?", 0..5)) {
            if let Ok(area) = kargs_area(&all) {
                let without_quotes = all.iter().map(|karg| karg.replace('"', ""));
                let expected: Vec<String> = without_quotes.collect();
                if expected.iter().all(|karg| script::obstacle(karg).is_none()) {
                    prop_assert_eq!(kargs_in(&area), Some(expected));
                }
            }
        }

        #[test]
        fn words_stay_words(
            name in "[ -~]{0,20}",
            all in prop::collection::vec("[!-~]{1,12}( [!-~]{1,5})?", 0..5),
        ) {
            if let Ok(script) = Script::new(&label(), &name, &all) {
                let text = script.loopback();
                let line = text.lines().find(|line| line.contains("/vmlinuz")).unwrap();
                let line = line.trim_start().strip_prefix("linux /images/pxeboot/vmlinuz ");
                let line = line.unwrap().split_once("\"iso-scan").unwrap().0;
                let expected: Vec<String> = all.iter().map(|karg| karg.replace('"', "")).collect();
                prop_assert_eq!(arguments(line), expected);
                let title = text.lines().next().unwrap();
                let title = title.strip_prefix("menuentry ").unwrap().strip_suffix(" {").unwrap();
                let expected = format!("Install {}", name.replace('\\', " "));
                prop_assert_eq!(shell::unquote(title).unwrap(), expected);
            }
        }

        #[test]
        fn no_text_makes_the_search_panic(
            text in "(linux /images/pxeboot/vmlinuz |#{1020,1030}|\n| |a){0,9}",
        ) {
            for at in kargs_areas(text.as_bytes()) {
                prop_assert!(at + KARGS_AREA_LEN <= text.len());
            }
        }
    }
}
