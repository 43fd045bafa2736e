use proptest::prelude::*;

use super::*;

fn kargs(line: &str) -> Result<Wishes, String> {
    from_kargs(line.as_bytes()).map_err(|error| error.to_string())
}

fn path(path: &str) -> Target {
    Target::Path(path.to_owned())
}

#[test]
fn kernel_arguments_are_read_with_their_quotes() {
    let all = kargs(
        "BOOT_IMAGE=/vmlinuz quiet bootc-image.install.target=/dev/vda \
         bootc-image.install.unattended bootc-image.install.wipe=1 bootc-image.install.ids=derived \
         bootc-image.install.then=shell bootc-image.install.debug=no \
         bootc-image.install.config=https://x/y.toml?a=b\n",
    );
    let expected = Wishes {
        target: Some(path("/dev/vda")),
        unattended: Some(true),
        wipe: Some(true),
        ids: Some(Ids::Derived),
        then: Some(Then::Shell),
        saved: None,
        debug: Some(false),
        config: Some("https://x/y.toml?a=b".to_owned()),
    };
    assert_eq!(all, Ok(expected));

    let serial = Some(Target::Serial("A B".to_owned()));
    for (line, target) in [
        ("bootc-image.install.target=\"serial:A B\"", serial.clone()),
        ("\"bootc-image.install.target=serial:A B\"", serial.clone()),
        ("bootc_image.install.target=\"serial:A B", serial.clone()),
        ("x=\"bootc-image.install.target=only\" y", None),
        ("\"x bootc-image.install.target=only\"", None),
        (
            "bootc-image.install.target=only bootc-image.install.target=smallest",
            Some(Target::Smallest),
        ),
        ("bootc-image.install.target=only\0", Some(Target::Only)),
        ("bootc-image.installer=x bootc-image.other=1 target=only", None),
        ("", None),
    ] {
        assert_eq!(kargs(line).unwrap().target, target, "{line}");
    }
}

#[test]
fn an_argument_that_is_not_understood_is_an_error() {
    for (line, expected) in [
        (
            "quiet bootc-image.install.targt=x",
            "kernel argument `bootc-image.install.targt=x`: unknown key; did you mean `target`?",
        ),
        (
            "bootc-image.install.saved=x",
            "kernel argument `bootc-image.install.saved=x`: unknown key",
        ),
        (
            "bootc-image.install.target",
            "kernel argument `bootc-image.install.target`: has no value",
        ),
        (
            "bootc-image.install.config=",
            "kernel argument `bootc-image.install.config=`: has no value",
        ),
        (
            "bootc-image.install.wipe=maybe",
            "kernel argument `bootc-image.install.wipe=maybe`: is neither true nor false",
        ),
        (
            "bootc-image.install.then=halt",
            "kernel argument `bootc-image.install.then=halt`: `halt` is none of reboot, poweroff, \
             shell",
        ),
    ] {
        assert_eq!(kargs(line), Err(expected.to_owned()));
    }
    assert!(kargs("bootc-image.install.target=vda").unwrap_err().contains("neither a path"));
    assert!(from_kargs(&vec![b'x'; 100_000]).is_err());
}

#[test]
fn the_stronger_source_wins_key_by_key() {
    let arguments = kargs("bootc-image.install.target=only bootc-image.install.wipe=0").unwrap();
    let file = Wishes {
        target: Some(path("/dev/vda")),
        wipe: Some(true),
        then: Some(Then::Shell),
        ..Wishes::default()
    };
    let decided = arguments.or(file).settle().unwrap();
    let expected = Decisions {
        target: Some(Target::Only),
        is_unattended: false,
        may_wipe: false,
        ids: Ids::Random,
        then: Then::Shell,
        saved: Vec::new(),
        is_debug: false,
    };
    assert_eq!(decided, expected);
    let unattended = kargs("bootc-image.install.unattended").unwrap();
    let error = unattended.clone().settle().unwrap_err();
    assert!(error.to_string().contains("needs a `target`"), "{error}");
    let target = Wishes { target: Some(Target::Largest), ..Wishes::default() };
    assert!(unattended.or(target).settle().unwrap().is_unattended);
}

proptest! {
    #[test]
    fn arguments_never_panic(line in "(bootc.image\\.install\\.|\"| |=|[a-z/]{1,9}){0,20}") {
        let _ = from_kargs(line.as_bytes());
    }
}
