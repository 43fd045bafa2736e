//! A registry as a place of images: documents, and blobs as blocking readers.
//!
//! Async ends here. Each blob has a task that downloads it and sends chunks through a short channel
//! to the plain thread that reads; dropping the reader stops the task. A download that is cut, or
//! on which nothing comes for a while, goes on from the byte it reached.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use reqwest::{Response, StatusCode};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::attachments::{BUNDLE_0_3, check_count, referrers_tag, signature_tag};
use super::certificates;
use super::client::{Client, Purpose, Trust};
use super::credentials::{self, Environment};
use super::error::Error;
use super::manifest::Index;
use super::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use super::model::MANIFEST_LIMIT_BYTES;
use super::name::RegistryReference;
use super::retry::Patience;
use super::source::{Store, Top};
use crate::digest::Sha256Digest;
use crate::progress::Cancel;

/// How many chunks may wait for a reader.
const WAITING_CHUNKS: usize = 4;

/// How to reach a registry.
#[derive(Debug, Clone)]
pub(crate) struct Access<'a> {
    pub(crate) authfile: Option<&'a Path>,
    pub(crate) environment: &'a Environment,
    pub(crate) tls_verify: bool,
    pub(crate) cert_dir: Option<&'a Path>,
    pub(crate) patience: Patience,
    pub(crate) cancel: Cancel,
}

/// An image's repository, which has the image.
pub(crate) struct Remote {
    client: Arc<Client>,
    runtime: Arc<Threads>,
    name: RegistryReference,
    top: Top,
}

/// The runtime; nobody waits for its last words.
pub(crate) struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Threads {
    pub(crate) fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("registry")
            .enable_all()
            .build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(Error::Runtime)
    }

    pub(crate) fn get(&self) -> &Runtime {
        self.0.as_ref().expect("the runtime is taken only when dropped")
    }
}

impl Remote {
    /// Greets the registry, and asks for the manifest.
    pub(crate) fn connect(name: &RegistryReference, access: &Access<'_>) -> Result<Self, Error> {
        let runtime = Threads::start()?;
        let client = runtime.get().block_on(connect(name, Purpose::Pull, access))?;
        let version = name.version();
        let top = runtime.get().block_on(document(&client, &version))?;
        if let Some(expected) = name.digest.filter(|expected| *expected != top.digest) {
            return Err(Error::BlobDigest { expected, seen: top.digest });
        }
        let runtime = Arc::new(runtime);
        Ok(Self { client: Arc::new(client), runtime, name: name.clone(), top })
    }

    /// Changes how patient we are from now on.
    pub(crate) fn with_patience(mut self, patience: Patience) -> Self {
        if let Some(client) = Arc::get_mut(&mut self.client) {
            client.patience = patience;
        }
        self
    }

    /// A document that need not be there.
    fn tagged(&self, tag: &str) -> Result<Option<Top>, Error> {
        match self.runtime.get().block_on(document(&self.client, tag)) {
            Ok(top) => Ok(Some(top)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The index of what refers to `digest`: from the registry itself, or where it makes none, from
    /// the tag that pushers keep instead.
    fn referrers_index(&self, digest: Sha256Digest) -> Result<Option<Index>, Error> {
        let kind = BUNDLE_0_3.replace('+', "%2B");
        let path = format!("referrers/{}?artifactType={kind}", digest.to_oci());
        let own = match self.runtime.get().block_on(read_document(&self.client, &path)) {
            Ok(top) => Index::parse(&top.bytes).ok(),
            // Registries of before OCI 1.1 refuse in ways of their own.
            Err(Error::NotFound { .. } | Error::Denied { .. }) => None,
            Err(Error::Status { status: 400..=499 | 501, .. }) => None,
            Err(error) => return Err(error),
        };
        if own.as_ref().is_some_and(|index| !index.manifests.is_empty()) {
            return Ok(own);
        }
        let kept = self.tagged(&referrers_tag(digest))?;
        kept.map(|top| Index::parse(&top.bytes)).transpose()
    }
}

/// Fetches a manifest or index by tag or digest.
async fn document(client: &Client, version: &str) -> Result<Top, Error> {
    read_document(client, &format!("manifests/{version}")).await
}

async fn read_document(client: &Client, path: &str) -> Result<Top, Error> {
    let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
    let response = client.get(path, &accept, None).await?;
    let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let (media_type, promised) = (header("content-type"), header("docker-content-digest"));
    let limit = MANIFEST_LIMIT_BYTES;
    let bytes = client.read_body(response, limit).await?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > limit {
        return Err(Error::TooLarge { what: "manifest", size, limit });
    }
    let digest = Sha256Digest::of(&bytes);
    if let Some(Ok(expected)) = promised.as_deref().map(Sha256Digest::parse_oci)
        && expected != digest
    {
        return Err(Error::BlobDigest { expected, seen: digest });
    }
    let media_type = media_type.and_then(|m| Some(m.split(';').next()?.trim().to_owned()));
    Ok(Top { bytes, digest, media_type })
}

/// Finds out who we are, and greets the registry.
pub(crate) async fn connect(
    name: &RegistryReference,
    purpose: Purpose,
    access: &Access<'_>,
) -> Result<Client, Error> {
    let credentials =
        credentials::find(access.authfile, access.environment, &name.host, &name.repository)?;
    let certificates = certificates::find(access.cert_dir, access.environment, &name.host)?;
    let trust = Trust { verify: access.tls_verify, certificates };
    let (patience, cancel) = (access.patience, access.cancel.clone());
    Client::connect(name, purpose, credentials, trust, patience, cancel).await
}

impl Store for Remote {
    fn top(&self) -> Result<Top, Error> {
        Ok(self.top.clone())
    }

    fn manifest(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Vec<u8>, Error> {
        let Top { bytes, digest: seen, .. } =
            self.runtime.get().block_on(document(&self.client, &digest.to_oci()))?;
        if seen != digest {
            return Err(Error::BlobDigest { expected: digest, seen });
        }
        match u64::try_from(bytes.len()) {
            Ok(seen) if seen != size_bytes => {
                Err(Error::BlobSize { digest, expected: size_bytes, seen })
            }
            _ => Ok(bytes),
        }
    }

    fn blob(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
        let client = Arc::clone(&self.client);
        let download = Download { client, digest, size_bytes, position: 0 };
        self.runtime.get().spawn(download.run(sender));
        let chunk = io::Cursor::default();
        Ok(Box::new(Chunks { chunks, chunk, _runtime: Arc::clone(&self.runtime) }))
    }

    fn signature_manifests(&self, digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.tagged(&signature_tag(digest))?.into_iter().map(|top| top.bytes).collect())
    }

    fn referrers(&self, digest: Sha256Digest) -> Result<Vec<Vec<u8>>, Error> {
        let Some(index) = self.referrers_index(digest)? else { return Ok(Vec::new()) };
        let bundles = index.manifests.iter().filter(|e| e.artifact_type() == Some(BUNDLE_0_3));
        let bundles: Vec<_> = bundles.collect();
        check_count(bundles.len())?;
        bundles.into_iter().map(|entry| self.manifest(entry.digest()?, entry.size)).collect()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.name.text)
    }
}

type Chunk = Result<Vec<u8>, Error>;

/// The reading end.
struct Chunks {
    chunks: mpsc::Receiver<Chunk>,
    chunk: io::Cursor<Vec<u8>>,
    _runtime: Arc<Threads>,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.chunk.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = io::Cursor::new(chunk?),
                None => return Ok(0),
            }
        }
    }
}

