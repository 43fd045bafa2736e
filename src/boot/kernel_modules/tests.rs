use std::io::Write as _;

use super::*;
use crate::files::MemoryFiles;

const FOLDER: &str = "usr/lib/modules/6.12";

/// A kernel whose modules are all there.
fn kernel(dependencies: &str) -> MemoryFiles {
    let modules = dependencies.lines().filter_map(|line| line.split_once(':'));
    modules.fold(with("modules.dep", dependencies, MemoryFiles::default()), |files, (path, _)| {
        with(path, "module", files)
    })
}

fn with(name: &str, content: impl AsRef<[u8]>, files: MemoryFiles) -> MemoryFiles {
    files.with(&format!("{FOLDER}/{name}"), content)
}

fn of(modules: &'static [&'static str]) -> [Group; 1] {
    [Group { purpose: Purpose::Other, modules }]
}

/// The names of the chosen files in order.
fn names(files: &MemoryFiles, modules: &'static [&'static str]) -> String {
    let chosen = choose(files, FOLDER, &of(modules)).unwrap();
    let names: Vec<_> = chosen.modules.iter().map(Module::file_name).collect();
    names.join(" ").replace(".ko", "")
}

fn message(files: &MemoryFiles, modules: &'static [&'static str]) -> String {
    choose(files, FOLDER, &of(modules)).unwrap_err().to_string()
}

#[test]
fn what_is_needed_is_loaded_before() {
    let files = kernel(
        "kernel/a.ko: kernel/b.ko kernel/c.ko\nkernel/b.ko: kernel/c.ko\nkernel/c.ko:\n\
         kernel/d.ko.xz: kernel/c.ko\n\nunused.ko: kernel/a.ko\n",
    );
    assert_eq!(names(&files, &["a"]), "c b a");
    assert_eq!(names(&files, &["d", "a"]), "c d b a");
    assert_eq!(names(&files, &["c", "d"]), "c d");
    assert_eq!(names(&files, &[]), "");
}

#[test]
fn modules_are_told_as_the_image_has_them() {
    let files = kernel("kernel/a-b.ko.zst: kernel/c.ko.gz\nkernel/c.ko.gz:\nkernel/d.ko:\n");
    let files = with("kernel/d.ko", "sixteen bytes at", files);
    let chosen = choose(&files, FOLDER, &of(&["a_b", "d"])).unwrap();
    let module = |path: &str, len_bytes, compression| Module {
        path: path.to_owned(),
        source: format!("{FOLDER}/{path}"),
        len_bytes,
        compression,
    };
    let expected = [
        module("kernel/c.ko.gz", 6, Some(Compression::Gzip)),
        module("kernel/a-b.ko.zst", 6, Some(Compression::Zstd)),
        module("kernel/d.ko", 16, None),
    ];
    assert_eq!(chosen.modules, expected);
    assert_eq!(chosen.list("/modules"), "/modules/c.ko\n/modules/a-b.ko\n/modules/d.ko\n");
}

#[test]
fn links_in_the_image_are_followed() {
    let files = kernel("kernel/a.ko:\n")
        .with("usr/lib/real/b.ko.xz", "four")
        .with_link(&format!("{FOLDER}/extra"), "../../real");
    let files = with("modules.dep", "extra/b.ko.xz:\n", files);
    let chosen = choose(&files, FOLDER, &of(&["b"])).unwrap();
    assert_eq!(chosen.modules[0].source, "usr/lib/real/b.ko.xz");
    assert_eq!(chosen.modules[0].len_bytes, 4);
}

#[test]
fn built_in_and_missing_ones_are_told_apart() {
    let files = kernel("kernel/virtio-net.ko:\nkernel/both.ko:\n");
    let builtin = b"kernel/virtio-blk.ko\nodd\n\xFF.ko\nkernel/both.ko\n";
    let files = with("modules.builtin", builtin, files);
    let wanted = [
        Group { purpose: Purpose::Disks, modules: &["virtio_blk", "nvme"] },
        Group { purpose: Purpose::Network, modules: &["virtio_net", "both"] },
        Group { purpose: Purpose::Medium, modules: &["isofs"] },
    ];
    let chosen = choose(&files, FOLDER, &wanted).unwrap();
    assert_eq!(chosen.list("m"), "m/virtio-net.ko\nm/both.ko\n");
    assert_eq!(chosen.built_in, ["virtio_blk"]);
    assert_eq!(chosen.missing, ["nvme", "isofs"]);
    assert!(chosen.serves(Purpose::Disks) && chosen.serves(Purpose::Network));
    assert!(!chosen.serves(Purpose::Medium) && !chosen.serves(Purpose::Keyboards));
}

