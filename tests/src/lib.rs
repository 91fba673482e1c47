//! The lab: the parts of tests that need a kernel.
//!
//! ```text
//!   Lab ── one test's world: a directory for sockets and logs, and the turn to run VMs
//!    ├── Namespace, Topology     `vch`, and one behind each of its networks
//!    ├── Coordinator             vch-coordinator in `vch`, asked by vchctl
//!    ├── Member                  a container that is a namespace, with the real agent
//!    ├── Peer                    a real dockerd, to compare with
//!    ├── Docker                  the docker CLI, as a person types it
//!    ├── VmHost                  a coordinator whose containers are VMs, with such a CLI
//!    ├── stand_in                containers whose VM is no QEMU, and behaves as it is told
//!    ├── http                    a request that no CLI sends
//!    ├── Terminal                a person at a terminal
//!    ├── Wiretap                 what a CLI and a daemon say to each other
//!    ├── Hook                    the program that runs the VMs, as the coordinator asks it
//!    ├── Monitor                 hears what changes in a namespace
//!    ├── Responder, ask          one who answers, and the questions: TCP, UDP, ICMP
//!    ├── Asker                   asks a name server
//!    ├── Capture                 sees every packet of a namespace
//!    ├── Process                 dies with the test, killed by its pid
//!    ├── RootFs                  an image's root file system, as a directory, a tar or a disk
//!    ├── SmallDisk               a file system that is soon full
//!    ├── VsockHost               vhost-device-vsock for one VM or for siblings
//!    └── Vm                      QEMU: console, lab shell, QMP, taps, hot-plug
//!         ├── Tether           its channel to the coordinator
//!         └── Template           a saved VM and its clones
//! ```
//!
//! All that is made is in [`registry`] until it is gone: `Drop` removes it, a panic included; SIGINT, SIGTERM and SIGHUP
//! remove it too; and what a killed run left is removed at the start of the next one. Test traffic stays in
//! namespaces that the lab made. No AF_VSOCK socket is ever opened on the host.

pub mod capture;
pub mod deadline;
pub mod debian_image;
pub mod docker;
pub mod docker_packages;
pub mod hook;
pub mod http;
pub mod member;
pub mod monitor;
pub mod namespace;
pub mod paths;
pub mod peer;
pub mod prerequisites;
pub mod process;
pub mod question;
pub mod registry;
pub mod responder;
pub mod rootfs;
pub mod small_disk;
pub mod sources;
pub mod stand_in;
pub mod template;
pub mod terminal;
pub mod tether;
pub mod topology;
pub mod vch;
pub mod vm;
pub mod vm_host;
pub mod wiretap;
mod world;

pub use capture::{Capture, Packet};
pub use deadline::{eventually, eventually_some};
pub use docker::{CommandOutput, Docker};
pub use member::Member;
pub use monitor::Monitor;
pub use namespace::Namespace;
pub use peer::Peer;
pub use prerequisites::Need;
pub use process::Process;
pub use question::Asker;
pub use responder::{Responder, Way, ask, ask_again};
pub use rootfs::RootFs;
pub use small_disk::SmallDisk;
pub use template::Template;
pub use terminal::Terminal;
pub use tether::Tether;
pub use topology::Topology;
pub use vch::Coordinator;
pub use vm::{Output, Tap, Vm, VmBuilder, VsockHost};
pub use vm_host::{Boot, VmHost};
pub use wiretap::{Exchange, Wiretap};
pub use world::Lab;
