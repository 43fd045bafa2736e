//! What runs at the first boot: credentials, cloud-init, Ignition.
//!
//! | setting | file | mode |
//! |---|---|---|
//! | credential NAME | `/etc/credstore/NAME` in a directory of 0700 | 0600 |
//! | cloud-init | `/var/lib/cloud/seed/nocloud/{meta-data,user-data,network-config,vendor-data}`, 0700 | 0600 |
//! | | `/etc/cloud/cloud.cfg.d/zz-seed.cfg`: the seed is the only data source | 0644 |
//! | Ignition | `/boot/ignition.firstboot`, the stamp | 0644 |
//! | Ignition with a URL | the stamp sets `ignition_network_kcmdline` | 0644 |
//! | Ignition with a configuration | the stamp, and `/boot/ignition/config.ign` | 0600 |
//!
//! *Credentials.* systemd looks for `LoadCredential=` and `ImportCredential=` by name in
//! `/etc/credstore`.
//!
//! *cloud-init.* `ds-identify` looks for a seed so early that an ostree system has no `/var` yet, finds
//! none, and cloud-init does not run. A list of data sources with one entry spares it the search. An
//! instance id is made of the seed's content and the plan when no `meta-data` is given.
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
/// The last list counts: this is after those of images.
const SOURCES: &str = "/etc/cloud/cloud.cfg.d/zz-seed.cfg";
const ONLY_THE_SEED: &[u8] = b"datasource_list: [ NoCloud, None ]\n";

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
    let sources = overlay.place(SOURCES)?;
    overlay.ensure_parent(SOURCES, &sources, true)?;
    overlay.put(Addition::file(sources, 0o644, ONLY_THE_SEED));
    if !overlay.leads_to_file("usr/bin/cloud-init") {
        warnings.push("the image has no cloud-init: nothing will read its seed".to_owned());
    }
    Ok(())
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
