//! Which layers carry the commit (ostree-contract 3.2).

use super::error::Error;
use crate::spec;

/// The label whose value is the diff id of the last layer with ostree objects.
pub const FINAL_DIFF_ID_LABEL: &str = "ostree.final-diffid";

/// What a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first of the ostree layers: commit, dirtrees, dirmetas and perhaps files.
    Commit,
    /// Another ostree layer: files.
    Component,
    /// The commit layer once more, before the last ostree layer: nothing to read.
    Repeated,
    /// An ordinary layer.
    Derived,
}

/// What each layer is for; `label` is the value of [`FINAL_DIFF_ID_LABEL`]. Without the label all
/// layers are ordinary.
pub fn parts(
    label: Option<&str>,
    diff_ids: &[String],
    layers: &[spec::Layer],
) -> Result<Vec<Part>, Error> {
    let Some(label) = label else { return Ok(vec![Part::Derived; layers.len()]) };
    let unknown = || Error::FinalDiffId { diff_id: label.to_owned(), count: layers.len() };
    let last = diff_ids.iter().position(|diff_id| diff_id == label).ok_or_else(unknown)?;
    let target = layers.get(last).ok_or_else(unknown)?;
    if layers[last + 1..].contains(target) {
        return Err(Error::FinalLayerTwice { digest: target.digest });
    }
    let part = |(index, layer): (usize, &spec::Layer)| match index {
        0 => Part::Commit,
        _ if index > last => Part::Derived,
        _ if *layer == layers[0] => Part::Repeated,
        _ => Part::Component,
    };
    Ok(layers.iter().enumerate().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::Part::{Commit, Component, Derived, Repeated};
    use super::*;
    use crate::digest::Sha256Digest;
    use crate::spec::Compression;

    /// Parts of an image whose layers have these letters.
    fn of(letters: &str, label: Option<&str>) -> Result<Vec<Part>, Error> {
        let layer = |letter: char| spec::Layer {
            digest: Sha256Digest::of(letter.to_string().as_bytes()),
            size_bytes: 1,
            compression: Compression::Gzip,
        };
        let layers: Vec<_> = letters.chars().map(layer).collect();
        let diff_ids: Vec<_> = letters.chars().map(String::from).collect();
        parts(label, &diff_ids, &layers)
    }

    #[test]
    fn the_label_divides_the_layers() {
        assert_eq!(of("abc", None).unwrap(), [Derived; 3]);
        assert_eq!(of("abcd", Some("c")).unwrap(), [Commit, Component, Component, Derived]);
        assert_eq!(of("abc", Some("c")).unwrap(), [Commit, Component, Component]);
        assert_eq!(of("", None).unwrap(), []);
    }

    #[test]
    fn the_commit_layer_may_be_the_only_one() {
        assert_eq!(of("a", Some("a")).unwrap(), [Commit]);
        assert_eq!(of("abb", Some("a")).unwrap(), [Commit, Derived, Derived]);
        assert_eq!(of("abac", Some("c")).unwrap(), [Commit, Component, Repeated, Component]);
        assert_eq!(
            of("abbca", Some("c")).unwrap()[1..],
            [Component, Component, Component, Derived]
        );
    }

    #[test]
    fn the_label_must_name_one_layer() {
        assert!(matches!(of("abc", Some("x")), Err(Error::FinalDiffId { count: 3, .. })));
        assert!(matches!(of("abca", Some("a")), Err(Error::FinalLayerTwice { .. })));
        assert!(matches!(of("abb", Some("b")), Err(Error::FinalLayerTwice { .. })));
        // more diff ids than layers
        let ids = ["a".to_owned(), "b".to_owned()];
        assert!(matches!(parts(Some("b"), &ids, &[]), Err(Error::FinalDiffId { count: 0, .. })));
    }
}
