//! Signed images, and images that only look so: through the program, from a registry and from layouts.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails and skips aloud")]
#![expect(clippy::disallowed_methods, reason = "a test runs reference tools")]

mod bench;
mod oracle;
mod signer;

use std::fs;

use bootc_image::digest::Sha256Digest;
use serde_json::json;

use bench::{ACCEPT, Bench, REJECT, add_to_layout};
use signer::{BUNDLE, SIGN, Signer, descriptor, index, payload, referrer, signature_manifest};

#[test]
fn a_signed_image_builds_and_the_record_says_by_whom() {
    let (bench, ours, theirs) = (Bench::new(), Signer::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let plain = bench.passes(&image, &[]);
    assert_eq!(plain.get("signature"), None);
    bench.sign(&ours, bench.digest(), &name);
    let (key, other) = (bench.file("a.pub", ours.pem()), bench.file("b.pub", theirs.pem()));
    let record = bench.passes(&image, &["--verify-key", &other, "--verify-key", &key]);
    let expected = json!({
        "key_sha256": ours.sha256(), "digest": bench.digest().to_oci(), "identity": name,
    });
    assert_eq!(record["signature"], expected);
    assert_eq!(record["disk"], plain["disk"], "the disk is the same");
}

#[test]
fn what_is_not_signed_is_refused_before_anything_is_written() {
    let (bench, ours, theirs) = (Bench::new(), Signer::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let key = bench.file("a.pub", ours.pem());
    let words = ["--verify-key", key.as_str()];
    let ran = bench.refuses(&image, &words, "the image carries no signature");
    assert!(ran.stderr.contains("hint: sign it with"), "{}", ran.stderr);

    bench.sign(&theirs, bench.digest(), &name);
    bench.refuses(&image, &words, "by none of the keys");

    // A signature of another image, moved under this one's tag.
    let other = Sha256Digest::of(b"another manifest");
    let foreign = payload(other, &name);
    bench.attach("ns/os", bench.digest(), &[(&foreign, &ours.sign(&foreign))]);
    bench.refuses(&image, &words, &format!("for another image, {other}"));

    // The payload rewritten to name this image.
    let forged = payload(bench.digest(), &name);
    bench.attach("ns/os", bench.digest(), &[(&forged, &ours.sign(&foreign))]);
    bench.refuses(&image, &words, "what was signed has changed");

    // The payload's blob changed behind its digest.
    bench.sign(&ours, bench.digest(), &name);
    let blob = format!("ns/os/blobs/{}", Sha256Digest::of(&forged).to_oci());
    bench.serve(&blob, "application/octet-stream", &[&forged[..forged.len() - 1], b" "].concat());
    bench.refuses(&image, &words, "is corrupt");
}

#[test]
fn a_changed_manifest_is_refused() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let key = bench.file("a.pub", ours.pem());
    bench.sign(&ours, bench.digest(), &name);
    // The same image with a space more, under the same tag, with the signature of the old one.
    let changed = [&bench.manifest[..], b" "].concat();
    bench.tag("ns/os", "1", &changed);
    bench.refuses(&image, &["--verify-key", &key], "carries no signature");
    let old = payload(bench.digest(), &name);
    bench.attach("ns/os", Sha256Digest::of(&changed), &[(&old, &ours.sign(&old))]);
    bench.refuses(&image, &["--verify-key", &key], "for another image");
    // By the digest of the old one, the registry gives the changed one.
    let digest = bench.digest().to_oci();
    bench.serve(
        &format!("ns/os/manifests/{digest}"),
        "application/vnd.oci.image.manifest.v1+json",
        &changed,
    );
    bench.refuses(&format!("{name}@{digest}"), &["--verify-key", &key], "is corrupt");
}

#[test]
fn an_index_may_be_signed_or_what_was_chosen_from_it() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:all"), bench.name("ns/os"));
    let index = index(&[&bench.manifest], None);
    bench.tag("ns/os", "all", &index);
    let key = bench.file("a.pub", ours.pem());
    bench.refuses(&image, &["--verify-key", &key], "carries no signature");
    for digest in [Sha256Digest::of(&index), bench.digest()] {
        bench.sign(&ours, digest, &name);
        let record = bench.passes(&image, &["--verify-key", &key]);
        assert_eq!(record["signature"]["digest"], digest.to_oci());
        bench.serve(&format!("ns/os/manifests/sha256-{digest}.sig"), "", b"{}");
    }
}

