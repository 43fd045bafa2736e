//! OVA: a virtual machine for VMware and VirtualBox to import.
//!
//! ```text
//!  ┌─────────────────────┬─────────────────────┬──────────────────────────┬─────────┐
//!  │ image.ovf: what the │ image.mf: digests   │ image.vmdk: the disk,    │ zeros   │
//!  │ machine looks like  │ of the other two    │ streamOptimized          │         │
//!  └─────────────────────┴─────────────────────┴──────────────────────────┴─────────┘
//! ```
//!
//! A plain ustar in this order, for importers read it front to back. The manifest has a line
//! `SHA256(name)= hex` for each of the others; VMware takes no other spacing. The VMDK is one that
//! [`super::vmdk`] made: it is copied, so that an OVA and a VMDK asked for together are encoded once.
//!
//! Nothing in it names one machine among others: no MAC address, no UUID. Importers make these.

mod descriptor;

pub use descriptor::Machine;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::digest::Sha256Digest;
use crate::progress::{Cancel, Event, Reporter};

use super::sink::Sink;
use super::tarball::{self, BLOCK, BLOCK_BYTES, RECORD_BYTES};
use super::{FormatError, Summary, ZEROS, clamp, len_of, vmdk};

const OVF: &str = "image.ovf";
const MANIFEST: &str = "image.mf";
const VMDK: &str = "image.vmdk";

/// Puts `vmdk`, which is what `encoded` says, and the description of `machine` into `out`, an empty
/// file.
pub fn encode(
    (vmdk, encoded): (&File, &vmdk::Encoded),
    machine: &Machine<'_>,
    out: &File,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let descriptor = machine.describe(encoded, VMDK);
    let manifest = format!(
        "SHA256({OVF})= {}\nSHA256({VMDK})= {}\n",
        Sha256Digest::of(descriptor.as_bytes()),
        encoded.summary.sha256
    );
    let mut sink = Sink::new(out);
    for (name, text) in [(OVF, &descriptor), (MANIFEST, &manifest)] {
        sink.write(&header(name, len_of(text.as_bytes())))?;
        sink.write(text.as_bytes())?;
        sink.pad(BLOCK)?;
    }
    let total_bytes = encoded.summary.size_bytes;
    sink.write(&header(VMDK, total_bytes))?;
    copy(vmdk, total_bytes, &mut sink, cancel, &|done_bytes| {
        reporter.report(Event::Encoded { format: "ova", done_bytes, total_bytes });
    })?;
    sink.pad(BLOCK)?;
    sink.write(&ZEROS[..2 * BLOCK_BYTES])?;
    sink.pad(RECORD_BYTES)?;
    sink.finish()
}

fn copy(
    from: &File,
    len_bytes: u64,
    sink: &mut Sink<'_>,
    cancel: &Cancel,
    report: &dyn Fn(u64),
) -> Result<(), FormatError> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < len_bytes {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        let bytes = clamp(&mut buffer, len_bytes - offset);
        let error = |source| FormatError::Read { offset, source };
        from.read_exact_at(bytes, offset).map_err(error)?;
        sink.write(bytes)?;
        offset += len_of(bytes);
        report(offset);
    }
    Ok(())
}

/// The header of a member. From 8 GiB on its size is written as GNU tar does, which ustar has no
/// way to say and importers read.
fn header(name: &str, size_bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut header = tar::Header::new_ustar();
    tarball::describe(&mut header, name, size_bytes).expect("the name is short");
    *header.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::spec::Arch;
    use crate::units::{ByteLen, MIB};

    #[test]
    fn a_disk_that_is_cut_short_is_an_error() {
        let vmdk = tempfile::tempfile().unwrap();
        vmdk.write_all_at(b"KDMV", 0).unwrap();
        let summary = Summary { size_bytes: 1000, sha256: Sha256Digest::of(b"") };
        let encoded = vmdk::Encoded { summary, disk_size: ByteLen(MIB), populated: ByteLen(0) };
        let machine = Machine { name: "x", arch: Arch::X86_64, secure_boot: false };
        let out = tempfile::tempfile().unwrap();
        let cancel = Cancel::default();
        let result = encode((&vmdk, &encoded), &machine, &out, &Silent, &cancel);
        assert!(matches!(result, Err(FormatError::Read { offset: 0, .. })));
        cancel.cancel();
        let result = encode((&vmdk, &encoded), &machine, &out, &Silent, &cancel);
        assert!(matches!(result, Err(FormatError::Cancelled)));
    }

    #[test]
    fn members_of_8_gib_have_a_size() {
        for size in [(8 << 30) - 1, 8 << 30, 3 << 40] {
            let header = tar::Header::from_byte_slice(&header(VMDK, size)).clone();
            assert_eq!(header.entry_size().unwrap(), size);
        }
    }
}
