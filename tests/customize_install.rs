//! Settings in an installed system: content, owners, modes and labels of what they add.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;

use bootc_image::digest::Sha256Digest;
use bootc_image::pipeline::import::Context;
use bootc_image::pipeline::install::{Inputs, Installed, install};
use bootc_image::pipeline::{self, BootLoader, Request};
use bootc_image::plan::ids::Ids;
use bootc_image::plan::platform::Platform;
use bootc_image::progress::{Cancel, Reporter, Silent};
use bootc_image::registry::{Reference, TargetRef};
use bootc_image::settings::{
    CloudInit, FileSetting, GrubConsole, Ignition, Password, Settings, User,
};
use bootc_image::spec::Arch;
use bootc_image::volume::Timestamp;
use bootc_image::volume::memory::{Content, MemoryVolume, Node};

const TARGET: &str = "registry.example/os:latest";

fn installed(settings: Settings) -> Installed<MemoryVolume> {
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/selinux-plain/oci");
    let source_text = format!("oci:{}:latest", layout.display());
    let source = Reference::parse(&source_text).unwrap();
    let request = Request {
        boot_loader: BootLoader::None,
        settings,
        ..Request::new(source, source_text, Arch::X86_64)
    };
    let (cancel, reporter): (_, Arc<dyn Reporter>) = (Cancel::default(), Arc::new(Silent));
    let source = pipeline::open_source(&request, &reporter, &cancel).unwrap();
    let seed = Sha256Digest::of(b"plan");
    let inputs = Inputs {
        request: &request,
        source: &source,
        target: &TargetRef::parse(TARGET).unwrap(),
        ids: &Ids::derive(source.image().manifest_digest, seed),
        time: Timestamp { secs: 20_000 * 86_400, nanos: 0 },
        profile: &Platform::Generic.profile(),
        seed,
        log: None,
        container: None,
    };
    let context = Context { reporter: &Silent, cancel: &cancel, threads: 1 };
    let mut another = |_: &_, _| Ok(MemoryVolume::default());
    let installed = install(MemoryVolume::default(), &mut another, inputs, context).unwrap();
    installed.map_volume(|volumes| volumes.into_parts().0)
}

fn settings() -> Settings {
    let ops = User {
        name: "ops".into(),
        password: Some(Password::Plain("secret".into())),
        keys: vec!["ssh-ed25519 AA".into()],
        ..User::default()
    };
    let file = FileSetting {
        path: "/etc/new".into(),
        bytes: b"new\n".to_vec(),
        access: Default::default(),
    };
    Settings {
        users: vec![ops],
        files: vec![file],
        kargs: vec!["quiet loglevel=3".into()],
        cloud_init: Some(CloudInit::default()),
        ignition: Some(Ignition::Embedded(b"{}".to_vec())),
        grub: Some(GrubConsole { output: vec!["serial".into()], ..GrubConsole::default() }),
        ..Settings::default()
    }
}

fn label(node: &Node) -> String {
    let label = node.meta.xattrs.as_slice().iter().find(|x| *x.name == *b"security.selinux");
    let value = label.map(|label| String::from_utf8_lossy(&label.value).into_owned());
    let context = value.unwrap_or_default();
    context.split(':').nth(2).unwrap_or_default().to_owned()
}

fn text(node: &Node) -> &str {
    match &node.content {
        Content::Regular(bytes) => std::str::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn additions_are_in_the_deployment_with_labels() {
    let installed = installed(settings());
    let (volume, commit) = (&installed.volume, installed.commit);
    let node = |path: &str| {
        let path = match path.strip_prefix("var/") {
            Some(rest) => format!("ostree/deploy/default/var/{rest}"),
            None if path.starts_with("etc/") => {
                format!("ostree/deploy/default/deploy/{commit}.0/{path}")
            }
            None => path.to_owned(),
        };
        volume.find(&path).unwrap_or_else(|| panic!("no {path}"))
    };
    let shadow = node("etc/shadow");
    assert!(text(shadow).contains("\nops:$6$") && text(shadow).contains(":20000:"));
    let before = volume.find(&format!("ostree/deploy/default/deploy/{commit}.0/usr/etc/shadow"));
    assert_eq!(shadow.meta.mode, before.unwrap().meta.mode);
    assert!(text(node("etc/passwd")).contains("\nops:x:1000:1000::/home/ops:"));
    let labels: Vec<String> = ["etc/shadow", "etc/passwd", "etc/new", "var/home", "var/home/ops"]
        .iter()
        .map(|path| label(node(path)))
        .collect();
    assert_eq!(labels, ["shadow_t", "passwd_t", "etc_t", "var_t", "user_home_dir_t"]);
    let keys = node("var/home/ops/.ssh/authorized_keys");
    assert_eq!((keys.meta.mode, keys.meta.uid, keys.meta.gid), (0o600, 1000, 1000));
    assert_eq!(text(keys), "ssh-ed25519 AA\n");
    assert_eq!(node("var/lib/cloud/seed/nocloud/user-data").meta.mode, 0o600);
    assert_eq!(text(node("boot/grub2/console.cfg")), "terminal_output serial\n");
    assert_eq!(text(node("boot/ignition.firstboot")), "");
    assert_eq!(node("boot/ignition/config.ign").meta.mode, 0o600);
    assert!(volume.nodes.iter().all(|node| node.links > 0 || node.content == Content::Forgotten));
    assert!(!label(node("boot/ignition/config.ign")).is_empty());
    let kargs = installed.kernel_arguments;
    let expected = "quiet loglevel=3 $ignition_firstboot ignition.platform.id=metal";
    assert!(kargs.contains(expected), "{kargs}");
}

#[test]
fn the_same_settings_give_the_same_system() {
    let (one, other) = (installed(settings()), installed(settings()));
    assert_eq!(one.volume.nodes, other.volume.nodes);
    let plain = installed(Settings::default());
    assert_ne!(plain.volume.nodes, one.volume.nodes);
}