/// The sending end.
struct Download {
    client: Arc<Client>,
    digest: Sha256Digest,
    size_bytes: u64,
    /// How many bytes were sent.
    position: u64,
}

/// How a connection ended.
enum End {
    /// With the body's last byte, or because nobody listens any more.
    Done,
    /// Before that, for this reason.
    Cut(Error),
}

impl Download {
    async fn run(mut self, sender: mpsc::Sender<Chunk>) {
        if let Err(error) = self.download(&sender).await {
            // When nobody listens, nobody misses the error.
            let _ = sender.send(Err(error)).await;
        }
    }

    /// Connects until everything was sent; gives up after several connections without a new byte.
    async fn download(&mut self, sender: &mpsc::Sender<Chunk>) -> Result<(), Error> {
        let path = format!("blobs/{}", self.digest.to_oci());
        let mut failures = 0;
        loop {
            let before = self.position;
            let range = (before > 0).then_some(before);
            let response = self.client.get(&path, "*/*", range).await?;
            let error = match self.receive(response, sender).await? {
                End::Done => return Ok(()),
                End::Cut(error) => error,
            };
            failures = if self.position > before { 1 } else { failures + 1 };
            match self.client.patience.pause(failures, None) {
                Some(pause) => self.client.unless_cancelled(tokio::time::sleep(pause)).await?,
                None => return Err(error),
            }
        }
    }

    async fn receive(
        &mut self,
        mut response: Response,
        sender: &mpsc::Sender<Chunk>,
    ) -> Result<End, Error> {
        let mut skip = self.bytes_to_skip(&response)?;
        let whole_is_known = response.content_length().is_some();
        loop {
            let chunk = match self.client.unless_cancelled(response.chunk()).await? {
                Ok(Some(chunk)) => chunk,
                Ok(None) if whole_is_known || self.position >= self.size_bytes => {
                    return Ok(End::Done);
                }
                Ok(None) => return Ok(End::Cut(self.cut())),
                Err(error) => return Ok(End::Cut(self.client.failed(error))),
            };
            let len = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            let known = skip.min(len);
            skip -= known;
            let new = chunk.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
            if new.is_empty() {
                continue;
            }
            self.position = self.position.saturating_add(len - known);
            let sent = self.client.unless_cancelled(sender.send(Ok(new.to_vec()))).await?;
            if sent.is_err() || self.position > self.size_bytes {
                return Ok(End::Done);
            }
        }
    }

    /// Where the answer begins: at the byte asked for, or, when the server takes no note of ranges,
    /// at the first.
    fn bytes_to_skip(&self, response: &Response) -> Result<u64, Error> {
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok(self.position);
        }
        let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
        let start: Option<u64> =
            range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
        match start {
            Some(start) if start <= self.position => Ok(self.position - start),
            _ => Err(self.cut()),
        }
    }

    fn cut(&self) -> Error {
        Error::Cut {
            host: self.client.host().to_owned(),
            digest: self.digest,
            position: self.position,
        }
    }
}
