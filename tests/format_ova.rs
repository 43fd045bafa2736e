//! Whether an OVA is what DMTF's schema, GNU tar and `qemu-img` expect.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod disks;
mod ovf;
mod tools;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bootc_image::digest::Sha256Digest;
use bootc_image::format::ova::{self, Machine};
use bootc_image::format::{Summary, checksum, vmdk};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::spec::Arch;
use bootc_image::units::{ByteLen, GIB};
use roxmltree::Document;

use disks::{create, mixed};
use ovf::{OVF, RASD};
use tools::run;

const VMW: &str = "http://www.vmware.com/schema/ovf";
const PLAIN: Machine = Machine { name: "os", arch: Arch::X86_64, secure_boot: false };

/// Encodes `raw` as VMDK and that as OVA, with as many threads.
fn write(raw: &Path, path: &Path, machine: &Machine, threads: usize) -> (vmdk::Encoded, Summary) {
    let raw_file = File::open(raw).unwrap();
    let size = ByteLen(raw_file.metadata().unwrap().len());
    let disk = create(&raw.with_extension("vmdk"));
    let (cancel, options) = (Cancel::default(), vmdk::Options { level: 6, content_id: 1, threads });
    let encoded = vmdk::encode(&raw_file, size, &disk, &options, &Silent, &cancel).unwrap();
    let out = create(path);
    let summary = ova::encode((&disk, &encoded), machine, &out, &Silent, &cancel).unwrap();
    assert_eq!(checksum(&out, &cancel).unwrap(), summary);
    (encoded, summary)
}

/// The members of a tar by another reader than the tools.
fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().entry_type(), tar::EntryType::Regular);
        assert!(entry.header().as_ustar().is_some());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    entries.collect()
}

/// The descriptor for a small disk.
fn descriptor(machine: &Machine) -> String {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    create(&raw).set_len(GIB).unwrap();
    let path = folder.path().join("ova");
    write(&raw, &path, machine, 1);
    String::from_utf8(members(&path).remove(0).1).unwrap()
}

#[test]
fn the_members_are_what_they_say_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 4 * GIB);
    let path = folder.path().join("image.ova");
    let (encoded, summary) = write(&raw, &path, &PLAIN, 2);
    assert_eq!(summary.size_bytes % 10_240, 0);
    let members = members(&path);
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["image.ovf", "image.mf", "image.vmdk"]);
    let [(_, text), (_, manifest), (_, disk)] = &members[..] else { panic!() };
    let expected = format!(
        "SHA256(image.ovf)= {}\nSHA256(image.vmdk)= {}\n",
        Sha256Digest::of(text),
        Sha256Digest::of(disk)
    );
    assert_eq!(String::from_utf8_lossy(manifest), expected);
    let text = String::from_utf8(text.clone()).unwrap();
    ovf::check(&text).unwrap();
    let document = Document::parse(&text).unwrap();
    let attribute = |element: &str, name: &str| {
        let node = document.descendants().find(|node| node.has_tag_name((OVF, element))).unwrap();
        node.attribute((OVF, name)).unwrap().to_owned()
    };
    assert_eq!(attribute("File", "href"), "image.vmdk");
    assert_eq!(attribute("File", "size"), disk.len().to_string());
    assert_eq!(attribute("Disk", "capacity"), (4 * GIB).to_string());
    assert_eq!(attribute("Disk", "capacityAllocationUnits"), "byte");
    assert_eq!(attribute("Disk", "populatedSize"), encoded.populated.0.to_string());
}

#[test]
fn gnu_tar_and_qemu_agree() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 4 * GIB);
    let path = folder.path().join("image.ova");
    let (encoded, _) = write(&raw, &path, &PLAIN, 2);
    let ova = path.to_str().unwrap();
    let Some(list) = run("tar", &["-tvf", ova, "--utc"]) else { return };
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.starts_with("-rw-r--r-- 0/0 ")), "{list}");
    let expected = format!(" {} 1970-01-01 00:00 image.vmdk", encoded.summary.size_bytes);
    assert!(lines[2].ends_with(&expected), "{list}");
    run("tar", &["-xf", ova, "-C", folder.path().to_str().unwrap()]);
    let disk = folder.path().join("image.vmdk");
    let disk = disk.to_str().unwrap();
    let Some(verdict) = run("qemu-img", &["check", "-f", "vmdk", disk]) else { return };
    assert!(verdict.contains("No errors were found"), "{verdict}");
    run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", raw.to_str().unwrap(), disk]);
}

