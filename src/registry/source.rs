//! An image, opened: its facts, and its layers on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::attachments::{self, Attachment};
use super::blob::Blob;
use super::conf::RegistriesConf;
use super::credentials::Environment;
use super::dir::Dir;
use super::docker_archive::DockerArchive;
use super::error::Error;
use super::layout::Layout;
use super::manifest::Document;
use super::mirrors;
use super::model::{CONFIG_LIMIT_BYTES, image};
use super::reference::{ParseReferenceError, Reference};
use super::remote::Access;
use super::retry::Patience;
use super::storage::Storage;
use crate::digest::Sha256Digest;
use crate::progress::{Cancel, Event, Reporter, Silent};
use crate::spec::{Arch, Image, Layer};
use crate::units::ByteOffset;

/// How to open an image.
#[derive(Clone)]
pub struct Options {
    /// Which image of an index.
    pub arch: Arch,
    /// The only file to look for credentials in.
    pub authfile: Option<PathBuf>,
    /// Where to look for credentials without `authfile`.
    pub environment: Environment,
    /// Whether to check certificates and to refuse plain HTTP.
    pub tls_verify: bool,
    /// The only folder to look for registries' certificates in.
    pub cert_dir: Option<PathBuf>,
    /// The registries.conf(5) to begin with.
    pub registries_conf: Option<PathBuf>,
    /// Where a temporary folder may be made.
    pub scratch: PathBuf,
    /// When to try again.
    pub patience: Patience,
    /// Asked while reading.
    pub cancel: Cancel,
    /// Told what is read.
    pub reporter: Arc<dyn Reporter>,
}

impl Options {
    /// Settings for `arch`, everything else at its default.
    pub fn new(arch: Arch) -> Self {
        Self {
            arch,
            authfile: None,
            environment: Environment::default(),
            tls_verify: true,
            cert_dir: None,
            registries_conf: None,
            scratch: PathBuf::from("."),
            patience: Patience::default(),
            cancel: Cancel::default(),
            reporter: Arc::new(Silent),
        }
    }
}

impl Options {
    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            authfile: self.authfile.as_deref(),
            environment: &self.environment,
            tls_verify: self.tls_verify,
            cert_dir: self.cert_dir.as_deref(),
            patience: self.patience,
            cancel: self.cancel.clone(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("arch", &self.arch).finish_non_exhaustive()
    }
}

/// An image whose manifest and config are verified, and whose layers can be read.
#[derive(Debug)]
pub struct Source {
    reference: Reference,
    image: Image,
    documents: Vec<Named>,
    config: Named,
    media_type: &'static str,
    /// The layers as the store keeps them.
    stored: Vec<Layer>,
    /// Whether that is how the manifest has them.
    is_as_named: bool,
    copy: Option<Copy>,
    store: Box<dyn Store>,
    options: Options,
}

/// Where layers are copied to while they are read.
#[derive(Debug)]
struct Copy {
    file: Arc<File>,
    places: BTreeMap<Sha256Digest, ByteOffset>,
}

/// A document on the way from the name to the image, or its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// SHA-256 of the bytes.
    pub digest: Sha256Digest,
    /// As they were served.
    pub bytes: Vec<u8>,
}

