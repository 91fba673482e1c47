//! The name server on every gateway address: containers find one another by name; queries for outside names are
//! forwarded to the VCH's upstream servers.
//!
//! ```text
//!   the caller                                 Server::listen / unlisten
//!      publish, withdraw,                        sockets opened by the caller,
//!      set_asker, declare_network                handed to the least loaded thread
//!            │                                             │ command + eventfd
//!            ▼                                             ▼
//!   ┌─────────────────┐   read, one shard   ┌─ dns-0 ──────────────────────────────┐
//!   │      Names      │◄────────────────────│ epoll over everything this thread has │
//!   │ sharded RwLocks │                     │                                       │
//!   └─────────────────┘                     │ gateway UDP ──► answer() ──► reply    │──► client
//!            ▲                              │ client TCP  ──►    │                  │
//!            │                              │                    ▼ Forward          │
//!            │                              │        own socket, id, port a try ────│──► upstream
//!            │                              │        timers: a heap                 │
//!            │                              └───────────────────────────────────────┘
//!            └───────────────────────────── dns-1 ... (a fixed number, whatever is listened on)
//! ```
//!
//! # Invariants
//! - [`answer`] is pure: bytes, asker and table in, [`Decision`] out. It never panics, a reply
//!   bears the query's id, and an answer is never answered.
//! - The number of threads is fixed at [`Server::spawn`]; a socket, a connection and a question
//!   waiting upstream each belong to one thread and are touched by no other.
//! - Only gateway addresses are bound, never the wildcard: a reply leaves from the address that
//!   was asked, and no other service is in the way.
//! - A change of the table is one entry and shows in the next answer. Nothing is cached here.
//! - Everything from outside is bounded: questions waiting for their answer or for upstream, connections,
//!   what is read and not yet written of each, each client's share of these.
//! - Clients are served in turn, without a fixed rate: one that floods fills its own queue, and none of another.
//!
//! # Answers, and why
//! - *Scope.* An asker sees the networks that it is on; a name that several of them know comes
//!   from the first. One without a view sees the network at whose gateway it asks, unless its
//!   address lies outside of that network's subnets: then REFUSED, since on a shared segment
//!   every gateway can be reached.
//! - *A known name without the type* gets NOERROR without answers. Negative answers bear no SOA,
//!   so they are not cached (RFC 2308, 5): a name that comes up a moment later is found at
//!   once, and no zone has to be made up for names of a single label.
//! - *An unknown name of one label* gets NXDOMAIN and is not asked upstream (see
//!   [`Policy::forward_single_labels`]), except for the types a validating resolver asks of
//!   top-level domains.
//! - *Reverse names inside any network's subnets* are never asked upstream, seen or not.
//!   `localhost`, `invalid` and `onion` end here too (RFC 6761, RFC 7686).
//! - *Sizes.* By UDP 512 octets, or what EDNS says, at most 1,232; what does not fit is cut, with
//!   TC. At most 1,000 records of one type in an answer, rotated.
//! - *Upstream.* The asker's own servers, or else the configured ones, in their order; one that fails or refuses is passed over, one that is
//!   silent gets a second try after the others and is asked last for 10 s. The first other
//!   answer counts, NXDOMAIN included. None: SERVFAIL.
//!
//! # Descriptors
//! Two for each address, one for each client connection and each question upstream, two for each
//! thread: 4,096 addresses need a limit (RLIMIT_NOFILE) of some 10,000, which the process sets.
//!
//! # Example
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use vch_dns::{Config, Names, NetworkId, Policy, Server};
//!
//! let names = Arc::new(Names::new(Policy::default())?);
//! let network = NetworkId(1);
//! let server = Server::spawn(&Config { port: 0, ..Config::default() }, &names)?;
//! let at = server.listen(network, "127.0.0.1".parse()?)?;
//! names.publish(network, &"web".parse()?, "172.18.0.2".parse()?, None);
//! println!("dig -p {} @{} web", at.port(), at.ip());
//! server.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! RFC 1034, 1035 (DNS), 2308 (negative answers), 3596 (AAAA), 5452 (forged answers), 6891 (EDNS),
//! 7766 (TCP).

mod answer;
mod casing;
mod config;
mod connection;
mod exchange;
mod forward;
mod forwarder;
mod gateway;
mod name;
mod names;
mod network_id;
mod query;
mod reactor;
mod reply;
mod reverse;
mod server;
mod shares;
mod socket;
mod stats;
mod subnets;
mod tally;
mod waiting;
mod worker;

pub use answer::{Asker, Decision, answer};
pub use config::{Config, ConfigError};
pub use forward::{Forward, Verdict};
pub use name::{Name, NameError};
pub use names::{Names, NamesError, Network, Policy, View};
pub use network_id::NetworkId;
pub use reply::Transport;
pub use server::{ListenError, OnEnd, Server, ShutdownError, SpawnError};
pub use stats::{Stats, StatsReader};
