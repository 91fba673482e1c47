//! The loop with a fake line: a socket pair in place of the virtserialport, and real namespaces, mounts and processes.

mod agent;
mod booted;
mod container;
mod process;
