//! Media types: what a document is, and how a layer is packed.

use super::error::Error;
use crate::spec::Compression;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

/// What a layer's media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerType {
    pub(crate) compression: Compression,
    /// Whether it is one of Docker's words.
    pub(crate) docker: bool,
}

impl LayerType {
    /// Reads the media type of layer `index`.
    pub(crate) fn parse(index: usize, media_type: &str) -> Result<Self, Error> {
        let error = || Error::LayerMediaType { index, media_type: media_type.to_owned() };
        if media_type.starts_with(OCI_FOREIGN_LAYER) || media_type.starts_with(DOCKER_FOREIGN_LAYER)
        {
            return Err(Error::ForeignLayer { index, media_type: media_type.to_owned() });
        }
        let (suffix, docker) = match media_type.strip_prefix(OCI_LAYER) {
            Some(suffix) => (suffix, false),
            None => (media_type.strip_prefix(DOCKER_LAYER).ok_or_else(error)?, true),
        };
        let compression = match (suffix, docker) {
            ("", _) => Compression::None,
            ("+gzip", false) | (".gzip", true) => Compression::Gzip,
            ("+zstd", false) | (".zstd", true) => Compression::Zstd,
            _ => return Err(error()),
        };
        Ok(Self { compression, docker })
    }

    /// The media type in OCI's words.
    pub(crate) fn to_oci(self) -> &'static str {
        match self.compression {
            Compression::None => OCI_LAYER,
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_the_compression() {
        for (media_type, compression, docker) in [
            ("application/vnd.oci.image.layer.v1.tar", Compression::None, false),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip, false),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd, false),
            ("application/vnd.docker.image.rootfs.diff.tar", Compression::None, true),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip, true),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", Compression::Zstd, true),
        ] {
            let layer = LayerType::parse(0, media_type).unwrap();
            assert_eq!(layer, LayerType { compression, docker });
            assert_eq!(docker, layer.to_oci() != media_type);
        }
    }

    #[test]
    fn foreign_and_unknown_layers_are_refused() {
        for media_type in [
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            assert!(matches!(
                LayerType::parse(3, media_type),
                Err(Error::ForeignLayer { index: 3, .. })
            ));
        }
        for media_type in [
            "",
            "text/plain",
            "application/vnd.oci.image.layer.v1.tar+xz",
            "application/vnd.oci.image.layer.v1.tar.gzip",
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        ] {
            assert!(matches!(LayerType::parse(0, media_type), Err(Error::LayerMediaType { .. })));
        }
    }
}