#[test]
fn bundles_are_found_by_reference_or_by_tag() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let image = bench.name("ns/os:1");
    let key = bench.file("a.pub", ours.pem());
    let words = ["--verify-key", key.as_str()];
    let kind = "application/vnd.oci.image.index.v1+json";
    let referrers = format!(
        "ns/os/referrers/{}?artifactType={}",
        bench.digest().to_oci(),
        BUNDLE.replace('+', "%2B")
    );
    let provenance = ours.bundle(bench.digest(), "https://slsa.dev/provenance/v1");
    let provenance = bench.refer(&provenance, bench.digest());
    bench.serve(&referrers, kind, &index(&[&provenance], Some(BUNDLE)));
    bench.refuses(&image, &words, "no signature of an image");
    let other = ours.bundle(Sha256Digest::of(b""), SIGN);
    let other = bench.refer(&other, bench.digest());
    bench.serve(&referrers, kind, &index(&[&other], Some(BUNDLE)));
    bench.refuses(&image, &words, "for another image");
    let theirs = bench.refer(&Signer::new().bundle(bench.digest(), SIGN), bench.digest());
    bench.serve(&referrers, kind, &index(&[&theirs], Some(BUNDLE)));
    bench.refuses(&image, &words, "by none of the keys");

    let good = bench.refer(&ours.bundle(bench.digest(), SIGN), bench.digest());
    let listed = index(&[&provenance, &theirs, &good], Some(BUNDLE));
    bench.serve(&referrers, kind, &listed);
    let record = bench.passes(&image, &words);
    let expected = json!({ "key_sha256": ours.sha256(), "digest": bench.digest().to_oci() });
    assert_eq!(record["signature"], expected, "a bundle names no image");
    // A registry of before OCI 1.1.
    bench.serve(&referrers, kind, &index(&[], None));
    bench.tag("ns/os", &format!("sha256-{}", bench.digest()), &listed);
    bench.passes(&image, &words);
}

#[test]
fn floods_are_refused_and_large_things_passed_over() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let image = bench.name("ns/os:1");
    let key = bench.file("a.pub", ours.pem());
    let words = ["--verify-key", key.as_str()];
    let large = [payload(bench.digest(), ""), vec![b' '; 1 << 20]].concat();
    bench.attach("ns/os", bench.digest(), &[(&large, &ours.sign(&large))]);
    bench.refuses(&image, &words, "carries no signature");
    let small = &large[..(1 << 20) - 1];
    let signature = ours.sign(small);
    bench.attach("ns/os", bench.digest(), &[(small, signature.as_str()); 17]);
    bench.refuses(&image, &words, "more than the 16777216 allowed");
    bench.attach("ns/os", bench.digest(), &[(small, signature.as_str()); 257]);
    bench.refuses(&image, &words, "257 signatures or other attachments, more than the 256");
    bench.attach("ns/os", bench.digest(), &[(small, signature.as_str())]);
    bench.passes(&image, &words);
}

