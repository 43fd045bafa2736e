//! What runs at the first boot: credentials, cloud-init, Ignition.
//!
//! | setting | file | mode |
//! |---|---|---|
//! | credential NAME | `/etc/credstore/NAME` in a directory of 0700 | 0600 |
//! | cloud-init | `/var/lib/cloud/seed/nocloud/{meta-data,user-data,network-config,vendor-data}`, 0700 | 0600 |
//! | Ignition | `/boot/ignition.firstboot`, the stamp | 0644 |
//! | Ignition with a URL | the stamp sets `ignition_network_kcmdline` | 0644 |
//! | Ignition with a configuration | the stamp, and `/boot/ignition/config.ign` | 0600 |
//!
//! *Credentials.* systemd looks for `LoadCredential=` and `ImportCredential=` by name in
//! `/etc/credstore`.
//!
//! *cloud-init.* `ds-identify` finds the data source NoCloud where the seed has both `meta-data` and
//! `user-data`; no drop-in is needed, and none is written, so that the order of data sources stays the
//! image's and another source of the machine's is found too. An instance id is made of the seed's
//! content and the plan when no `meta-data` is given.
//!
//! *Ignition.* GRUB reads the stamp: with it, the variable in the kernel argument
//! [`IGNITION_KARG`] becomes `ignition.firstboot` and what the stamp sets. After the first boot the
//! system removes the stamp. `/boot/ignition/config.ign` is where coreos-installer puts a configuration
//! and where the initramfs of Fedora CoreOS looks, on the file system labelled `boot`.

use super::BootAddition;
use super::Inputs;
use super::error::Error;
use super::overlay::Overlay;
use crate::additions::Addition;
use crate::digest::{Sha256, Sha256Digest};
use crate::files::Files as _;
use crate::settings::{Ignition, Settings};

/// The kernel argument that GRUB replaces at the first boot.
pub const IGNITION_KARG: &str = "$ignition_firstboot";

const CREDENTIALS: &str = "etc/credstore";
const SEED: &str = "var/lib/cloud/seed/nocloud";

/// Writes credentials.
pub(super) fn credentials(overlay: &mut Overlay<'_>, settings: &Settings) -> Result<(), Error> {
    if settings.credentials.is_empty() {
        return Ok(());
    }
    let directory = overlay.place(&format!("/{CREDENTIALS}"))?;
    overlay.put(Addition::directory(directory.clone(), 0o700));
    for (name, bytes) in &settings.credentials {
        let is_odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || name.contains(is_odd) {
            return Err(Error::CredentialName(name.clone()));
        }
        overlay.put(Addition::file(format!("{directory}/{name}"), 0o600, bytes.clone()));
    }
    Ok(())
}

/// Writes a NoCloud seed.
pub(super) fn cloud_init(
    overlay: &mut Overlay<'_>,
    inputs: &Inputs<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let Some(wanted) = &inputs.settings.cloud_init else { return Ok(()) };
    let made = || format!("instance-id: {}\n", instance_id(inputs, &wanted.user_data)).into_bytes();
    let meta_data = wanted.meta_data.clone().unwrap_or_else(made);
    let directory = overlay.place(&format!("/{SEED}"))?;
    overlay.ensure_parent(SEED, &directory, true)?;
    overlay.put(Addition::directory(directory.clone(), 0o700));
    let files = [
        ("meta-data", Some(&meta_data)),
        ("user-data", Some(&wanted.user_data)),
        ("network-config", wanted.network_config.as_ref()),
        ("vendor-data", wanted.vendor_data.as_ref()),
    ];
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            overlay.put(Addition::file(format!("{directory}/{name}"), 0o600, bytes.clone()));
        }
    }
    if !overlay.leads_to_file("usr/bin/cloud-init") {
        warnings.push("the image has no cloud-init: nothing will read its seed".to_owned());
    } else if !has_no_cloud(overlay)? {
        warnings.push(
            "cloud-init of this image does not look for a seed: its `datasource_list` lacks NoCloud"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether the list of data sources, where the image has one, names NoCloud: the last list counts.
fn has_no_cloud(overlay: &Overlay<'_>) -> Result<bool, Error> {
    let mut has = true;
    let drop_ins = overlay.names("etc/cloud/cloud.cfg.d").into_iter();
    let drop_ins = drop_ins.filter(|name| name.ends_with(".cfg"));
    let drop_ins = drop_ins.map(|name| format!("etc/cloud/cloud.cfg.d/{name}"));
    for path in ["etc/cloud/cloud.cfg".to_owned()].into_iter().chain(drop_ins) {
        let text = overlay.text(&path)?.unwrap_or_default();
        if let Some((_, after)) = text.rsplit_once("\ndatasource_list:") {
            has = names_no_cloud(after);
        } else if let Some(after) = text.strip_prefix("datasource_list:") {
            has = names_no_cloud(after);
        }
    }
    Ok(has)
}

/// Whether a list in YAML, in one line or one entry a line, has the entry.
fn names_no_cloud(after: &str) -> bool {
    let is_over = |line: &&str| line.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let mut lines = after.lines();
    let first = lines.next().unwrap_or_default();
    let rest = lines.take_while(|line| !is_over(line));
    let words = [first].into_iter().chain(rest);
    words.flat_map(|line| line.split(|c: char| !c.is_alphanumeric())).any(|word| word == "NoCloud")
}

fn instance_id(inputs: &Inputs<'_>, user_data: &[u8]) -> String {
    let mut hasher = Sha256::default();
    for part in [&b"instance id\0"[..], inputs.seed, &Sha256Digest::of(user_data).0] {
        hasher.update(part);
    }
    format!("iid-{}", &hasher.finish().to_hex()[..32])
}

/// The files of `/boot` that Ignition starts with.
pub(super) fn ignition(wanted: Option<&Ignition>) -> Vec<BootAddition> {
    let Some(wanted) = wanted else { return Vec::new() };
    let stamp = match wanted {
        Ignition::FirstBoot | Ignition::Embedded(_) => String::new(),
        Ignition::Url(url) => format!(
            "set ignition_network_kcmdline=\"rd.neednet=1 ignition.config.url={}\"\n",
            grub_quoted(url)
        ),
    };
    let file = |path: &str, mode, bytes| BootAddition { path: path.to_owned(), mode, bytes };
    let mut files = vec![file("ignition.firstboot", 0o644, stamp.into_bytes())];
    if let Ignition::Embedded(config) = wanted {
        files.push(file("ignition/config.ign", 0o600, config.clone()));
    }
    files
}

/// Text within double quotes of a GRUB script.
fn grub_quoted(text: &str) -> String {
    let special = |c: char| matches!(c, '"' | '$' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
