//! Why there is no installation.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::cli::hint;
use crate::config::blueprint::BlueprintError;
use crate::installer::config::{KargError, WishError};
use crate::installer::disks::DisksError;
use crate::installer::target::Refusal;
use crate::machine::MachineError;
use crate::pipeline;
use crate::pipeline::carried::CarriedError;

/// Why there is no installation.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The machine is not as it must be.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A kernel argument of ours is not understood.
    #[error(transparent)]
    Karg(#[from] KargError),
    /// Wishes that cannot be met together.
    #[error(transparent)]
    Wish(#[from] WishError),
    /// A file with wishes cannot be used.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// A file that is somewhere else.
    #[error("not supported yet: `{url}`; the installer has no network")]
    NoNetwork {
        /// Where it would be.
        url: String,
    },
    /// A path that leads nowhere on the medium.
    #[error("`{path}` is no path of a file on the installer's medium, such as `/install.toml`")]
    NotOnTheMedium {
        /// The path.
        path: String,
    },
    /// The file with SSH keys holds what must stay with its owner.
    #[error("`{}` is a private key: give the public one (`….pub`)", .0.display())]
    PrivateKey(PathBuf),
    /// A change of the medium was interrupted.
    #[error("a change of this medium was interrupted: what it says is not whole")]
    Unfinished,
    /// The medium carries no build that this program can do.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// It cannot be told which disks there are.
    #[error(transparent)]
    Disks(#[from] DisksError),
    /// No disk is meant, or none that there is.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system has no random bytes.
    #[error("getting random bytes for the disk's ids")]
    Random(#[source] io::Error),
    /// The installation failed.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// Nobody can be asked.
    #[error("there is a question, and no console to ask it on")]
    Nobody,
    /// A mistake of ours.
    #[error("the installer has an error: it panicked, and the kernel's console has its last words")]
    Panic,
}

impl InitError {
    /// What to do about it.
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        let of = |error: &(dyn Error + 'static)| hint::hint(error);
        let text = match self {
            Self::Machine(error) => return of_machine(error),
            Self::Pipeline(error) => return of(error),
            Self::Karg(_) => {
                "correct it in the boot menu: `e` edits an entry of GRUB, Ctrl-X starts it"
            }
            Self::Wish(WishError::NoTarget) => {
                "`only`, `smallest` and `largest` are targets too, as are `/dev/…` and `serial:…`"
            }
            Self::Blueprint(_) => {
                "correct the file, and put it on the medium with `bootc-image iso customize`"
            }
            Self::Unfinished => "make it good with `bootc-image iso reset`",
            Self::NoNetwork { .. } => "put the file on the medium, and give its path there",
            Self::Nobody => {
                "give the kernel a console that is there (`console=ttyS0`), or set `unattended` and a \
                 `target`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn of_machine(error: &MachineError) -> Option<String> {
    let text = match error {
        MachineError::FileOfADisk { .. } => {
            "write the ISO to the whole stick itself, as `dd` does, and start that"
        }
        MachineError::NoMedium { .. } => {
            "plug the medium in, at another port if need be, and try again; a copy of it must be whole: \
             all of the ISO, on a whole disk or disc"
        }
        MachineError::MediumId { .. } => "the initramfs is damaged: make the ISO again",
        _ => return None,
    };
    Some(text.to_owned())
}
