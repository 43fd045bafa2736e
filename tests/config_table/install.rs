//! `install.toml`: good ones with what they say, wrong ones with what is said about them.

use bootc_image::config::blueprint::{Blueprint, BlueprintError, InstallFile};
use bootc_image::settings::install::{Glob, Ids, Target, Then, Wishes};
use proptest::prelude::*;

fn parse(text: impl AsRef<[u8]>) -> Result<InstallFile, BlueprintError> {
    InstallFile::parse("install.toml", text.as_ref())
}

fn read(text: &str) -> InstallFile {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: impl AsRef<[u8]>) -> String {
    parse(text).unwrap_err().to_string()
}

fn path(path: &str) -> Target {
    Target::Path(path.to_owned())
}

#[test]
fn a_file_says_all_it_can() {
    let text = "[install]\ntarget = \"/dev/vda\"\nunattended = true\nwipe = false\n\
                ids = \"derived\"\nthen = \"poweroff\"\nsaved = [\"data*\", \"h?me\"]\ndebug = true\n";
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
    assert_eq!(read(text), InstallFile { install: expected, ..InstallFile::default() });
    assert_eq!(read(""), InstallFile::default());
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
        assert_eq!(read(&format!("[install]\n{text}\n")).install.target, Some(target), "{text}");
    }
}

#[test]
fn the_rest_is_a_blueprint() {
    for ours in [
        "install.target = \"only\"\ninstall.wipe = true",
        "install = { target = \"only\", wipe = true }",
        "\"install\" = { wipe = true,\n target.serial = \"x\" }",
        "[install.target]\nserial = \"x\"\n[install]\nwipe = true",
        "[install]\nwipe = true\n[install.target]\nserial = '''x'''",
        "['install']\nwipe = true\n'saved' = [\n\n]",
        "# [install]\n[install] # ours\nwipe = true\nsaved = [\n\"a\", # one\n\"b\",\n]\n",
        "[install]\r\nwipe = true\r\n",
    ] {
        let rest = "[customizations]\nhostname = \"h\"\n[[customizations.user]]\n\
                    name = \"alice\" # [install]\ndescription = '''[install]'''\n\
                    password = \"secret\"\n";
        let file = read(&format!("{ours}\n{rest}"));
        assert_eq!(file.install.wipe, Some(true), "{ours}");
        assert_eq!(file.blueprint, Blueprint::parse("a.toml", rest.as_bytes()).unwrap(), "{ours}");
        assert_eq!((file.blueprint.warnings.len(), file.has_blueprint), (1, true), "{ours}");
    }
    assert!(!read("name = \"mine\"\n[install]\nwipe = true\n").has_blueprint);
    assert!(read("[customizations]\n").has_blueprint);
    let padded = format!("[install]\nwipe = true\n{}", "#".repeat(4000));
    assert_eq!(read(&padded).install.wipe, Some(true));
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    let text = "[install]\ntarget = \"vda\"\nunattend = true\nwipe = \"yes\"\nids = \"fresh\"\n\
                then = 1\nsaved = [\"\", 2]\nkargs = []\n[customizations]\nhostnam = \"x\"\n";
    assert_eq!(
        error(text),
        "`install.toml` has 9 problems\n\
         line 2 column 1: `install.target`: `vda` is neither a path like `/dev/vda`, nor \
         `serial:…`, `only`, `smallest` or `largest`\n\
         line 3 column 1: `install.unattend`: unknown key; did you mean `unattended`?\n\
         line 4 column 1: `install.wipe`: expected true or false, found a string\n\
         line 5 column 1: `install.ids`: `fresh` is none of random, derived\n\
         line 6 column 1: `install.then`: expected a string, found a number\n\
         line 7 column 10: `install.saved[0]`: `` is no pattern of labels: 1 to 80 characters\n\
         line 7 column 14: `install.saved[1]`: expected a string, found a number\n\
         line 8 column 1: `install.kargs`: unknown key\n\
         line 10 column 1: `customizations.hostnam`: unknown key; did you mean `hostname`?"
    );
    for (text, expected) in [
        ("[instal]\n", "line 1 column 2: `instal`: unknown key; did you mean `install`?"),
        ("install = 1\n", "line 1 column 1: `install`: expected a table, found a number"),
        ("[[install]]\n", "line 1 column 3: `install`: expected a table, found a list"),
        ("[install]\nwipe = true\n[install]\n", "line 3 column 2: duplicate key"),
        (
            "packages = [{ name = \"x\" }]\n",
            "line 1 column 1: `packages`: packages come with the image: install them in its Containerfile",
        ),
        (
            "[install]\ntarget = { path = \"only\" }\n",
            "line 2 column 12: `install.target.path`: `only` is no path like `/dev/vda`",
        ),
        (
            "[install]\ntarget = { serial = \" \" }\n",
            "line 2 column 12: `install.target.serial`: ` ` is no serial number",
        ),
        (
            "[install]\ntarget = { serial = \"x\", path = \"/dev/x\" }\n",
            "line 2 column 12: `install.target.serial`: cannot be combined with \
             `install.target.path`",
        ),
        ("[install]\ntarget = {}\n", "line 2 column 1: `install.target`: `serial` is missing"),
        (
            "[install]\nsaved = \"x\"\n",
            "line 2 column 1: `install.saved`: expected a list of strings, found a string",
        ),
    ] {
        assert_eq!(error(text), format!("`install.toml` {expected}"));
    }
    let misspelt = error("[install]\ntarget = { serail = \"only\" }\n");
    assert!(misspelt.ends_with("unknown key; did you mean `serial`?"), "{misspelt}");
    assert!(error("\n[install]\nwipe = \n").starts_with("`install.toml` line 3 column "));
    assert_eq!(error(b"[install]\nx = \"\xff\""), "`install.toml` line 2: not UTF-8");
    assert!(error(vec![b'#'; (4 << 20) + 1]).contains("longer than 4194304 bytes"));
    let many =
        (0..200).fold("[install]\n".to_owned(), |text, index| text + &format!("k{index} = 1\n"));
    assert!(error(&many).ends_with("\nand 150 more"));
    let saved = format!("[install]\nsaved = [{}]\n", "\"x\",".repeat(200));
    assert!(error(&saved).ends_with("`200` patterns are more than 128"), "{}", error(&saved));
}

