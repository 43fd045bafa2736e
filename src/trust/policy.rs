//! containers-policy.json(5): which images may be used, by where they come from.
//!
//! ```text
//! {"default": [requirement, …],
//!  "transports": {"docker": {"registry.example/ns": [requirement, …], "": […]}, …}}
//! ```
//!
//! The narrowest scope that is listed decides, alone; within it every requirement must hold. Where a
//! transport lists no scope of the image, its `""` decides, else `default`.
//!
//! | requirement | here |
//! |---|---|
//! | `insecureAcceptAnything`, `reject` | as they say |
//! | `sigstoreSigned` with `keyPath`, `keyPaths`, `keyData` or `keyDatas` | a signature by any of the keys |
//! | `sigstoreSigned` with `fulcio`, `pki` or a Rekor key; `signedBy`; `signedBaseLayer` | understood, not supported |

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{Error, PolicyError};
use super::identity::{IdentityRule, ImageName, is_prefix};
use super::json::Object;
use super::location::Location;

/// A policy, wholly understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    default: Vec<Requirement>,
    transports: Object<Object<Vec<Requirement>>>,
}

/// What an image must be to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// Anything.
    AcceptAnything,
    /// Nothing is good enough.
    Reject,
    /// Signed by any of these keys, under a name that the rule allows.
    Signed {
        /// At least one.
        keys: Vec<KeySource>,
        /// The rule.
        identity: IdentityRule,
    },
    /// Proven in a way that cannot be checked here.
    NotSupported(&'static str),
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In this file.
    Path(PathBuf),
    /// Here: the content of such a file.
    Data(Vec<u8>),
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let file: File = serde_json::from_slice(bytes)?;
        let default = requirements(file.default, "`default`")?;
        let mut transports = Object::default();
        for (transport, listed) in file.transports.0 {
            let mut scopes = Object::default();
            for (scope, list) in listed.0 {
                check_scope(&transport, &scope)?;
                let list = requirements(list, &place(&transport, &scope))?;
                scopes.0.insert(scope, list);
            }
            transports.0.insert(transport, scopes);
        }
        Ok(Self { default, transports })
    }

    /// What an image at `location` must be, and where in the policy that is said.
    pub fn requirements(&self, location: &Location) -> Result<(&[Requirement], String), Error> {
        let transport = &location.transport;
        if let Some(listed) = self.transports.0.get(transport) {
            let scopes = match &location.scopes {
                Some(scopes) => scopes.as_slice(),
                None if listed.0.keys().all(String::is_empty) => &[],
                None => return Err(Error::Scopes { transport: transport.clone() }),
            };
            for scope in scopes.iter().map(String::as_str).chain([""]) {
                if let Some(list) = listed.0.get(scope) {
                    return Ok((list, place(transport, scope)));
                }
            }
        }
        Ok((&self.default, "`default`".to_owned()))
    }
}

fn place(transport: &str, scope: &str) -> String {
    if scope.is_empty() { format!("`{transport}`") } else { format!("`{transport}`, `{scope}`") }
}

