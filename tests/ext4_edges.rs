//! Where the format bends: large directories, many links, deep extent trees, growth.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod ext4_support;

use bootc_image::fs::ext4::{Error, Options};
use bootc_image::units::ByteLen;
use bootc_image::volume::{Meta, Timestamp, Volume, Xattrs};
use ext4_support::{GIB, Image, MIB, options, run};

#[test]
fn empty_ones_of_any_size_are_clean() {
    for size in [0, MIB, 4 * MIB, 8 * MIB, 16 * MIB, 127 * MIB, 129 * MIB, 134 * MIB, 5 * GIB] {
        for lost_found in [true, false] {
            let growth_limit = ByteLen((size * 1000).clamp(GIB, 8 << 40));
            let image = Image::new();
            let writer = image.writer(Options { growth_limit, lost_found, ..options() });
            let summary = image.finish(writer, size);
            assert!(summary.block_count * 4096 <= size.max(summary.block_count * 4096));
            image.check(&format!("empty, {size}, {lost_found}"));
        }
    }
}

#[test]
fn features_and_conventions_are_those_of_mke2fs() {
    let image = Image::new();
    image.finish(image.writer(Options { verity: true, ..options() }), GIB);
    let Some(output) = run("dumpe2fs", &[image.path()]) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for line in [
        "Filesystem volume name:   root",
        "Filesystem features:      has_journal ext_attr resize_inode dir_index filetype extent 64bit \
         flex_bg sparse_super large_file huge_file dir_nlink extra_isize metadata_csum verity",
        "Filesystem flags:         signed_directory_hash",
        "Default mount options:    user_xattr acl",
        "Errors behavior:          Continue",
        "Inode count:              65536",
        "Reserved block count:     13107",
        "Reserved GDT blocks:      1023",
        "Maximum mount count:      -1",
        "Check interval:           0 (<none>)",
        "First inode:              11",
        "Journal backup:           inode blocks",
        "Journal features:         (none)",
        "Total journal size:       32M",
        "Journal start:            0",
    ] {
        assert!(text.lines().any(|found| found.trim_end() == line), "{line}\n{text}");
    }
}

#[test]
fn copies_of_the_superblock_restore_the_first() {
    for group in [1, 3, 5, 7] {
        let image = Image::new();
        let mut writer = image.writer(options());
        let file = writer.file(&Meta::root_owned(0o644), b"x").unwrap();
        writer.link(writer.root(), b"file", file).unwrap();
        image.finish(writer, GIB);
        image.wipe(8192);
        let block = format!("{}", group * 32768);
        let args = ["-fy", "-b", &block, "-B", "4096", image.path()];
        let Some(output) = run("e2fsck", &args) else { return };
        assert_eq!(output.status.code(), Some(1), "copy in group {group}");
        image.check("restored");
        assert!(image.debugfs("cat /file").unwrap() == "x");
    }
}

#[test]
fn large_directories_have_an_index() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let root = writer.root();
    let meta = Meta::root_owned(0o755);
    let one = writer.file(&meta, b"x").unwrap();
    let many = writer.directory(&meta).unwrap();
    writer.link(root, b"many", many).unwrap();
    for n in 0..20_000 {
        let file = if n % 2 == 0 { one } else { writer.file(&meta, b"").unwrap() };
        writer.link(many, format!("name-{n}").as_bytes(), file).unwrap();
    }
    let folders = writer.directory(&meta).unwrap();
    writer.link(root, b"folders", folders).unwrap();
    for n in 0..66_000 {
        let folder = writer.directory(&meta).unwrap();
        writer.link(folders, format!("folder-{n}").as_bytes(), folder).unwrap();
    }
    // Names of 255 bytes: 15 in a leaf, so the index needs its second level.
    let long = writer.directory(&meta).unwrap();
    writer.link(root, b"long", long).unwrap();
    for n in 0..12_000 {
        let mut name = vec![0xe9; 255];
        name[..9].copy_from_slice(format!("{n:09}").as_bytes());
        writer.link(long, &name, one).unwrap();
    }
    image.finish(writer, 2 * GIB);
    image.check("large directories");
    let Some(text) = image.debugfs("stat /folders") else { return };
    assert!(text.contains("Links: 1 "), "{text}");
    let text = image.debugfs("htree /long").unwrap();
    assert!(text.contains("Indirect levels: 1"), "{}", &text[..800]);
}

