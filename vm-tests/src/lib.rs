//! Boots what we built in QEMU and talks to it over the serial line.
