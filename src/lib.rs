//! Turns a bootable container image into a bootable disk.
//!
//! Everything a disk holds is a function of the image's digest and the plan. So this library
//! *computes* a disk instead of *installing* into one: it runs nothing of the image, calls no other
//! program (but skopeo, for images in local storage), mounts nothing, and needs no privilege. The
//! installer is the exception: started as the first process of a machine, it does to that what a first
//! process must ([`machine`]), and opens a shell of the installed system to who asks for one.
//!
//! # The pipeline
//!
//! ```text
//!  arguments ─► cli ─► plan ◄── facts: manifest, config, files of the merged image
//!                       │
//!  registry ─► layers ─► ostree ─► fs::ext4 ─┐
//!                        boot ───► fs::fat ──┴► partition ─► format ─► rename
//! ```
//!
//! Layer bytes flow once, forward: from the network or a layout to their final place on the
//! *canvas* ([`canvas`]), a sparse temporary file in the output folder. Metadata follows, the
//! partition table comes last, so that a half-made disk never boots.
//!
//! # The rooms, in the order of the flow
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | arguments as typed and as meant, progress, the error report; the only room that prints |
//! | [`config`] | blueprints, and configuration files of the image: `bootc/install/*.toml`, `kargs.d` |
//! | [`customize`] | an owner's settings become files of the deployment |
//! | [`plan`] | pure decisions: partitions, sizes, ids, kernel arguments |
//! | [`registry`] | where images come from: references, credentials, verified blobs; the only async room |
//! | [`layers`] | a blob becomes tar entries: decompression, PAX, sparse members |
//! | [`ostree`] | entries become objects, layer commits, the merge commit, the deployment |
//! | [`selinux`] | the image's SELinux policy as a function from paths to labels |
//! | [`boot`] | kernel, BLS entry, GRUB: which files go where; writes nothing |
//! | [`fs`] | file system writers: [`fs::ext4`], [`fs::fat`], [`fs::erofs`] |
//! | [`partition`] | GPT |
//! | [`trust`] | who vouches for an image: keys, signatures, policies; fetches nothing |
//! | [`mod@format`] | disk formats: raw, qcow2, vmdk, ova, vhd, vhdx, gce, raw.zst, containerdisk, netboot |
//! | [`inspect`] | what an image or a disk is, read back |
//! | [`installer`] | what an installer decides: which disk is meant, and whether it may be overwritten |
//! | [`machine`] | what the installer's first process does to a machine: mounts, modules, consoles |
//! | [`pipeline`] | the conductor: the only room that knows all others |
//!
//! The ground floor, which every room may import: [`spec`], [`canvas`], [`volume`], [`files`],
//! [`tree`], [`labels`], [`settings`], [`additions`], [`stream`], [`job`], [`text`], [`units`],
//! [`digest`], [`progress`], [`output`].
//!
//! # Invariants, mostly absences
//!
//! * Rooms import the ground floor and never each other; a test holds them to it.
//! * `plan` does no input or output. Only `cli` prints. Only `registry` is async. `boot` never writes.
//! * Nothing reads the clock, the environment or a random source outside `cli`.
//! * Everything iterates in a defined order: the same input gives the same bytes.
//! * Memory does not grow with the size of files.
//!
//! # Words
//!
//! *Image*: the OCI image. *Disk*: what we write. *Disk format*: raw, qcow2. *Layer*: one tar of the
//! image; its *digest* names the compressed blob, its *diff id* the tar. *Commit, dirtree, dirmeta,
//! deployment, stateroot*: as ostree uses them. *Karg*: kernel argument. *ESP*: EFI system partition.
//! *Canvas*: the file being filled. *Volume*: a file system being written.

pub mod additions;
pub mod boot;
pub mod canvas;
pub mod cli;
pub mod config;
pub mod customize;
pub mod digest;
pub mod files;
pub mod format;
pub mod fs;
pub mod inspect;
pub mod installer;
pub mod job;
pub mod labels;
pub mod layers;
pub mod machine;
pub mod ostree;
pub mod output;
pub mod partition;
pub mod pipeline;
pub mod plan;
pub mod progress;
pub mod registry;
pub mod selinux;
pub mod settings;
pub mod spec;
pub mod stream;
pub mod text;
pub mod tree;
pub mod trust;
pub mod units;
pub mod volume;