/// What can never match would be a rule without effect.
fn check_scope(transport: &str, scope: &str) -> Result<(), PolicyError> {
    let matches = match transport {
        _ if scope.is_empty() => true,
        "oci" | "oci-archive" | "dir" => scope.starts_with('/') && scope != "/",
        "docker" | "atomic" => !scope.strip_prefix("*.").unwrap_or(scope).contains('*'),
        _ => true,
    };
    let wrong = || PolicyError::Scope { transport: transport.to_owned(), scope: scope.to_owned() };
    if matches { Ok(()) } else { Err(wrong()) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Vec<Json>,
    #[serde(default)]
    transports: Object<Object<Vec<Json>>>,
}

/// Members that are empty structs, and not units, so that unknown ones are errors there too.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum Json {
    InsecureAcceptAnything {},
    Reject {},
    SignedBy(SignedBy),
    SignedBaseLayer {
        #[serde(rename = "baseLayerIdentity")]
        _identity: IdentityJson,
    },
    SigstoreSigned(Box<SigstoreSigned>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignedBy {
    key_type: String,
    key_path: Option<String>,
    key_paths: Option<Vec<String>>,
    key_data: Option<String>,
    signed_identity: Option<IdentityJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SigstoreSigned {
    key_path: Option<PathBuf>,
    key_paths: Option<Vec<PathBuf>>,
    key_data: Option<String>,
    key_datas: Option<Vec<String>>,
    fulcio: Option<IgnoredAny>,
    pki: Option<IgnoredAny>,
    rekor_public_key_path: Option<IgnoredAny>,
    rekor_public_key_paths: Option<IgnoredAny>,
    rekor_public_key_data: Option<IgnoredAny>,
    rekor_public_key_datas: Option<IgnoredAny>,
    signed_identity: Option<IdentityJson>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum IdentityJson {
    MatchExact {},
    MatchRepoDigestOrExact {},
    MatchRepository {},
    #[serde(rename_all = "camelCase")]
    ExactReference {
        docker_reference: String,
    },
    #[serde(rename_all = "camelCase")]
    ExactRepository {
        docker_repository: String,
    },
    #[serde(rename_all = "camelCase")]
    RemapIdentity {
        prefix: String,
        signed_prefix: String,
    },
}

fn requirements(list: Vec<Json>, scope: &str) -> Result<Vec<Requirement>, PolicyError> {
    if list.is_empty() {
        return Err(PolicyError::NoRequirements { scope: scope.to_owned() });
    }
    list.into_iter().map(|json| requirement(json, scope)).collect()
}

fn requirement(json: Json, scope: &str) -> Result<Requirement, PolicyError> {
    match json {
        Json::InsecureAcceptAnything {} => Ok(Requirement::AcceptAnything),
        Json::Reject {} => Ok(Requirement::Reject),
        Json::SignedBaseLayer { .. } => Ok(Requirement::NotSupported("`signedBaseLayer`")),
        Json::SignedBy(by) => signed_by(by, scope),
        Json::SigstoreSigned(signed) => sigstore_signed(*signed, scope),
    }
}

fn signed_by(by: SignedBy, scope: &str) -> Result<Requirement, PolicyError> {
    let known = ["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"];
    if !known.contains(&by.key_type.as_str()) {
        return Err(value("keyType", scope, by.key_type, "type of keys"));
    }
    let given = [by.key_path.is_some(), by.key_paths.is_some(), by.key_data.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        let choices = "`keyPath`, `keyPaths` and `keyData`";
        let scope = scope.to_owned();
        return Err(PolicyError::Keys { requirement: "signedBy", scope, choices });
    }
    identity(by.signed_identity, scope)?;
    Ok(Requirement::NotSupported("GPG signatures (`signedBy`)"))
}

fn sigstore_signed(signed: SigstoreSigned, scope: &str) -> Result<Requirement, PolicyError> {
    let data = |text: String| match STANDARD.decode(&text) {
        Ok(bytes) => Ok(KeySource::Data(bytes)),
        Err(_) => Err(value("keyData", scope, text, "base64")),
    };
    let paths = signed.key_path.map(|path| vec![path]).into_iter().chain(signed.key_paths);
    let datas = signed.key_data.map(|data| vec![data]).into_iter().chain(signed.key_datas);
    let paths = paths.map(|list| Ok(list.into_iter().map(KeySource::Path).collect()));
    let datas = datas.map(|list| list.into_iter().map(data).collect());
    let lists: Vec<Vec<KeySource>> = paths.chain(datas).collect::<Result<_, PolicyError>>()?;
    let identity = identity(signed.signed_identity, scope)?;
    let certificates = [&signed.fulcio, &signed.pki];
    let certificates = certificates.iter().filter(|given| given.is_some()).count();
    let logged = signed.rekor_public_key_path.is_some()
        || signed.rekor_public_key_paths.is_some()
        || signed.rekor_public_key_data.is_some()
        || signed.rekor_public_key_datas.is_some();
    match (lists.as_slice(), certificates) {
        ([keys], 0) if !keys.is_empty() && logged => Ok(Requirement::NotSupported(
            "signatures that a Rekor log has recorded (`rekorPublicKey…`)",
        )),
        ([keys], 0) if !keys.is_empty() => Ok(Requirement::Signed { keys: keys.clone(), identity }),
        ([], 1) => {
            Ok(Requirement::NotSupported("signatures made with certificates (`fulcio`, `pki`)"))
        }
        _ => Err(PolicyError::Keys {
            requirement: "sigstoreSigned",
            scope: scope.to_owned(),
            choices: "`keyPath`, `keyPaths`, `keyData`, `keyDatas`, `fulcio` and `pki`",
        }),
    }
}

fn identity(json: Option<IdentityJson>, scope: &str) -> Result<IdentityRule, PolicyError> {
    let prefix = |member, text: String| {
        if is_prefix(&text) { Ok(text) } else { Err(value(member, scope, text, "prefix of names")) }
    };
    let name = |member, text: String, repository_only: bool| match ImageName::parse(&text) {
        Some(name) if name.is_repository_only() == repository_only => Ok(name),
        _ if repository_only => Err(value(member, scope, text, "repository")),
        _ => Err(value(member, scope, text, "name with a tag or digest")),
    };
    Ok(match json {
        None | Some(IdentityJson::MatchRepoDigestOrExact {}) => IdentityRule::RepoDigestOrExact,
        Some(IdentityJson::MatchExact {}) => IdentityRule::Exact,
        Some(IdentityJson::MatchRepository {}) => IdentityRule::Repository,
        Some(IdentityJson::ExactReference { docker_reference }) => {
            IdentityRule::ExactReference(name("dockerReference", docker_reference, false)?)
        }
        Some(IdentityJson::ExactRepository { docker_repository }) => {
            IdentityRule::ExactRepository(name("dockerRepository", docker_repository, true)?)
        }
        Some(IdentityJson::RemapIdentity { prefix: from, signed_prefix }) => IdentityRule::Remap {
            prefix: prefix("prefix", from)?,
            signed_prefix: prefix("signedPrefix", signed_prefix)?,
        },
    })
}

fn value(member: &'static str, scope: &str, value: String, wanted: &'static str) -> PolicyError {
    PolicyError::Value { member, scope: scope.to_owned(), value, wanted }
}

#[cfg(test)]
mod tests;
