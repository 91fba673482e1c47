//! The rules in the kernel, each test in a network namespace of its own.

mod frames;
mod healing;
mod spoofing;
mod world;
