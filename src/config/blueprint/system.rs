//! Small things about the system: `hostname`, `kernel`, `locale`, `timezone`, `services`,
//! `bootloader`.

use std::collections::BTreeMap;

use super::checks;
use super::error::Wrong;
use super::reader::{Field, Table};
use crate::settings::{GrubConsole, Locale, Time, Units};

/// Terminals of GRUB's, beside the serial ones that may have a number.
const TERMINALS: [&str; 10] = [
    "console",
    "serial",
    "gfxterm",
    "vga_text",
    "at_keyboard",
    "usb_keyboard",
    "mda_text",
    "morse",
    "ofconsole",
    "spkmodem",
];

pub(super) fn hostname(table: &mut Table<'_>) -> Option<String> {
    let field = table.get("hostname")?;
    field.check(|name| checks::hostname(name).map(|()| name.to_owned()))
}

/// `[kernel]`: arguments as written, one string.
pub(super) fn kernel(table: &mut Table<'_>) -> Vec<String> {
    let Some(field) = table.get("kernel") else { return Vec::new() };
    let append = field.table(|table| {
        table.refuse(&[("name", "the kernel is the image's")]);
        let append = table.get("append")?;
        append.check(|text| checks::kargs(text).map(|()| text))
    });
    let append = append.flatten().unwrap_or_default().trim();
    if append.is_empty() { Vec::new() } else { vec![append.to_owned()] }
}

pub(super) fn locale(table: &mut Table<'_>) -> Locale {
    let Some(field) = table.get("locale") else { return Locale::default() };
    let locale = field.table(|table| Locale {
        languages: table.texts("languages", checks::locale),
        keyboard: table
            .get("keyboard")
            .and_then(|field| field.check(|name| checks::locale(name).map(|()| name.to_owned()))),
    });
    locale.unwrap_or_default()
}

pub(super) fn time(table: &mut Table<'_>) -> Time {
    let Some(field) = table.get("timezone") else { return Time::default() };
    let time = field.table(|table| Time {
        zone: table.get("timezone").and_then(|field| {
            field.check(|name| checks::time_zone(name).map(|()| name.to_owned()))
        }),
        ntp_servers: table.texts("ntpservers", checks::host),
    });
    time.unwrap_or_default()
}

/// `[services]`: each unit in one list, once.
pub(super) fn units(table: &mut Table<'_>) -> Units {
    let Some(field) = table.get("services") else { return Units::default() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut unit = |item: Field<'_>| {
        let name = item.check(checks::unit)?;
        if let Some(first) = seen.get(&name) {
            item.duplicate(&name, first);
            return None;
        }
        seen.insert(name.clone(), item.path.clone());
        Some(name)
    };
    let mut list = |field: Option<Field<'_>>| {
        let items = field.map(|field| field.items("a list of names of units")).unwrap_or_default();
        items.into_iter().filter_map(&mut unit).collect()
    };
    let units = field.table(|table| Units {
        enabled: list(table.get("enabled")),
        disabled: list(table.get("disabled")),
        masked: list(table.get("masked")),
    });
    units.unwrap_or_default()
}

/// `[bootloader.grub2]`; nothing in it is as good as none.
pub(super) fn grub(table: &mut Table<'_>) -> Option<GrubConsole> {
    let console = table.get("bootloader")?.table(|table| table.get("grub2")?.table(console));
    console.flatten().filter(|console| *console != GrubConsole::default())
}

fn console(table: &mut Table<'_>) -> GrubConsole {
    let uses_serial = |names: &[String]| names.iter().any(|name| name.starts_with("serial"));
    let input = table.texts("terminal_input", terminal);
    let output = table.texts("terminal_output", terminal);
    let serial = table.get("serial");
    if let (Some(field), false) = (&serial, uses_serial(&input) || uses_serial(&output)) {
        field.warn("has no effect: neither terminal is `serial`");
    }
    let serial = serial.and_then(|field| {
        field.check(|text| {
            let good = |c: char| c.is_ascii_alphanumeric() || " -_=.:,".contains(c);
            let known = text == "serial" || text.starts_with("serial ");
            let fits = known && text.chars().all(good);
            if fits { Ok(text.to_owned()) } else { Err("is no `serial` command of GRUB's".into()) }
        })
    });
    if serial.is_none() && (uses_serial(&input) || uses_serial(&output)) {
        table.wrong(Wrong::Missing { key: "serial" });
    }
    GrubConsole { input, output, serial }
}

fn terminal(name: &str) -> Result<(), String> {
    let numbered = name.strip_prefix("serial_").unwrap_or_default();
    let serial = !numbered.is_empty() && numbered.bytes().all(|b| b.is_ascii_alphanumeric());
    if serial || TERMINALS.contains(&name) {
        return Ok(());
    }
    Err(format!("is no terminal of GRUB's: {}", TERMINALS.join(", ")))
}
