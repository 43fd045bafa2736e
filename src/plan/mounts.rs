//! How the installed system mounts its further partitions: units of systemd's, or lines of fstab.
//!
//! | file system | by |
//! |---|---|
//! | `/`, `/boot` | kernel arguments, one line of `/etc/fstab`, as bootc does |
//! | the ESP | nobody: bootupd mounts it when it needs it |
//! | others | `/etc/systemd/system/var-lib-data.mount`, required by `local-fs.target` |
//! | swap | `/etc/systemd/system/dev-disk-by\x2duuid-….swap`, wanted by `swap.target` |
//!
//! With `nofail` among its options a mount is wanted, not required: the system starts without it.
//! `var.mount` in `/etc` comes before the one with which ostree would bind the stateroot's `/var`.

use std::fmt::Write as _;

/// A file system or swap space of the installed system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// UUID as udev shows it: `/dev/disk/by-uuid/…`.
    pub uuid: String,
    /// Where, absolute and free of symbolic links; swap when not given.
    pub place: Option<String>,
    /// `ext4`, `vfat`; not for swap.
    pub kind: &'static str,
    /// Options; `defaults` when not given.
    pub options: Option<String>,
}

/// A unit, and the link that enables it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its path in the deployment.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The path of the link.
    pub link: String,
    /// Where the link leads.
    pub target: String,
}

const UNITS: &str = "etc/systemd/system";

impl Mount {
    fn device(&self) -> String {
        format!("/dev/disk/by-uuid/{}", self.uuid)
    }

    fn options(&self) -> &str {
        self.options.as_deref().filter(|options| !options.is_empty()).unwrap_or("defaults")
    }

    /// The unit that mounts it.
    pub fn unit(&self) -> Unit {
        let device = self.device();
        let is_optional = self.options().split(',').any(|option| option == "nofail");
        let (name, target, text) = match &self.place {
            None => {
                let text = format!("[Swap]\nWhat={device}\nOptions={}\n", self.options());
                (format!("{}.swap", escape_path(&device)), "swap.target.wants", text)
            }
            Some(place) => {
                let fsck = format!("systemd-fsck@{}.service", escape_path(&device));
                let text = format!(
                    "[Unit]\nRequires={fsck}\nAfter={fsck}\n\n\
                     [Mount]\nWhat={device}\nWhere={}\nType={}\nOptions={}\n",
                    specifiers(place),
                    self.kind,
                    specifiers(self.options()),
                );
                let target =
                    if is_optional { "local-fs.target.wants" } else { "local-fs.target.requires" };
                (format!("{}.mount", escape_path(place)), target, text)
            }
        };
        let install = match target.rsplit_once('.') {
            Some((target, "requires")) => format!("\n[Install]\nRequiredBy={target}\n"),
            Some((target, _)) => format!("\n[Install]\nWantedBy={target}\n"),
            None => String::new(),
        };
        Unit {
            path: format!("{UNITS}/{name}"),
            text: format!("# Written by bootc-image.\n{text}{install}"),
            link: format!("{UNITS}/{target}/{name}"),
            target: format!("/{UNITS}/{name}"),
        }
    }

    /// Its line of fstab.
    pub fn fstab(&self) -> String {
        let (place, kind, pass) = match &self.place {
            Some(place) => (fstab_field(place), self.kind, 2),
            None => ("none".to_owned(), "swap", 0),
        };
        format!("UUID={} {place} {kind} {} 0 {pass}\n", self.uuid, self.options())
    }
}

/// A path as part of a unit's name: `systemd-escape --path`.
pub fn escape_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-".to_owned();
    }
    let mut escaped = String::new();
    for (index, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if index == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            _ => write!(escaped, "\\x{byte:02x}").expect("writing to a string never fails"),
        }
    }
    escaped
}

/// A value of a unit file, in which `%` begins a specifier.
fn specifiers(value: &str) -> String {
    value.replace('%', "%%")
}

/// A field of fstab: what separates fields becomes octal numbers.
fn fstab_field(text: &str) -> String {
    text.replace('\\', "\\134").replace(' ', "\\040")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(place: Option<&str>, options: Option<&str>) -> Mount {
        Mount {
            uuid: "1111-22".to_owned(),
            place: place.map(str::to_owned),
            kind: "ext4",
            options: options.map(str::to_owned),
        }
    }

    #[test]
    fn paths_are_escaped_as_systemd_does() {
        let cases = [
            ("/", "-"),
            ("/var/lib/data", "var-lib-data"),
            ("//var//x/", "var-x"),
            ("/a-b/c d", "a\\x2db-c\\x20d"),
            ("/.hidden/.x", "\\x2ehidden-.x"),
            ("/ü", "\\xc3\\xbc"),
            ("/dev/disk/by-uuid/0-1", "dev-disk-by\\x2duuid-0\\x2d1"),
        ];
        for (path, expected) in cases {
            assert_eq!(escape_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_file_system_is_required_unless_it_may_fail() {
        let unit = mount(Some("/var/lib/my-data"), None).unit();
        assert_eq!(unit.path, "etc/systemd/system/var-lib-my\\x2ddata.mount");
        let link = "etc/systemd/system/local-fs.target.requires/var-lib-my\\x2ddata.mount";
        assert_eq!(unit.link, link);
        assert_eq!(unit.target, "/etc/systemd/system/var-lib-my\\x2ddata.mount");
        let fsck = "systemd-fsck@dev-disk-by\\x2duuid-1111\\x2d22.service";
        assert_eq!(
            unit.text,
            format!(
                "# Written by bootc-image.\n[Unit]\nRequires={fsck}\nAfter={fsck}\n\n[Mount]\n\
                 What=/dev/disk/by-uuid/1111-22\nWhere=/var/lib/my-data\nType=ext4\n\
                 Options=defaults\n\n[Install]\nRequiredBy=local-fs.target\n"
            )
        );
        let unit = mount(Some("/var/100%"), Some("noatime,nofail")).unit();
        assert!(unit.link.contains("/local-fs.target.wants/"));
        assert!(unit.text.contains("Where=/var/100%%\n"), "{}", unit.text);
        assert!(
            unit.text.ends_with("Options=noatime,nofail\n\n[Install]\nWantedBy=local-fs.target\n")
        );
    }

    #[test]
    fn swap_is_wanted() {
        let unit = mount(None, None).unit();
        let name = "dev-disk-by\\x2duuid-1111\\x2d22.swap";
        assert_eq!(unit.path, format!("etc/systemd/system/{name}"));
        assert_eq!(unit.link, format!("etc/systemd/system/swap.target.wants/{name}"));
        assert!(unit.text.contains("[Swap]\nWhat=/dev/disk/by-uuid/1111-22\n"));
    }

    #[test]
    fn lines_of_fstab_have_six_fields() {
        let line = mount(Some("/var/a b"), Some("noatime")).fstab();
        assert_eq!(line, "UUID=1111-22 /var/a\\040b ext4 noatime 0 2\n");
        assert_eq!(mount(None, None).fstab(), "UUID=1111-22 none swap defaults 0 0\n");
    }
}
