//! The OVF descriptor: a virtual machine as DSP0243 1.1 and VMware's extensions put it.
//!
//! | what | how much, and why |
//! |---|---|
//! | hardware | `vmx-15` (ESXi 6.7 U2); `vmx-19` for aarch64, which nothing older runs |
//! | guest | any 64-bit Linux; on aarch64 VMware has only "other" for that |
//! | processors, memory | 2 and 4 GiB: enough for a first boot, changed at import |
//! | firmware | EFI; Secure Boot as asked |
//! | disk | at the paravirtual SCSI controller |
//! | network | one VMXNET3 adapter on "VM Network", the name that vSphere gives its first network |
//!
//! The adapter is a decision: bootc-image-builder's machines have none, and whoever imports one must
//! add it before the machine can be reached; appliances of the field come with one, which importers
//! map to a network of the site, and which is easier to remove than to add.
//!
//! Order matters: what describes a piece of hardware is a sequence, in the order of the alphabet.

use std::fmt::Write as _;

use crate::format::vmdk;
use crate::spec::Arch;

const CPUS: u64 = 2;
const MEMORY_MIB: u64 = 4096;
/// "LINUX 64-Bit" in CIM's list of operating systems.
const CIM_LINUX_64: u64 = 101;
const NETWORK: &str = "VM Network";

/// The machine that the disk is for.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// What to call it; importers propose it to the user.
    pub name: &'a str,
    /// Its processor.
    pub arch: Arch,
    /// Whether its firmware refuses loaders that nobody signed.
    pub secure_boot: bool,
}

impl Machine<'_> {
    /// The descriptor of this machine with the disk in `file_name`.
    pub(super) fn describe(&self, disk: &vmdk::Encoded, file_name: &str) -> String {
        let name = escape(self.name);
        let (hardware, guest) = match self.arch {
            Arch::X86_64 => ("vmx-15", "otherLinux64Guest"),
            Arch::Aarch64 => ("vmx-19", "arm-other-64"),
        };
        let (file_bytes, capacity, populated) =
            (disk.summary.size_bytes, disk.disk_size.0, disk.populated.0);
        let items = items();
        let secure_boot = self.secure_boot;
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:href="{file_name}" ovf:id="file1" ovf:size="{file_bytes}"/>
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="disk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized" ovf:populatedSize="{populated}"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="{NETWORK}">
      <Description>The network of the machine</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="{CIM_LINUX_64}" vmw:osType="{guest}">
      <Info>The operating system</Info>
      <Description>Linux, 64-bit</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{hardware}</vssd:VirtualSystemType>
      </System>
{items}      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="{secure_boot}"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"#
        )
    }
}

/// The pieces of hardware. The disk's parent is the controller, by its number.
fn items() -> String {
    [
        item(&[
            ("AllocationUnits", "hertz * 10^6"),
            ("Description", "Number of virtual processors"),
            ("ElementName", &format!("{CPUS} virtual CPUs")),
            ("InstanceID", "1"),
            ("ResourceType", "3"),
            ("VirtualQuantity", &CPUS.to_string()),
        ]),
        item(&[
            ("AllocationUnits", "byte * 2^20"),
            ("Description", "Memory size"),
            ("ElementName", &format!("{MEMORY_MIB} MB of memory")),
            ("InstanceID", "2"),
            ("ResourceType", "4"),
            ("VirtualQuantity", &MEMORY_MIB.to_string()),
        ]),
        item(&[
            ("Address", "0"),
            ("Description", "SCSI controller"),
            ("ElementName", "SCSI controller 0"),
            ("InstanceID", "3"),
            ("ResourceSubType", "VirtualSCSI"),
            ("ResourceType", "6"),
        ]),
        item(&[
            ("AddressOnParent", "0"),
            ("ElementName", "Hard disk 1"),
            ("HostResource", "ovf:/disk/disk1"),
            ("InstanceID", "4"),
            ("Parent", "3"),
            ("ResourceType", "17"),
        ]),
        item(&[
            ("AddressOnParent", "7"),
            ("AutomaticAllocation", "true"),
            ("Connection", NETWORK),
            ("Description", "VMXNET3 network adapter"),
            ("ElementName", "Network adapter 1"),
            ("InstanceID", "5"),
            ("ResourceSubType", "VmxNet3"),
            ("ResourceType", "10"),
        ]),
    ]
    .concat()
}

fn item(fields: &[(&str, &str)]) -> String {
    let mut text = String::from("      <Item>\n");
    for (name, value) in fields {
        let written = writeln!(text, "        <rasd:{name}>{value}</rasd:{name}>");
        written.expect("a string takes everything");
    }
    text + "      </Item>\n"
}

/// `text` as the content of an element or an attribute; what XML cannot say at all is left out.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_anything() {
        assert_eq!(escape("a<b>&\"c\"\n\u{0}\u{ffff}é"), "a&lt;b&gt;&amp;&quot;c&quot;é");
    }
}
