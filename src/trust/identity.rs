//! Names of images, as signatures claim them and policies compare them.
//!
//! A name is compared in its full form: `busybox` is `docker.io/library/busybox`. A host is what comes
//! before the first slash, if it has a dot or a port, or is `localhost`.

use std::fmt;

/// A name in a registry, in its full form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// Host and path.
    repository: String,
    tag: Option<String>,
    /// With its algorithm.
    digest: Option<String>,
}

impl ImageName {
    /// Reads a name with or without host, tag and digest; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) if is_digest(digest) => (text, Some(digest.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        let path_start = text.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match text[path_start..].split_once(':') {
            Some((_, tag)) if is_tag(tag) => (&text[..text.len() - tag.len() - 1], Some(tag)),
            Some(_) => return None,
            None => (text, None),
        };
        let is_host = |word: &str| word.contains(['.', ':']) || word == "localhost";
        let (host, path) = match repository.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => ("docker.io", repository),
        };
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
        let sound = is_host_text(host) && path.split('/').all(is_path_component);
        sound.then(|| Self {
            repository: format!("{host}/{library}{path}"),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The name that was asked for: a digest makes the tag moot, and without either it is `latest`.
    pub(super) fn asked_for(mut self) -> Self {
        match (&self.tag, &self.digest) {
            (_, Some(_)) => self.tag = None,
            (None, None) => self.tag = Some("latest".to_owned()),
            (Some(_), None) => {}
        }
        self
    }

    /// Host and path.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) fn is_repository_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// Which name a signature must claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityRule {
    /// Whichever: the key alone decides.
    Any,
    /// The very name that was asked for.
    Exact,
    /// For an image asked for by digest, its repository with any tag or digest; else the very name.
    RepoDigestOrExact,
    /// The repository that was asked for.
    Repository,
    /// This name.
    ExactReference(ImageName),
    /// This repository.
    ExactRepository(ImageName),
    /// As `RepoDigestOrExact`, after another beginning was put in the place of this one.
    Remap {
        /// The beginning of the repository asked for, whole parts.
        prefix: String,
        /// What stands in its place in the signature.
        signed_prefix: String,
    },
}

impl IdentityRule {
    /// What the rule wants of an image that was asked for by this name, in words; or `None` when it
    /// needs that name and there is none.
    pub(super) fn wanted(&self, asked_for: Option<&ImageName>) -> Option<String> {
        let whole = |name: &ImageName| match (&name.digest, &name.tag) {
            (Some(_), None) => format!("a tag or digest in `{}`", name.repository),
            _ => format!("`{name}`"),
        };
        Some(match self {
            Self::Any => "any".to_owned(),
            Self::Exact => format!("`{}`", asked_for?),
            Self::RepoDigestOrExact => whole(asked_for?),
            Self::Repository => format!("the repository `{}`", asked_for?.repository),
            Self::ExactReference(name) => format!("`{name}`"),
            Self::ExactRepository(name) => format!("the repository `{}`", name.repository),
            Self::Remap { prefix, signed_prefix } => {
                whole(&remap(asked_for?, prefix, signed_prefix))
            }
        })
    }

    /// Whether a signature that claims `claimed` may stand for what was asked for.
    pub(super) fn accepts(&self, claimed: &ImageName, asked_for: Option<&ImageName>) -> bool {
        match self {
            Self::Any => true,
            Self::ExactReference(name) => claimed == name,
            Self::ExactRepository(name) => claimed.repository == name.repository,
            Self::Exact => asked_for == Some(claimed) && !claimed.is_repository_only(),
            Self::Repository => asked_for.is_some_and(|name| name.repository == claimed.repository),
            Self::RepoDigestOrExact => {
                asked_for.is_some_and(|name| same_or_same_repository(claimed, name))
            }
            Self::Remap { prefix, signed_prefix } => asked_for.is_some_and(|name| {
                same_or_same_repository(claimed, &remap(name, prefix, signed_prefix))
            }),
        }
    }
}

/// The digest of an image asked for by digest was checked when it was fetched, and the claim's digest
/// is checked besides: what is left to compare is the repository.
fn same_or_same_repository(claimed: &ImageName, asked_for: &ImageName) -> bool {
    if claimed.is_repository_only() {
        return false;
    }
    match (&asked_for.tag, &asked_for.digest) {
        (None, Some(_)) => claimed.repository == asked_for.repository,
        _ => claimed == asked_for,
    }
}

fn remap(name: &ImageName, prefix: &str, signed_prefix: &str) -> ImageName {
    let mut name = name.clone();
    if let Some(rest) = name.repository.strip_prefix(prefix)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        name.repository = format!("{signed_prefix}{rest}");
    }
    name
}

/// Whether a policy may name it as a prefix: parts of a repository's name, without tag or digest.
pub(super) fn is_prefix(text: &str) -> bool {
    let (host, path) = text.split_once('/').map_or((text, None), |(h, p)| (h, Some(p)));
    is_host_text(host) && path.is_none_or(|path| path.split('/').all(is_path_component))
}

fn is_host_text(host: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_word)
}

fn is_path_component(component: &str) -> bool {
    let is_word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let ends_well = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    component.bytes().all(is_word)
        && ends_well(component.bytes().next())
        && ends_well(component.bytes().last())
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&tag.len()) && tag.bytes().all(is_word) && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte))
            && hex.len() >= 32
            && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests;