#[test]
fn sixty_four_thousand_subdirectories_are_still_counted() {
    for (count, links) in [(64_998, "Links: 65000 "), (64_999, "Links: 1 ")] {
        let image = Image::new();
        let mut writer = image.writer(options());
        let meta = Meta::root_owned(0o755);
        let top = writer.directory(&meta).unwrap();
        writer.link(writer.root(), b"top", top).unwrap();
        for n in 0..count {
            let folder = writer.directory(&meta).unwrap();
            writer.link(top, format!("{n}").as_bytes(), folder).unwrap();
        }
        image.finish(writer, 0);
        image.check(&format!("{count} subdirectories"));
        let Some(text) = image.debugfs("stat /top") else { return };
        assert!(text.contains(links), "{text}");
    }
}

#[test]
fn names_of_one_hash_may_cross_leaves() {
    // Pairs of names with equal hashes: with so many names in one directory, some pairs are bound to
    // lie on both sides of a border between leaves when names are long.
    let image = Image::new();
    let mut writer = image.writer(Options { hash_seed: [0; 16], ..options() });
    let meta = Meta::root_owned(0o644);
    let top = writer.directory(&meta).unwrap();
    writer.link(writer.root(), b"top", top).unwrap();
    let mut inode = writer.file(&meta, b"").unwrap();
    for n in 0..300_000 {
        if n % 60_000 == 59_999 {
            inode = writer.file(&meta, b"").unwrap();
        }
        let mut name = format!("{n}-").into_bytes();
        name.resize(180, b'n');
        writer.link(top, &name, inode).unwrap();
    }
    image.finish(writer, 0);
    image.check("equal hashes");
    let Some(text) = image.debugfs("htree /top") else { return };
    let hashes = text.lines().filter_map(|line| line.split_once("Hash 0x")?.1.split(',').next());
    let odd =
        hashes.filter(|hash| hash.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f'])).count();
    assert!(odd > 0, "no names of one hash lie on both sides of a border: try other names");
}

#[test]
fn links_end_at_65000() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let root = writer.root();
    let file = writer.file(&Meta::root_owned(0o644), b"x").unwrap();
    for n in 0..65_000 {
        writer.link(root, format!("{n}").as_bytes(), file).unwrap();
    }
    assert_eq!(writer.link_count(file), 65_000);
    let error = writer.link(root, b"more", file).unwrap_err();
    assert!(matches!(error, Error::TooManyLinks { .. }));
    image.finish(writer, 0);
    image.check("65000 links");
}

#[test]
fn large_files_have_trees_of_extents() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let root = writer.root();
    let meta = Meta::root_owned(0o644);
    let mut open = writer.begin().unwrap();
    writer.append_hole(&mut open, 5 * GIB + 17).unwrap();
    writer.append(&mut open, b"end").unwrap();
    let sparse = writer.commit(open, &meta).unwrap();
    writer.link(root, b"sparse", sparse).unwrap();
    let mut open = writer.begin().unwrap();
    let chunk = vec![0x5a; 8 << 20];
    for _ in 0..(5 * GIB + 64 * MIB) / (8 << 20) {
        writer.append(&mut open, &chunk).unwrap();
    }
    let solid = writer.commit(open, &meta).unwrap();
    writer.link(root, b"solid", solid).unwrap();
    // 250,000 extents: a tree of three levels.
    let mut open = writer.begin().unwrap();
    for _ in 0..250_000 {
        writer.append(&mut open, b"data").unwrap();
        writer.append_hole(&mut open, 8188).unwrap();
    }
    let combed = writer.commit(open, &meta).unwrap();
    writer.link(root, b"combed", combed).unwrap();
    let mut read = [9; 6];
    assert_eq!(writer.read_at(sparse, 5 * GIB + 15, &mut read).unwrap(), 5);
    assert_eq!(&read[..5], b"\0\0end");
    assert_eq!(writer.read_at(combed, 8192 * 249_999 - 2, &mut read).unwrap(), 6);
    assert_eq!(&read, b"\0\0data");
    image.finish(writer, 0);
    image.check("large files");
}

