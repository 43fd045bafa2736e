use clap::Parser as _;

use super::*;
use crate::cli::args::{Args, Command};
use crate::pipeline::Qcow2Compression;
use crate::plan::size::SizeRequest;
use crate::units::{ByteLen, GIB, SectorSize};

fn around() -> Surroundings {
    Surroundings { host_arch: Some(Arch::Aarch64), processors: 3, ..Surroundings::default() }
}

fn meant_with(around: &Surroundings, words: &[&str]) -> Result<Request, RequestError> {
    let command = ["bootc-image", "build", "r.example/os:1"];
    let args = Args::try_parse_from(command.iter().chain(words)).expect("clap takes the words");
    match args.command {
        Command::Build(args) => request(&args, around),
        other => panic!("{other:?}"),
    }
}

fn meant(words: &[&str]) -> Request {
    meant_with(&around(), words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn refused(words: &[&str]) -> String {
    let error = meant_with(&around(), words).expect_err(&words.join(" "));
    assert!(error.is_usage(), "{error:?}");
    let source = std::error::Error::source(&error);
    source.map_or(error.to_string(), |source| format!("{error}: {source}"))
}

#[test]
fn nothing_typed_means_the_defaults() {
    let request = meant(&[]);
    assert_eq!(request.source.to_string(), "r.example/os:1");
    assert_eq!(request.source_text, "r.example/os:1");
    assert_eq!(request.arch, Arch::Aarch64);
    assert_eq!(request.target, None);
    assert_eq!(request.types, [DiskType::Qcow2]);
    assert_eq!(request.output, PathBuf::from("."));
    assert_eq!(request.size, SizeRequest::Auto);
    assert_eq!((request.sector_size, request.bios), (SectorSize::B512, Bios::Auto));
    assert!(!request.explicit_rootfs);
    assert!(request.kargs.is_empty() && request.karg_deletes.is_empty());
    assert_eq!(request.root_ssh_authorized_keys, None);
    assert_eq!(request.stateroot, None);
    assert_eq!(request.ids, Ids::Derived);
    assert_eq!(request.qcow2_compression, Qcow2Compression::Deflate);
    assert_eq!(request.boot_loader, crate::pipeline::BootLoader::FromImage);
    assert_eq!(request.source_date_epoch, None);
    assert_eq!(request.threads, 3);
    assert_eq!(request.authfile, None);
    assert!(request.tls_verify);
}

#[test]
fn types_keep_their_order_and_lose_repetitions() {
    use DiskType::{Qcow2, Raw};
    let cases: [(&[&str], &[DiskType]); 4] = [
        (&["--type", "raw"], &[Raw]),
        (&["--type=raw,qcow2"], &[Raw, Qcow2]),
        (&["--type=qcow2", "--type", "raw"], &[Qcow2, Raw]),
        (&["--type=raw,qcow2,raw", "--type=qcow2"], &[Raw, Qcow2]),
    ];
    for (words, expected) in cases {
        assert_eq!(meant(words).types, expected, "{words:?}");
    }
}

#[test]
fn bios_is_demanded_only_where_there_is_one() {
    let x86 = |words: &[&str]| meant(&[&["--arch", "amd64"], words].concat());
    assert_eq!(x86(&["--bios", "on"]).bios, Bios::On);
    assert_eq!(x86(&["--bios", "off"]).bios, Bios::Off);
    let large = x86(&["--sector-size", "4096"]);
    assert_eq!((large.sector_size, large.bios), (SectorSize::B4096, Bios::Auto));
    assert_eq!(meant(&["--arch", "arm64", "--bios", "off"]).bios, Bios::Off);

    let large = refused(&["--arch=amd64", "--bios=on", "--sector-size=4096"]);
    assert!(large.contains("sectors of 512 bytes"), "{large}");
    assert!(refused(&["--arch=arm64", "--bios=on"]).contains("have none"));
}

#[test]
fn architectures_have_two_names() {
    for (word, expected) in [
        ("amd64", Arch::X86_64),
        ("x86_64", Arch::X86_64),
        ("arm64", Arch::Aarch64),
        ("aarch64", Arch::Aarch64),
    ] {
        assert_eq!(meant(&["--arch", word]).arch, expected, "{word}");
    }
    let elsewhere = Surroundings { host_arch: None, ..around() };
    assert!(matches!(meant_with(&elsewhere, &[]), Err(RequestError::HostArch(_))));
    assert!(meant_with(&elsewhere, &["--arch=amd64"]).is_ok());
}

#[test]
fn every_option_arrives() {
    let request = meant(&[
        "--rootfs=ext4",
        "--size=12G",
        "--output=out",
        "--target-imgref=r.example/other:2",
        "--karg=console=ttyS0,115200",
        "--karg=a b",
        "--karg-delete=quiet",
        "--stateroot=os",
        "--qcow2-compression=zstd",
        "--authfile=auth.json",
        "--tls-verify=false",
        "--threads=7",
    ]);
    assert!(request.explicit_rootfs);
    assert_eq!(request.size, SizeRequest::Exact(ByteLen(12 * GIB)));
    assert_eq!(request.output, PathBuf::from("out"));
    assert_eq!(request.target, TargetRef::parse("r.example/other:2").ok());
    assert_eq!(request.kargs, ["console=ttyS0,115200", "a b"]);
    assert_eq!(request.karg_deletes, ["quiet"]);
    assert_eq!(request.stateroot.as_deref(), Some("os"));
    assert_eq!(request.qcow2_compression, Qcow2Compression::Zstd);
    assert_eq!(request.authfile, Some(PathBuf::from("auth.json")));
    assert!(!request.tls_verify);
    assert_eq!(request.threads, 7);
}

#[test]
fn an_installer_is_the_program_that_runs_unless_told() {
    let here = Surroundings { program: Some("/bin/us".into()), ..around() };
    let meant = |words: &[&str]| meant_with(&here, &[&["--type=iso"], words].concat());
    let installer = meant(&[]).unwrap().installer;
    assert_eq!(installer.program, Some(PathBuf::from("/bin/us")));
    assert!(installer.volume_id.is_none() && installer.config.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("--installer-config={}", path.display())
    };
    let good = "[install]\ntarget = \"smallest\"\n[customizations]\nhostname = \"h\"\n";
    let words = [&*file("install.toml", good), "--volume-id=OS-1", "--installer-binary=/x"];
    let installer = meant(&words).unwrap().installer;
    assert_eq!(installer.config, good.as_bytes());
    assert_eq!(installer.volume_id.unwrap().as_str(), "OS-1");
    assert_eq!(installer.program, Some(PathBuf::from("/x")));

    for wrong in ["[install]\ntarget = 1\n", "[customizations]\nhostnam = \"h\"\n", "["] {
        let error = meant(&[&file("wrong.toml", wrong)]).unwrap_err();
        assert!(
            matches!(error, RequestError::Installer(_)) && !error.is_usage(),
            "{wrong}: {error}"
        );
    }
    let missing = meant(&["--installer-config=/nowhere/x.toml"]).unwrap_err();
    assert_eq!(missing.to_string(), "reading `/nowhere/x.toml`");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&[&str], &str); 20] = [
        (&["--boot-iso=/x", "--type=iso"], "`--boot-iso` without `--type anaconda-iso`"),
        (&["--type=anaconda-iso"], "`--type anaconda-iso` without `--boot-iso`"),
        (&["--type=iso,anaconda-iso", "--boot-iso=/x"], "in one run: both would be"),
        (&["--volume-id=X"], "`--volume-id` without `--type iso`: there is no installer"),
        (&["--installer-config=/x", "--type=raw"], "`--installer-config` without `--type iso`"),
        (&["--installer-binary=/x"], "`--installer-binary` without `--type iso`"),
        (
            &["--type=iso", "--volume-id=a b"],
            "reading `--volume-id`: volume id `a b`: it has other",
        ),
        (&["--rootfs=xfs"], "not supported yet: `--rootfs xfs`"),
        (&["--rootfs=btrfs"], "not supported yet: `--rootfs btrfs`"),
        (&["--size=10 gigs"], "reading `--size`: `10 gigs` is no size"),
        (&["--target-imgref=os"], "reading `--target-imgref`: `os` does not say which registry"),
        (&["--karg=a\nb"], "`--karg a\\nb`: the argument contains a line break"),
        (&["--karg=a=\"b c"], "`--karg a=\\\"b c`: the argument has a quote that is not closed"),
        (&["--karg-delete="], "`--karg-delete `: the argument is empty"),
        (&["--karg=a\0b"], "`--karg a\\0b`: the argument contains a NUL"),
        (&["--stateroot=a/b"], "`--stateroot a/b`: the name contains a slash"),
        (&["--stateroot="], "the name is empty"),
        (&["--stateroot=.."], "`--stateroot ..`: the name is none"),
        (&["--stateroot=."], "`--stateroot .`: the name is none"),
        (&["--stateroot=a b"], "contains a space"),
    ];
    for (words, expected) in cases {
        let text = refused(words);
        assert!(text.contains(expected), "{words:?}: {text}");
    }
}

