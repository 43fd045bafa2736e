#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn name(text: &str) -> ImageName {
    ImageName::parse(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn names_are_compared_in_full() {
    for (short, full) in [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("org/os", "docker.io/org/os"),
        ("index.docker.io/busybox", "docker.io/library/busybox"),
        ("localhost/os", "localhost/os"),
        ("r.example:5000/a/b__c:T_1", "r.example:5000/a/b__c:T_1"),
        ("[::1]:5000/os", "[::1]:5000/os"),
    ] {
        assert_eq!(name(short).to_string(), full);
    }
    let both = format!("r.example/os:1@{DIGEST}");
    assert_eq!(name(&both).to_string(), both);
    assert_eq!(name(&both).asked_for().to_string(), format!("r.example/os@{DIGEST}"));
    assert_eq!(name("r.example/os").asked_for().to_string(), "r.example/os:latest");
}

#[test]
fn what_is_no_name_is_none() {
    for text in [
        "",
        ":",
        "@",
        "a:",
        "r.example/",
        "r.example/Os",
        "r.example/a//b",
        "r.example/os:-x",
        "r.example/os@sha256:00",
        "r.example/os@",
        "https://r.example/os",
        "r.example/os\n",
        "r.example/é",
    ] {
        assert_eq!(ImageName::parse(text), None, "{text:?}");
    }
}

/// The table of containers-policy.json(5), and of the implementation that it describes.
#[test]
fn rules_compare_as_the_manual_says() {
    let pinned = format!("r.example/os@{DIGEST}");
    let remap = |prefix: &str, signed: &str| IdentityRule::Remap {
        prefix: prefix.to_owned(),
        signed_prefix: signed.to_owned(),
    };
    use IdentityRule::{
        Any, Exact, ExactReference, ExactRepository, RepoDigestOrExact, Repository,
    };
    let one = ExactReference(name("r.example/os:1"));
    let repository = ExactRepository(name("r.example/os"));
    for (rule, asked_for, claimed, accepted) in [
        (&Any, "r.example/os:1", "else.example/x", true),
        (&Exact, "r.example/os:1", "r.example/os:1", true),
        (&Exact, "r.example/os:1", "r.example/os:2", false),
        (&Exact, "r.example/os:1", "r.example/os", false),
        (&Exact, &pinned, "r.example/os:1", false),
        (&Exact, &pinned, &pinned, true),
        (&RepoDigestOrExact, "r.example/os:1", "r.example/os:1", true),
        (&RepoDigestOrExact, "r.example/os:1", "r.example/os:2", false),
        (&RepoDigestOrExact, "r.example/os:1", "r.example/os", false),
        (&RepoDigestOrExact, "r.example/os", "r.example/os:latest", true),
        (&RepoDigestOrExact, &pinned, "r.example/os:2", true),
        (&RepoDigestOrExact, &pinned, "r.example/os", false),
        (&RepoDigestOrExact, &pinned, "r.example/other:2", false),
        (&Repository, "r.example/os:1", "r.example/os", true),
        (&Repository, "r.example/os:1", "r.example/os:2", true),
        (&Repository, "r.example/os:1", "r.example/other", false),
        (&Repository, "r.example/os:1", "r.example/os/sub", false),
        (&one, "else.example/x", "r.example/os:1", true),
        (&one, "r.example/os:2", "r.example/os:2", false),
        (&repository, "else.example/x", "r.example/os:7", true),
        (&repository, "else.example/x", "r.example/other", false),
        (&remap("m.example/v", "r.example"), "m.example/v/os:1", "r.example/os:1", true),
        (&remap("m.example/v", "r.example"), "m.example/v/os:1", "m.example/v/os:1", false),
        (&remap("m.example/v", "r.example"), "m.example/vv/os:1", "m.example/vv/os:1", true),
        (&remap("m.example", "r.example/a"), "m.example/os:1", "r.example/a/os:1", true),
        (&remap("m.example/os", "r.example/os"), &pinned, "r.example/os:3", true),
    ] {
        let asked_for = name(asked_for).asked_for();
        assert_eq!(
            rule.accepts(&name(claimed), Some(&asked_for)),
            accepted,
            "{rule:?}: {asked_for}, {claimed}"
        );
    }
}

#[test]
fn without_a_name_only_fixed_names_can_be_compared() {
    let claimed = name("r.example/os:1");
    for rule in [IdentityRule::Exact, IdentityRule::RepoDigestOrExact, IdentityRule::Repository] {
        assert!(!rule.accepts(&claimed, None));
        assert_eq!(rule.wanted(None), None);
    }
    let fixed = IdentityRule::ExactReference(claimed.clone());
    assert!(fixed.accepts(&claimed, None));
    assert_eq!(fixed.wanted(None).unwrap(), "`r.example/os:1`");
}