#[test]
fn what_is_better_loaded_is() {
    let files = kernel("a.ko: b.ko\nb.ko:\nc.ko: d.ko\nd.ko:\ne-f.ko:\n");
    let soft = b"# softdep b pre: e_f\nsoftdep a b c pre: c absent in-kernel post: e_f\n\
                softdep d\nsoftdep\nsoftdep d pre:\n\xFF softdep b pre: c\n";
    let files = with("modules.softdep", soft, files);
    let files = with("modules.builtin", "kernel/in-kernel.ko\n", files);
    assert_eq!(names(&files, &["a"]), "b d c a e-f");
    assert_eq!(names(&files, &["e_f", "a"]), "b d c a e-f");
    assert_eq!(names(&files, &["c", "b"]), "d c b");
}

#[test]
fn soft_dependencies_may_name_aliases() {
    let files = kernel("a.ko:\nx-intel.ko:\nx-generic.ko:\n");
    let files = with("modules.softdep", "softdep a pre: crypto-x\n", files);
    let aliases = "# alias\nalias crypto_x x_intel\nalias crypto-* a\nalias crypto-x absent\n\
                   alias crypto-x\nalias crypto-x x-generic\n";
    let files = with("modules.alias", aliases, files);
    let files = with("modules.builtin", "kernel/crypto-x.ko\n", files);
    assert_eq!(names(&files, &["a"]), "x-intel x-generic a");
}

#[test]
fn soft_dependencies_give_way() {
    let circle =
        with("modules.softdep", "softdep a pre: b\nsoftdep b pre: a\n", kernel("a.ko:\nb.ko:\n"));
    assert_eq!(names(&circle, &["b"]), "b a");
    let contrary = with("modules.softdep", "softdep a pre: b\n", kernel("a.ko:\nb.ko: a.ko\n"));
    assert_eq!(names(&contrary, &["a"]), "a b");
    let itself = with("modules.softdep", "softdep a pre: a post: a\n", kernel("a.ko:\n"));
    assert_eq!(names(&itself, &["a"]), "a");
}

#[test]
fn modules_that_need_each_other_are_an_error() {
    let files = kernel("a.ko: b.ko\nb.ko: c.ko\nc.ko: b.ko\nd.ko:\n");
    let list = format!("{FOLDER}/modules.dep");
    assert_eq!(
        message(&files, &["a"]),
        format!("in `{list}` modules need each other in a circle: b, c")
    );
    assert_eq!(names(&files, &["d"]), "d");
    assert!(message(&kernel("a.ko: a.ko\n"), &["a"]).ends_with("circle: a"));
}

#[test]
fn a_kernel_without_its_modules_is_an_error() {
    let none = MemoryFiles::default();
    let list = format!("{FOLDER}/modules.dep");
    assert_eq!(
        message(&none, &["a"]),
        format!("the kernel has no list of its modules: no `{list}`")
    );
    let absent = with("modules.dep", "a.ko:\n", MemoryFiles::default());
    assert_eq!(
        message(&absent, &["a"]),
        format!("the kernel's module `{FOLDER}/a.ko` is listed, but there is no such file")
    );
    assert_eq!(names(&absent, &["b"]), "");
}

#[test]
fn hostile_lines_are_errors() {
    let error = |text: &[u8], problem: &str| {
        let files = with("modules.dep", text, kernel("a.ko:\n"));
        let found = message(&files, &["a"]);
        assert_eq!(found, format!("`{FOLDER}/modules.dep` {problem}"));
    };
    error(b"\nodd\n", "line 2: not a module and what it needs: \"odd\"");
    error(b"\xFFa.ko:\n", "line 1: not UTF-8: \"\u{FFFD}a.ko:\"");
    let outside = "no path inside the folder";
    for path in ["/a.ko", "../a.ko", "x/../a.ko", "./a.ko", "x//a.ko", ""] {
        error(format!("{path}:\n").as_bytes(), &format!("line 1: {outside}: {path:?}"));
    }
    error(b"a.ko: ../b.ko\n", &format!("line 1: {outside}: \"../b.ko\""));
    let long = "x/".repeat(600);
    error(
        format!("{long}a.ko:\n").as_bytes(),
        &format!("line 1: {outside}: {:?}", "x/".repeat(40)),
    );
    error(b"a b.ko:\n", "line 1: a path with blanks or control characters: \"a b.ko\"");
    error(b"a\x07.ko:\n", "line 1: a path with blanks or control characters: \"a\\u{7}.ko\"");
    for path in ["a", "a.xz", ".ko", "a.ko.bz2", "a.ko.ko", ".ko.xz", "a.ko.xz.gz", "a.kox"] {
        let problem = "not a module: neither `.ko` nor `.ko.gz`, `.ko.xz` or `.ko.zst`";
        error(format!("{path}:\n").as_bytes(), &format!("line 1: {problem}: {path:?}"));
    }
    error(b"a.ko:\nx/a.ko.xz:\n", "line 2: a module that was listed before: \"x/a.ko.xz\"");
    error(b"a.ko: b.ko\n", "line 1: a needed module that is not listed: \"b.ko\"");
    let many = format!("a.ko:{}\n", " a.ko".repeat(1025));
    error(many.as_bytes(), "line 1: a module that needs too many others: \"a.ko\"");
    let lines: String = (0..65_537).map(|number| format!("{number}.ko:\n")).collect();
    error(lines.as_bytes(), "lists more than 65536 modules");
}

