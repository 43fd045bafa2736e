#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;

use super::*;

const ACCEPT: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
const REJECT: &str = r#"[{"type":"reject"}]"#;

fn policy(default: &str, transports: &str) -> Policy {
    let text = format!(r#"{{"default":{default},"transports":{transports}}}"#);
    Policy::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn only(requirement: &str) -> Result<Requirement, PolicyError> {
    let text = format!(r#"{{"default":[{requirement}]}}"#);
    Policy::parse(text.as_bytes()).map(|mut policy| policy.default.remove(0))
}

fn signed(members: &str) -> Result<Requirement, PolicyError> {
    only(&format!(r#"{{"type":"sigstoreSigned",{members}}}"#))
}

#[test]
fn the_narrowest_scope_decides_alone() {
    let scopes = [
        ("r.example/ns/os:1", REJECT),
        ("r.example/ns/os", ACCEPT),
        ("r.example", REJECT),
        ("*.example", ACCEPT),
        ("", REJECT),
    ];
    let scopes = scopes.map(|(scope, list)| format!("{scope:?}:{list}")).join(",");
    let policy = policy(ACCEPT, &format!(r#"{{"docker":{{{scopes}}}}}"#));
    for (name, place) in [
        ("r.example/ns/os:1", "`docker`, `r.example/ns/os:1`"),
        ("r.example/ns/os:2", "`docker`, `r.example/ns/os`"),
        ("r.example/ns/other", "`docker`, `r.example`"),
        ("s.example/ns/os:1", "`docker`, `*.example`"),
        ("example.net/os", "`docker`"),
    ] {
        let (list, found) = policy.requirements(&Location::registry(name).unwrap()).unwrap();
        assert_eq!(found, place, "{name}");
        let accepts = list == [Requirement::AcceptAnything];
        assert_eq!(accepts, place.ends_with("os`") || place.contains('*'), "{name}");
    }
    let dir = Location::whole("docker-archive");
    assert_eq!(policy.requirements(&dir).unwrap().1, "`default`");
}

#[test]
fn scopes_of_unknown_kinds_are_not_passed_over() {
    let storage = |scope: &str| {
        let scopes = format!(r#"{{"containers-storage":{{"{scope}":{ACCEPT}}}}}"#);
        let policy = policy(REJECT, &scopes);
        policy.requirements(&Location::unknown("containers-storage")).map(|(_, place)| place)
    };
    assert_eq!(storage("").unwrap(), "`containers-storage`");
    assert!(matches!(storage("[overlay@/x]"), Err(Error::Scopes { .. })));
}

#[test]
fn keys_come_from_files_or_the_policy_itself() {
    let keys = |members: &str| match signed(members).unwrap() {
        Requirement::Signed { keys, identity } => {
            assert_eq!(identity, IdentityRule::RepoDigestOrExact);
            keys
        }
        other => panic!("{other:?}"),
    };
    let path = |path: &str| KeySource::Path(path.into());
    assert_eq!(keys(r#""keyPath":"/a""#), [path("/a")]);
    assert_eq!(keys(r#""keyPaths":["/a","/b"]"#), [path("/a"), path("/b")]);
    assert_eq!(keys(r#""keyData":"YWJj""#), [KeySource::Data(b"abc".to_vec())]);
    assert_eq!(keys(r#""keyDatas":["YWJj","YQ=="]"#).len(), 2);
}

#[test]
fn what_cannot_be_checked_is_understood() {
    for (requirement, word) in [
        (r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#, "signedBy"),
        (
            r#"{"type":"signedBy","keyType":"GPGKeys","keyPaths":["/k"],"signedIdentity":{"type":"matchExact"}}"#,
            "signedBy",
        ),
        (r#"{"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"}"#, "Rekor"),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"x","subjectEmail":"y"},"rekorPublicKeyDatas":["eA=="]}"#,
            "fulcio",
        ),
        (r#"{"type":"sigstoreSigned","pki":{"caRootsPath":"/c"}}"#, "pki"),
        (
            r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchRepository"}}"#,
            "signedBaseLayer",
        ),
    ] {
        let Requirement::NotSupported(what) = only(requirement).unwrap() else {
            panic!("{requirement}")
        };
        assert!(what.contains(word), "{what}");
    }
}

#[test]
fn identities_are_read() {
    let rule = |json: &str| match signed(&format!(r#""keyPath":"/k","signedIdentity":{json}"#)) {
        Ok(Requirement::Signed { identity, .. }) => identity,
        other => panic!("{json}: {other:?}"),
    };
    assert_eq!(rule(r#"{"type":"matchExact"}"#), IdentityRule::Exact);
    assert_eq!(rule(r#"{"type":"matchRepository"}"#), IdentityRule::Repository);
    assert_eq!(rule(r#"{"type":"matchRepoDigestOrExact"}"#), IdentityRule::RepoDigestOrExact);
    assert_eq!(
        rule(r#"{"type":"exactReference","dockerReference":"r.example/os:1"}"#),
        IdentityRule::ExactReference(ImageName::parse("r.example/os:1").unwrap())
    );
    assert_eq!(
        rule(r#"{"type":"exactRepository","dockerRepository":"r.example/os"}"#),
        IdentityRule::ExactRepository(ImageName::parse("r.example/os").unwrap())
    );
    assert_eq!(
        rule(r#"{"type":"remapIdentity","prefix":"m.example:5000/v","signedPrefix":"r.example"}"#),
        IdentityRule::Remap {
            prefix: "m.example:5000/v".to_owned(),
            signed_prefix: "r.example".to_owned()
        }
    );
}

#[test]
fn what_is_not_understood_spoils_the_whole_policy() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"default":[]}"#,
        r#"{"default":null}"#,
        r#"{"default":[{"type":"magic"}]}"#,
        r#"{"default":[{}]}"#,
        r#"{"default":[{"type":"reject","more":1}]}"#,
        r#"{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}"#,
        r#"{"default":[{"type":"insecureAcceptAnything"}],"more":{}}"#,
        r#"{"default":[{"type":"insecureAcceptAnything"}],"default":[{"type":"reject"}]}"#,
        r#"{"default":[{"type":"insecureAcceptAnything"}]} x"#,
    ] {
        assert!(Policy::parse(text.as_bytes()).is_err(), "{text}");
    }
    for transports in [
        r#"{"docker":{"r.example":[]}}"#.to_owned(),
        format!(r#"{{"docker":{{"a":{ACCEPT},"a":{REJECT}}}}}"#),
        format!(r#"{{"docker":{{}},"docker":{{"":{REJECT}}}}}"#),
        format!(r#"{{"docker":{{"r*.example":{REJECT}}}}}"#),
        format!(r#"{{"oci":{{"relative":{REJECT}}}}}"#),
        format!(r#"{{"dir":{{"/":{REJECT}}}}}"#),
        r#"{"docker":[]}"#.to_owned(),
    ] {
        let text = format!(r#"{{"default":{ACCEPT},"transports":{transports}}}"#);
        assert!(Policy::parse(text.as_bytes()).is_err(), "{text}");
    }
    for members in [
        r#""keyPath":"/a","keyData":"YQ==""#,
        r#""keyPath":"/a","keyPaths":["/a"]"#,
        r#""keyPath":"/a","keyPath":"/b""#,
        r#""keyPath":"/a","fulcio":{}"#,
        r#""fulcio":{},"pki":{}"#,
        r#""keyPaths":[]"#,
        r#""keyData":"*""#,
        r#""signedIdentity":{"type":"matchExact"}"#,
        r#""keyPath":"/a","more":1"#,
        r#""keyPath":"/a","signedIdentity":{"type":"matchExact","more":1}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"matchSome"}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"exactReference","dockerReference":"r.example/os"}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"exactRepository","dockerRepository":"r.example/os:1"}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"","signedPrefix":"x"}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"a/b:1","signedPrefix":"x"}"#,
        r#""keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"a"}"#,
    ] {
        assert!(signed(members).is_err(), "{members}");
    }
    assert!(only(r#"{"type":"signedBy","keyType":"GPGKeys"}"#).is_err());
    assert!(only(r#"{"type":"signedBy","keyType":"Runes","keyPath":"/a"}"#).is_err());
}

/// A policy with one of everything.
const RICH: &str = r#"{"default":[{"type":"reject"}],"transports":{"docker":{"*.example":[{"type":"insecureAcceptAnything"}],"r.example/os":[{"type":"sigstoreSigned","keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"a.b","signedPrefix":"c.d"}},{"type":"signedBy","keyType":"GPGKeys","keyData":"YQ=="}]},"oci":{"/a":[{"type":"reject"}]}}}"#;

proptest! {
    /// A changed policy is refused or read, without panic; and none is read as accepting more than was
    /// written: `insecureAcceptAnything` comes from these very letters.
    #[test]
    fn changed_policies_never_panic(at in 0..RICH.len(), byte: u8, cut in 0..RICH.len()) {
        let mut bytes = RICH.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(policy) = Policy::parse(&bytes) {
            prop_assert!(!policy.default.contains(&Requirement::AcceptAnything));
            let location = Location::registry("r.example/os:1").unwrap();
            prop_assert!(policy.requirements(&location).is_ok());
        }
        prop_assert!(Policy::parse(&RICH.as_bytes()[..cut]).is_err());
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::trust::parse_anything(&bytes);
    }
}

#[test]
fn the_rich_policy_is_a_policy() {
    Policy::parse(RICH.as_bytes()).unwrap();
}
