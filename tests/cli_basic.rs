//! The real command, as a shell would run it.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the command with nothing of ours around it.
fn run(words: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_bootc-image")).env_clear().args(words).output();
    let output = output.unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn help_names_the_commands_and_options() {
    let top = run(&["--help"]);
    assert_eq!(top.code, 0);
    for word in ["build", "inspect", "iso", "completions", "man"] {
        assert!(top.stdout.contains(word), "{word}");
    }
    let build = run(&["build", "--help"]);
    let options = [
        "--type",
        "--output",
        "--rootfs",
        "--size",
        "--arch",
        "--target-imgref",
        "--karg",
        "--karg-delete",
        "--root-ssh-authorized-keys",
        "--stateroot",
        "--ids",
        "--qcow2-compression",
        "--authfile",
        "--tls-verify",
        "--verify-key",
        "--signature-policy",
        "--insecure-policy",
        "--progress",
        "--verbose",
        "--quiet",
        "--threads",
    ];
    for option in options {
        assert!(build.stdout.contains(option), "{option}");
    }
    assert!(!build.stdout.contains("xfs"));
}

#[test]
fn unknown_options_are_usage_errors() {
    for words in [
        &["build", "r.example/os", "--no-such-option"][..],
        &["build"],
        &["no-such-command"],
        &["build", "r.example/os", "--threads=0"],
        &["build", "r.example/os", "--type=floppy"],
        &["build", "r.example/os", "-q", "--progress=json"],
        &[],
    ] {
        let ran = run(words);
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn a_bad_size_is_a_usage_error() {
    let ran = run(&["build", "r.example/os", "--size=huge"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.starts_with("error: reading `--size`\n  caused by: `huge`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn local_images_get_a_hint() {
    let ran = run(&["build", "localhost/my-os"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    let (_, hint) = ran.stderr.split_once("\n\nhint: ").unwrap();
    assert!(hint.contains("say `containers-storage:localhost/my-os`"), "{hint}");
}

#[test]
fn the_epoch_is_checked() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootc-image"))
        .args(["build", "r.example/os"])
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is `yesterday`"));
}

#[test]
fn json_stays_json_when_the_build_fails() {
    let folder = tempfile::tempdir().unwrap();
    let image = format!("oci:{}", folder.path().display());
    let output = format!("--output={}", folder.path().join("out").display());
    for (words, code) in [
        (&["build", &image, &output, "--progress=json", "-v"][..], 1),
        (&["build", "localhost/x", "--progress=json"], 2),
    ] {
        let ran = run(words);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let events: Vec<serde_json::Value> =
            ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.last().unwrap()["event"], "error", "{}", ran.stderr);
        assert!(events.last().unwrap()["message"].is_string());
        assert_eq!(ran.stdout, "");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_failed_build_says_what_and_why_and_prints_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let image = format!("oci:{}", folder.path().display());
    let plain = run(&["build", &image]);
    assert_eq!((plain.code, plain.stdout.as_str()), (1, ""));
    assert!(plain.stderr.contains("\nerror: "), "{}", plain.stderr);
    assert!(!plain.stderr.contains('\x1b'), "{}", plain.stderr);
    let quiet = run(&["build", &image, "-q"]);
    assert!(quiet.stderr.starts_with("error: "), "{}", quiet.stderr);
}

#[test]
fn completions_complete_the_options() {
    let ran = run(&["completions", "bash"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("--qcow2-compression"));
    assert_eq!(run(&["completions", "dos"]).code, 2);
}

#[test]
fn manual_pages_are_written_one_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let ran = run(&["man", pages.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.as_str()), (0, "", ""));
    for command in ["", "-build", "-inspect", "-completions", "-man"] {
        let page = fs::read_to_string(pages.join(format!("bootc-image{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    let below_a_file = pages.join("bootc-image.1/x");
    let ran = run(&["man", below_a_file.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("error: writing `"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let shell = |script: &str| {
        let program = env!("CARGO_BIN_EXE_bootc-image");
        Command::new("bash").args(["-c", &format!("set -o pipefail; {script}"), program]).output()
    };
    let closed = shell("\"$0\" completions bash | true").unwrap();
    assert_eq!((closed.status.code(), closed.stderr.len()), (Some(0), 0));
    let full = shell("\"$0\" completions bash >/dev/full").unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8(full.stderr).unwrap().contains("writing to stdout"));
}