/// A place where images are kept.
pub(crate) trait Store: Send + Sync + fmt::Debug {
    /// The manifest or index that was asked for.
    fn top(&self) -> Result<Top, Error>;
    /// Another manifest, verified.
    fn manifest(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Vec<u8>, Error>;
    /// A blob, not verified.
    fn blob(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Box<dyn Read + Send>, Error>;
    /// Manifests whose layers are simple signatures of `digest`. Most places keep none.
    fn signature_manifests(&self, _digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        Ok(Vec::new())
    }
    /// Manifests that refer to `digest` and have sigstore bundles. Most places keep none.
    fn referrers(&self, _digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        Ok(Vec::new())
    }
    /// How the layer with that index is kept, where it is not as the manifest says: unpacked.
    fn stored(&self, layer: &Layer, _index: usize) -> Result<Layer, Error> {
        Ok(layer.clone())
    }
}

/// The document that a name leads to.
#[derive(Debug, Clone)]
pub(crate) struct Top {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Sha256Digest,
    pub(crate) media_type: Option<String>,
}

impl Source {
    /// Finds the image, fetches and verifies its manifest and config.
    pub fn open(reference: &Reference, options: &Options) -> Result<Self, Error> {
        let cancel = options.cancel.clone();
        let (reference, conf) = complete(reference, options)?;
        let store: Box<dyn Store> = match &reference {
            Reference::OciDir(layout) => Box::new(Layout::dir(layout, cancel)?),
            Reference::OciArchive(layout) => Box::new(Layout::archive(layout, cancel)?),
            Reference::DockerArchive(archive) => Box::new(DockerArchive::open(archive, &cancel)?),
            Reference::Dir(path) => Box::new(Dir::open(path, cancel)?),
            Reference::Storage(name) => Box::new(Storage::open(name, &options.scratch, &cancel)?),
            Reference::Registry(name) => {
                let (access, reporter) = (options.access(), options.reporter.as_ref());
                Box::new(mirrors::connect(name, &conf, &access, reporter)?)
            }
            Reference::Short(name) => {
                return Err(ParseReferenceError::NoHost(name.text.clone()).into());
            }
        };
        let Resolved { mut image, documents, config, media_type } =
            resolve(store.as_ref(), options)?;
        let stored = (image.layers.iter().enumerate())
            .map(|(index, layer)| store.stored(layer, index))
            .collect::<Result<Vec<_>, _>>()?;
        let is_as_named = stored == image.layers;
        for (layer, stored) in image.layers.iter_mut().zip(&stored) {
            (layer.size_bytes, layer.compression) = (stored.size_bytes, stored.compression);
        }
        let (options, copy) = (options.clone(), None);
        Ok(Self {
            reference,
            image,
            documents,
            config,
            media_type,
            stored,
            is_as_named,
            copy,
            store,
            options,
        })
    }

    /// The image's name; a short one is completed.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What the manifest and the config say.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The documents that the name led to, the image's manifest last; before it the index, if it was
    /// chosen from one.
    pub fn documents(&self) -> &[Named] {
        &self.documents
    }

    /// The image's config.
    pub fn config(&self) -> &Named {
        &self.config
    }

    /// The media type of the image's manifest.
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Whether layers are read as the manifest names them: not where they are kept unpacked.
    pub fn is_as_named(&self) -> bool {
        self.is_as_named
    }

    /// From now on, writes each layer that has a place into this file too, while it is read. Of those
    /// that are in the image more than once, the first is written.
    pub fn copy_layers(&mut self, file: Arc<File>, places: BTreeMap<Sha256Digest, ByteOffset>) {
        self.copy = Some(Copy { file, places });
    }

    /// What lies beside the image and may be a signature of it, or of the index it was chosen from.
    pub fn attachments(&self) -> Result<Vec<Attachment>, Error> {
        let mut found = Vec::new();
        for document in &self.documents {
            let cancel = &self.options.cancel;
            for one in attachments::collect(self.store.as_ref(), document.digest, cancel)? {
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        Ok(found)
    }

    /// Opens the compressed bytes of a layer. The same layer may be opened again, and several at a
    /// time, from any thread.
    pub fn layer(&self, index: usize) -> Result<Blob, Error> {
        let count = self.stored.len();
        let layer = self.stored.get(index).ok_or(Error::NoSuchLayer { index, count })?;
        let bytes = self.store.blob(layer.digest, layer.size_bytes)?;
        let blob = Blob::new(bytes, layer.digest, layer.size_bytes, self.options.cancel.clone());
        let blob = blob.reporting(Arc::clone(&self.options.reporter), index);
        let is_first = self.stored[..index].iter().all(|before| before.digest != layer.digest);
        match &self.copy {
            Some(Copy { file, places }) if is_first => Ok(match places.get(&layer.digest) {
                Some(start) => blob.copying(Arc::clone(file), *start),
                None => blob,
            }),
            _ => Ok(blob),
        }
    }
}

/// Completes a short name; with what is known of registries, where the image is in one.
fn complete(
    reference: &Reference,
    options: &Options,
) -> Result<(Reference, RegistriesConf), Error> {
    if !matches!(reference, Reference::Registry(_) | Reference::Short(_)) {
        return Ok((reference.clone(), RegistriesConf::default()));
    }
    let conf = RegistriesConf::load(options.registries_conf.as_deref(), &options.environment)?;
    for message in &conf.warnings {
        options.reporter.report(Event::Warning { message: message.clone() });
    }
    let Reference::Short(short) = reference else { return Ok((reference.clone(), conf)) };
    let full = conf.complete(short)?;
    let name = format!("resolving {}, which `{}` stands for", full.text, short.text);
    options.reporter.report(Event::Stage { name });
    Ok((Reference::Registry(full), conf))
}

/// What a name leads to.
struct Resolved {
    image: Image,
    documents: Vec<Named>,
    config: Named,
    media_type: &'static str,
}

fn resolve(store: &dyn Store, options: &Options) -> Result<Resolved, Error> {
    let top = store.top()?;
    let mut documents = Vec::new();
    let (digest, manifest) = match Document::parse(&top.bytes, top.media_type.as_deref())? {
        Document::Manifest(manifest) => (top.digest, manifest),
        Document::Index(index) => {
            let entry = index.choose(options.arch)?;
            let digest = entry.digest()?;
            if entry.is_index() {
                return Err(Error::NestedIndex(digest));
            }
            let bytes = store.manifest(digest, entry.size)?;
            match Document::parse(&bytes, Some(&entry.media_type))? {
                Document::Manifest(manifest) => {
                    documents.push(Named { digest, bytes });
                    (digest, manifest)
                }
                Document::Index(_) => return Err(Error::NestedIndex(digest)),
            }
        }
    };
    documents.insert(0, Named { digest: top.digest, bytes: top.bytes });
    let (config_digest, config_size) = manifest.config()?;
    let config = store.blob(config_digest, config_size)?;
    let config = read_verified(
        config,
        config_digest,
        config_size,
        "image config",
        CONFIG_LIMIT_BYTES,
        &options.cancel,
    )?;
    let media_type = manifest.media_type();
    let image = image(digest, *manifest, &config)?;
    let config = Named { digest: config_digest, bytes: config };
    Ok(Resolved { image, documents, config, media_type })
}

/// Reads a small blob whole, and verifies it.
pub(crate) fn read_verified(
    bytes: Box<dyn Read + Send>,
    digest: Sha256Digest,
    size_bytes: u64,
    what: &'static str,
    limit: u64,
    cancel: &Cancel,
) -> Result<Vec<u8>, Error> {
    if size_bytes > limit {
        return Err(Error::TooLarge { what, size: size_bytes, limit });
    }
    let mut blob = Blob::new(bytes, digest, size_bytes, cancel.clone());
    let mut content = Vec::new();
    match blob.read_to_end(&mut content) {
        Ok(_) => Ok(content),
        Err(error) => Err(Error::from_io(error, |source| Error::Blob { digest, source })),
    }
}

/// Reads a document that nobody vouches for.
pub(crate) fn read_limited(bytes: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    bytes.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}