#[test]
fn a_blueprint_has_no_such_section() {
    let error = super::parse("[install]\nwipe = true\n").unwrap_err().to_string();
    let expected = "`config.toml` line 1 column 2: `install`: it says how an installer installs: \
                    give its file as `--installer-config`";
    assert_eq!(error, expected);
}

#[test]
fn deep_files_are_refused_and_strings_are_not_deep() {
    let deep = [
        format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("x = 'a'\n# [\ny = {} 1", "[".repeat(41)),
    ];
    for text in deep {
        let told = error(&text);
        let is_deep =
            told.contains("nested more than 40 levels") || told.contains("recursion limit");
        assert!(is_deep, "{told}\n{}", &text[..40]);
    }
    let braces = "[".repeat(100);
    let dots = ".".repeat(100);
    for text in [
        format!("name = \"{braces}\\\"{dots}\" # {braces}{dots}\n"),
        format!(
            "name = '{braces}\\'\nversion = \"\"\"\n{dots}\"{braces}\"\"\"\ndescription = '''\n{dots}\n'''\n"
        ),
        format!("name = \"\"\"x\"\"\"\"\"\nversion = '''{braces}''''\n"),
    ] {
        assert_eq!(read(&text), InstallFile::default());
    }
}

#[test]
fn our_installer_runs_no_kickstart() {
    let text = "[customizations.installer.kickstart]\ncontents = \"text\"\n";
    let error = InstallFile::parse("install.toml", text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`customizations.installer`: it is for Anaconda's"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&noise);
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
        let _ = parse(lines.join(separator));
    }
}
