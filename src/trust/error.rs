//! Why an image is not trusted, and why a key or a policy cannot be used.

use crate::digest::Sha256Digest;

/// Why an image is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing that could be a signature was found.
    #[error("the image carries no signature")]
    Unsigned,
    /// There are signatures, and none counts.
    #[error("none of the image's {count} signatures counts: {}", list(reasons))]
    NoneCounts {
        /// How many were looked at.
        count: usize,
        /// Why they do not count, each reason once.
        reasons: Vec<Reason>,
    },
    /// The policy wants no such image.
    #[error("it rejects images of {scope}")]
    Rejected {
        /// Where in the policy that is said.
        scope: String,
    },
    /// The policy wants proofs that cannot be checked here.
    #[error("for images of {scope} it wants {what}, which is not supported yet")]
    NotSupported {
        /// What it wants.
        what: &'static str,
        /// Where in the policy that is said.
        scope: String,
    },
    /// The policy tells images of a transport apart by scopes that are not known here.
    #[error("its scopes for `{transport}:` are not supported yet")]
    Scopes {
        /// The transport.
        transport: String,
    },
    /// A key that the policy names cannot be used.
    #[error("the key {name} of {scope}")]
    Key {
        /// The key's file, or its place.
        name: String,
        /// Where in the policy it is named.
        scope: String,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// Why one signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Another key, or other bytes than were signed.
    #[error("it is by none of the keys, or what was signed has changed")]
    NotByKeys,
    /// A document that is not what its media type says.
    #[error("it is malformed: {0}")]
    Malformed(String),
    /// A claim that is no signature of an image.
    #[error("it is a statement of the kind `{0}`, no signature of an image")]
    OtherKind(String),
    /// A signature made with a certificate.
    #[error("it is keyless, which is not supported yet")]
    Keyless,
    /// The claim names the digest of something else.
    #[error("it is for another image, {0}")]
    OtherImage(Sha256Digest),
    /// The claim names a digest that is no SHA-256.
    #[error("it is for `{0}`, which is no SHA-256 digest")]
    UnknownDigest(String),
    /// The claim names another image than the policy wants.
    #[error("it is for the name `{found}`, and the policy wants {wanted}")]
    OtherName {
        /// The name in the claim.
        found: String,
        /// What would have been right.
        wanted: String,
    },
    /// The claim names no image, and the policy wants one.
    #[error("it names no image, and the policy wants {wanted}")]
    NoName {
        /// What would have been right.
        wanted: String,
    },
    /// The policy compares with the image's name, and this image has none.
    #[error(
        "the policy compares it with the image's name in a registry, and this image comes from none"
    )]
    Nameless,
}

/// Why a file is no key that signatures can be checked with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// No PEM.
    #[error("it is no PEM file with a public key")]
    NotPem,
    /// Another kind of PEM.
    #[error("it holds a {0}, not a PUBLIC KEY")]
    Label(String),
    /// More than one key.
    #[error("it holds more than one key")]
    Several,
    /// A file larger than any key.
    #[error("it holds more than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// Not a SubjectPublicKeyInfo.
    #[error("its content is no public key")]
    NotAKey,
    /// An algorithm that is not supported.
    #[error("its algorithm is none of ECDSA, Ed25519 and RSA")]
    Algorithm,
    /// A curve that is not supported.
    #[error("its curve is neither P-256 nor P-384")]
    Curve,
    /// An RSA key of a length that is not supported.
    #[error("it is an RSA key of {0} bits; 2048 to 8192 are supported")]
    RsaBits(usize),
}

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not JSON, or not of the form.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// An empty list of requirements.
    #[error("{scope} has no requirements")]
    NoRequirements {
        /// Where.
        scope: String,
    },
    /// A scope that its transport does not have.
    #[error("`{scope}` is no scope of `{transport}`: it would never match")]
    Scope {
        /// The transport.
        transport: String,
        /// The scope.
        scope: String,
    },
    /// Too few or too many ways to find a key.
    #[error("`{requirement}` in {scope} must have exactly one of {choices}")]
    Keys {
        /// `sigstoreSigned` or `signedBy`.
        requirement: &'static str,
        /// Where.
        scope: String,
        /// The members that it may have.
        choices: &'static str,
    },
    /// A value that is none.
    #[error("`{member}` in {scope} is `{value}`, which is no {wanted}")]
    Value {
        /// Its name.
        member: &'static str,
        /// Where.
        scope: String,
        /// What is there.
        value: String,
        /// What should be there.
        wanted: &'static str,
    },
}

fn list(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