#[test]
fn random_ids_differ() {
    let ids = || meant(&["--ids=random"]).ids;
    assert!(matches!(ids(), Ids::Random(_)));
    assert_ne!(ids(), ids());
}

#[test]
fn the_epoch_is_a_whole_number() {
    let of = |text: &str| {
        let around = Surroundings { source_date_epoch: Some(text.into()), ..around() };
        meant_with(&around, &[]).map(|request| request.source_date_epoch)
    };
    assert_eq!(of("1700000000").unwrap(), Some(1_700_000_000));
    assert_eq!(of("0").unwrap(), Some(0));
    for text in ["", "-1", "+1", "1.5", "now", " 1", "9223372036854775808"] {
        assert!(matches!(of(text), Err(RequestError::SourceDateEpoch(_))), "{text}");
    }
}

#[test]
fn keys_are_read_from_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let option = format!("--root-ssh-authorized-keys={}", path.display());
    let missing = meant_with(&around(), &[&option]).unwrap_err();
    assert!(matches!(missing, RequestError::Keys { .. }) && !missing.is_usage());
    std::fs::write(&path, "ssh-ed25519 AAAA me\n").unwrap();
    let keys = meant(&[&option]).root_ssh_authorized_keys;
    assert_eq!(keys.as_deref(), Some(&b"ssh-ed25519 AAAA me\n"[..]));
    std::fs::write(&path, "# mine\nfrom=\"10.0.0.1\" ecdsa-sha2-nistp256 AAAA\n").unwrap();
    assert!(meant_with(&around(), &[&option]).is_ok());
    std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\nssh-rsa\n").unwrap();
    assert!(matches!(meant_with(&around(), &[&option]), Err(RequestError::PrivateKey(_))));
    for text in ["", "host.example\n", "# ssh-rsa AAAA\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(meant_with(&around(), &[&option]), Err(RequestError::NoKeys(_))));
    }
    File::create(&path).unwrap().set_len(KEYS_LIMIT_BYTES + 1).unwrap();
    assert!(matches!(meant_with(&around(), &[&option]), Err(RequestError::KeysTooLarge(_))));
}
