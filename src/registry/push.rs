//! The way back: the image of a layout into a registry.
//!
//! | step | request | answer |
//! |---|---|---|
//! | for each blob | `HEAD blobs/DIGEST` | 200: it is there, 404: it is not |
//! | if it is not | `POST blobs/uploads/` | 202, with the place to upload to |
//! | | `PUT PLACE?digest=DIGEST`, all of it | 201 |
//! | last | `PUT manifests/TAG` | 201 |
//!
//! Nobody can pull the image before the manifest is there, so a push that ends early leaves nothing
//! but blobs, which the next one finds. Blobs go up whole: pieces are optional for registries, and
//! some do not take them. An upload that was cut begins anew.

use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::client::{Client, Purpose};
use super::conf::RegistriesConf;
use super::error::Error;
use super::layout::Layout;
use super::manifest::Document;
use super::media::OCI_MANIFEST;
use super::mirrors::blocked;
use super::name::RegistryReference;
use super::reference::LayoutReference;
use super::remote::{Access, Threads, connect};
use super::source::{Options, Store as _};
use super::upload::{refused, upload};
use crate::digest::Sha256Digest;
use crate::progress::Event;

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest's digest, by which the image can be pulled from now on.
    pub digest: Sha256Digest,
    /// How many bytes of blobs were sent: those that the registry did not have.
    pub sent_bytes: u64,
}

/// Pushes the only image of the OCI layout `folder` to `name`.
pub fn push(folder: &Path, name: &RegistryReference, options: &Options) -> Result<Pushed, Error> {
    if name.digest.is_some() {
        return Err(Error::PushToDigest(name.text.clone()));
    }
    let reference = LayoutReference { path: folder.to_owned(), tag: None };
    let layout = Layout::dir(&reference, options.cancel.clone())?;
    let top = layout.top()?;
    let manifest = match Document::parse(&top.bytes, top.media_type.as_deref())? {
        Document::Manifest(manifest) => manifest,
        Document::Index(_) => return Err(Error::PushOfIndex(folder.to_owned())),
    };
    let layers = manifest.layers()?.0.into_iter().map(|layer| (layer.digest, layer.size_bytes));
    let blobs: Vec<_> = layers.chain([manifest.config()?]).collect();
    let media_type = top.media_type.filter(|text| !text.is_empty());
    let media_type = media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());

    let access = access(name, options)?;
    let runtime = Threads::start()?;
    runtime.get().block_on(async {
        let client = connect(name, Purpose::Push, &access).await?;
        let mut sent_bytes = 0;
        for (digest, size_bytes) in blobs {
            let is_there = has_blob(&client, digest).await?;
            if !is_there {
                let open = || layout.blob(digest, size_bytes);
                upload(&client, &open, (digest, size_bytes), &options.cancel).await?;
                sent_bytes += size_bytes;
            }
            let fate = if is_there { "is in the registry already" } else { "was pushed" };
            options.reporter.report(Event::Detail { message: format!("blob {digest} {fate}") });
        }
        put_manifest(&client, &name.version(), &top.bytes, &media_type).await?;
        Ok(Pushed { digest: top.digest, sent_bytes })
    })
}

/// What registries.conf(5) says of pushing there: mirrors and other locations are for pulling only.
fn access<'a>(name: &RegistryReference, options: &'a Options) -> Result<Access<'a>, Error> {
    let explicit = options.registries_conf.as_deref();
    let conf = RegistriesConf::load(explicit, &options.environment)?;
    if let Some(error) = blocked(name, &conf) {
        return Err(error);
    }
    let access = options.access();
    let is_insecure = conf.endpoints(name)?.last().is_some_and(|endpoint| endpoint.insecure);
    Ok(Access { tls_verify: access.tls_verify && !is_insecure, ..access })
}

async fn has_blob(client: &Client, digest: Sha256Digest) -> Result<bool, Error> {
    let url = client.url(&format!("blobs/{}", digest.to_oci()));
    let response = client.call(&|http| http.head(&url)).await?;
    match response.status() {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        _ => Err(refused(client, "question for a blob", response).await),
    }
}

async fn put_manifest(
    client: &Client,
    tag: &str,
    bytes: &[u8],
    media_type: &str,
) -> Result<(), Error> {
    let url = client.url(&format!("manifests/{tag}"));
    let put = |http: &reqwest::Client| {
        http.put(&url).header(CONTENT_TYPE, media_type).body(bytes.to_vec())
    };
    let response = client.call(&put).await?;
    match response.status() {
        status if status.is_success() => Ok(()),
        _ => Err(refused(client, "manifest", response).await),
    }
}
