//! One file of containers-registries.conf(5), version 2, as it stands.
//!
//! | key | meaning |
//! |---|---|
//! | `unqualified-search-registries` | registries that may complete a short name |
//! | `short-name-mode` | checked, and without effect: nobody is asked here, and nothing guessed |
//! | `[[registry]]` | `prefix`, `location`, `insecure`, `blocked`, `mirror-by-digest-only` |
//! | `[[registry.mirror]]` | `location`, `insecure`, `pull-from-mirror` |
//! | `[aliases]` | short names with the repositories that they stand for |
//!
//! Keys that nobody knows are ignored by containers' tools; so they are here, with a warning. Version
//! 1 of the format (`[registries.search]` and so on) is refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::name::is_host_well_formed;

/// A file, checked.
#[derive(Debug, Default)]
pub(crate) struct ConfFile {
    pub(crate) registries: Vec<Registry>,
    /// `None` when the file does not say; an empty list takes the ones before away.
    pub(crate) search: Option<Vec<String>>,
    /// An empty value takes the alias away.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Keys that nobody knows, and those that have no effect here.
    pub(crate) warnings: Vec<String>,
}

/// A part of the name space, and where it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registry {
    pub(crate) prefix: String,
    /// Empty when names are not rewritten.
    pub(crate) location: String,
    pub(crate) insecure: bool,
    pub(crate) blocked: bool,
    pub(crate) mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) location: String,
    pub(crate) insecure: bool,
    pub(crate) pulls: Pulls,
}

/// Which names a mirror may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulls {
    All,
    DigestOnly,
    TagOnly,
}