#[test]
fn long_ways_are_walked_and_endless_ones_are_not() {
    let chain = |len: usize| {
        let lines = (0..len).map(|number| format!("m{number}.ko: m{}.ko\n", number + 1));
        with(
            "modules.dep",
            lines.collect::<String>() + &format!("m{len}.ko:\n"),
            MemoryFiles::default(),
        )
    };
    let files = chain(2046);
    let absent = message(&files, &["m0"]);
    assert!(absent.contains("m2046.ko` is listed"), "{absent}");
    let found = message(&chain(2048), &["m0"]);
    assert!(found.starts_with("what an installer needs leads to more than 2048"), "{found}");
}

#[test]
fn lists_are_no_longer_than_any_are() {
    for (name, limit) in [
        ("modules.dep", 16 << 20),
        ("modules.builtin", 1 << 20),
        ("modules.softdep", 256 << 10),
        ("modules.alias", 8 << 20),
    ] {
        let files = with(name, vec![b'\n'; limit + 1], kernel("a.ko:\n"));
        assert!(message(&files, &["a"]).contains("more than the"), "{name}");
    }
}

#[test]
fn what_is_wanted_is_so_once() {
    let names: Vec<_> = WANTED.iter().flat_map(|group| group.modules).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(names.iter().all(|name| !name.contains('-')));
}

fn module(compression: Option<Compression>) -> Module {
    Module { path: "a.ko".to_owned(), source: "a.ko".to_owned(), len_bytes: 0, compression }
}

fn packed(bytes: &[u8]) -> [(Option<Compression>, Vec<u8>); 4] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(bytes).unwrap();
    let zstd = zstd::encode_all(bytes, 1).unwrap();
    [
        (None, bytes.to_vec()),
        (Some(Compression::Gzip), gzip.finish().unwrap()),
        (Some(Compression::Xz), xz.finish().unwrap()),
        (Some(Compression::Zstd), zstd),
    ]
}

#[test]
fn modules_are_unpacked() {
    let content = [b"\x7FELF".as_slice(), &[7; 200_000]].concat();
    for (compression, packed) in packed(&content) {
        let mut out = Vec::new();
        let len = module(compression).unpack(packed.as_slice(), &mut out).unwrap();
        assert_eq!((len, &out), (200_004, &content));
        let len = module(compression).unpack(packed.as_slice(), &mut std::io::sink()).unwrap();
        assert_eq!(len, 200_004);
    }
}

#[test]
fn what_is_no_module_is_an_error() {
    for content in [&b"\x7FEL"[..], b"", b"\x7FELf and more"] {
        for (compression, packed) in packed(content) {
            let result = module(compression).unpack(packed.as_slice(), &mut Vec::new());
            assert!(matches!(result, Err(KernelModulesError::NotElf { .. })), "{compression:?}");
        }
    }
    let content = [b"\x7FELF".as_slice(), &[7; 5000]].concat();
    for (compression, packed) in packed(&content).into_iter().skip(1) {
        let cut = module(compression).unpack(&packed[..packed.len() - 9], &mut Vec::new());
        let message = cut.unwrap_err().to_string();
        assert_eq!(message, "unpacking the kernel's module `a.ko`");
        let other = module(compression).unpack(content.as_slice(), &mut Vec::new());
        assert!(matches!(other, Err(KernelModulesError::Unpack { .. })), "{compression:?}");
        let full = module(compression).unpack(packed.as_slice(), &mut &mut [0; 100][..]);
        assert!(matches!(full, Err(KernelModulesError::Write { .. })), "{compression:?}");
    }
}

#[test]
fn nothing_unpacks_without_end() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(b"\x7FELF").unwrap();
    for _ in 0..257 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let result = module(Some(Compression::Zstd)).unpack(bomb.as_slice(), &mut std::io::sink());
    let message = result.unwrap_err().to_string();
    assert_eq!(
        message,
        "the kernel's module `a.ko` has more than the 268435456 bytes that any has"
    );
}

#[test]
fn a_window_is_no_larger_than_the_kernels() {
    // a frame of one block, which is stored: after the magic number its flags and its window
    let unpacked = |log: u8| {
        let window = [(log - 10) << 3];
        let frame = [&b"\x28\xB5\x2F\xFD\0"[..], &window, b"\x21\0\0\x7FELF"].concat();
        module(Some(Compression::Zstd)).unpack(frame.as_slice(), &mut std::io::sink())
    };
    assert_eq!(unpacked(27).unwrap(), 4);
    assert!(matches!(unpacked(28), Err(KernelModulesError::Unpack { .. })));
}
