//! Layers are fetched and unpacked ahead of the one being committed, each on two threads of its own
//! into a few buffers, and come out strictly in order: so the bytes of the disk do not depend on the
//! number of threads.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};

use super::error::{Error, LayerError};
use super::import::{Context, layer_error};
use crate::layers;
use crate::registry::Source;
use crate::stream;

/// Layers that are unpacked ahead of the one being committed, at most.
const MAX_AHEAD: usize = 4;
/// Buffers of 256 KiB between fetching with verifying and unpacking, per layer: so many that unpacking
/// goes on until a thread that was woken for more has got a processor.
const BLOB_BUFFERS: usize = 8;
/// Buffers of 256 KiB between unpacking and committing, per layer: as much as is hashed and written at a
/// time, so that unpacking goes on meanwhile.
const BUFFERS: usize = 32;
const BUFFER_BYTES: usize = 256 * 1024;

/// An unpacked layer on its way.
pub(super) struct Unpacked {
    pub(super) bytes: Box<dyn BufRead + Send>,
    pub(super) warnings: layers::Warnings,
}

/// The layers of an image, in order.
pub(super) struct Ahead<'a> {
    source: &'a Source,
    context: Context<'a>,
    started: VecDeque<Unpacked>,
    next: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(source: &'a Source, context: Context<'a>) -> Self {
        Self { source, context, started: VecDeque::new(), next: 0 }
    }

    /// The next layer; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Unpacked>, Error> {
        let count = self.source.image().layers.len();
        while self.next < count && self.started.len() < self.context.threads.clamp(1, MAX_AHEAD) {
            self.started.push_back(unpack(self.source, self.next, self.context)?);
            self.next += 1;
        }
        Ok(self.started.pop_front())
    }
}

/// The reader stack of one layer: verified blob and unpacking, each on a thread of its own.
fn unpack(source: &Source, index: usize, context: Context<'_>) -> Result<Unpacked, Error> {
    let image = source.image();
    let in_error = |error: LayerError| layer_error(image, index, error);
    let blob = source.layer(index).map_err(|error| in_error(error.into()))?;
    let warnings = layers::Warnings::default();
    let compression = image.layers[index].compression;
    let no_thread = |error| in_error(LayerError::Io(error));
    let bytes: Box<dyn BufRead + Send> = if context.threads > 1 {
        let blob = stream::ahead(blob, BLOB_BUFFERS).map_err(no_thread)?;
        let decoder = layers::decoder(compression, blob, &warnings);
        Box::new(stream::ahead(decoder, BUFFERS).map_err(no_thread)?)
    } else {
        let blob = BufReader::with_capacity(BUFFER_BYTES, blob);
        let decoder = layers::decoder(compression, blob, &warnings);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    };
    Ok(Unpacked { bytes, warnings })
}
