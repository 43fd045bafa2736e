//! Reports for people: names at the left, values aligned, tables where there are many.

use super::super::report::indented;
use crate::inspect::model::{
    BootEntry, Deployment, DiskReport, FileSystem, ImageReport, Partition, Selinux,
};
use crate::units::ByteLen;

/// Lines of a name and a value.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Where values begin.
    const COLUMN: usize = 18;

    fn add(&mut self, name: &str, value: impl AsRef<str>) {
        // what comes from strangers must not move the cursor
        let value = indented(value.as_ref());
        let width = Self::COLUMN;
        self.0 += &format!("{name:<width$}{value}\n");
    }

    fn maybe(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// The name before the first value only.
    fn all(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        for (at, value) in values.into_iter().enumerate() {
            self.add(if at == 0 { name } else { "" }, value);
        }
    }

    fn heading(&mut self, text: &str) {
        self.0 += &format!("\n{}\n", indented(text));
    }

    fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| indented(cell)).collect()).collect();
        let widest = |at: usize| {
            cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|at| widest(at).unwrap_or(0)).collect();
        for row in &cells {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            self.0 += &format!("  {}\n", line.trim_end());
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => ByteLen(bytes).to_string(),
        _ => format!("{} ({bytes} bytes)", ByteLen(bytes)),
    }
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// A disk.
pub(super) fn disk(report: &DiskReport) -> String {
    let mut lines = Lines::default();
    let inner = report.inner_format.iter().map(|inner| format!(", with {inner} inside"));
    lines.add("format", format!("{}{}", report.format, inner.collect::<String>()));
    lines.maybe("file size", report.file_size_bytes.map(size));
    lines.add("disk size", size(report.virtual_size_bytes));
    if let Some(table) = &report.partition_table {
        let guid = table.guid.as_deref().unwrap_or("damaged");
        let sector = table.sector_size_bytes;
        lines.add("partition table", format!("{} {guid}, sectors of {sector} bytes", table.r#type));
    }
    if !report.partitions.is_empty() {
        lines.heading("partitions");
        let head =
            ["no", "name", "type", "start", "length", "file system", "label", "used", "UUID"];
        let rows = report.partitions.iter().map(partition);
        lines.table(&[row(&head)].into_iter().chain(rows).collect::<Vec<_>>());
    }
    boot_loader(&mut lines, report);
    for entry in &report.boot_entries {
        boot_entry(&mut lines, entry);
    }
    for found in &report.deployments {
        deployment(&mut lines, found);
    }
    if let Some(aleph) = &report.aleph {
        lines.heading("installed from");
        for key in ["image", "digest", "version", "kernel", "timestamp", "selinux"] {
            lines.maybe(key, aleph.get(key).and_then(|value| value.as_str()));
        }
    }
    problems(&mut lines, "problems", &report.problems);
    lines.0
}

fn partition(partition: &Partition) -> Vec<String> {
    let Partition { number, name, r#type, type_guid, start_bytes, length_bytes, .. } = partition;
    let empty = FileSystem {
        r#type: "-".to_owned(),
        label: None,
        uuid: None,
        size_bytes: None,
        used_bytes: None,
    };
    let fs = partition.file_system.as_ref().unwrap_or(&empty);
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        number.to_string(),
        name.clone(),
        r#type.as_ref().unwrap_or(type_guid).clone(),
        ByteLen(*start_bytes).to_string(),
        ByteLen(*length_bytes).to_string(),
        fs.r#type.clone(),
        known(fs.label.clone()),
        known(fs.used_bytes.map(|used| ByteLen(used).to_string())),
        known(fs.uuid.clone()),
    ]
}

fn boot_loader(lines: &mut Lines, report: &DiskReport) {
    let loader = &report.boot_loader;
    lines.heading("boot loader");
    let bios = match (loader.bios_boot_code, loader.bios_boot_partition) {
        (true, true) => "boot code and a filled BIOS boot partition",
        (true, false) => "boot code, but nothing in a BIOS boot partition",
        (false, true) => "a filled BIOS boot partition, but no boot code",
        (false, false) => "nothing",
    };
    lines.add("BIOS", bios);
    let files = loader.esp_files.iter();
    lines.all("ESP", files.map(|file| format!("{} ({})", file.path, ByteLen(file.size_bytes))));
    lines.all("GRUB", loader.grub_configs.iter().cloned());
    if let Some(bootupd) = &loader.bootupd {
        let versions = bootupd.components.iter().map(|(name, version)| format!("{name} {version}"));
        lines.add("bootupd", versions.collect::<Vec<_>>().join(", "));
    }
}

fn boot_entry(lines: &mut Lines, entry: &BootEntry) {
    lines.heading(&format!("boot entry {}", entry.file));
    lines.maybe("title", entry.title.as_ref());
    lines.maybe("version", entry.version.as_ref());
    lines.add("options", &entry.options);
    let file = |file: &crate::inspect::model::BootFile| {
        format!("{}{}", file.path, if file.present { "" } else { " (missing)" })
    };
    lines.maybe("linux", entry.kernel.as_ref().map(file));
    lines.all("initrd", entry.initrds.iter().map(file));
}

fn deployment(lines: &mut Lines, found: &Deployment) {
    let Deployment { stateroot, checksum, serial, .. } = found;
    lines.heading(&format!("deployment {stateroot} {checksum}.{serial}"));
    lines.maybe("system", found.os.as_ref());
    lines.maybe("version", found.version.as_ref());
    lines.all("kernel", found.kernels.iter().cloned());
    lines.maybe("image", found.image.as_ref());
    lines.maybe("image digest", found.image_digest.as_ref());
    lines.maybe("derived from", found.parent.as_ref());
    if !found.commit_present {
        lines.add("commit", "missing");
    }
    let image = if found.composefs_image { "image present" } else { "no image" };
    let setting = found.composefs.as_deref().unwrap_or("unknown");
    lines.add("composefs", format!("{setting}, {image}"));
    lines.maybe("SELinux", found.selinux.as_ref().map(selinux));
}

fn selinux(selinux: &Selinux) -> String {
    let mode = selinux.mode.as_deref().unwrap_or("not set");
    selinux.policy.as_ref().map_or_else(|| mode.to_owned(), |policy| format!("{mode}, {policy}"))
}

fn problems(lines: &mut Lines, name: &str, problems: &[String]) {
    if !problems.is_empty() {
        lines.heading(name);
        for problem in problems {
            lines.0 += &format!("  {}\n", indented(problem));
        }
    }
}

/// An image.
pub(super) fn image(report: &ImageReport) -> String {
    let mut lines = Lines::default();
    lines.add("image", &report.reference);
    lines.add("digest", &report.digest);
    lines.add("architecture", &report.architecture);
    lines.maybe("created", report.created.as_ref());
    lines.add(
        "layers",
        format!("{}, {} compressed", report.layers.len(), size(report.layers_bytes)),
    );
    lines.maybe("system", report.os.as_ref());
    lines.all(
        "kernel",
        report.kernels.iter().map(|kernel| {
            let initramfs = kernel.initramfs.as_ref().map_or("no initramfs", |_| "with initramfs");
            format!("{}, {initramfs}", kernel.version)
        }),
    );
    lines.maybe("kernel arguments", report.kernel_arguments.as_ref());
    lines.maybe("stateroot", report.stateroot.as_ref());
    if let Some(loaders) = &report.boot_loaders {
        lines.add("boot loader", format!("{} ({})", loaders.source, loaders.description));
        let signed = if loaders.signed { "yes, signed" } else { "yes, not signed" };
        lines.add("  from UEFI", if loaders.uefi { signed } else { "no" });
        lines.add("  from BIOS", yes(loaders.bios));
    }
    let mode = report.selinux.as_ref().map_or_else(|| "not configured".to_owned(), selinux);
    let in_force = report.selinux_policy.iter().map(|policy| format!("; labels from `{policy}`"));
    lines.add("SELinux", format!("{mode}{}", in_force.collect::<String>()));
    lines.maybe("composefs", report.composefs.as_ref());
    let base = report.ostree.base_commit.as_deref();
    lines.maybe("ostree base", base.map(|base| format!("{base} (carried by the image)")));
    lines.maybe("ostree commit", report.ostree.merge_commit.as_ref());
    lines.all("bound images", report.bound_images.iter().cloned());
    if let Some(estimate) = &report.size {
        lines.add("root needs", size(estimate.root_bytes));
        lines.add("disk of `min`", size(estimate.min_disk_bytes));
        lines.add("disk of `auto`", size(estimate.auto_disk_bytes));
    }
    lines.add("can be built", yes(report.buildable));
    install(&mut lines, report);
    if !report.labels.is_empty() {
        lines.heading("labels");
        for (key, value) in &report.labels {
            lines.0 += &format!("  {}={}\n", indented(key), indented(value));
        }
    }
    problems(&mut lines, "problems", &report.problems);
    problems(&mut lines, "warnings", &report.warnings);
    lines.0
}

/// The install configuration: the keys that are set, as TOML would have them.
fn install(lines: &mut Lines, report: &ImageReport) {
    let value = serde_json::to_value(&report.install).unwrap_or_default();
    let is_set = |value: &serde_json::Value| {
        !value.is_null() && value.as_array().is_none_or(|values| !values.is_empty())
    };
    let pairs = value.as_object().into_iter().flatten().filter(|(_, value)| is_set(value));
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key} = {value}")).collect();
    problems(lines, "install configuration", &pairs);
}
