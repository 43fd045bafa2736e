//! Where images come from, and where those we make may go.
//!
//! A [`Reference`] is what the user typed; [`Source::open`] finds the image, fetches and verifies its
//! manifest and config, and hands out each layer as a [`Blob`]: a plain blocking reader of the
//! compressed bytes that checks length and digest before it reports the end.
//!
//! | file | what it is |
//! |---|---|
//! | `reference`, `name` | IMAGE as typed |
//! | `target` | what the installed system updates from, and how ostree spells it |
//! | `source` | the way from a name to an image |
//! | `layout` | OCI layouts: a folder, or a tar of one |
//! | `docker_archive`, `dir` | what `docker save` and `skopeo copy … dir:` write |
//! | `storage`, `skopeo` | local storage, read by skopeo |
//! | `tar_index` | files in a tar, read in place |
//! | `conf`, `conf_file` | registries.conf(5): short names, mirrors, blocked registries |
//! | `mirrors` | the first place that has an image |
//! | `remote` | registries: documents, and downloads that go on where they were cut |
//! | `push`, `upload` | the way back: a layout of ours into a registry |
//! | `client`, `challenge`, `retry` | HTTP: authentication, tokens, trying again |
//! | `credentials`, `pull_secret` | files that say who we are |
//! | `certificates` | certificates for single registries |
//! | `manifest`, `media`, `model` | documents to [`Image`](crate::spec::Image) |
//! | `goconfig`, `timestamp` | the config as the importer gets to see it |
//! | [`fuzz`] | what fuzzers call |
//! | `blob` | a reader that vouches for its bytes |
//! | `attachments` | what lies beside an image and may be a signature |
//!
//! # Invariants
//!
//! * A document is used only after its digest was checked, a layer's end is told only after.
//! * Documents have a limit: 4 MiB for manifests and indexes, 16 MiB for configs.
//! * The canonical texts equal those that upstream's importer stores: through the same models, in
//!   the same order. The golden images hold us to it.

mod attachments;
mod blob;
mod certificates;
mod challenge;
mod client;
mod conf;
mod conf_file;
mod credentials;
mod dir;
mod docker_archive;
mod error;
pub mod fuzz;
mod goconfig;
mod layout;
mod manifest;
mod media;
mod mirrors;
mod model;
mod name;
mod pull_secret;
mod push;
mod reference;
mod remote;
mod retry;
mod skopeo;
mod source;
mod storage;
mod tar_index;
mod target;
mod timestamp;
mod upload;

pub use attachments::{Attachment, parse_attachments};
pub use blob::Blob;
pub use credentials::Environment;
pub use error::Error;
pub use model::check_bootable;
pub use name::{RegistryReference, ShortName};
pub use push::{Pushed, push};
pub use reference::{
    ArchiveChoice, ArchiveReference, LayoutReference, ParseReferenceError, Reference,
    StorageReference,
};
pub use retry::Patience;
pub use source::{Named, Options, Source};
pub use target::TargetRef;
