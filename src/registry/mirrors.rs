//! One of the places where an image may be: the first that has it.
//!
//! Mirrors are asked for the manifest one after the other; whatever goes wrong with one, the next has
//! its turn, and last the registry itself. What a mirror has is then read from there alone.

use super::conf::RegistriesConf;
use super::error::Error;
use super::name::RegistryReference;
use super::remote::{Access, Remote};
use super::retry::Patience;
use crate::progress::{Event, Reporter};

/// A mirror that does not answer is not worth more.
const MIRROR_TRIES: u32 = 2;

/// Finds the image.
pub(crate) fn connect(
    name: &RegistryReference,
    conf: &RegistriesConf,
    access: &Access<'_>,
    reporter: &dyn Reporter,
) -> Result<Remote, Error> {
    let mut mirrors = conf.endpoints(name)?;
    let Some(itself) = mirrors.pop() else { return Remote::connect(name, access) };
    let tls_verify = |insecure: bool| access.tls_verify && !insecure;
    let mut failures = Vec::new();
    for mirror in mirrors {
        let tries = access.patience.tries.min(MIRROR_TRIES);
        let patience = Patience { tries, ..access.patience };
        let tls_verify = tls_verify(mirror.insecure);
        let result = match blocked(&mirror.name, conf) {
            Some(error) => Err(error),
            None => {
                Remote::connect(&mirror.name, &Access { patience, tls_verify, ..access.clone() })
            }
        };
        match result {
            Ok(remote) => {
                let message = format!("`{}` is read from `{}`", name.text, mirror.name.text);
                reporter.report(Event::Detail { message });
                return Ok(remote.with_patience(access.patience));
            }
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => failures.push(format!("`{}`: {error}", mirror.name.text)),
        }
    }
    let result = match blocked(name, conf).or_else(|| blocked(&itself.name, conf)) {
        Some(error) => Err(error),
        None => {
            let tls_verify = tls_verify(itself.insecure);
            Remote::connect(&itself.name, &Access { tls_verify, ..access.clone() })
        }
    };
    result.map_err(|source| match source {
        Error::Cancelled => Error::Cancelled,
        source if failures.is_empty() => source,
        source => Error::Mirrors { mirrors: failures, source: Box::new(source) },
    })
}

/// The error if an image may not come from there, nor go there.
pub(crate) fn blocked(name: &RegistryReference, conf: &RegistriesConf) -> Option<Error> {
    let block = conf.block(name)?;
    Some(Error::Blocked { name: name.full_name(), prefix: block.prefix, path: block.path })
}