#[test]
fn metadata_may_lie_on_both_sides_of_a_head() {
    // Data ends some blocks before the head of group 1; tables, bitmaps, directories and the journal
    // have to go around it.
    for left in [0, 1, 40, 700] {
        let image = Image::new();
        let mut writer = image.writer(options());
        let meta = Meta::root_owned(0o644);
        let top = writer.directory(&Meta::root_owned(0o755)).unwrap();
        writer.link(writer.root(), b"top", top).unwrap();
        let mut open = writer.begin().unwrap();
        let chunk = vec![1; 1 << 20];
        let mut bytes = (32768 - 1025 - left) * 4096;
        while bytes > 0 {
            let now = chunk.len().min(bytes);
            writer.append(&mut open, &chunk[..now]).unwrap();
            bytes -= now;
        }
        let file = writer.commit(open, &meta).unwrap();
        for n in 0..5000 {
            writer.link(top, format!("name-{n}").as_bytes(), file).unwrap();
        }
        image.finish(writer, 0);
        image.check(&format!("{left} blocks left"));
    }
}

#[test]
fn attributes_and_lists_are_read_by_debugfs() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let mut acl = vec![2, 0, 0, 0];
    for (tag, id) in [(1u8, 255u8), (2, 7), (4, 255), (16, 255), (32, 255)] {
        acl.extend_from_slice(&[tag, 0, 5, 0, id, id, id, id]);
    }
    let pairs = [
        (b"security.selinux".to_vec(), b"system_u:object_r:etc_t:s0".to_vec()),
        (b"system.posix_acl_access".to_vec(), acl),
        (b"user.long".to_vec(), vec![b'v'; 3000]),
    ];
    let meta = Meta { xattrs: Xattrs::from_pairs(pairs), ..Meta::root_owned(0o644) };
    for n in 0..3000 {
        let file = writer.file(&meta, b"x").unwrap();
        writer.link(writer.root(), format!("f{n}").as_bytes(), file).unwrap();
    }
    image.finish(writer, 0);
    image.check("attributes");
    let Some(text) = image.debugfs("ea_list /f2999") else { return };
    assert!(text.contains("security.selinux (26) = \"system_u:object_r:etc_t:s0\""), "{text}");
    assert!(text.contains("system.posix_acl_access (28)"), "{text}");
    assert!(text.contains("user.long (3000)"), "{text}");
}

#[test]
fn times_reach_from_1901_to_2446() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let cases =
        [(-5, "1969"), (-2_147_483_648, "1901"), (4_000_000_000, "2096"), (13_569_465_600, "2400")];
    for (secs, year) in cases {
        let mtime = Timestamp { secs, nanos: 999_999_999 };
        let file = writer.file(&Meta { mtime, ..Meta::root_owned(0o644) }, b"x").unwrap();
        writer.link(writer.root(), year.as_bytes(), file).unwrap();
    }
    image.finish(writer, 0);
    image.check("times");
    for (_, year) in cases {
        let Some(text) = image.debugfs(&format!("stat /{year}")) else { return };
        let line = text.lines().find(|line| line.contains("mtime")).unwrap();
        assert!(line.trim_end().ends_with(year), "{text}");
    }
}

#[test]
fn it_grows() {
    for size in [GIB, 12 * GIB] {
        let image = Image::new();
        let mut writer = image.writer(options());
        for n in 0..400 {
            let file = writer.file(&Meta::root_owned(0o644), &[7; 9000]).unwrap();
            writer.link(writer.root(), format!("{n}").as_bytes(), file).unwrap();
        }
        image.finish(writer, size);
        image.resize(2 * size);
        image.resize(1 << 40);
    }
}

#[test]
fn lost_found_may_have_a_label() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let label = |len| Xattrs::from_pairs([(b"security.selinux".to_vec(), vec![b'x'; len])]);
    assert!(matches!(writer.set_lost_found_xattrs(&label(500)), Err(Error::Misuse { .. })));
    writer.set_lost_found_xattrs(&label(30)).unwrap();
    image.finish(writer, GIB);
    image.check("a label of lost+found");
    let shown = image.debugfs("ea_list /lost+found").unwrap_or_default();
    assert!(shown.is_empty() || shown.contains(&"x".repeat(30)), "{shown}");
}

