//! Settings become files of the deployment: what the tools of the image would have written.
//!
//! A pure function: nothing of the image is run, nothing is written. It looks at the merged image and
//! returns [`Customized`]: additions to the deployment's `/etc` and the stateroot's `/var`, files of
//! `/boot`, kernel arguments, and what the user should know.
//!
//! | module | settings | what the field does |
//! |---|---|---|
//! | [`accounts`] | users, groups | `groupadd`, `useradd`, `usermod`, `chage` |
//! | [`drop_ins`] | directories, files | `mkdir`, `install` |
//! | [`machine`] | host name, locale, time | `systemd-firstboot`, drop-ins of chrony or timesyncd |
//! | [`units`] | units | `systemctl --root enable`, `disable`, `mask` |
//! | [`first_boot`] | credentials, cloud-init, Ignition | files where each looks for them |
//! | [`grub`] | GRUB's terminals | `grub2/console.cfg` |
//!
//! The steps run in that order over one [`overlay`], each seeing the result of those before. Without
//! settings there is nothing at all.
//!
//! # Rules
//!
//! * Only `/etc` and `/var` are added to, after links of the image have been followed: the rest is the
//!   image's, on every machine the same.
//! * SELinux labels are none of this room's business: who writes the additions labels them by path.
//! * Secrets are in content only, which neither errors nor `Debug` show.

use crate::additions::Addition;
use crate::files::Files;
use crate::settings::Settings;

mod accounts;
mod drop_ins;
mod error;
mod first_boot;
mod grub;
mod machine;
mod overlay;
#[cfg(test)]
mod tests;
mod units;

pub use error::{Error, Nearest};
pub use first_boot::IGNITION_KARG;

use overlay::Overlay;

/// The most that is read of one file of the image.
const LIMIT_BYTES: u64 = 16 << 20;

/// What settings are carried out with.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The merged image, `/etc` in `usr/etc`.
    pub files: &'a dyn Files,
    /// Keys that may log in as root besides those of the settings, one a line; only used when the
    /// settings have the user root.
    pub root_keys: Option<&'a [u8]>,
    /// What salts and instance ids derive from: the plan's digest.
    pub seed: &'a [u8],
    /// When passwords were set, in days since 1970.
    pub day: u32,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inputs")
    }
}

/// What the installed system gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Customized {
    /// Additions to `/etc` and `/var`, sorted by path.
    pub additions: Vec<Addition>,
    /// Kernel arguments to add, as written: one string may hold several.
    pub kargs: Vec<String>,
    /// Files of `/boot`.
    pub boot: Vec<BootAddition>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A file of root's in `/boot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootAddition {
    /// Path below `/boot`.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Carries settings out.
pub fn customize(inputs: &Inputs<'_>) -> Result<Customized, Error> {
    let settings = inputs.settings;
    let mut overlay = Overlay::new(inputs.files);
    let mut warnings = Vec::new();
    accounts::customize(&mut overlay, inputs, &mut warnings)?;
    drop_ins::customize(&mut overlay, settings)?;
    machine::customize(&mut overlay, settings)?;
    units::customize(&mut overlay, &settings.units, &mut warnings)?;
    first_boot::credentials(&mut overlay, settings)?;
    first_boot::cloud_init(&mut overlay, inputs, &mut warnings)?;
    let mut boot = first_boot::ignition(settings.ignition.as_ref());
    boot.extend(settings.grub.as_ref().and_then(grub::console));
    let mut kargs = settings.kargs.clone();
    if settings.ignition.is_some() {
        kargs.push(IGNITION_KARG.to_owned());
    }
    Ok(Customized { additions: overlay.into_additions(), kargs, boot, warnings })
}

/// For fuzzing: files of the image that are parsed, in one text cut at lines `---`, and settings that
/// make every parser run.
pub fn fuzz(data: &[u8]) {
    use crate::files::MemoryFiles;
    use crate::settings::{CloudInit, Group, Password, Units, User};
    const PATHS: [&str; 10] = [
        "usr/etc/passwd",
        "usr/etc/shadow",
        "usr/etc/group",
        "usr/etc/gshadow",
        "usr/etc/subuid",
        "usr/etc/login.defs",
        "usr/etc/default/useradd",
        "usr/lib/group",
        "usr/lib/systemd/system/a@.service",
        "usr/etc/vconsole.conf",
    ];
    let mut image = MemoryFiles::default();
    let text = String::from_utf8_lossy(data);
    for (path, content) in PATHS.iter().zip(text.split("---\n")) {
        image = image.with(path, content);
        if let Some(target) = content.strip_prefix("link ") {
            image.regular.remove(*path);
            image = image.with_link(path, target.trim_end());
        }
    }
    let mut settings = Settings {
        users: vec![User {
            name: "root".into(),
            password: Some(Password::Hashed("x".into())),
            expire_days: Some(1),
            ..User::default()
        }],
        groups: vec![Group { name: "lab".into(), gid: None }],
        cloud_init: Some(CloudInit::default()),
        ..Settings::default()
    };
    settings.users.push(User { name: "ops".into(), groups: vec!["lab".into()], ..User::default() });
    settings.locale.keyboard = Some("us".into());
    settings.units = Units {
        enabled: vec!["a@b.service".into()],
        disabled: vec!["a@.service".into()],
        ..Units::default()
    };
    let inputs = Inputs { settings: &settings, files: &image, root_keys: None, seed: b"", day: 1 };
    let made = customize(&inputs);
    let additions = made.map(|made| made.additions).unwrap_or_default();
    let is_placed =
        |addition: &Addition| ["etc/", "var/"].iter().any(|top| addition.path.starts_with(top));
    assert!(additions.iter().all(is_placed), "an addition is neither in /etc nor in /var");
}
