//! Damaged blueprints: whatever they have become, there is an answer, and soon.

use bootc_image::config::blueprint::{Blueprint, ImageDisk};
use proptest::prelude::*;

const DISK_YAML: &str = "mount_configuration: units
partition_table:
  type: gpt
  size: 10 GiB
  policy: { grow_root_to_fill_disk: false }
  partitions:
    - { size: 1 MiB, type: 21686148-6449-6e6f-744e-656564454649, bootable: true }
    - size: 200 MiB
      payload_type: filesystem
      payload: { type: vfat, mountpoint: /boot/efi, uuid: 7B77-95E7, fstab_options: \"umask=0077\" }
    - size: 4 MiB
      attrs: [59, 60]
      payload_type: raw
      payload: { source_path: /usr/lib/boot.img }
    - { size: 4 GiB, payload_type: filesystem, payload: { type: ext4, mountpoint: / } }
";

/// Cuts, copies or replaces a piece of `bytes`.
fn damaged(mut bytes: Vec<u8>, edits: &[(usize, usize, u8, Vec<u8>)]) -> Vec<u8> {
    for (at, len, kind, insert) in edits {
        let at = at % (bytes.len() + 1);
        let end = (at + len).min(bytes.len());
        match kind % 4 {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, insert.iter().copied())),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, u8, Vec<u8>)>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[\\[\\]{}\"'=:,.#&*\\n 0-9a-z-]{0,8}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec((any::<usize>(), 0..40usize, any::<u8>(), piece), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_toml_has_an_answer(edits in edits()) {
        let bytes = damaged(super::FULL.into(), &edits);
        if let Err(error) = Blueprint::parse("config.toml", &bytes) {
            prop_assert!(error.to_string().len() < 100_000);
        }
    }

    #[test]
    fn damaged_json_has_an_answer(edits in edits()) {
        let value: serde_json::Value = toml::from_str(super::FULL).unwrap();
        let bytes = damaged(serde_json::to_vec_pretty(&value).unwrap(), &edits);
        if let Err(error) = Blueprint::parse("-", &bytes) {
            prop_assert!(error.to_string().len() < 100_000);
        }
    }

    #[test]
    fn damaged_yaml_has_an_answer(edits in edits()) {
        let bytes = damaged(DISK_YAML.into(), &edits);
        if let Err(error) = ImageDisk::parse_table(&bytes) {
            prop_assert!(error.to_string().len() < 100_000);
        }
    }
}

#[test]
fn the_damaged_files_were_good() {
    assert_eq!(ImageDisk::parse_table(DISK_YAML.as_bytes()).unwrap().partitions.len(), 4);
    let value: serde_json::Value = toml::from_str(super::FULL).unwrap();
    let json = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(Blueprint::parse("-", &json), super::parse(super::FULL));
}

#[test]
fn large_and_deep_files_have_an_answer_soon() {
    let many = "a=1\n".repeat(100_000).replace("a=", "k=");
    let list = format!("a = [{}]", "1,".repeat(500_000));
    let inline = format!("a = {}1{}", "{ a.a.a.a.a.a.a.a = ".repeat(79), "}".repeat(79));
    let wide =
        format!("a = {}1{}", format!("{{ {} = ", ["a"; 79].join(".")).repeat(79), "}".repeat(79));
    for text in [many, list, inline, wide, "[".repeat(1 << 20), "[[a]]\n".repeat(50_000)] {
        assert!(Blueprint::parse("a.toml", text.as_bytes()).is_err());
    }
    let unknown = (0..100_000).map(|n| format!("\"k{n}\": 1")).collect::<Vec<_>>().join(",");
    let deep = format!("{}{}", "{\"a\":".repeat(300_000), "}".repeat(300_000));
    for text in [format!("{{{unknown}}}"), "[".repeat(1 << 20), deep] {
        assert!(Blueprint::parse("-", text.as_bytes()).unwrap_err().to_string().len() < 10_000);
    }
    let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    let brackets = "[".repeat(200_000);
    let indented: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in
        [laughs, &brackets, &indented, "? ".repeat(20_000).as_str(), "- ".repeat(20_000).as_str()]
    {
        assert!(ImageDisk::parse_table(text.as_bytes()).is_err());
    }
}
