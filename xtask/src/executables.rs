//! Everything compiled once: one build of the whole workspace and the executables it leaves.
//!
//! Cargo unites the features of a dependency over the packages it is asked for, so that building one
//! package after another compiles the same crates again and again. Hence all tests are built
//! together, and run here as `cargo test` would run them: in the folder of their package. The
//! program they test comes out of the same build.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bootc_image_vm_tests::product::cargo;
use serde_json::Value;

/// What the build of the workspace leaves.
#[derive(Debug, Default)]
pub struct Executables {
    /// In the order of their packages and names.
    pub tests: Vec<Test>,
    /// `bootc-image`.
    pub product: PathBuf,
}

/// A test executable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// The folder of its package in the workspace; empty for the product's.
    pub package: String,
    /// `lib`, `bin` or `test`.
    pub target: String,
    /// The name of the target.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl Executables {
    /// Builds all tests of the workspace and what they need.
    pub fn build() -> Result<Self> {
        let mut build = cargo();
        build.args(["test", "--workspace", "--no-run"]);
        build.args(["--message-format", "json-render-diagnostics"]).current_dir(root());
        let mut child = build.stdout(Stdio::piped()).spawn().context("starting cargo")?;
        let mut built = Self::default();
        for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines() {
            built.message(root(), &serde_json::from_str(&line?)?);
        }
        ensure!(child.wait()?.success(), "the workspace does not compile");
        ensure!(built.product.is_file(), "cargo built no program bootc-image");
        built.tests.sort();
        Ok(built)
    }

    /// Takes note of an executable that cargo tells about.
    fn message(&mut self, root: &Path, message: &Value) {
        let (target, manifest) = (&message["target"], &message["manifest_path"]);
        let (Some(path), Some(kind), Some(name), Some(manifest)) = (
            message["executable"].as_str(),
            target["kind"][0].as_str(),
            target["name"].as_str(),
            manifest.as_str(),
        ) else {
            return; // a library, a build script, the end of the build
        };
        if message["profile"]["test"] == true {
            let folder = Path::new(manifest).parent().unwrap_or(root);
            let package = folder.strip_prefix(root).unwrap_or(folder);
            self.tests.push(Test {
                package: package.to_string_lossy().into_owned(),
                target: kind.to_owned(),
                name: name.to_owned(),
                path: path.into(),
            });
        } else if (kind, name) == ("bin", "bootc-image") {
            self.product = path.into();
        }
    }
}

impl Test {
    /// The command that runs it as `cargo test` would.
    pub fn command(&self) -> Command {
        let folder = root().join(&self.package);
        let mut command = Command::new(&self.path);
        // what cargo told us of our own package is wrong for another
        for name in OF_A_PACKAGE {
            command.env_remove(name);
        }
        command.env("CARGO_MANIFEST_PATH", folder.join("Cargo.toml"));
        command.env("CARGO_MANIFEST_DIR", &folder).current_dir(folder);
        command
    }
}

/// What cargo tells a program of the package it belongs to.
const OF_A_PACKAGE: [&str; 13] = [
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
];

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(manifest: &str, kind: &str, name: &str, test: bool) -> Value {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": manifest,
            "target": { "kind": [kind], "name": name },
            "profile": { "test": test },
            "executable": format!("/target/{name}"),
        })
    }

    #[test]
    fn messages_tell_tests_from_the_product_and_from_other_programs() {
        let mut built = Executables::default();
        for message in [
            artifact("/w/Cargo.toml", "lib", "bootc_image", true),
            artifact("/w/Cargo.toml", "bin", "bootc-image", false),
            artifact("/w/Cargo.toml", "bin", "bootc-image", true),
            artifact("/w/fixtures/Cargo.toml", "test", "speed", true),
            artifact("/w/xtask/Cargo.toml", "bin", "xtask", false),
            json!({ "reason": "compiler-artifact", "target": { "kind": ["lib"], "name": "x" },
                    "manifest_path": "/x", "profile": { "test": false }, "executable": null }),
            json!({ "reason": "build-finished", "success": true }),
        ] {
            built.message(Path::new("/w"), &message);
        }
        assert_eq!(built.product, Path::new("/target/bootc-image"));
        let found: Vec<_> =
            built.tests.iter().map(|test| (&*test.package, &*test.target, &*test.name)).collect();
        let expected =
            [("", "lib", "bootc_image"), ("", "bin", "bootc-image"), ("fixtures", "test", "speed")];
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_run_in_the_folder_of_their_package() {
        let command = Test {
            package: "fixtures".into(),
            target: "test".into(),
            name: "speed".into(),
            path: "/target/speed".into(),
        }
        .command();
        let folder = root().join("fixtures");
        assert_eq!(command.get_current_dir(), Some(&*folder));
        let told = |name| command.get_envs().find(|(n, _)| *n == name).map(|(_, value)| value);
        assert_eq!(told("CARGO_MANIFEST_DIR"), Some(Some(folder.as_os_str())));
        assert_eq!(told("CARGO_PKG_NAME"), Some(None));
    }
}
