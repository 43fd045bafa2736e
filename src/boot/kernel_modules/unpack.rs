//! Modules out of the files they are packed in.

use std::io::{self, BufReader, Cursor, Read, Write};

use super::{KernelModulesError, MODULE_LIMIT_BYTES, Module};
use crate::boot::pour::{Stopped, pour};

const ELF: &[u8] = b"\x7FELF";

impl Module {
    /// Reads the module out of the file that is at [`Module::source`].
    ///
    /// What comes out has no bound: those who have not called [`Module::unpack`] before set one.
    pub fn decoder<'r>(
        &self,
        packed: impl Read + 'r,
    ) -> Result<Box<dyn Read + 'r>, KernelModulesError> {
        let packed = BufReader::new(packed);
        Ok(match self.compression {
            None => Box::new(packed),
            Some(compression) => {
                Box::new(compression.decoder(packed).map_err(|error| self.unread(error))?)
            }
        })
    }

    /// Writes the module uncompressed; returns its length, which needs but a sink to be known.
    pub fn unpack(
        &self,
        packed: impl Read,
        out: &mut impl Write,
    ) -> Result<u64, KernelModulesError> {
        let path = || self.path.clone();
        let mut module = self.decoder(packed)?;
        let mut magic = Vec::new();
        let start = module.by_ref().take(4).read_to_end(&mut magic);
        start.map_err(|error| self.unread(error))?;
        if magic != ELF {
            return Err(KernelModulesError::NotElf { path: path() });
        }
        // one byte more than there may be tells that there are too many
        let poured = pour(&mut Cursor::new(magic).chain(module), out, MODULE_LIMIT_BYTES + 1);
        match poured {
            Ok(len_bytes) if len_bytes <= MODULE_LIMIT_BYTES => Ok(len_bytes),
            Ok(_) => {
                let limit_bytes = MODULE_LIMIT_BYTES;
                Err(KernelModulesError::TooLarge { path: path(), limit_bytes })
            }
            Err(Stopped::Reading(error)) => Err(self.unread(error)),
            Err(Stopped::Writing(source)) => {
                Err(KernelModulesError::Write { path: path(), source })
            }
        }
    }

    fn unread(&self, source: io::Error) -> KernelModulesError {
        KernelModulesError::Unpack { path: self.path.clone(), source }
    }
}
