//! What happens, told to whoever watches. Rooms emit [`Event`]s; only `cli` draws them.

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A stage of the build begins ("resolving", "writing qcow2").
    Stage {
        /// What is being done, as a gerund phrase.
        name: String,
    },
    /// The layers to read are known.
    Layers {
        /// Compressed size of each layer, in manifest order.
        sizes_bytes: Vec<u64>,
    },
    /// Compressed bytes of a layer were read.
    LayerRead {
        /// Index in manifest order, from 0.
        layer: usize,
        /// How many more bytes were read.
        bytes: u64,
    },
    /// A layer is in the tree.
    LayerDone {
        /// Index in manifest order, from 0.
        layer: usize,
    },
    /// Bytes of an artifact were written.
    Encoded {
        /// The disk format's name.
        format: &'static str,
        /// How many bytes of the disk are encoded so far.
        done_bytes: u64,
        /// The size of the disk.
        total_bytes: u64,
    },
    /// Something the user should know, which does not stop the build.
    Warning {
        /// A sentence.
        message: String,
    },
    /// Detail for `-v`.
    Detail {
        /// A sentence.
        message: String,
    },
}

/// Receives events; called from any thread.
pub trait Reporter: Send + Sync {
    /// Takes one event. Must be quick.
    fn report(&self, event: Event);
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

/// Asked by every long loop: whether the user wants the build to stop.
#[derive(Debug, Clone, Default)]
pub struct Cancel(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Cancel {
    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
