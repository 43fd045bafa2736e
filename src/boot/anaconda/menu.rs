//! A menu of GRUB's or of isolinux's, line by line.
//!
//! A line that starts Anaconda begins with one of [`COMMANDS`] and has an argument `inst.stage2=`.
//! The kickstart is looked for where that argument looks, so that escapes and the kind of name
//! (`LABEL=`, `UUID=`) are right without being understood. All other bytes stay as they are.

use super::KICKSTART;

/// Commands whose arguments are the kernel's.
const COMMANDS: [&str; 5] = ["linux", "linuxefi", "linux16", "kernel", "append"];
const STAGE2: &str = "inst.stage2=";
const NAMED: &str = "inst.ks=";

/// A menu in which Anaconda's lines name our kickstart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// The text.
    pub bytes: Vec<u8>,
    /// How many lines were changed.
    pub changed: usize,
    /// How many lines name a kickstart already.
    pub named: usize,
}

impl Menu {
    /// Reads a menu; `label` is the medium's volume id, for lines that name no device.
    pub fn with_kickstart(menu: &[u8], label: &str) -> Self {
        let mut made = Self { bytes: Vec::with_capacity(menu.len()), changed: 0, named: 0 };
        for line in menu.split_inclusive(|byte| *byte == b'\n') {
            made.add(line, label);
        }
        made
    }

    fn add(&mut self, line: &[u8], label: &str) {
        // other charsets than UTF-8 are in titles only
        let Some((end, value)) = str::from_utf8(line).ok().and_then(stage2) else {
            return self.bytes.extend(line);
        };
        if line.windows(NAMED.len()).any(|window| window == NAMED.as_bytes()) {
            self.named += 1;
            return self.bytes.extend(line);
        }
        self.changed += 1;
        let device = device(value).map_or_else(|| labelled(label), str::to_owned);
        self.bytes.extend(&line[..end]);
        self.bytes.extend(format!(" {NAMED}{device}:/{KICKSTART}").as_bytes());
        self.bytes.extend(&line[end..]);
    }
}

/// Where the argument `inst.stage2=` of a line ends, and its value.
fn stage2(line: &str) -> Option<(usize, &str)> {
    let command = line.split_ascii_whitespace().next()?;
    if !COMMANDS.iter().any(|known| command.eq_ignore_ascii_case(known)) {
        return None;
    }
    let mut at = 0;
    for word in line.split(|c: char| c.is_ascii_whitespace()) {
        let end = at + word.len();
        if let Some(value) = word.strip_prefix(STAGE2) {
            return Some((end, value));
        }
        at = end + 1;
    }
    None
}

/// The medium in `hd:LABEL=x` or `hd:LABEL=x:/path`.
fn device(value: &str) -> Option<&str> {
    let name = value.strip_prefix("hd:")?.split(':').next()?;
    let is_plain = !name.is_empty() && !name.contains(['"', '\'']);
    is_plain.then(|| &value[.."hd:".len() + name.len()])
}

/// The medium by its label, as udev would write it.
fn labelled(label: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(byte).into(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("hd:LABEL={}", label.bytes().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(menu: &str, expected: &str, counts: (usize, usize)) {
        let made = Menu::with_kickstart(menu.as_bytes(), "A B");
        assert_eq!(String::from_utf8(made.bytes).unwrap(), expected);
        assert_eq!((made.changed, made.named), counts, "{menu}");
    }

    #[test]
    fn lines_that_start_anaconda_get_the_kickstart() {
        let ks = ":/bootc-image.ks";
        check(
            "menuentry 'x' {\n\tlinux /vmlinuz inst.stage2=hd:LABEL=F-41 quiet\n\tinitrd /i\n}\n",
            &format!(
                "menuentry 'x' {{\n\tlinux /vmlinuz inst.stage2=hd:LABEL=F-41 \
                 inst.ks=hd:LABEL=F-41{ks} quiet\n\tinitrd /i\n}}\n"
            ),
            (1, 0),
        );
        check(
            "  APPEND initrd=i inst.stage2=hd:LABEL=A\\x20B\r\n",
            &format!(
                "  APPEND initrd=i inst.stage2=hd:LABEL=A\\x20B inst.ks=hd:LABEL=A\\x20B{ks}\r\n"
            ),
            (1, 0),
        );
        check(
            "linuxefi v inst.stage2=hd:UUID=1:/images/x",
            &format!("linuxefi v inst.stage2=hd:UUID=1:/images/x inst.ks=hd:UUID=1{ks}"),
            (1, 0),
        );
        check(
            "linux v inst.stage2=cdrom\n",
            &format!("linux v inst.stage2=cdrom inst.ks=hd:LABEL=A\\x20B{ks}\n"),
            (1, 0),
        );
    }

    #[test]
    fn other_lines_stay() {
        let named = "linux v inst.ks=cdrom inst.stage2=hd:LABEL=X\n";
        check(named, named, (0, 1));
        for line in ["linux v quiet\n", "# linux v inst.stage2=x\n", "\n", "linux", ""] {
            check(line, line, (0, 0));
        }
        let latin = b"label \xE9\nappend inst.stage2=hd:LABEL=X\n";
        let made = Menu::with_kickstart(latin, "");
        assert!(made.bytes.starts_with(b"label \xE9\nappend ") && made.changed == 1);
    }
}
