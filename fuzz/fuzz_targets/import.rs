//! Layers of an image, all the way to a file system that others can read.
#![no_main]

use bootc_image::pipeline::fuzz;
use ext4_view::{Ext4, Path};

const BLOCK_BYTES: usize = 512;
const MOST_LAYERS: usize = 8;

/// The tars in `bytes`, one after the other, with the sums of their headers put right.
fn layers(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut layers = vec![Vec::new()];
    for block in bytes.chunks_exact(BLOCK_BYTES) {
        let is_zero = block.iter().all(|byte| *byte == 0);
        if is_zero && layers.len() < MOST_LAYERS {
            layers.push(Vec::new());
        } else if let Some(layer) = layers.last_mut() {
            layer.extend(summed(block));
        }
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

fn summed(block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    if block[257..262] == *b"ustar" {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    block
}

fn read(file_system: &Ext4, directory: Path<'_>) {
    for entry in file_system.read_dir(directory).expect("a directory of ours") {
        let entry = entry.expect("an entry of ours");
        let path = entry.path();
        let kind = entry.file_type().expect("a type of ours");
        match entry.file_name().as_ref() {
            b"." | b".." => {}
            _ if kind.is_dir() => read(file_system, path.as_path()),
            _ if kind.is_symlink() => drop(file_system.read_link(path.as_path()).expect("a link")),
            _ => drop(file_system.symlink_metadata(path.as_path()).expect("a file of ours")),
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(root) = fuzz::root(&layers(bytes)) else { return };
    let file_system = Ext4::load(Box::new(root)).expect("what we write");
    read(&file_system, Path::ROOT);
});
