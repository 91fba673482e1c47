//! Changes and reads the kernel's firewall (nf_tables) by netlink. A change is a [`Batch`], a plain value.
//!
//! No process is started and no C library is used. The crate knows nothing else of this project, and not the purpose of
//! the rules.
//!
//! ```text
//!   Batch (a value: compare it, print it)          desired
//!     │ encode: operations ─► messages,               │
//!     │ compile: statements ─► expressions            │ diff (the caller's)
//!     ▼                                               │
//!   Connection::commit ─► kernel ─► tables, chains, sets, rules, elements   found
//!        one transaction    │
//!                           └────► Subscription: "table X changed, by port P"
//! ```
//!
//! Only [`Connection`], [`Subscription`] and [`Conntrack`] touch the kernel; all else is pure. Their calls block, so a
//! connection should have a thread of its own. A connection works in the network namespace in which it was opened, even
//! if its thread enters another one later.
//!
//! ```no_run
//! use vch_nftables::*;
//!
//! let table = Table::new(Family::Inet, name!("vch"));
//! let published = Set::map(
//!     name!("published"),
//!     [DataType::Ipv4, DataType::Protocol, DataType::Service],
//!     [DataType::Ipv4, DataType::Service],
//! );
//! let mut batch = Batch::new();
//! batch.replace_table(&table);
//! batch.add_set(&table, &published);
//! batch.add_chain(&table, Chain::nat(name!("prerouting"), Hook::Prerouting, -100));
//! batch.add_rule(
//!     &table,
//!     &name!("prerouting"),
//!     Rule::new().dnat_map(
//!         IpVersion::V4,
//!         [Field::IpDestination, Field::L4Proto, Field::DestinationPort],
//!         published.name.clone(),
//!     ),
//! );
//! println!("{batch}");
//! Connection::open()?.commit(&batch)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the numbers come from
//! Every constant is in `abi.rs` under the name of its enum in `linux/netfilter/nf_tables.h` (`nfnetlink.h` and
//! `netlink.h` for message headers). Types of sets have nft's numbers, so that `nft list ruleset` can show a batch's sets.
//!
//! # What a change costs
//! An element of a set or map without `interval` (a hash) is added in constant time, however many there are. In a set of
//! ranges each *transaction* costs time in proportion to the set's size, whatever number of elements it changes:
//! therefore change many at once, and do not use ranges where a request waits for the change.
//! `cargo run --release -p vch-nftables --example cost` measures both.
//!
//! # Flows
//! A changed rule does not change the flows that it has already accepted. [`Conntrack`] therefore lists and deletes
//! single entries of the connection tracker. For each list the kernel walks its whole table, and sends only the entries
//! that match the filter.
//!
//! # Invariants
//! - A batch is checked before anything is sent; nothing is sent of one that can't be encoded.
//! - A rule that reads a header's field first checks that the packet has this header (`field.rs`).
//! - The kernel's messages are never trusted: a malformed one is an error.

mod abi;
mod batch;
mod compile;
mod connection;
mod conntrack;
mod datum;
mod decode;
mod encode;
mod event;
mod field;
mod name;
mod object;
mod read;
mod rule;
mod set;
mod socket;
mod wire;

pub use batch::{Batch, Operation, Position};
pub use compile::RuleError;
pub use connection::{CommitError, Connection, RefusedOperation};
pub use conntrack::{Conntrack, Ends, Flow, FlowFilter};
pub use datum::{AddressType, CtState, CtStatus, DataType, Datum, IpVersion, TcpFlags};
pub use decode::{Found, FoundRule};
pub use encode::EncodeError;
pub use event::{Change, EventError, NftEvent, Object, Subscription};
pub use field::Field;
pub use name::{Comment, InterfaceName, InterfacePrefix, Name, NameError};
pub use nix::errno::Errno;
pub use object::{Base, Chain, ChainKind, Family, Hook, Policy, Table};
pub use read::ReadError;
pub use rule::{NatSide, Operator, Reject, Rule, Statement, Verdict};
pub use set::{Data, Dynamic, Element, ElementError, Key, MapData, Set};
pub use socket::SocketError;
pub use wire::DecodeError;
