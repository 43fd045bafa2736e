//! The kernel reads our ISO 9660: in a machine, since not every host's kernel can.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bootc_image::canvas::{Canvas as _, FileCanvas};
use bootc_image::digest::Sha256Digest;
use bootc_image::fs::iso9660::{Builder, Options};
use bootc_image::spec::VolumeId;
use bootc_image::units::ByteLen;
use bootc_image::volume::Timestamp;
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, working_folder};

const TIME: i64 = 1_709_210_096;
/// Of three extents.
const LARGE: &str = "large";
const LARGE_BYTES: u64 = (9 << 30) + 12_345;
/// Around the borders of the extents, and at the end.
const MARKS: [(u64, &[u8; 4]); 5] = [
    (0, b"mar0"),
    ((4 << 30) - 2050, b"mar1"),
    ((4 << 30) - 3, b"mar2"),
    ((8 << 30) - 4098, b"mar3"),
    (LARGE_BYTES - 4, b"mar4"),
];

/// Files by path, without the large one.
fn files() -> BTreeMap<String, Vec<u8>> {
    let hex = "0123456789abcdef".repeat(4);
    let blobs = (0..200).map(|number| format!("container/blobs/sha256/{}{number:03}", &hex[..61]));
    let names = [".disk/info", "EFI/BOOT/grub.cfg", "ünïcode/Ä b.txt"];
    let names = names.map(String::from).into_iter().chain(["n".repeat(120)]);
    let mut files: BTreeMap<_, _> =
        blobs.chain(names).map(|path| (path.clone(), path.repeat(100).into_bytes())).collect();
    files.insert("empty".into(), Vec::new());
    files
}

fn write(path: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let mut builder = Builder::new(Options {
        volume_id: VolumeId::parse("Tests-1.0")?,
        application: "bootc-image".into(),
        time: Timestamp::of_secs(TIME),
    })?;
    let mut placed = Vec::new();
    for (path, bytes) in files {
        placed.push((builder.add_file(path, ByteLen(u64::try_from(bytes.len())?))?, bytes));
    }
    let large = builder.add_file(LARGE, ByteLen(LARGE_BYTES))?;
    let layout = builder.layout()?;
    let out = File::options().read(true).write(true).create_new(true).open(path)?;
    out.set_len(layout.end().0)?;
    let mut canvas = FileCanvas::new(Arc::new(out));
    for (file, bytes) in placed {
        canvas.write_at(layout.place(file), bytes)?;
    }
    for (mark, bytes) in MARKS {
        let mut at = layout.place(large);
        at.0 += mark;
        canvas.write_at(at, bytes)?;
    }
    layout.write(&mut canvas, ByteLen(layout.end().0))?;
    Ok(())
}

#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn the_kernel_reads_what_was_written() -> Result<()> {
    if !Tier::allows(Tier::Full, "the kernel's ISO 9660") {
        return Ok(());
    }
    let folder = working_folder("iso9660")?;
    let raw = Build::new(&debian::layouts()?.gzip, "latest", KARGS).run(&folder, &[Format::Raw])?;
    let overlay = Overlay::create(&folder, &raw[0], Format::Raw, None)?;
    let (iso, files) = (folder.join("iso"), files());
    write(&iso, &files)?;
    let mut qemu = qemu(&folder, overlay.path(), Firmware::Uefi, Bus::Virtio)?;
    qemu.arg("-drive")
        .arg(format!("if=none,id=iso,readonly=on,format=raw,file={}", iso.display()))
        .args(["-device", "virtio-blk-pci,drive=iso", "-serial", "stdio"]);
    let mut vm = Vm::spawn(&mut qemu, &folder, false)?;
    vm.wait_for_marker()?;
    vm.login()?;
    vm.check("mkdir /run/iso && mount -t iso9660 -o ro /dev/vdb /run/iso && cd /run/iso")?;

    let sums: String = files
        .iter()
        .map(|(path, bytes)| format!("{}  ./{path}\n", Sha256Digest::of(bytes).to_hex()))
        .collect();
    let found = vm.check(&format!(
        "find . -type f ! -name {LARGE} -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    ))?;
    let expected = Sha256Digest::of(sums.as_bytes()).to_hex();
    ensure!(found.starts_with(&expected), "{found}");
    let meta = vm.check("stat -c '%f %h %Y %u' EFI empty")?;
    let expected = [format!("416d 3 {TIME} 0"), format!("8124 1 {TIME} 0")];
    ensure!(meta.lines().map(str::trim_end).eq(expected), "{meta}");

    let len = vm.check(&format!("stat -c %s {LARGE}"))?;
    ensure!(len.trim() == LARGE_BYTES.to_string(), "{len}");
    for (mark, bytes) in MARKS {
        let flags = "iflag=skip_bytes,count_bytes status=none";
        let found = vm.check(&format!("dd if={LARGE} skip={mark} count=4 {flags}"))?;
        ensure!(found.as_bytes() == bytes, "{found} at {mark}");
    }

    vm.check("cd / && umount /run/iso && mount -t iso9660 -o ro,norock /dev/vdb /run/iso")?;
    let count = vm.check("find /run/iso -type f | wc -l")?;
    ensure!(count.trim() == (files.len() + 1).to_string(), "{count}");
    vm.power_off()
}
