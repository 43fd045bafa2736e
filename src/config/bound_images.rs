//! `usr/lib/bootc/bound-images.d`: container images that belong to the system.
//!
//! Every entry is a symbolic link to a quadlet, named like it:
//!
//! | name | the image is |
//! |---|---|
//! | `*.image` | `Image=` of `[Image]`; `AuthFile=` is refused there |
//! | `*.container` | `Image=` of `[Container]` |
//!
//! `%%` stands for `%`; other specifiers of systemd are refused. What is refused here would be refused
//! by every upgrade of the installed system.
//!
//! The official installer copies these images from the storage of the machine it runs on. A build has
//! no such storage: they are not on the disk, and the system fetches them at its first upgrade.

use std::fmt;

use super::{ConfigError, LIMIT_BYTES};
use crate::files::{Deployed, FileKind, Files};

const DIRECTORY: &str = "usr/lib/bootc/bound-images.d";

/// The container images that belong to the system, in order of their links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BoundImages(pub Vec<String>);

impl BoundImages {
    /// Reads the image's links.
    pub fn load(files: &dyn Files) -> Result<Self, ConfigError> {
        let files = &Deployed(files);
        let directory = files.resolve(DIRECTORY).unwrap_or_else(|| DIRECTORY.to_owned());
        let names = files.names(&directory).into_iter();
        let images = names.map(|name| {
            let path = format!("{directory}/{name}");
            let read = bound_image(files, &path)?;
            read.map_err(|problem| ConfigError::BoundImage { path, problem })
        });
        Ok(Self(images.collect::<Result<_, ConfigError>>()?))
    }
}

/// A warning; meant for when there are any.
impl fmt::Display for BoundImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "images bound to the system are not on the disk, it fetches them at its first upgrade: {}",
            self.0.join(", ")
        )
    }
}

/// The name of the image; inside, what is wrong with the link or the quadlet.
fn bound_image(files: &dyn Files, path: &str) -> Result<Result<String, &'static str>, ConfigError> {
    if !matches!(files.kind(path), Some(FileKind::Symlink { .. })) {
        return Ok(Err("is no symbolic link"));
    }
    let Some(bytes) = files.read_following(path, LIMIT_BYTES)? else {
        return Ok(Err("leads to no file"));
    };
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Err("is not UTF-8")) };
    let section = match path.rsplit_once('.') {
        Some((_, "image")) => "Image",
        Some((_, "container")) => "Container",
        _ => return Ok(Err("ends neither in `.image` nor in `.container`")),
    };
    if section == "Image" && value(&text, section, "AuthFile").is_some() {
        return Ok(Err("has an `AuthFile=`, which bound images cannot have"));
    }
    Ok(match value(&text, section, "Image") {
        Some(image) => unescape(image).ok_or("has a specifier (`%`) in `Image=`"),
        None => Err("has no `Image=`"),
    })
}

/// The last value of a key of a section.
fn value<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut found = None;
    let mut here = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            here = name.strip_suffix(']') == Some(section);
        } else if let Some((name, value)) = line.split_once('=')
            && here
            && name.trim_end() == key
        {
            found = Some(value.trim_start());
        }
    }
    found
}

/// Undoes `%%`; `None` when there is another specifier.
fn unescape(value: &str) -> Option<String> {
    let mut parts = value.split("%%");
    parts.all(|part| !part.contains('%')).then(|| value.replace("%%", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn one(name: &str, quadlet: &str) -> Result<BoundImages, ConfigError> {
        let path = format!("usr/share/containers/systemd/{name}");
        let files = MemoryFiles::default()
            .with(&path, quadlet)
            .with_link(&format!("{DIRECTORY}/{name}"), &format!("/{path}"));
        BoundImages::load(&files)
    }

    #[test]
    fn links_to_quadlets_name_their_images() {
        let files = MemoryFiles::default()
            .with("usr/share/containers/systemd/a.image", "[Image]\nImage = example.com/a:1\n")
            .with(
                "usr/etc/containers/systemd/b.container",
                "# b\n[Unit]\nImage=not\n[Container]\nImage=x\nImage=example.com/b%%:2\nAuthFile=x\n",
            )
            .with_link(&format!("{DIRECTORY}/b.container"), "/etc/containers/systemd/b.container")
            .with_link(
                &format!("{DIRECTORY}/a.image"),
                "../../../share/containers/systemd/a.image",
            );
        let images = BoundImages::load(&files).unwrap();
        assert_eq!(images.0, ["example.com/a:1", "example.com/b%:2"]);
        assert!(images.to_string().ends_with(": example.com/a:1, example.com/b%:2"), "{images}");
        assert_eq!(BoundImages::load(&MemoryFiles::default()).unwrap(), BoundImages::default());
    }

    #[test]
    fn what_an_upgrade_would_refuse_is_refused_by_name() {
        let cases = [
            ("a.image", "[Image]\n", "has no `Image=`"),
            ("a.image", "[Container]\nImage=x\n", "has no `Image=`"),
            ("a.image", "[Image]\nImage=x\nAuthFile=y\n", "has an `AuthFile=`"),
            ("a.image", "[Image]\nImage=x:%i\n", "has a specifier"),
            ("a.image", "[Image]\nImage=x:%", "has a specifier"),
            ("a.container", "[Container]\nImage=%%%a\n", "has a specifier"),
            ("a.volume", "[Image]\nImage=x\n", "ends neither"),
        ];
        for (name, quadlet, says) in cases {
            let error = one(name, quadlet).unwrap_err().to_string();
            let starts = error.starts_with(&format!("`{DIRECTORY}/{name}` {says}"));
            assert!(starts, "{error}");
        }
        let file = MemoryFiles::default().with(&format!("{DIRECTORY}/a.image"), "");
        let error = BoundImages::load(&file).unwrap_err().to_string();
        assert!(error.ends_with("is no symbolic link"), "{error}");
        let nowhere = MemoryFiles::default().with_link(&format!("{DIRECTORY}/a.image"), "gone");
        let error = BoundImages::load(&nowhere).unwrap_err().to_string();
        assert!(error.ends_with("leads to no file"), "{error}");
    }
}
