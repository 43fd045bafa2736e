//! The directory trees of layers and of the merged image.
