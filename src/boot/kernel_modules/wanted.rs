//! What an installer wants to load, wherever it may run. A kernel has some of it built in, and some
//! not at all. Helpers (checksums, buses, common parts of drivers) come along as dependencies.

/// Modules for one kind of hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// What it has these modules for.
    pub purpose: Purpose,
    /// Their names.
    pub modules: &'static [&'static str],
}

/// What a module is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Drives disks: without any there is nothing to install to.
    Disks,
    /// Reads the installer's own file system: without it there is nothing to install.
    Medium,
    /// Drives a network.
    Network,
    /// Drives keyboards.
    Keyboards,
    /// Anything else.
    Other,
}

/// What an installer wants, in the order in which it is best loaded.
#[rustfmt::skip]
pub const WANTED: &[Group] = &[
    // what is shown before any driver of a graphics card
    group(Purpose::Other, &["simpledrm", "efifb", "vesafb"]),
    // the PS/2 keyboard, which virtual machines have too
    group(Purpose::Keyboards, &["i8042", "atkbd"]),
    // USB: controllers, then what is plugged in
    group(Purpose::Other, &[
        "xhci_pci", "xhci_plat_hcd", "ehci_pci", "ehci_platform", "ohci_pci", "uhci_hcd",
    ]),
    group(Purpose::Keyboards, &["usbhid", "hid_generic", "hid_apple", "hid_logitech_dj"]),

    // virtio, as QEMU and many clouds have it
    group(Purpose::Other, &["virtio_pci", "virtio_mmio", "virtio_console", "virtio_rng"]),
    group(Purpose::Disks, &["virtio_blk", "virtio_scsi"]),
    group(Purpose::Network, &["virtio_net"]),
    group(Purpose::Keyboards, &["virtio_input"]),
    // Hyper-V
    group(Purpose::Other, &["hv_vmbus", "pci_hyperv"]),
    group(Purpose::Disks, &["hv_storvsc"]),
    group(Purpose::Network, &["hv_netvsc"]),
    group(Purpose::Keyboards, &["hyperv_keyboard"]),
    // VMware, and the controllers that it and VirtualBox imitate
    group(Purpose::Disks, &["vmw_pvscsi", "mptspi", "mptsas"]),
    group(Purpose::Network, &["vmxnet3"]),
    // Xen
    group(Purpose::Disks, &["xen_blkfront"]),
    group(Purpose::Network, &["xen_netfront"]),

    // NVMe, also behind Intel's volume management
    group(Purpose::Other, &["vmd"]),
    group(Purpose::Disks, &["nvme"]),
    // SATA and its predecessor
    group(Purpose::Disks, &["libahci", "ahci", "ahci_platform", "ata_piix", "ata_generic"]),
    // SD cards and soldered flash
    group(Purpose::Disks, &["sdhci_pci", "sdhci_acpi", "mmc_block"]),
    // disks on USB, where installers are as well
    group(Purpose::Disks, &["usb_storage", "uas"]),
    // RAID controllers and host adapters of servers
    group(Purpose::Disks, &[
        "megaraid_sas", "mpt3sas", "mpi3mr", "aacraid", "hpsa", "smartpqi", "isci",
    ]),
    // disks and drives on SCSI, SATA and USB controllers
    group(Purpose::Other, &["sd_mod", "cdrom", "sr_mod"]),

    // network cards: of desktops and older servers
    group(Purpose::Network, &[
        "e1000", "e1000e", "igb", "igc", "r8169", "8139cp", "8139too", "atlantic", "tg3", "bnx2",
        "forcedeth", "sky2",
    ]),
    // of servers
    group(Purpose::Network, &[
        "ixgbe", "i40e", "ice", "bnx2x", "bnxt_en", "be2net", "mlx4_en", "mlx5_core", "qede", "sfc",
    ]),
    // of clouds
    group(Purpose::Network, &["ena", "gve", "mana", "ixgbevf", "iavf"]),
    // on USB
    group(Purpose::Network, &["r8152", "ax88179_178a", "asix", "cdc_ether", "cdc_ncm"]),

    // the installer's file system, on a disc or a stick
    group(Purpose::Medium, &["isofs"]),
    // other file systems of media and disks, with the character sets that FAT asks for by name
    group(Purpose::Other, &[
        "udf", "fat", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8", "ext4", "loop",
    ]),
    // the firmware's variables, where boot entries are
    group(Purpose::Other, &["efivarfs"]),
];

const fn group(purpose: Purpose, modules: &'static [&'static str]) -> Group {
    Group { purpose, modules }
}