#[test]
fn the_hosts_policy_is_heeded_unless_told() {
    let bench = Bench::new();
    let image = bench.name("ns/os:1");
    bench.host_policy(REJECT);
    let ran = bench.refuses(&image, &[], "it rejects images of `default`");
    assert!(ran.stderr.contains(".config/containers/policy.json"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--insecure-policy"), "{}", ran.stderr);
    bench.passes(&image, &["--insecure-policy"]);
    let accept = bench.file("accept.json", ACCEPT);
    bench.passes(&image, &["--signature-policy", &accept]);
    bench.host_policy(&bench.policy("ns", r#"{"type":"insecureAcceptAnything"}"#));
    bench.passes(&image, &[]);
    bench.host_policy(r#"{"default":[{"type":"insecureAcceptAnything","more":1}]}"#);
    let ran = bench.refuses(&image, &[], "unknown field `more`");
    assert!(ran.stderr.contains("hint: containers-policy.json(5)"), "{}", ran.stderr);
    let both = bench.build(&["--insecure-policy", "--signature-policy=x"]);
    assert_eq!((both.code, both.wrote), (2, false));
}

#[test]
fn a_policy_may_demand_signatures_and_names() {
    let (bench, ours, theirs) = (Bench::new(), Signer::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let (key, other) = (bench.file("a.pub", ours.pem()), bench.file("b.pub", theirs.pem()));
    let signed = |keys: &str, identity: &str| {
        let identity = format!(r#""signedIdentity":{{"type":"{identity}"}}"#);
        format!(r#"{{"type":"sigstoreSigned",{keys},{identity}}}"#)
    };
    let repository = signed(&format!(r#""keyPath":"{key}""#), "matchRepository");
    let policy = |requirements: &str| bench.file("p.json", bench.policy("ns/os", requirements));
    let words = ["--signature-policy", &policy(&repository)];
    bench.refuses(&image, &words, "carries no signature");
    bench.sign(&ours, bench.digest(), &name);
    bench.passes(&image, &words);
    // cosign names no tag, and by default a policy wants one.
    policy(&signed(&format!(r#""keyPath":"{key}""#), "matchRepoDigestOrExact"));
    bench.refuses(&image, &words, &format!("the policy wants `{image}`"));
    // Every requirement counts.
    policy(&format!("{repository},{}", repository.replace(&key, &other)));
    bench.refuses(&image, &words, "by none of the keys");
    policy(&signed(&format!(r#""keyPaths":["{other}","{key}"]"#), "matchRepository"));
    bench.passes(&image, &words);
    policy(&repository.replace("a.pub", "missing.pub"));
    bench.refuses(&image, &words, "missing.pub`, which the signature policy names");
    policy(&repository.replace("a.pub", "p.json"));
    bench.refuses(&image, &words, "no PEM file");
    // The signature of another repository, copied with its image to this one.
    policy(&repository);
    bench.sign(&ours, bench.digest(), &bench.name("ns/harmless"));
    bench.refuses(&image, &words, "ns/harmless");
    // A bundle names no image at all.
    let bundle = bench.refer(&ours.bundle(bench.digest(), SIGN), bench.digest());
    bench.attach("ns/os", bench.digest(), &[]);
    bench.tag("ns/os", &format!("sha256-{}", bench.digest()), &index(&[&bundle], Some(BUNDLE)));
    bench.refuses(&image, &words, "names no image");
}

#[test]
fn a_key_of_ones_own_settles_what_cannot_be_checked_but_no_rejection() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let (image, name) = (bench.name("ns/os:1"), bench.name("ns/os"));
    let key = bench.file("a.pub", ours.pem());
    let gpg = r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#;
    bench.host_policy(&bench.policy("ns/os", gpg));
    let ran = bench.refuses(&image, &[], "wants GPG signatures (`signedBy`)");
    for way in ["--verify-key", "--signature-policy", "--insecure-policy"] {
        assert!(ran.stderr.contains(way), "{}", ran.stderr);
    }
    bench.refuses(&image, &["--verify-key", &key], "carries no signature");
    bench.sign(&ours, bench.digest(), &name);
    bench.passes(&image, &["--verify-key", &key]);
    bench.host_policy(REJECT);
    bench.refuses(&image, &["--verify-key", &key], "it rejects images");
    bench.passes(&image, &["--verify-key", &key, "--insecure-policy"]);
}

#[test]
fn policies_see_short_names_in_full() {
    let bench = Bench::new();
    let host = bench.name("ns/os").replace("/ns/os", "");
    let conf = format!("unqualified-search-registries = [\"{host}\"]\n");
    let conf = bench.file("registries.conf", conf);
    let words = ["--registries-conf", conf.as_str()];
    bench.host_policy(&bench.policy("ns", r#"{"type":"insecureAcceptAnything"}"#));
    bench.passes("ns/os:1", &words);
    bench.host_policy(&bench.policy("other", r#"{"type":"insecureAcceptAnything"}"#));
    bench.refuses("ns/os:1", &words, "it rejects images of `default`");
}

#[test]
fn places_without_signatures_are_refused_unread() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let key = bench.file("a.pub", ours.pem());
    for image in ["dir:none", "docker-archive:none.tar", "containers-storage:localhost/none"] {
        bench.refuses(image, &["--verify-key", &key], "carries no signature");
    }
    let storage = r#"{"containers-storage":{"[/var]":[{"type":"insecureAcceptAnything"}]}}"#;
    bench.host_policy(&format!(
        r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{storage}}}"#
    ));
    bench.refuses("containers-storage:localhost/none", &[], "its scopes for `containers-storage:`");
    bench.refuses("dir:none", &[], "none");
}

#[test]
fn layouts_keep_signatures_beside_their_images() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let image = format!("oci:{}", bench.layout().display());
    let key = bench.file("a.pub", ours.pem());
    let words = ["--verify-key", key.as_str()];
    bench.refuses(&image, &words, "carries no signature");
    let payload = payload(bench.digest(), "r.example/os");
    let signatures = signature_manifest(&[(&payload, &ours.sign(&payload))]);
    let bundle = ours.bundle(bench.digest(), SIGN);
    let referrer = referrer(&bundle, bench.digest());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let named = |annotation: &str, value: &str| {
        let mut entry = descriptor(kind, &signatures);
        entry["annotations"] = json!({ annotation: value });
        entry
    };
    let tag = format!("sha256-{}.sig", bench.digest());
    let plain = fs::read(bench.layout().join("index.json")).unwrap();
    for (blobs, entry) in [
        ([&payload, &signatures], named("org.opencontainers.image.ref.name", &tag)),
        ([&payload, &signatures], named("kind", "dev.cosignproject.cosign/sigs")),
        ([&bundle, &referrer], {
            let mut entry = descriptor(kind, &referrer);
            entry["artifactType"] = json!(BUNDLE);
            entry
        }),
    ] {
        fs::write(bench.layout().join("index.json"), &plain).unwrap();
        add_to_layout(&bench.layout(), &blobs.map(Vec::as_slice), &[entry]);
        // No tag is named: what lies beside the image is none to choose.
        let record = bench.passes(&image, &words);
        assert_eq!(record["signature"]["key_sha256"], ours.sha256());
        let wrong = bench.file("b.pub", Signer::new().pem());
        bench.refuses(&image, &["--verify-key", &wrong], "by none of the keys");
    }
}

#[test]
fn archives_and_policies_of_paths() {
    let (bench, ours) = (Bench::new(), Signer::new());
    let key = bench.file("a.pub", ours.pem());
    let payload = payload(bench.digest(), "r.example/os:1");
    let signatures = signature_manifest(&[(&payload, &ours.sign(&payload))]);
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &signatures);
    let tag = format!("sha256-{}.sig", bench.digest());
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    add_to_layout(&bench.layout(), &[&payload, &signatures], &[entry]);
    let mut tar = tar::Builder::new(fs::File::create(bench.path("os.tar")).unwrap());
    tar.append_dir_all(".", bench.layout()).unwrap();
    tar.into_inner().unwrap();
    bench.passes("oci-archive:os.tar:1", &["--verify-key", &key]);
    // Scopes are paths without links, however the image was named.
    let above = bench.path("").canonicalize().unwrap();
    let requirement = |identity: &str| {
        format!(r#"{{"type":"sigstoreSigned","keyPath":"{key}","signedIdentity":{identity}}}"#)
    };
    let policy = |identity: &str| {
        let scopes = format!(r#"{{"{}":[{}]}}"#, above.display(), requirement(identity));
        let transports = format!(r#"{{"oci":{scopes},"oci-archive":{scopes}}}"#);
        bench.host_policy(&format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{transports}}}"#
        ));
    };
    std::os::unix::fs::symlink("layout", bench.path("link")).unwrap();
    policy(r#"{"type":"exactReference","dockerReference":"r.example/os:1"}"#);
    for image in ["oci-archive:os.tar:1", "oci:layout:1", "oci:link"] {
        bench.passes(image, &[]);
    }
    policy(r#"{"type":"matchRepository"}"#);
    bench.refuses("oci:layout:1", &[], "this image comes from none");
    policy(r#"{"type":"exactRepository","dockerRepository":"r.example/other"}"#);
    bench.refuses("oci:layout:1", &[], "wants the repository `r.example/other`");
}
