//! Every golden image becomes what the real importer and installer made of it.
//!
//! The images and records are in `fixtures/golden`; the rules of comparison in `docs/conformance.md`:
//! what upstream accepts soundly is equal bit for bit, and every exception is listed here and there
//! with the rule that says so. The installation goes into a volume in memory; that ext4 keeps what
//! it is given is tested with ext4.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod expect;
mod record;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootc_image::pipeline::import::{Context, import};
use bootc_image::pipeline::install::{Inputs, install};
use bootc_image::pipeline::request::{BootLoader, Request};
use bootc_image::pipeline::soon::Soon;
use bootc_image::plan::ids::Ids;
use bootc_image::plan::platform::Platform;
use bootc_image::plan::types::DiskType;
use bootc_image::progress::{Cancel, Reporter, Silent};
use bootc_image::registry::{Reference, Source, TargetRef};
use bootc_image::spec::Arch;
use bootc_image::volume::Timestamp;
use bootc_image::volume::memory::MemoryVolume;
use bootc_image::{digest::Sha256Digest, ostree, pipeline};

use expect::Expect;
use record::EtcLabels;

/// `SOURCE_DATE_EPOCH` of the recorded imports.
const EPOCH: i64 = 1_735_689_600;
const TARGET: &str = "example.invalid/image:latest";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden")
}

fn request(layout: &Path) -> Request {
    let source_text = format!("oci:{}:latest", layout.display());
    let source = Reference::parse(&source_text).unwrap();
    Request {
        target: Some(TargetRef::parse(TARGET).unwrap()),
        types: vec![DiskType::Raw],
        boot_loader: BootLoader::None,
        source_date_epoch: Some(EPOCH),
        threads: 2,
        ..Request::new(source, source_text, Arch::X86_64)
    }
}

fn context(cancel: &Cancel) -> Context<'_> {
    Context { reporter: &Silent, cancel, threads: 2 }
}

fn reporter() -> Arc<dyn Reporter> {
    Arc::new(Silent)
}

const TIME: Timestamp = Timestamp { secs: EPOCH, nanos: 0 };

fn install_image(layout: &Path) -> Result<(MemoryVolume, Ids), pipeline::Error> {
    let request = request(layout);
    let (cancel, target) = (Cancel::default(), TargetRef::parse(TARGET).unwrap());
    let source = pipeline::open_source(&request, &reporter(), &cancel)?;
    let ids = Ids::derive(source.image().manifest_digest, Sha256Digest::of(b"golden"));
    let inputs = Inputs {
        request: &request,
        source: &source,
        target: &target,
        ids: &ids,
        time: TIME,
        profile: &Platform::Generic.profile(),
        seed: Sha256Digest::of(b""),
        log: None,
        container: None,
    };
    let mut another = |_: &_, _| Ok(MemoryVolume::default());
    let installed = install(MemoryVolume::default(), &mut another, inputs, context(&cancel))?;
    Ok((installed.volume.into_parts().0, ids))
}

/// Only what the importer does: for images that were recorded without an installation.
fn import_image(layout: &Path) -> Result<MemoryVolume, pipeline::Error> {
    let request = request(layout);
    let cancel = Cancel::default();
    let source: Source = pipeline::open_source(&request, &reporter(), &cancel)?;
    let mut sysroot = ostree::Sysroot::create(MemoryVolume::default(), TIME)?;
    let imported =
        import(&mut sysroot, &source, EPOCH, context(&cancel), Soon::nothing(), |_, _| ())?;
    let image = source.image();
    let created = image.created_secs.unwrap_or(EPOCH);
    let (tree, base) = (&imported.tree, imported.base);
    let commit = ostree::commit_merge(&mut sysroot.store, tree, image, base, created)?;
    for (blob, layer) in imported.layer_commits {
        sysroot.layer_reference(blob, layer)?;
    }
    sysroot.image_reference(&TargetRef::parse(TARGET).unwrap().image_reference(), commit)?;
    Ok(sysroot.into_volume())
}

/// What differs from the record, one line each.
fn check(name: &str, directory: &Path) -> Vec<String> {
    let layout = directory.join("oci");
    let oracle = directory.join("oracle");
    let full = oracle.join("installed").is_dir();
    let volume = if full {
        install_image(&layout).map(|(volume, ids)| (volume, Some(ids)))
    } else if oracle.join("merge-commit.txt").exists() && !oracle.join("error.txt").exists() {
        import_image(&layout).map(|volume| (volume, None))
    } else {
        install_image(&layout).map(|(volume, ids)| (volume, Some(ids)))
    };
    match (expect::of(name, &oracle), volume) {
        (Expect::Refused(fragment), Err(error)) => {
            let text = expect::chain(&error);
            if text.contains(fragment) {
                Vec::new()
            } else {
                vec![format!("the error does not say `{fragment}`: {text}")]
            }
        }
        (Expect::Refused(_), Ok(_)) => vec!["accepted".to_owned()],
        (_, Err(error)) => vec![format!("refused: {}", expect::chain(&error))],
        (Expect::Read, Ok(_)) => Vec::new(),
        (Expect::Equal, Ok((volume, ids))) => {
            record::differences(&oracle, &volume, ids.as_ref(), EtcLabels::Equal)
        }
        (Expect::EqualButEtcLabels, Ok((volume, ids))) => {
            record::differences(&oracle, &volume, ids.as_ref(), EtcLabels::ByTheirPath)
        }
        (Expect::EqualBut(paths), Ok((volume, _))) => {
            record::differences_but(&oracle, &volume, paths)
        }
    }
}

#[test]
fn golden_images_come_out_as_recorded() {
    let mut failures = Vec::new();
    let mut names: Vec<_> =
        golden().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() >= 100, "the golden images are missing");
    let only = std::env::args().nth(1).filter(|argument| golden().join(argument).is_dir());
    for name in &names {
        let name = name.to_str().unwrap();
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        for difference in check(name, &golden().join(name)) {
            failures.push(format!("{name}: {difference}"));
        }
    }
    println!("{} golden images compared", names.len());
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}