#[test]
fn what_is_forgotten_is_free() {
    let (kept, image) = (Image::new(), Image::new());
    let meta = Meta::root_owned(0o644);
    let bytes = vec![0x5a; 3 << 20];
    let write = |writer: &mut bootc_image::fs::ext4::Writer<_>, name: &[u8]| {
        let file = writer.file(&meta, &bytes).unwrap();
        writer.link(writer.root(), name, file).unwrap();
    };
    let mut plain = kept.writer(options());
    write(&mut plain, b"a");
    write(&mut plain, b"b");
    let plain = kept.finish(plain, GIB);

    let mut writer = image.writer(options());
    write(&mut writer, b"a");
    let large = writer.file(&meta, &bytes).unwrap();
    let small = writer.file(&meta, b"x").unwrap();
    let root = writer.root();
    assert!(matches!(writer.forget(root), Err(Error::Misuse { .. })));
    writer.forget(large).unwrap();
    assert!(matches!(writer.forget(large), Err(Error::Misuse { .. })));
    writer.forget(small).unwrap();
    write(&mut writer, b"b");
    let summary = image.finish(writer, GIB);
    image.check("after forgetting");
    assert_eq!(summary.used_inodes, plain.used_inodes);
    assert_eq!(summary.free_blocks, plain.free_blocks);
    let map = image.debugfs("testi <13>").unwrap_or_default();
    assert!(map.is_empty() || map.contains("not in use"), "{map}");
    let holes = std::fs::read(image.path()).unwrap();
    let found = holes.chunks(4096).filter(|block| *block == [0x5a; 4096]).count();
    assert_eq!(found, 2 * 768, "old bytes are left");
}

#[test]
fn misuse_is_refused() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let root = writer.root();
    let meta = Meta::root_owned(0o755);
    let folder = writer.directory(&meta).unwrap();
    let required = writer.required().unwrap_err();
    assert_eq!(required.to_string(), "inode 1 has no name");
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
        assert!(matches!(writer.link(root, name, folder), Err(Error::BadName { .. })));
    }
    writer.link(root, b"folder", folder).unwrap();
    assert!(matches!(writer.link(root, b"again", folder), Err(Error::Misuse { .. })));
    assert!(matches!(writer.link(folder, b"up", root), Err(Error::Misuse { .. })));
    let open = writer.begin().unwrap();
    assert!(matches!(writer.begin(), Err(Error::FileOpen)));
    writer.abandon(open).unwrap();
    assert!(matches!(writer.symlink(&meta, b""), Err(Error::BadTarget { .. })));
    assert!(matches!(writer.char_device(&meta, 4096, 0), Err(Error::DeviceNumber { .. })));
    let link = writer.symlink(&meta, b"folder").unwrap();
    assert!(matches!(writer.set_immutable(link), Err(Error::Misuse { .. })));
    writer.link(root, b"link", link).unwrap();
    let (a, b) = (writer.directory(&meta).unwrap(), writer.directory(&meta).unwrap());
    writer.link(a, b"b", b).unwrap();
    writer.link(b, b"a", a).unwrap();
    let required = writer.required().unwrap_err();
    assert_eq!(required.to_string(), "inode 3 is not below the root");
}

#[test]
fn a_name_may_be_taken_once() {
    let image = Image::new();
    let mut writer = image.writer(options());
    let file = writer.file(&Meta::root_owned(0o644), b"").unwrap();
    for name in [b"x", b"y", b"x"] {
        writer.link(writer.root(), name, file).unwrap();
    }
    assert!(matches!(writer.required(), Err(Error::DuplicateName { name }) if name == "x"));
}

#[test]
fn sizes_for_another_seed_are_those_of_that_seed() {
    let fill = |hash_seed: [u8; 16]| {
        let image = Image::new();
        let mut writer = image.writer(Options { hash_seed, ..options() });
        let file = writer.file(&Meta::root_owned(0o644), b"").unwrap();
        for directory in 0..2 {
            let made = writer.directory(&Meta::root_owned(0o755)).unwrap();
            writer.link(writer.root(), &[b'a' + directory], made).unwrap();
            for number in 0..2000_usize {
                let name = format!("{number:04}{}", "x".repeat(number * 7 % 250));
                writer.link(made, name.as_bytes(), file).unwrap();
            }
        }
        (image, writer)
    };
    let (_image, writer) = fill([1; 16]);
    let here = writer.required().unwrap();
    let other = (2..200).map(|seed| [seed; 16]);
    let mut other = other.map(|seed| (seed, writer.required_with(&seed).unwrap()));
    let (seed, size) = other.find(|(_, size)| *size != here).expect("the seed matters");
    let (_other, writer) = fill(seed);
    assert_eq!(writer.required().unwrap(), size);
}
