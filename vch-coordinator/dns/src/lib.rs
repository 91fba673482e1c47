//! The DNS server on the gateway address of every network of containers. It answers queries for the names of containers,
//! and forwards all other queries to upstream servers.
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
//! - [`answer`] is pure: it takes a message, its sender and the table of names, and returns a [`Decision`]. It never
//!   panics. A reply has the query's ID, and a message that is a reply is never answered.
//! - The number of threads is fixed at [`Server::spawn`]; a socket, a connection and a question
//!   waiting upstream each belong to one thread and are touched by no other.
//! - Only gateway addresses are bound, never the wildcard address: a reply leaves from the address that was queried, and
//!   the port stays free for services on other addresses.
//! - A change of the table is one entry, and the next answer has it. Nothing is cached here.
//! - All that clients can use is limited, in total and for each client: waiting queries, connections, buffered bytes.
//! - Clients are served in turn, without a fixed rate: a client that floods fills only its own queue.
//!
//! # Answers, and why
//! - *Scope.* A client sees the names of the networks in its [`View`]. If several of them have a name, the first one's
//!   addresses are the answer. A client without a view sees the network whose gateway it queries. If its address is
//!   outside of that network's subnets, it gets REFUSED, since clients of other networks may reach the gateway too.
//! - *A published name without records of the type* gets NOERROR without answers. Negative answers have no SOA record, so
//!   they are not cached (RFC 2308, 5): a name that is published a moment later is found at once.
//! - *An unpublished name of one label* gets NXDOMAIN and is not forwarded (see [`Policy::forward_single_labels`]),
//!   except for the record types that a validating resolver needs of top-level domains.
//! - *Reverse names inside any network's subnets* are never forwarded, even if the client does not see the network.
//!   `localhost`, `invalid` and `onion` are not forwarded either (RFC 6761, RFC 7686).
//! - *Sizes.* A reply by UDP has at most 512 octets, or with EDNS the client's size up to 1,232; a longer one is
//!   truncated, with TC set. A reply has at most 1,000 records of one type, in rotating order.
//! - *Upstream servers.* A client's own servers, or else the configured ones, are queried in order. A server that fails
//!   or refuses is skipped. A silent one gets a second try after the others, and is queried last for the next 10 s. The
//!   first other answer counts, including NXDOMAIN. Without an answer the client gets SERVFAIL.
//!
//! # Descriptors
//! The server needs two descriptors for each address and each thread, and one for each client connection and each
//! forwarded query: 4,096 addresses need a limit (RLIMIT_NOFILE) of some 10,000, which the process must set.
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
