use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Parsed {
    parse("install.toml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: impl AsRef<[u8]>) -> String {
    parse("install.toml", text.as_ref()).unwrap_err().to_string()
}

fn kargs(line: &str) -> Result<Wishes, String> {
    from_kargs(line.as_bytes()).map_err(|error| error.to_string())
}

fn path(path: &str) -> Target {
    Target::Path(path.to_owned())
}

#[test]
fn a_file_says_all_it_can() {
    let text = "[install]\ntarget = \"/dev/vda\"\nunattended = true\nwipe = false\n\
                ids = \"derived\"\nthen = \"poweroff\"\nsaved = [\"data*\", \"h?me\"]\ndebug = true\n";
    let parsed = read(text);
    let expected = Wishes {
        target: Some(path("/dev/vda")),
        unattended: Some(true),
        wipe: Some(false),
        ids: Some(Ids::Derived),
        then: Some(Then::PowerOff),
        saved: Some(vec![Glob::parse("data*").unwrap(), Glob::parse("h?me").unwrap()]),
        debug: Some(true),
        config: None,
    };
    assert_eq!(parsed.wishes, expected);
    assert_eq!(parsed.blueprint.trim(), "");
    assert_eq!(read("").wishes, Wishes::default());
}

#[test]
fn a_target_is_a_word_or_a_table() {
    let serial = |text: &str| Target::Serial(text.to_owned());
    for (text, target) in [
        ("target = \"only\"", Target::Only),
        ("target = \"largest\"", Target::Largest),
        ("target = \"serial:S 1\"", serial("S 1")),
        ("target = { serial = \"S 1\" }", serial("S 1")),
        ("target = { path = \"/dev/disk/by-id/x\" }", path("/dev/disk/by-id/x")),
        ("target.serial = \"S\"", serial("S")),
        ("[install.target]\nserial = \"S\"", serial("S")),
    ] {
        assert_eq!(read(&format!("[install]\n{text}\n")).wishes.target, Some(target), "{text}");
    }
}

#[test]
fn the_rest_keeps_its_lines() {
    let text = "# mine\nname = \"x\"\n[install] # ours\ntarget = \"only\"\nsaved = [\n\
                \"a\", # one\n\"b\",\n]\n\n[[customizations.user]]\nname = \"install\" # [install]\n\
                key = '''\n[install]\n'''\n[install.target]\n";
    // a target twice is no TOML
    assert!(error(text).contains("duplicate key"), "{}", error(text));
    let text = text.strip_suffix("[install.target]\n").unwrap();
    let expected = "# mine\nname = \"x\"\n\n\n\n\n\n\n\n[[customizations.user]]\n\
                    name = \"install\" # [install]\nkey = '''\n[install]\n'''\n";
    assert_eq!(read(text).blueprint, expected);

    for ours in [
        "install.target = \"only\"\ninstall.wipe = true",
        "install = { target = \"only\", wipe = true }",
        "\"install\" = { wipe = true,\n target.serial = \"x\" }",
        "[install.target]\nserial = \"x\"\n[install]\nwipe = true",
        "[install]\n[install.target]\nserial = '''x'''",
        "['install']\n'saved' = [\n\n]",
        "[install]",
    ] {
        let parsed = read(&format!("{ours}\n[customizations]\nhostname = \"h\"\n"));
        let empty = "\n".repeat(ours.matches('\n').count() + 1);
        assert_eq!(
            parsed.blueprint,
            format!("{empty}[customizations]\nhostname = \"h\"\n"),
            "{ours}"
        );
    }
    let windows = "[install]\r\nwipe = true\r\n[customizations]\r\nhostname = \"h\"\r\n";
    assert_eq!(read(windows).blueprint, "\n\n[customizations]\r\nhostname = \"h\"\r\n");
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    let text = "[install]\ntarget = \"vda\"\nunattend = true\nwipe = \"yes\"\nids = \"fresh\"\n\
                then = 1\nsaved = [\"\", 2]\nkargs = []\n";
    assert_eq!(
        error(text),
        "`install.toml` has 8 problems\n\
         line 2: `install.target`: `vda` is neither a path like `/dev/vda`, nor `serial:…`, \
         `only`, `smallest` or `largest`\n\
         line 3: `install.unattend`: unknown key; did you mean `unattended`?\n\
         line 4: `install.wipe`: expected true or false, found a string\n\
         line 5: `install.ids`: `fresh` is none of random, derived\n\
         line 6: `install.then`: expected a string, found a number\n\
         line 7: `install.saved[0]`: `` is no pattern of labels: 1 to 80 characters\n\
         line 7: `install.saved[1]`: expected a string, found a number\n\
         line 8: `install.kargs`: unknown key"
    );
    for (text, expected) in [
        ("[instal]\n", "`install.toml` line 1: `instal`: unknown key; did you mean `install`?"),
        ("install = 1\n", "`install.toml` line 1: `install`: expected a table, found a number"),
        ("[[install]]\n", "`install.toml` line 1: `install`: expected a table, found a list"),
        ("\n[install]\nwipe = \n", "`install.toml` line 3: string values must be quoted"),
        (
            "[install]\ntarget = { path = \"only\" }\n",
            "`install.toml` line 2: `install.target.path`: `only` is no path like `/dev/vda`",
        ),
        (
            "[install]\ntarget = { serail = \"only\" }\n",
            "`install.toml` line 2: `install.target.serail`: unknown key; did you mean `serial`?",
        ),
        (
            "[install]\ntarget = { serial = \"x\", path = \"/dev/x\" }\n",
            "`install.toml` line 2: `install.target`: takes either `path` or `serial`",
        ),
        (
            "[install]\ntarget = {}\n",
            "`install.toml` line 2: `install.target`: takes either `path` or `serial`",
        ),
    ] {
        let told = error(text);
        assert!(told.starts_with(&expected[..expected.len().min(24)]), "{told}");
        if !expected.contains("quoted") {
            assert_eq!(told, expected);
        }
    }
    assert_eq!(error(b"[install]\nx = \"\xff\""), "`install.toml` line 2: not UTF-8");
    assert!(error(vec![b'#'; (4 << 20) + 1]).contains("longer than"));
    let many =
        (0..200).fold("[install]\n".to_owned(), |text, index| text + &format!("k{index} = 1\n"));
    assert!(error(&many).starts_with("`install.toml` has 50 problems"));
    let saved = format!("[install]\nsaved = [{}]\n", "\"x\",".repeat(200));
    assert!(error(&saved).contains("has more than 128 items"));
}

#[test]
fn deep_files_are_refused_and_strings_are_not_deep() {
    let deep = [
        format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("x = 'a'\n# [\n{}", "y = [[[[[[[[[[[[[[[[[ 1"),
    ];
    for text in deep {
        assert!(error(&text).contains("nested more than 16 levels deep"), "{}", &text[..40]);
    }
    let braces = "[".repeat(100);
    let dots = ".".repeat(100);
    for text in [
        format!("a = \"{braces}\\\"{dots}\" # {braces}{dots}\n"),
        format!("a = '{braces}\\'\nb = \"\"\"\n{dots}\"{braces}\"\"\"\nc = '''\n{dots}\n'''\n"),
        format!("a = [\n{}]\n", "  1.5,\n".repeat(100)),
        "[[a]]\nb.c.d = { e = [1, 2] }\n".repeat(50),
        format!("a = \"\"\"x\"\"\"\"\"\nb = '''{braces}''''\n"),
    ] {
        assert_eq!(read(&text).blueprint, text);
    }
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
    let file = read("[install]\ntarget = \"/dev/vda\"\nwipe = true\nthen = \"shell\"\n").wishes;
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
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_install(&noise);
    }

    #[test]
    fn lines_like_ours_are_too(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "[install]", "install.wipe = true", "wipe = true", "target = \"only\"", "saved = [",
                "\"x\",", "]", "[install.target]", "serial = '''", "'''", "[[customizations.user]]",
                "name = \"\"\"", "\"\"\"", "# [install]", "install = { wipe = true }", "x.y = {",
                "a = 1, }", "", "[customizations]",
            ]),
            0..8,
        ),
        separator in prop::sample::select(vec!["\n", "\r\n", " "]),
    ) {
        let text = lines.join(separator);
        fuzz_install(text.as_bytes());
    }

    #[test]
    fn arguments_never_panic(line in "(bootc.image\\.install\\.|\"| |=|[a-z/]{1,9}){0,20}") {
        let _ = from_kargs(line.as_bytes());
    }
}
