//! What fuzzers feed with layers: they go all the way from tars to a file system, in memory. A panic, or
//! memory without bounds, is the finding; and a file system that nobody can read.

use std::io::Cursor;

use super::ahead::Unpacked;
use super::import::{Context, Import, Imported};
use super::soon::Soon;
use crate::canvas::MemoryCanvas;
use crate::digest::Sha256Digest;
use crate::files::Files;
use crate::fs::ext4::{Options, Writer};
use crate::labels::Labels;
use crate::layers::Warnings;
use crate::ostree::{self, Deployment, Sysroot};
use crate::progress::{Cancel, Silent};
use crate::spec::{Compression, Image, Layer};
use crate::units::{ByteLen, GIB};
use crate::volume::{Timestamp, Volume};

/// The root file system of an image that has these layers, uncompressed, from the lowest up; `None` when
/// they are refused.
pub fn root(layers: &[Vec<u8>]) -> Option<Vec<u8>> {
    let options = Options { growth_limit: ByteLen(GIB), ..Options::default() };
    let writer = Writer::create(MemoryCanvas::default(), options).expect("an empty one");
    let mut sysroot = Sysroot::create(writer, Timestamp::default()).expect("an empty one");
    let imported = import(&mut sysroot, layers)?;
    deploy(&mut sysroot, &imported)?;
    let writer = sysroot.into_volume();
    let size = writer.required().expect("all of it has a name, and a place");
    let (_, canvas) = writer.finish(size).expect("what it requires is enough");
    let mut bytes = canvas.bytes;
    bytes.resize(usize::try_from(size.0).ok()?, 0);
    Some(bytes)
}

fn import<V: Volume>(sysroot: &mut Sysroot<V>, layers: &[Vec<u8>]) -> Option<Imported> {
    let image = image(layers);
    let (reporter, cancel) = (Silent, Cancel::default());
    let context = Context { reporter: &reporter, cancel: &cancel, threads: 1 };
    let soon = Soon::new(vec!["usr".to_owned()], read_all);
    let mut import = Import::new(sysroot, &image, context, soon);
    for (index, layer) in layers.iter().enumerate() {
        let bytes = Box::new(Cursor::new(layer.clone()));
        import.derived(index, Unpacked { bytes, warnings: Warnings::default() }).ok()?;
    }
    import.finish(0, |_, _| ()).ok()
}

/// Without kernel and boot entry, which are not of the layers' form.
fn deploy<V: Volume>(sysroot: &mut Sysroot<V>, imported: &Imported) -> Option<()> {
    let deployment = Deployment {
        stateroot: "default",
        commit: Sha256Digest::of(b""),
        tree: &imported.tree,
        boot_files: &[],
        boot_checksum: Sha256Digest::of(b""),
        bls_entry: "",
        origin: "",
        additions: &[],
        mount_points: &[],
        composefs: Some(imported.composefs),
        labels: imported.policy.as_ref().map(|policy| -> &dyn Labels { policy }),
    };
    ostree::deploy(sysroot, &deployment).ok()
}

fn image(layers: &[Vec<u8>]) -> Image {
    let layer = |bytes: &Vec<u8>| Layer {
        digest: Sha256Digest::of(bytes),
        size_bytes: 0,
        compression: Compression::None,
    };
    Image {
        manifest_digest: Sha256Digest::of(b""),
        canonical_manifest: String::new(),
        canonical_config: String::new(),
        config_digest: Sha256Digest::of(b""),
        architecture: String::new(),
        created_secs: None,
        labels: std::collections::BTreeMap::new(),
        layers: layers.iter().map(layer).collect(),
        diff_ids: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Reads what a view on half-read layers shows of `/usr`.
fn read_all(files: &dyn Files) {
    for name in files.names("usr") {
        let _ = files.read_following(&format!("usr/{name}"), 1 << 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ext4_view::{Ext4, Path};

    fn layer(path: &str, content: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content).unwrap();
        tar.into_inner().unwrap()
    }

    fn contents(root: &Ext4, directory: Path<'_>) -> Vec<Vec<u8>> {
        let paths = root.read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let below = paths.filter(|path| !path.as_ref().ends_with(b"."));
        let read = |path: ext4_view::PathBuf| {
            let meta = root.symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                contents(root, path.as_path())
            } else {
                vec![root.read(&path).unwrap()]
            }
        };
        below.flat_map(read).collect()
    }

    #[test]
    fn layers_become_what_others_read() {
        let layers = [layer("usr/a", b"lower"), layer("usr/b", b"upper")];
        let root = Ext4::load(Box::new(root(&layers).unwrap())).unwrap();
        for place in ["/ostree/repo/objects", "/ostree/deploy/default/deploy"] {
            let all = contents(&root, Path::new(place));
            for expected in [&b"lower"[..], b"upper"] {
                assert!(all.iter().any(|content| content == expected), "{place}");
            }
        }
    }

    #[test]
    fn hostile_layers_are_refused() {
        assert!(root(&[]).is_none());
        assert!(root(&[layer("usr/a", b"x")[..513].to_vec()]).is_none());
    }
}
