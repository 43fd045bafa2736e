//! What GRUB's images are composed of.
#![no_main]

use bootc_image::boot::loader::{self, Bios, BiosPlace, BootPlace, Early, Menu, Reads, Target};
use bootc_image::files::MemoryFiles;
use bootc_image::spec::Arch;
use bootc_image::units::{ByteLen, Lba, MIB};

const MARK: &[u8] = b"--FILE--";
const PATHS: [&str; 8] = [
    "usr/lib/grub/i386-pc/kernel.img",
    "usr/lib/grub/i386-pc/diskboot.img",
    "usr/lib/grub/i386-pc/lzma_decompress.img",
    "usr/lib/grub/i386-pc/boot.img",
    "usr/lib/grub/x86_64-efi/kernel.img",
    "usr/lib/grub/arm64-efi/kernel.img",
    "usr/share/grub/sbat.csv",
    "usr/lib/grub/i386-pc/moddep.lst",
];
const MODULES: [&str; 15] = [
    "biosdisk",
    "configfile",
    "echo",
    "efi_gop",
    "ext2",
    "fat",
    "linux",
    "loadenv",
    "normal",
    "part_gpt",
    "regexp",
    "search",
    "search_fs_uuid",
    "test",
    "more",
];

fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.windows(MARK.len()).position(|window| window == MARK);
        rest = end.map(|end| &all[end + MARK.len()..]);
        Some(&all[..end.unwrap_or(all.len())])
    })
}

// one file after the other, a mark between them
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut files = MemoryFiles::default().with("usr/lib/modules/1/vmlinuz", "MZ");
    for platform in ["i386-pc", "x86_64-efi", "arm64-efi"] {
        files = files.with(&format!("usr/lib/grub/{platform}/moddep.lst"), "normal: test\n");
        files = MODULES.iter().fold(files, |files, name| {
            files.with(&format!("usr/lib/grub/{platform}/{name}.mod"), *name)
        });
    }
    for (path, part) in PATHS.into_iter().zip(parts(bytes)) {
        files = files.with(path, part);
    }
    let (boot, early) = (BootPlace::OnRoot, Early::default());
    let place = BiosPlace { start: Lba(2048), len: ByteLen(MIB), boot_partition: 2, boot };
    for (arch, bios) in [(Arch::X86_64, Bios::Demanded(place)), (Arch::Aarch64, Bios::No)] {
        let target = Target {
            arch,
            boot_uuid: "6d2b5b1e-0c3f-4b5e-9a55-5b8d1d1ad0f3",
            boot,
            skip_boot_uuid: false,
            vmlinuz: "usr/lib/modules/1/vmlinuz",
            bios,
            menu: Menu { timeout_secs: 1, serial: None },
            reads: Reads::default(),
            early: Some(&early),
        };
        let Ok(loader) = loader::plan(&files, target) else { continue };
        let core = loader.bios.and_then(|image| image.core(&early).ok());
        assert!(core.is_none_or(|core| ByteLen(core.len().try_into().unwrap()) <= place.len));
    }
});