#[test]
fn threads_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 4 * GIB);
    let path = folder.path().join("image.ova");
    let [one, two, five] = [1, 2, 5].map(|threads| write(&raw, &path, &PLAIN, threads));
    assert!(one == two && one == five);
}

#[test]
fn the_machine_has_what_it_needs() {
    for (arch, secure_boot, hardware, guest) in [
        (Arch::X86_64, false, "vmx-15", "otherLinux64Guest"),
        (Arch::X86_64, true, "vmx-15", "otherLinux64Guest"),
        (Arch::Aarch64, true, "vmx-19", "arm-other-64"),
    ] {
        let text = descriptor(&Machine { name: "a <b> & \"c\"", arch, secure_boot });
        ovf::check(&text).unwrap();
        let document = Document::parse(&text).unwrap();
        let all = |name: &'static str| {
            document.descendants().filter(move |node| node.tag_name().name() == name)
        };
        assert_eq!(all("Name").next().unwrap().text(), Some("a <b> & \"c\""));
        assert_eq!(all("VirtualSystemType").next().unwrap().text(), Some(hardware));
        let system = all("OperatingSystemSection").next().unwrap();
        assert_eq!(system.attribute((VMW, "osType")), Some(guest));
        let config = |key| {
            let node = all("Config").find(|node| node.attribute((VMW, "key")) == Some(key));
            node.unwrap().attribute((VMW, "value")).unwrap()
        };
        assert_eq!(config("firmware"), "efi");
        assert_eq!(config("bootOptions.efiSecureBootEnabled"), secure_boot.to_string());
        let items: Vec<_> = all("Item").collect();
        let field = |kind: &str, name: &'static str| {
            let item = items.iter().find(|item| {
                let mut fields = item.children();
                fields.any(|node| {
                    node.has_tag_name((RASD, "ResourceType")) && node.text() == Some(kind)
                })
            });
            let node = item.unwrap().children().find(|node| node.has_tag_name((RASD, name)));
            node.unwrap().text().unwrap()
        };
        assert_eq!((items.len(), field("3", "VirtualQuantity")), (5, "2"));
        assert_eq!(field("4", "VirtualQuantity"), "4096");
        assert_eq!(field("4", "AllocationUnits"), "byte * 2^20");
        assert_eq!(field("6", "ResourceSubType"), "VirtualSCSI");
        assert_eq!(field("17", "Parent"), field("6", "InstanceID"));
        assert_eq!(field("10", "ResourceSubType"), "VmxNet3");
    }
}

#[test]
fn the_checker_refuses_what_the_schema_does() {
    let text = descriptor(&PLAIN);
    let swap = |first: &str, second: &str| {
        text.replace(first, "\0").replace(second, first).replace('\0', second)
    };
    let (info, name) = ("<Info>A virtual machine</Info>", "<Name>os</Name>");
    for (broken, why) in [
        (text.replace(" ovf:id=\"file1\"", ""), "File has no attribute id"),
        (text.replace(" ovf:id=\"101\"", " ovf:id=\"x\""), "`x` for id"),
        (text.replace("ovf:fileRef=\"file1\"", "ovf:fileRef=\"file2\""), "no file `file2`"),
        (text.replace("ovf:/disk/disk1", "ovf:/disk/other"), "no disk `ovf:/disk/other`"),
        (text.replace("<Network ovf:name=\"VM Network\"", "<Network ovf:name=\"x\""), "no network"),
        (text.replace("<rasd:Parent>3<", "<rasd:Parent>9<"), "no parent `9`"),
        (text.replace("InstanceID>2</", "InstanceID>1</"), "the same parent twice"),
        (text.replace("<Info>Networks</Info>", ""), "0 Info in NetworkSection"),
        (text.replace("<rasd:ResourceType>6<", "<rasd:ResourceType>six<"), "`six`"),
        (swap("rasd:InstanceID", "rasd:ElementName"), "0 ElementName in Item"),
        (swap(info, name), "0 Info in VirtualSystem"),
        (text.replace("ovf:capacity=", "capacity="), "unknown attribute capacity of Disk"),
        (text.replace("<DiskSection>", "<Disks>").replace("</DiskSection>", "</Disks>"), "0 Virt"),
    ] {
        assert_ne!(broken, text, "{why}");
        let error = ovf::check(&broken).unwrap_err();
        assert!(error.contains(why), "{error} instead of {why}");
    }
}
