//! The rules in the kernel, each test in a network namespace of its own.

mod frames;
mod healing;
mod isolation;
mod levels;
mod options;
mod publishing;
mod remembered;
mod spoofing;
mod tracker;
mod tracking;
mod world;
