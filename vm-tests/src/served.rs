//! An ostree repository that machines pull from: an archive of one version, served over HTTP, and a
//! record of what was fetched.
//!
//! ```text
//!  disk ─► Sysroot ─► ostree pull-local ─► archive ─► Server on loopback ◄─ 10.0.2.2 in the machine
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::ostree::Repo;
use bootc_image_fixtures::registry::{Reply, Server};

use crate::network;
use crate::sysroot::Sysroot;

/// The one version of an operating system that a disk has.
#[derive(Debug)]
pub struct Version {
    /// The commit's checksum.
    pub commit: String,
    repo: Repo,
}

impl Version {
    /// The name under which machines pull it.
    pub const REF: &'static str = "fixture/stable";

    /// Takes the version out of a raw disk with one deployment, into a new archive in `folder`.
    pub fn of_disk(raw: &Path, stateroot: &str, folder: &Path) -> Result<Self> {
        let sysroot = Sysroot::mount(raw, &folder.join("mounted"))?;
        sysroot.fsck()?;
        let commits = sysroot.deployed(stateroot)?;
        ensure!(commits.len() == 1, "deployed: {commits:?}");
        let commit = commits.into_iter().next().context("one was counted")?;
        fs::create_dir(folder.join("repo"))?;
        let repo = Repo::init(&folder.join("repo"))?;
        let source = sysroot.repo().display().to_string();
        repo.ostree(["pull-local", "--disable-fsync", &source, &commit])?;
        repo.ostree(["refs", "--create", Self::REF, &commit])?;
        Ok(Self { commit, repo })
    }

    /// The objects, as [`objects`] has them.
    pub fn objects(&self) -> Result<BTreeSet<String>> {
        objects(self.repo.dir())
    }

    /// Serves the archive as long as the process runs.
    pub fn serve(&self) -> Served {
        let root = self.repo.dir().to_owned();
        let fetched = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&fetched);
        let server = Server::start(move |request| {
            let path = request.path.trim_start_matches('/');
            let Ok(bytes) = fs::read(root.join(path)) else { return Reply::status(404) };
            if let Some(object) = path.strip_prefix("objects/") {
                record.lock().unwrap_or_else(PoisonError::into_inner).push(object.to_owned());
            }
            Reply::ok(&bytes)
        });
        Served { server, fetched }
    }
}

/// The objects of a repository, as their paths below `objects`.
pub fn objects(repo: &Path) -> Result<BTreeSet<String>> {
    let mut objects = BTreeSet::new();
    for folder in fs::read_dir(repo.join("objects"))? {
        let folder = folder?;
        for object in fs::read_dir(folder.path())? {
            let name = object?.file_name();
            let start = folder.file_name();
            objects.insert(format!("{}/{}", start.display(), name.display()));
        }
    }
    Ok(objects)
}

/// A served archive.
#[derive(Debug)]
pub struct Served {
    server: Server,
    fetched: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// Where a machine finds it.
    pub fn url(&self) -> String {
        format!("http://{}", network::address(&self.server.host))
    }

    /// The objects that were fetched, sorted, each as often as it was.
    pub fn fetched(&self) -> Vec<String> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fetched.sort();
        fetched
    }
}