type Unknown = BTreeMap<String, toml::Value>;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawFile {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<String>,
    credential_helpers: Option<Vec<String>>,
    #[serde(rename = "additional-layer-store-auth-helper")]
    _layer_store_helper: Option<String>,
    registry: Option<Vec<RawRegistry>>,
    aliases: Option<BTreeMap<String, String>>,
    registries: Option<toml::Value>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawRegistry {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<RawMirror>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawMirror {
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: String,
    #[serde(flatten)]
    unknown: Unknown,
}

impl ConfFile {
    /// Reads a file's text; the error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let raw: RawFile = toml::from_str(text).map_err(|error| error.to_string())?;
        if raw.registries.is_some() {
            return Err(
                "`[registries.…]` is version 1 of the format, which is not supported: write \
                        `[[registry]]` tables and `unqualified-search-registries`"
                    .to_owned(),
            );
        }
        let mut file = Self { aliases: raw.aliases.unwrap_or_default(), ..Self::default() };
        file.warn_of("", &raw.unknown);
        match raw.short_name_mode.as_deref() {
            None | Some("" | "enforcing" | "permissive" | "disabled") => {}
            Some(other) => return Err(format!("`short-name-mode` cannot be `{other}`")),
        }
        let helpers = raw.credential_helpers.unwrap_or_default();
        if let Some(helper) = helpers.iter().find(|helper| *helper != "containers-auth.json") {
            file.warnings.push(format!(
                "`credential-helpers` has no effect here; name `{helper}` in an auth.json"
            ));
        }
        file.search = raw.unqualified_search_registries;
        for host in file.search.iter_mut().flatten() {
            *host = place("unqualified-search-registries", host)?;
            if !is_host_well_formed(host) {
                return Err(format!("`unqualified-search-registries`: `{host}` is no host"));
            }
        }
        for (index, registry) in raw.registry.into_iter().flatten().enumerate() {
            let registry = file.registry(index, registry)?;
            // The first of several with one prefix counts.
            if !file.registries.iter().any(|known| known.prefix == registry.prefix) {
                file.registries.push(registry);
            }
        }
        file.check_conflicts()?;
        Ok(file)
    }

    fn registry(&mut self, index: usize, raw: RawRegistry) -> Result<Registry, String> {
        let at = format!("registry[{index}].");
        self.warn_of(&at, &raw.unknown);
        let location = place(&format!("{at}location"), &raw.location)?;
        let prefix = match raw.prefix.as_str() {
            "" if location.is_empty() => {
                return Err(format!("`{at}location` and `{at}prefix` are both missing"));
            }
            "" => location.clone(),
            prefix => place(&format!("{at}prefix"), prefix)?,
        };
        match prefix.strip_prefix("*.") {
            Some(domain) if domain.is_empty() || domain.contains(['/', '@', ':', '*']) => {
                return Err(format!("`{at}prefix`: `{prefix}` is not of the form `*.example.com`"));
            }
            None if location.is_empty() => {
                return Err(format!(
                    "`{at}location` is missing: only a prefix such as `*.example.com` needs none"
                ));
            }
            _ => {}
        }
        let mut mirrors = Vec::new();
        for (number, mirror) in raw.mirror.into_iter().enumerate() {
            let at = format!("{at}mirror[{number}].");
            mirrors.push(self.mirror(&at, mirror, raw.mirror_by_digest_only)?);
        }
        let (insecure, blocked) = (raw.insecure, raw.blocked);
        Ok(Registry { prefix, location, insecure, blocked, mirrors })
    }

    fn mirror(&mut self, at: &str, raw: RawMirror, by_digest: bool) -> Result<Mirror, String> {
        self.warn_of(at, &raw.unknown);
        let location = place(&format!("{at}location"), &raw.location)?;
        if location.is_empty() {
            return Err(format!("`{at}location` is missing"));
        }
        let pulls = match (raw.pull_from_mirror.as_str(), by_digest) {
            ("", true) => Pulls::DigestOnly,
            (_, true) => {
                return Err(format!(
                    "`{at}pull-from-mirror` and `mirror-by-digest-only` exclude each other"
                ));
            }
            ("" | "all", _) => Pulls::All,
            ("digest-only", _) => Pulls::DigestOnly,
            ("tag-only", _) => Pulls::TagOnly,
            (other, _) => return Err(format!("`{at}pull-from-mirror` cannot be `{other}`")),
        };
        Ok(Mirror { location, insecure: raw.insecure, pulls })
    }

    /// One place must not be both allowed and forbidden, or safe and unsafe.
    fn check_conflicts(&self) -> Result<(), String> {
        let mut known: BTreeMap<&str, &Registry> = BTreeMap::new();
        for registry in &self.registries {
            let place =
                if registry.location.is_empty() { &registry.prefix } else { &registry.location };
            let first = known.entry(place).or_insert(registry);
            let key = if first.insecure != registry.insecure {
                "insecure"
            } else if first.blocked != registry.blocked {
                "blocked"
            } else {
                continue;
            };
            return Err(format!("`{place}` is defined several times, with different `{key}`"));
        }
        Ok(())
    }

    fn warn_of(&mut self, at: &str, unknown: &Unknown) {
        for key in unknown.keys() {
            self.warnings.push(format!("`{at}{key}` is no key that anybody knows: ignored"));
        }
    }
}

/// A place in the name space, `host[:port][/path]`.
fn place(key: &str, text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.starts_with("http://") || trimmed.starts_with("https://") {
        return Err(format!("`{key}`: `{text}` must not begin with `http://` or `https://`"));
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = r#"
        unqualified-search-registries = ["r.example", "[::1]:5000"]
        short-name-mode = "enforcing"
        credential-helpers = ["containers-auth.json"]

        [[registry]]
        prefix = "example.com/foo"
        insecure = true
        location = "internal.example/bar/"
        [[registry.mirror]]
        location = "mirror-0.local/foo"
        [[registry.mirror]]
        location = "mirror-1.local/foo"
        insecure = true
        pull-from-mirror = "digest-only"

        [[registry]]
        prefix = "*.example.org"
        blocked = true

        [aliases]
        "os" = "r.example/org/os"
        "gone" = ""
    "#;

    #[test]
    fn a_file_is_read() {
        let file = ConfFile::parse(FILE).unwrap();
        assert!(file.warnings.is_empty(), "{:?}", file.warnings);
        assert_eq!(file.search.unwrap(), ["r.example", "[::1]:5000"]);
        assert_eq!(file.aliases["os"], "r.example/org/os");
        let [foo, org] = file.registries.as_slice() else { panic!() };
        assert_eq!((foo.location.as_str(), foo.insecure), ("internal.example/bar", true));
        assert_eq!(foo.mirrors[0].pulls, Pulls::All);
        assert_eq!((foo.mirrors[1].pulls, foo.mirrors[1].insecure), (Pulls::DigestOnly, true));
        assert_eq!((org.location.as_str(), org.blocked), ("", true));
    }

    #[test]
    fn a_location_is_its_own_prefix_and_the_first_of_a_prefix_counts() {
        let text = "[[registry]]\nlocation='a.example/x'\n[[registry]]\nprefix='a.example/x'\nlocation='b'\n";
        let file = ConfFile::parse(text).unwrap();
        assert_eq!(file.registries.len(), 1);
        assert_eq!(file.registries[0].prefix, "a.example/x");
        assert_eq!(file.registries[0].location, "a.example/x");
    }

    #[test]
    fn unknown_keys_bring_warnings() {
        let text = "x=1\n[[registry]]\nlocation='a'\ny=2\n[[registry.mirror]]\nlocation='b'\nz=3\n";
        let warnings = ConfFile::parse(text).unwrap().warnings.join("\n");
        for key in ["`x`", "`registry[0].y`", "`registry[0].mirror[0].z`"] {
            assert!(warnings.contains(key), "{warnings}");
        }
        let helpers = ConfFile::parse("credential-helpers=['pass']").unwrap();
        assert!(helpers.warnings[0].contains("`pass`"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, reason) in [
            ("[[registry]]\n", "both missing"),
            ("[[registry]]\nprefix='a.example'\n", "`registry[0].location` is missing"),
            ("[[registry]]\nprefix='*.a.example/x'\n", "*.example.com"),
            ("[[registry]]\nprefix='*.'\n", "*.example.com"),
            ("[[registry]]\nlocation='https://a.example'\n", "must not begin"),
            ("[[registry]]\nlocation='a'\n[[registry.mirror]]\n", "mirror[0].location` is missing"),
            (
                "[[registry]]\nlocation='a'\n[[registry.mirror]]\nlocation='b'\npull-from-mirror='x'\n",
                "cannot be `x`",
            ),
            (
                "[[registry]]\nlocation='a'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='b'\npull-from-mirror='all'\n",
                "exclude each other",
            ),
            (
                "[[registry]]\nprefix='x.example'\nlocation='a'\n[[registry]]\nlocation='a'\ninsecure=true\n",
                "different `insecure`",
            ),
            (
                "[[registry]]\nprefix='x.example'\nlocation='a'\n[[registry]]\nlocation='a'\nblocked=true\n",
                "different `blocked`",
            ),
            ("unqualified-search-registries=['a/b']", "no host"),
            ("short-name-mode='maybe'", "`maybe`"),
            ("[registries.search]\nregistries=['a.example']\n", "version 1"),
            ("[[registry]]\nlocation=1\n", "expected a string"),
            ("x", ""),
        ] {
            let error = ConfFile::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn mutations_do_no_harm(at in 0_usize..900, bytes: [u8; 2], cut in 0_usize..1000) {
            let mut text = FILE.as_bytes().to_vec();
            let len = text.len();
            text[at % len] = bytes[0];
            text[(at + 1) % len] = bytes[1];
            text.truncate(cut);
            let _ = ConfFile::parse(&String::from_utf8_lossy(&text));
        }
    }
}
