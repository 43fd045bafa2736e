//! What the process finds around it. The only place that reads the environment, and chance.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::drop_in;
use crate::registry::Environment;
use crate::spec::Arch;

/// Environment variables, and what the host is like.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where registry credentials and configuration may be.
    pub registry: Environment,
    /// `SOURCE_DATE_EPOCH`, unread.
    pub source_date_epoch: Option<OsString>,
    /// Whether `NO_COLOR` asks for text without colours.
    pub no_color: bool,
    /// Whether `TERM` names a terminal that can move its cursor.
    pub terminal_moves: bool,
    /// The host's architecture, if disks are made for it.
    pub host_arch: Option<Arch>,
    /// Whether the program was called by the name of bootc-image-builder.
    pub is_drop_in: bool,
    /// How many threads the host runs at once.
    pub processors: usize,
    /// The program itself.
    pub program: Option<PathBuf>,
    /// The folder for large temporary files.
    pub temporary: PathBuf,
}

impl Surroundings {
    /// Looks around.
    pub fn read() -> Self {
        let path = |name| set(name).map(PathBuf::from);
        Self {
            registry: Environment {
                home: folder("HOME"),
                xdg_runtime_dir: folder("XDG_RUNTIME_DIR"),
                run_auth_file: Some(PathBuf::from(format!(
                    "/run/containers/{}/auth.json",
                    rustix::process::getuid().as_raw()
                ))),
                xdg_config_home: folder("XDG_CONFIG_HOME"),
                registry_auth_file: path("REGISTRY_AUTH_FILE"),
                docker_config: folder("DOCKER_CONFIG"),
                registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
                short_name_aliases: short_name_aliases(),
                etc: Some(PathBuf::from("/etc")),
            },
            source_date_epoch: variable("SOURCE_DATE_EPOCH"),
            no_color: set("NO_COLOR").is_some(),
            terminal_moves: set("TERM").is_some_and(|term| term != "dumb"),
            host_arch: Arch::parse(std::env::consts::ARCH),
            is_drop_in: std::env::args_os().next().is_some_and(|name| drop_in::is_called(&name)),
            processors: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            program: std::env::current_exe().ok(),
            // where files may be large and need not survive: /tmp is often memory
            temporary: path("TMPDIR").unwrap_or_else(|| PathBuf::from("/var/tmp")),
        }
    }
}

/// A folder of the user; none when it is closed to this process because it is another user's, as after
/// `setpriv` that keeps the variable: what is in there concerns nobody else. Where that cannot be seen,
/// an error will tell of it: a policy must not be passed over.
fn folder(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(set(name)?);
    let is_closed = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let own = rustix::process::geteuid().as_raw();
    let is_anothers = folder.join(".").metadata().is_err_and(is_closed)
        && folder.metadata().is_ok_and(|folder| folder.uid() != own);
    (!is_anothers).then_some(folder)
}

/// Where podman writes aliases down: root's are apart from those of users.
fn short_name_aliases() -> Option<PathBuf> {
    let cache = if rustix::process::geteuid().is_root() {
        Some(PathBuf::from("/var/cache"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
    };
    Some(cache?.join("containers/short-name-aliases.conf"))
}

/// Bytes that nobody can guess.
pub fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A variable that is not empty: an empty one counts as unset, as the XDG rules have it.
fn set(name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
