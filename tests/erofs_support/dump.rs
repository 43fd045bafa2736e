//! A tree as mkcomposefs reads it: one line a node.

use std::fmt::Write as _;

use bootc_image::fs::erofs::composefs::Kind;

use super::{MemoryTree, Node};

/// The tree as text.
pub fn dump(tree: &MemoryTree) -> String {
    let mut text = String::new();
    let mut waiting = vec![(0, Vec::new())];
    while let Some((number, path)) = waiting.pop() {
        let node = &tree.nodes[number];
        line(node, if path.is_empty() { b"/" } else { &path }, tree.object_suffix, &mut text);
        for (name, child) in &node.children {
            waiting.push((*child, [&path[..], b"/", name].concat()));
        }
    }
    text
}

fn line(node: &Node, path: &[u8], suffix: &str, text: &mut String) {
    let mut fields = Fields {
        size: u64::try_from(node.content.len()).unwrap(),
        payload: "-".to_owned(),
        content: "-".to_owned(),
        digest: "-".to_owned(),
    };
    let (type_bits, device) = match node.kind {
        Kind::Directory => (0o040_000, 0),
        Kind::Empty => (0o100_000, 0),
        Kind::Object { len_bytes, name, verity } => {
            let hex = name.to_hex();
            fields.size = len_bytes;
            fields.payload = format!("{}/{}{suffix}", &hex[..2], &hex[2..]);
            fields.digest = verity.map_or("-".to_owned(), |digest| digest.to_hex());
            (0o100_000, 0)
        }
        Kind::Inline { .. } => {
            fields.content = escape(&node.content);
            (0o100_000, 0)
        }
        Kind::Symlink { .. } => {
            fields.payload = escape(&node.content);
            (0o120_000, 0)
        }
        Kind::CharDevice(major, minor) => (0o020_000, device(major, minor)),
        Kind::BlockDevice(major, minor) => (0o060_000, device(major, minor)),
        Kind::Fifo => (0o010_000, 0),
        Kind::Socket => (0o140_000, 0),
    };
    let Node { mode, uid, gid, mtime, .. } = node;
    let mode = type_bits | u32::from(*mode);
    let Fields { size, payload, content, digest } = fields;
    write!(text, "{} {size} {mode:o} 1 {uid} {gid} {device} ", escape(path)).unwrap();
    write!(text, "{}.{} {payload} {content} {digest}", mtime.secs, mtime.nanos).unwrap();
    for xattr in node.xattrs.as_slice() {
        write!(text, " {}={}", escape(&xattr.name), escape(&xattr.value)).unwrap();
    }
    text.push('\n');
}

struct Fields {
    size: u64,
    payload: String,
    content: String,
    digest: String,
}

/// As glibc's makedev.
fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (major & 0xfff) << 8 | minor & 0xff | (minor & !0xff) << 12
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/._".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "\\x{byte:02x}").unwrap();
        }
    }
    text
}
