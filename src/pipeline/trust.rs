//! Whether the image may be used: what the user's keys and the host's policy say of it, before a byte
//! of a layer is read.
//!
//! | demanded | by | held to |
//! |---|---|---|
//! | a signature by any of the keys | `--verify-key` | whatever name the signature says |
//! | each requirement of the image's scope | the signature policy | the names that the policy allows |
//!
//! Both must hold. One thing a key of the user's settles: requirements of the policy that cannot be
//! checked here, such as GPG signatures, count as met by it. A `reject` stays one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::Error;
use crate::registry::{Attachment, Reference, Source};
use crate::trust::{
    self, Document, Evidence, IdentityRule, KeyError, KeySource, Location, Policy, PublicKey,
    Requirement, Verified, verify,
};

/// The most that is read of a file with a key.
const KEY_LIMIT_BYTES: u64 = 1 << 20;

/// What vouches for images.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys of which any must have signed the image; none: the policy alone decides.
    pub keys: Vec<PublicKey>,
    /// The signature policy and the file that it is from, if there is one.
    pub policy: Option<(PathBuf, Policy)>,
}

/// What the policy demands of the image.
struct Demands<'a> {
    requirements: &'a [Requirement],
    /// Where in the policy.
    scope: String,
    /// The policy's file.
    path: &'a Path,
}

impl Demands<'_> {
    fn refused(&self, source: trust::Error) -> Error {
        Error::Policy { path: self.path.to_owned(), source }
    }
}

/// What is demanded of an image, decided without having seen it.
pub(super) struct Gate<'a> {
    keys: &'a [PublicKey],
    demands: Option<Demands<'a>>,
    location: Location,
}

impl<'a> Gate<'a> {
    /// Refuses what must be refused whatever is fetched.
    pub(super) fn new(trust: &'a Trust, reference: &Reference) -> Result<Self, Error> {
        let location = locate(reference)?;
        let demands = match &trust.policy {
            None => None,
            Some((path, policy)) => {
                let refused = |source| Error::Policy { path: path.clone(), source };
                let (requirements, scope) = policy.requirements(&location).map_err(refused)?;
                Some(Demands { requirements, scope, path })
            }
        };
        for demand in demands.iter() {
            for requirement in demand.requirements {
                let scope = demand.scope.clone();
                match requirement {
                    Requirement::Reject => {
                        return Err(demand.refused(trust::Error::Rejected { scope }));
                    }
                    Requirement::NotSupported(what) if trust.keys.is_empty() => {
                        return Err(demand.refused(trust::Error::NotSupported { what, scope }));
                    }
                    _ => {}
                }
            }
        }
        let gate = Self { keys: &trust.keys, demands, location };
        if gate.wants_signature() && !carries_signatures(reference) {
            let unsigned = trust::Error::Unsigned;
            return Err(match &gate.demands {
                Some(demands) if gate.keys.is_empty() => demands.refused(unsigned),
                _ => Error::Signature(unsigned),
            });
        }
        Ok(gate)
    }

    fn wants_signature(&self) -> bool {
        let signed = |requirement: &Requirement| matches!(requirement, Requirement::Signed { .. });
        !self.keys.is_empty() || self.demands.iter().any(|d| d.requirements.iter().any(signed))
    }

    /// Lets the image in, with the signature that counts if any was demanded.
    pub(super) fn admit(&self, source: &Source) -> Result<Option<Verified>, Error> {
        if !self.wants_signature() {
            return Ok(None);
        }
        let documents: Vec<_> = source
            .documents()
            .iter()
            .map(|named| Document { digest: named.digest, bytes: named.bytes.clone() })
            .collect();
        let evidence: Vec<_> = source.attachments()?.into_iter().map(evidence).collect();
        let check = |keys: &[PublicKey], rule: &IdentityRule| {
            verify(&evidence, &documents, keys, rule, &self.location)
        };
        let mut first = None;
        if !self.keys.is_empty() {
            first = Some(check(self.keys, &IdentityRule::Any).map_err(Error::Signature)?);
        }
        for demand in self.demands.iter() {
            for requirement in demand.requirements {
                if let Requirement::Signed { keys, identity } = requirement {
                    let keys = demand.keys(keys)?;
                    let verified = check(&keys, identity).map_err(|e| demand.refused(e))?;
                    first.get_or_insert(verified);
                }
            }
        }
        Ok(first)
    }
}

impl Demands<'_> {
    /// The keys of a requirement. All must be sound: a policy with half its keys is another policy.
    fn keys(&self, sources: &[KeySource]) -> Result<Vec<PublicKey>, Error> {
        let key = |source: &KeySource| {
            let (name, bytes) = match source {
                KeySource::Data(bytes) => ("`keyData`".to_owned(), bytes.clone()),
                KeySource::Path(path) => {
                    let bytes = read_key(path)
                        .map_err(|source| Error::KeyFile { path: path.clone(), source })?;
                    (format!("`{}`", path.display()), bytes)
                }
            };
            PublicKey::from_pem(&bytes).map_err(|source: KeyError| {
                self.refused(trust::Error::Key { name, scope: self.scope.clone(), source })
            })
        };
        sources.iter().map(key).collect()
    }
}

fn read_key(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(KEY_LIMIT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn evidence(attachment: Attachment) -> Evidence {
    match attachment {
        Attachment::SimpleSigning { payload, signature } => {
            Evidence::SimpleSigning { payload, signature }
        }
        Attachment::Bundle(bytes) => Evidence::Bundle(bytes),
    }
}

/// Where policies look for the image. Paths are those without symbolic links; one that is not there is
/// left for the opening of the image to complain of.
fn locate(reference: &Reference) -> Result<Location, Error> {
    let path = |transport: &str, path: &Path, tag: Option<&str>| {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Ok(Location::path(transport, &path, tag))
    };
    let named = |text: &str| {
        Location::registry(text).ok_or_else(|| Error::NoScope { name: text.to_owned() })
    };
    match reference {
        Reference::Registry(name) => named(&name.text),
        Reference::Short(name) => named(&name.text),
        Reference::OciDir(layout) => path("oci", &layout.path, layout.tag.as_deref()),
        Reference::OciArchive(layout) => path("oci-archive", &layout.path, layout.tag.as_deref()),
        Reference::Dir(folder) => path("dir", folder, None),
        Reference::DockerArchive(_) => Ok(Location::whole("docker-archive")),
        Reference::Storage(_) => Ok(Location::unknown("containers-storage")),
    }
}

/// Whether signatures can lie beside an image there.
fn carries_signatures(reference: &Reference) -> bool {
    use Reference::{OciArchive, OciDir, Registry, Short};
    matches!(reference, Registry(_) | Short(_) | OciDir(_) | OciArchive(_))
}
