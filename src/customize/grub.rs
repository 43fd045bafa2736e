//! `grub2/console.cfg`: where GRUB reads and writes. Static configurations of bootupd read it, and so
//! does ours when there is one.

use super::BootAddition;
use crate::settings::GrubConsole;

/// The file, unless nothing is set.
pub(super) fn console(wanted: &GrubConsole) -> Option<BootAddition> {
    let terminals = |command: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{command} {}\n", names.join(" ")))
    };
    let text: String = [
        wanted.serial.as_ref().map(|serial| format!("{serial}\n")),
        terminals("terminal_input", &wanted.input),
        terminals("terminal_output", &wanted.output),
    ]
    .into_iter()
    .flatten()
    .collect();
    let path = "grub2/console.cfg".to_owned();
    (!text.is_empty()).then(|| BootAddition { path, mode: 0o600, bytes: text.into_bytes() })
}
