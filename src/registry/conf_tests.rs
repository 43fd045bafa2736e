use super::*;
use crate::digest::Sha256Digest;

fn conf(text: &str) -> RegistriesConf {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    RegistriesConf::load(Some(file.path()), &Environment::default()).unwrap()
}

fn name(text: &str) -> RegistryReference {
    RegistryReference::parse(text).unwrap()
}

fn places(conf: &RegistriesConf, text: &str) -> Vec<String> {
    let endpoints = conf.endpoints(&name(text)).unwrap();
    endpoints.into_iter().map(|endpoint| endpoint.name.text).collect()
}

fn short(conf: &RegistriesConf, text: &str) -> Result<String, Error> {
    Ok(conf.complete(&ShortName::parse(text).unwrap())?.text)
}

const MIRRORS: &str = r#"
    [[registry]]
    prefix = "example.com/foo"
    location = "internal.example/bar"
    [[registry.mirror]]
    location = "mirror-0.local/for-foo"
    [[registry.mirror]]
    location = "mirror-1.local/foo"
    insecure = true
    pull-from-mirror = "digest-only"
    [[registry.mirror]]
    location = "mirror-2.local"
    pull-from-mirror = "tag-only"

    [[registry]]
    location = "example.com"
    insecure = true

    [[registry]]
    prefix = "*.wild.example"
    [[registry.mirror]]
    location = "mirror.local/wild"
    [[registry]]
    prefix = "*.deep.wild.example"
    location = "deep.local"
    blocked = true

    [[registry]]
    location = "docker.io/library"
    [[registry.mirror]]
    location = "hub.local/lib"
    [[registry]]
    location = "once.example"
    mirror-by-digest-only = true
    [[registry.mirror]]
    location = "once.local"
"#;

#[test]
fn mirrors_come_first_and_in_order() {
    let conf = conf(MIRRORS);
    assert_eq!(
        places(&conf, "example.com/foo/image:latest"),
        [
            "mirror-0.local/for-foo/image:latest",
            "mirror-2.local/image:latest",
            "internal.example/bar/image:latest"
        ]
    );
    let digest = Sha256Digest::of(b"").to_oci();
    assert_eq!(
        places(&conf, &format!("example.com/foo@{digest}")),
        [
            format!("mirror-0.local/for-foo@{digest}"),
            format!("mirror-1.local/foo@{digest}"),
            format!("internal.example/bar@{digest}")
        ]
    );
    assert_eq!(places(&conf, "once.example/x:1"), ["once.example/x:1"]);
    assert_eq!(
        places(&conf, &format!("once.example/x@{digest}"))[0],
        format!("once.local/x@{digest}")
    );
}

#[test]
fn the_longest_prefix_decides() {
    let conf = conf(MIRRORS);
    let only = |text: &str| conf.endpoints(&name(text)).unwrap();
    assert_eq!(places(&conf, "example.com/foobar:1"), ["example.com/foobar:1"]);
    assert!(only("example.com/foobar:1")[0].insecure);
    assert_eq!(places(&conf, "example.com:5000/x"), ["example.com:5000/x"]);
    assert!(!only("notexample.com/x")[0].insecure);
    assert_eq!(places(&conf, "other.example/x"), ["other.example/x"]);
}

#[test]
fn wildcards_cover_hosts() {
    let conf = conf(MIRRORS);
    assert_eq!(
        places(&conf, "a.wild.example/x:1"),
        ["mirror.local/wild/x:1", "a.wild.example/x:1"]
    );
    assert_eq!(covered("a.b.wild.example:5000/x", "*.wild.example"), Some(16));
    assert_eq!(places(&conf, "wild.example/x"), ["wild.example/x"]);
    assert_eq!(places(&conf, "r.example/a.wild.example/x"), ["r.example/a.wild.example/x"]);
    assert_eq!(places(&conf, "a.deep.wild.example/x"), ["deep.local/x"]);
    assert_eq!(conf.block(&name("a.deep.wild.example/x")).unwrap().prefix, "*.deep.wild.example");
    assert_eq!(conf.block(&name("a.wild.example/x")), None);
}

#[test]
fn docker_hubs_own_images_are_in_library() {
    let conf = conf(MIRRORS);
    assert_eq!(places(&conf, "docker.io/x:1"), ["hub.local/lib/x:1", "docker.io/x:1"]);
    assert_eq!(places(&conf, "docker.io/org/x"), ["docker.io/org/x"]);
}

