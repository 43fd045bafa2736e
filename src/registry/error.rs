//! What can go wrong between an image's name and its bytes.

use std::io;
use std::path::PathBuf;

use super::reference::ParseReferenceError;
use crate::digest::Sha256Digest;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is none.
    #[error(transparent)]
    Reference(#[from] ParseReferenceError),
    /// A file cannot be read.
    #[error("reading `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is read of a blob cannot be kept.
    #[error("writing a copy of {}", .digest.to_oci())]
    Copy {
        /// The blob.
        digest: Sha256Digest,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing where credentials should be.
    #[error("the file with credentials, `{}`, does not exist", .0.display())]
    NoAuthFile(PathBuf),
    /// There is nothing where the layout should be.
    #[error("the folder `{}` does not exist", .0.display())]
    NoFolder(PathBuf),
    /// The folder or archive holds no OCI layout.
    #[error("`{}` is no OCI layout: it has no `{missing}`", path.display())]
    NotALayout {
        /// The folder or archive.
        path: PathBuf,
        /// What is not there.
        missing: &'static str,
    },
    /// The tar is none of Docker's archives, or not a whole one.
    #[error("`{}` is no whole archive of `docker save`: it has no `{missing}`", path.display())]
    NotADockerArchive {
        /// The archive.
        path: PathBuf,
        /// What is not there.
        missing: String,
    },
    /// The folder is none of skopeo's.
    #[error("`{}` is no folder that skopeo wrote as `dir:`: it has no `{missing}`", path.display())]
    NotADir {
        /// The folder.
        path: PathBuf,
        /// What is not there.
        missing: &'static str,
    },
    /// An archive that disagrees with its config.
    #[error("`{}` has {layers} layers, but the image's config {diff_ids}", path.display())]
    LayerCount {
        /// The archive.
        path: PathBuf,
        /// Layers in the archive's manifest.
        layers: usize,
        /// Digests in the config.
        diff_ids: usize,
    },
    /// An archive with one file for layers that differ.
    #[error("`{}` has one file, `{layer}`, for two different layers", path.display())]
    SharedLayer {
        /// The archive.
        path: PathBuf,
        /// The file.
        layer: String,
    },
    /// The program that reads local storage is not there.
    #[error("`containers-storage:` is read by skopeo, which is not installed")]
    NoSkopeo,
    /// The program that reads local storage failed.
    #[error("skopeo cannot read `containers-storage:{name}`: {reason}")]
    Skopeo {
        /// The image as typed.
        name: String,
        /// Its words.
        reason: String,
    },
    /// An image in local storage became another one while it was read.
    #[error("`containers-storage:{0}` changed while it was read")]
    StorageChanged(String),
    /// A folder for temporary files cannot be used.
    #[error("temporary files in `{}`: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of registries.conf does not say what it means.
    #[error("`{}`: {reason}", path.display())]
    RegistriesConf {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The registry may not be used.
    #[error("`{name}` may not be pulled: `{}` blocks `{prefix}`", path.display())]
    Blocked {
        /// Host and repository.
        name: String,
        /// The registry, as the file has it.
        prefix: String,
        /// The file.
        path: PathBuf,
    },
    /// A short name for which several registries would do.
    #[error("`{name}` does not say which registry; it may be one of: {}", list(candidates))]
    AmbiguousName {
        /// The name as typed.
        name: String,
        /// The full names that it may stand for.
        candidates: Vec<String>,
    },
    /// Neither the registry nor its mirrors will do.
    #[error("mirrors failed ({}), and so did the registry itself: {source}", list(mirrors))]
    Mirrors {
        /// Each mirror, and what is wrong with it.
        mirrors: Vec<String>,
        /// What is wrong with the registry itself.
        source: Box<Error>,
    },
    /// A certificate or key for a registry cannot be used.
    #[error("`{}`: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive is compressed.
    #[error("`{}` is compressed ({format}): decompress it first", path.display())]
    CompressedArchive {
        /// The archive.
        path: PathBuf,
        /// How it is compressed.
        format: &'static str,
    },
    /// The layout has no image of that name.
    #[error("`{}` has no image `{tag}`; it has: {}", path.display(), list(available))]
    NoSuchTag {
        /// The folder or archive.
        path: PathBuf,
        /// The name asked for.
        tag: String,
        /// The names that are there.
        available: Vec<String>,
    },
    /// The layout has several images, and none was named.
    #[error("`{}` holds {count} images, name one of: {}", path.display(), list(available))]
    SeveralImages {
        /// The folder or archive.
        path: PathBuf,
        /// How many images are there.
        count: usize,
        /// The names that are there.
        available: Vec<String>,
    },
    /// A document is larger than any honest one.
    #[error("the {what} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Its size, as far as it was read or claimed.
        size: u64,
        /// The most we read.
        limit: u64,
    },
    /// A document does not parse.
    #[error("the {what} is malformed: {source}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Docker's first manifest format, without a config.
    #[error(
        "the manifest has the obsolete schema version 1: push the image again with a current tool"
    )]
    SchemaVersion1,
    /// A document that is neither manifest nor index.
    #[error("`{0}` is not the media type of an image")]
    NotAnImage(String),
    /// An index that leads to an index.
    #[error("the image index leads to another index ({0}), not to an image")]
    NestedIndex(Sha256Digest),
    /// The index has nothing for the architecture.
    #[error("the image index has nothing for linux/{wanted}; it has: {}", list(available))]
    NoSuchArchitecture {
        /// The architecture asked for, in Go's words.
        wanted: String,
        /// The platforms that are there.
        available: Vec<String>,
    },
    /// A manifest without layers.
    #[error("the image has no layers")]
    NoLayers,
    /// A digest that is no SHA-256.
    #[error("the {what}: {source}")]
    UnsupportedDigest {
        /// What it names.
        what: String,
        /// What is wrong with it.
        source: crate::digest::ParseDigestError,
    },
    /// A layer packed in a way that nobody knows.
    #[error("layer {index} has the media type `{media_type}`, which is no known tar")]
    LayerMediaType {
        /// Index in manifest order, from 0.
        index: usize,
        /// What the manifest says.
        media_type: String,
    },
    /// A layer that registries may not hand out.
    #[error("layer {index} is a foreign one (`{media_type}`), which registries do not hold")]
    ForeignLayer {
        /// Index in manifest order, from 0.
        index: usize,
        /// What the manifest says.
        media_type: String,
    },
    /// A layer that the image does not have.
    #[error("there is no layer {index}: the image has {count}")]
    NoSuchLayer {
        /// The index asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// An image that is not made to boot.
    #[error("the image has neither the label `containers.bootc` nor `ostree.bootable`")]
    NotBootable,
    /// An image for other machines.
    #[error("the image is for {found}, not for {wanted}")]
    Architecture {
        /// The architecture asked for, in Go's words.
        wanted: String,
        /// What the config says.
        found: String,
    },
    /// A blob that is not there.
    #[error("blob {digest} is missing from `{}`", path.display())]
    MissingBlob {
        /// Its digest.
        digest: Sha256Digest,
        /// The folder or archive.
        path: PathBuf,
    },
    /// A blob of another length than promised.
    #[error("blob {digest} has {seen} bytes where {expected} were promised")]
    BlobSize {
        /// Its digest.
        digest: Sha256Digest,
        /// The length in its descriptor.
        expected: u64,
        /// The bytes seen so far.
        seen: u64,
    },
    /// A blob with other bytes than promised.
    #[error("blob {expected} is corrupt: its bytes have the digest {seen}")]
    BlobDigest {
        /// The digest in its descriptor.
        expected: Sha256Digest,
        /// The digest of what was read.
        seen: Sha256Digest,
    },
    /// Reading a blob failed.
    #[error("reading blob {digest}: {source}")]
    Blob {
        /// Its digest.
        digest: Sha256Digest,
        /// Why.
        source: io::Error,
    },
    /// The registry's threads cannot be started.
    #[error("starting the threads that fetch: {0}")]
    Runtime(io::Error),
    /// A file with credentials cannot be used.
    #[error("credentials in `{}`: {reason}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong, perhaps in a helper's words.
        reason: String,
    },
    /// The registry does not let us in.
    #[error("`{name}`: access denied (HTTP {status}), {}", tried(credentials.as_ref()))]
    Denied {
        /// Host and repository.
        name: String,
        /// 401 or 403.
        status: u16,
        /// The file whose credentials were sent, if any were.
        credentials: Option<PathBuf>,
    },
    /// The registry does not have it.
    #[error("`{name}` has no `{what}`")]
    NotFound {
        /// Host and repository.
        name: String,
        /// What was asked for.
        what: String,
    },
    /// The registry answers in a way that is of no use.
    #[error("`{host}` answers with HTTP status {status}")]
    Status {
        /// The registry.
        host: String,
        /// Its answer, after all tries.
        status: u16,
    },
    /// The registry sends us to fetch a token, and that does not work.
    #[error("`{host}` wants a token from `{realm}`, which gives none")]
    BadToken {
        /// The registry.
        host: String,
        /// Where the token should come from.
        realm: String,
    },
    /// The registry cannot be reached, after all tries.
    #[error("connecting to `{host}`: {reason}")]
    Connection {
        /// The registry.
        host: String,
        /// Why.
        reason: String,
        /// Whether the two sides could not agree on TLS.
        tls: bool,
        /// Whether certificates were checked and plain HTTP refused.
        tls_verify: bool,
    },
    /// A download stopped and did not go on, after all tries.
    #[error("`{host}` cut blob {digest} short at byte {position}")]
    Cut {
        /// The registry.
        host: String,
        /// The blob.
        digest: Sha256Digest,
        /// How many bytes came.
        position: u64,
    },
    /// An image cannot be pushed under a digest, which its bytes decide.
    #[error("`{0}` names a digest: pushing needs a tag")]
    PushToDigest(String),
    /// Only single images are pushed.
    #[error("`{}` leads to an index of images: only one image can be pushed", .0.display())]
    PushOfIndex(PathBuf),
    /// The registry does not take what we push.
    #[error("`{host}` does not take the {what} (HTTP {status}){reason}")]
    Refused {
        /// The registry.
        host: String,
        /// What was pushed.
        what: String,
        /// Its answer.
        status: u16,
        /// Its words, behind a colon, if it has any.
        reason: String,
    },
    /// An upload on which nothing moves any more, after all tries.
    #[error("`{host}` stopped taking blob {digest} at byte {position}")]
    Stalled {
        /// The registry.
        host: String,
        /// The blob.
        digest: Sha256Digest,
        /// How many bytes it took.
        position: u64,
    },
    /// More signatures, or things beside an image, than are looked at.
    #[error("the image has {count} signatures or other attachments, more than the {limit} allowed")]
    TooManySignatures {
        /// How many there are.
        count: usize,
        /// The most we look at.
        limit: usize,
    },
    /// The user wants to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// The error of this room inside an error of a reader, if there is one.
    pub fn in_io(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// The error inside an error of a reader, or else `otherwise` of it.
    pub(crate) fn from_io(error: io::Error, otherwise: impl FnOnce(io::Error) -> Self) -> Self {
        error.downcast().unwrap_or_else(otherwise)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing named".to_owned() } else { items.join(", ") }
}

fn tried(credentials: Option<&PathBuf>) -> String {
    match credentials {
        Some(path) => format!("with the credentials from `{}`", path.display()),
        None => "without credentials: no file has any for it".to_owned(),
    }
}
