//! `.bootc-aleph.json` at the physical root: from what the system was installed. For people; nothing
//! reads it back. Canonical JSON: keys sorted, no blanks.
//!
//! It names nothing of the machine that built the disk: `image` is the target image, `kernel` the
//! image's own.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Sha256Digest;

/// The label that becomes `timestamp`.
const CREATED: &str = "org.opencontainers.image.created";

/// What the file tells.
#[derive(Debug, Clone, Copy)]
pub struct Aleph<'a> {
    /// Digest of the image's manifest.
    pub digest: Sha256Digest,
    /// The target image's name, without its transport.
    pub target_image: &'a str,
    /// The kernel's version.
    pub kernel: &'a str,
    /// Labels of the image.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether the image has an SELinux policy.
    pub selinux: bool,
    /// The image's version.
    pub version: Option<&'a str>,
}

/// The members in the order of their names.
#[derive(Serialize)]
struct Document<'a> {
    digest: String,
    image: &'a str,
    kernel: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    selinux: &'static str,
    #[serde(rename = "target-image")]
    target_image: &'a str,
    timestamp: Option<&'a str>,
    version: Option<&'a str>,
}

impl Aleph<'_> {
    /// The file's text, without a final newline.
    pub fn to_json(&self) -> String {
        let created = self.labels.get(CREATED).map(String::as_str);
        let document = Document {
            digest: self.digest.to_oci(),
            image: self.target_image,
            kernel: self.kernel,
            labels: self.labels,
            selinux: if self.selinux { "enabled" } else { "disabled" },
            target_image: self.target_image,
            timestamp: created.filter(|text| is_rfc3339(text)),
            version: self.version,
        };
        serde_json::to_string(&document).expect("strings and a map of strings are always JSON")
    }
}

/// Whether the text has the form of an RFC 3339 time. Its zone stays as written.
fn is_rfc3339(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(have, want)| match want {
                b'0' => have.is_ascii_digit(),
                b'T' => matches!(have, b'T' | b't' | b' '),
                _ => have == want,
            })
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let fraction_is_empty = rest.starts_with('.') && rest.len() == zone.len() + 1;
    let zoned = matches!(zone, "Z" | "z") || shape(zone, "+00:00") || shape(zone, "-00:00");
    shape(time, "0000-00-00T00:00:00") && zoned && !fraction_is_empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_file_comes_out() {
        let labels = [
            ("version", "other"),
            ("ostree.bootable", "1"),
            ("containers.bootc", "1"),
            ("org.opencontainers.image.version", "1.2.3"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let hex = "02167f95e4b40efc36087d2063f5efc4b1f863861b6d8985015594a2a16bd1fa";
        let aleph = Aleph {
            digest: Sha256Digest::parse_hex(hex).unwrap(),
            target_image: "example.invalid/image:latest",
            kernel: "6.1.0-golden",
            labels: &labels,
            selinux: false,
            version: Some("1.2.3"),
        };
        assert_eq!(
            aleph.to_json(),
            "{\"digest\":\"sha256:02167f95e4b40efc36087d2063f5efc4b1f863861b6d8985015594a2a16bd1fa\",\
             \"image\":\"example.invalid/image:latest\",\"kernel\":\"6.1.0-golden\",\
             \"labels\":{\"containers.bootc\":\"1\",\"org.opencontainers.image.version\":\"1.2.3\",\
             \"ostree.bootable\":\"1\",\"version\":\"other\"},\"selinux\":\"disabled\",\
             \"target-image\":\"example.invalid/image:latest\",\"timestamp\":null,\"version\":\"1.2.3\"}"
        );
        let bare = Aleph { labels: &BTreeMap::new(), version: None, selinux: true, ..aleph };
        assert!(bare.to_json().contains("\"kernel\":\"6.1.0-golden\",\"selinux\":\"enabled\""));
        assert!(bare.to_json().ends_with("\"timestamp\":null,\"version\":null}"));
    }

    #[test]
    fn only_times_become_a_timestamp() {
        for good in
            ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123+02:00", "2024-01-02 03:04:05-00:30"]
        {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "2024-01-02",
            "2024-01-02T03:04:05",
            "2024-01-02T03:04:05.Z",
            "yesterday, at half past é Z",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }
}
