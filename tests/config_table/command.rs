//! `bootc-image config`, as a shell runs it.

use std::path::Path;

use assert_cmd::Command;

/// Exit code, stdout and stderr.
fn run(words: &[&str], stdin: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootc-image"));
    let output = command.env_clear().args(words).write_stdin(stdin).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn published() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.schema.json");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_schema_that_is_printed_is_the_published_one() {
    assert_eq!(run(&["config", "schema"], ""), (0, published(), String::new()));
}

#[test]
fn a_good_file_is_ok() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, super::FULL).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(run(&["config", "check", path], ""), (0, format!("{path}: ok\n"), String::new()));
    let text = "[[customizations.user]]\nname = \"a\"\npassword = \"secret\"\n";
    std::fs::write(path, text).unwrap();
    let (code, stdout, stderr) = run(&["config", "check", path], "");
    assert_eq!((code, stdout), (0, format!("{path}: ok\n")));
    assert!(stderr.starts_with("warning: `customizations.user[0].password`"), "{stderr}");
    assert!(!stderr.contains("secret"), "{stderr}");
}

#[test]
fn a_wrong_file_is_told_with_all_that_is_wrong() {
    let json = "{\"customizations\": {\n\"hostnam\": 1,\n\"user\": [{}]}}";
    let (code, stdout, stderr) = run(&["config", "check", "-"], json);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let expected = "error: `-` has 2 problems
    line 2 column 12: `customizations.hostnam`: unknown key; did you mean `hostname`?
    line 3 column 10: `customizations.user[0]`: `name` is missing

hint: `docs/config.md` lists all keys
";
    assert_eq!(stderr, expected);
    assert_eq!(run(&["config", "check", "-"], "{}"), (0, "-: ok\n".into(), String::new()));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let (code, _, stderr) = run(&["config", "check", "/nonexistent/a.toml"], "");
    assert_eq!(code, 1);
    assert!(stderr.starts_with("error: reading `/nonexistent/a.toml`\n  caused by: "), "{stderr}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "").unwrap();
    let (code, _, stderr) = run(&["config", "check", path.to_str().unwrap()], "");
    assert!(code == 1 && stderr.contains("\nhint: name it `….toml` or `….json`"), "{stderr}");
}
