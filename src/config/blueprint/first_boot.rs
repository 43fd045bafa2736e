//! What other programs read at the first boot: `ignition`, `cloud_init`, `credentials`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checks;
use super::error::Wrong;
use super::reader::{Field, Table};
use crate::settings::{CloudInit, Ignition};

/// The most that systemd takes of a credential.
const CREDENTIAL_BYTES: usize = 1 << 20;

/// How user data may begin that cloud-init understands.
const USER_DATA: [&str; 8] = [
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
];

/// `[ignition]`: an embedded configuration, an address, or neither of them.
pub(super) fn ignition(table: &mut Table<'_>) -> Option<Ignition> {
    let field = table.get("ignition")?;
    let (embedded, first_boot) = field.table(|table| {
        let embedded = table.get("embedded").and_then(|field| field.table(embedded)).flatten();
        let first_boot = table.get("firstboot").and_then(|field| {
            let path = field.path.clone();
            Some((path, field.table(first_boot)??))
        });
        (embedded, first_boot)
    })?;
    match (embedded, first_boot) {
        (Some(_), Some((path, Ignition::Url(_)))) => {
            field.wrong(Wrong::Conflict { other: format!("{path}.url") });
            None
        }
        (Some(config), _) => Some(Ignition::Embedded(config)),
        (None, Some((_, ignition))) => Some(ignition),
        (None, None) => None,
    }
}

/// `[ignition.embedded]`: base64 of JSON.
fn embedded(table: &mut Table<'_>) -> Option<Vec<u8>> {
    let field = table.require("config")?;
    let text: String = field.text()?.split_whitespace().collect();
    let Ok(bytes) = STANDARD.decode(&text) else {
        field.bad(&text, "is no base64");
        return None;
    };
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let Some(serde_json::Value::Object(config)) = json else {
        field.bad(&text, "is base64, but not of a JSON object (is it Butane? translate it first)");
        return None;
    };
    let version = config.get("ignition").and_then(|ignition| ignition.get("version"));
    if !version.is_some_and(|version| version.is_string()) {
        field.bad(&text, "is no Ignition configuration: it has no `ignition.version`");
        return None;
    }
    Some(bytes)
}

/// `[ignition.firstboot]`.
fn first_boot(table: &mut Table<'_>) -> Option<Ignition> {
    let empty = table.boolean("empty");
    let Some(field) = table.get("url") else {
        if !empty {
            table.wrong(Wrong::Missing { key: "url" });
        }
        return empty.then_some(Ignition::FirstBoot);
    };
    if empty {
        field.wrong(Wrong::Conflict { other: format!("{}.empty", table.path) });
    }
    let url = field.check(|text| {
        let schemes = ["http://", "https://", "tftp://", "s3://", "gs://", "arn:"];
        let good = text.chars().all(|c| c.is_ascii_graphic() && !"\"'\\`$".contains(c));
        if good && schemes.iter().any(|scheme| text.starts_with(scheme)) {
            Ok(text.to_owned())
        } else {
            Err("is no address that Ignition reads (`https://…`)".into())
        }
    });
    url.map(Ignition::Url)
}

/// `[cloud_init]`: the files of a NoCloud seed.
pub(super) fn cloud_init(table: &mut Table<'_>) -> Option<CloudInit> {
    let field = table.get("cloud_init")?;
    let bytes = |field: Option<Field<'_>>| Some(field?.text()?.as_bytes().to_vec());
    field.table(|table| {
        let user_data = table.get("user_data");
        if let Some(field) = &user_data
            && let Some(text) = field.text()
            && !USER_DATA.iter().any(|start| text.starts_with(start))
        {
            field.warn("does not begin like user data (`#cloud-config`): cloud-init ignores it");
        }
        CloudInit {
            user_data: bytes(user_data).unwrap_or_default(),
            meta_data: bytes(table.get("meta_data")),
            network_config: bytes(table.get("network_config")),
            vendor_data: bytes(table.get("vendor_data")),
        }
    })
}

/// `[credentials]`: names with values, as text or `{ base64 = "…" }`.
pub(super) fn credentials(table: &mut Table<'_>) -> BTreeMap<String, Vec<u8>> {
    let Some(field) = table.get("credentials") else { return BTreeMap::new() };
    let read = |table: &mut Table<'_>| {
        let all = table.all();
        table.ignore_rest();
        all.into_iter()
            .filter_map(|(name, field)| Some((name.to_owned(), credential(name, &field)?)))
            .collect()
    };
    field.table(read).unwrap_or_default()
}

fn credential(name: &str, field: &Field<'_>) -> Option<Vec<u8>> {
    if let Err(why) = checks::file_name(name) {
        field.bad(name, format!("{why}, so no name of a credential"));
        return None;
    }
    let bytes = if field.is_table() {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| "is no base64".to_owned());
        field.table(|table| table.require("base64")?.check(decode)).flatten()?
    } else {
        field.text()?.as_bytes().to_vec()
    };
    if bytes.len() > CREDENTIAL_BYTES {
        field.bad("…", "is larger than 1 MiB, more than systemd takes");
        return None;
    }
    Some(bytes)
}