#[test]
fn places_that_are_none_are_named() {
    let conf = conf("[[registry]]\nprefix='a.example'\nlocation='B C'\n");
    let error = conf.endpoints(&name("a.example/x")).unwrap_err();
    assert!(matches!(&error, Error::RegistriesConf { .. }), "{error}");
}

#[test]
fn short_names_are_not_guessed() {
    let none = conf("[aliases]\nos='r.example/org/os'\n'a/b'='broken'\n");
    assert_eq!(short(&none, "os:1").unwrap(), "r.example/org/os:1");
    assert!(matches!(
        short(&none, "x"),
        Err(Error::Reference(ParseReferenceError::NoHost(text))) if text == "x"
    ));
    let broken = short(&none, "a/b:1").unwrap_err().to_string();
    assert!(broken.contains("`aliases.a/b`"), "{broken}");
    let one = conf("unqualified-search-registries=['r.example']");
    assert_eq!(short(&one, "org/os:1").unwrap(), "r.example/org/os:1");
    let two = conf("unqualified-search-registries=['r.example','s.example:5000']");
    let error = short(&two, "os:1").unwrap_err().to_string();
    assert!(error.ends_with("one of: r.example/os:1, s.example:5000/os:1"), "{error}");
}

#[test]
fn later_files_override_earlier_ones() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut environment = Environment {
        etc: Some(root.path().join("etc")),
        home: Some(root.path().join("home")),
        ..Environment::default()
    };
    let load = |environment: &Environment| RegistriesConf::load(None, environment).unwrap();
    assert!(load(&environment).registries.is_empty());
    let registry =
        |location: &str| format!("[[registry]]\nprefix='p.example'\nlocation='{location}'\n");
    let search = |host: &str| format!("unqualified-search-registries=['{host}']\n");
    write("etc/containers/registries.conf", &(search("etc.example") + &registry("etc.local")));
    assert_eq!(places(&load(&environment), "p.example/x"), ["etc.local/x"]);
    write("etc/containers/registries.conf.d/2.conf", &registry("drop-in-2.local"));
    write(
        "etc/containers/registries.conf.d/1.conf",
        "[aliases]\nos='one.example/os'\nb='b.example/b'\n",
    );
    write("etc/containers/registries.conf.d/readme", "?");
    write(
        "home/.config/containers/registries.conf.d/9.conf",
        "[aliases]\nos='nine.example/os'\nb=''\n",
    );
    let conf = load(&environment);
    assert_eq!(places(&conf, "p.example/x"), ["drop-in-2.local/x"]);
    assert_eq!(short(&conf, "os").unwrap(), "nine.example/os");
    assert_eq!(short(&conf, "b").unwrap(), "etc.example/b");
    environment.short_name_aliases = Some(write("aliases", "[aliases]\nos='chosen.example/os'\n"));
    assert_eq!(short(&load(&environment), "os").unwrap(), "chosen.example/os");

    // The user's own file: the system's are not read.
    write("home/.config/containers/registries.conf", &search("home.example"));
    let conf = load(&environment);
    assert_eq!(places(&conf, "p.example/x"), ["p.example/x"]);
    assert_eq!(short(&conf, "x").unwrap(), "home.example/x");

    // A file that is asked for takes the place of the first, and of nothing else.
    environment.registries_conf = Some(write("asked", &search("asked.example")));
    let conf = load(&environment);
    assert_eq!(short(&conf, "x").unwrap(), "asked.example/x");
    assert_eq!(places(&conf, "p.example/x"), ["drop-in-2.local/x"]);
    let option = write("option", &search("option.example"));
    let conf = RegistriesConf::load(Some(&option), &environment).unwrap();
    assert_eq!(short(&conf, "x").unwrap(), "option.example/x");

    let missing = RegistriesConf::load(Some(&root.path().join("none")), &environment);
    assert!(matches!(missing, Err(Error::File { .. })));
    std::fs::write(&option, "x").unwrap();
    let broken = RegistriesConf::load(Some(&option), &environment);
    assert!(matches!(broken, Err(Error::RegistriesConf { path, .. }) if path == option));
    std::fs::write(&option, " ".repeat(2 << 20)).unwrap();
    let large = RegistriesConf::load(Some(&option), &environment);
    assert!(matches!(large, Err(Error::TooLarge { .. })));
}
