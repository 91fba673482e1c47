//! Remembers the flows that a container on an external network begins, without connection tracking. Each container has
//! nftables sets of its own: a container that scans ports fills its own sets, and leaves those of others alone.
//!
//! A frame from the container adds its flow to a set, with a time-out. Frames that answer are let in while the flow is
//! in the set, and renew the time-out, so that a flow in use stays. When the rules are made anew the flows are lost;
//! the container's next frame adds its flow again. When a set is full, new flows get no answers, and those in it go on.

use super::rules::{chain, destination, source};
use super::sets::{VERSIONS, address_type};
use protocol::spec::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vch_nftables::{
    Batch, Chain, DataType, Datum, Field, IpVersion, Name, NameError, Operation, Rule, Set, Table,
    TcpFlags, Verdict,
};

/// RFC 5382, REQ-5: an established connection is kept 2 h 4 min, one that opens or closes 4 min.
const TCP_ESTABLISHED: Duration = Duration::from_secs(7440);
const TCP_TRANSITORY: Duration = Duration::from_secs(240);
/// RFC 4787, REQ-5. SCTP's heartbeats come each 30 s (RFC 9260, 16).
const DATAGRAMS: Duration = Duration::from_secs(300);
/// RFC 5508, REQ-1.
const ECHO: Duration = Duration::from_secs(60);

/// The greatest number of flows that are remembered of one container in each set of TCP, UDP and SCTP flows; it has one
/// set for each version of IP. A full set takes about 3 MB, at 200 bytes a flow.
pub const FLOWS: u32 = 16_384;
/// Addresses that it sent an echo to.
const ECHOES: u32 = 1_024;

/// The nftables sets and chains that remember the flows of one container. Their names end with the name of the
/// container's port (its link on the bridge), which is all that this value keeps; it makes nothing in the kernel by
/// itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remembered(InterfaceName);

/// The beginnings of their names.
const LEAVING: &str = "leaving-";
const ARRIVING: &str = "arriving-";
const FLOW_SETS: [&str; 2] = ["flows4-", "flows6-"];
const ECHO_SETS: [&str; 2] = ["echoes4-", "echoes6-"];

impl Remembered {
    /// Returns the value for the container whose port (its link on the bridge) has this name. The sets and chains need
    /// not exist.
    pub fn of(port: &InterfaceName) -> Self {
        Self(port.clone())
    }

    /// Returns the value for the container to whose sets and chains a set or chain of this name belongs: the name is
    /// one of their prefixes, such as `flows4-`, and the name of a port. Returns `None` for every other name, such as
    /// that of a set that all containers share.
    pub fn by_name(name: &Name) -> Option<Self> {
        let prefixes = [LEAVING, ARRIVING].into_iter();
        let prefixes = prefixes.chain(FLOW_SETS).chain(ECHO_SETS);
        let port = prefixes
            .filter_map(|prefix| name.as_str().strip_prefix(prefix))
            .next()?;
        port.parse().ok().map(Self)
    }

    /// Returns the verdict for frames that come from the container: a jump to its chain that remembers the flows and
    /// accepts the frames. It is the data of the container's element in the verdict map `leaving_of`, by which frames
    /// reach the chain.
    ///
    /// # Errors
    /// Returns [`NameError`] if the chain's name is too long for nf_tables.
    pub fn leaving(&self) -> Result<Verdict, NameError> {
        Ok(Verdict::Jump(self.name(LEAVING)?))
    }

    /// Returns the verdict for frames that go to the container: a jump to its chain that accepts the frames of
    /// remembered flows. It is the data of the container's element in the verdict map `arriving_of`, by which frames
    /// reach the chain.
    ///
    /// # Errors
    /// Returns [`NameError`] if the chain's name is too long for nf_tables.
    pub fn arriving(&self) -> Result<Verdict, NameError> {
        Ok(Verdict::Jump(self.name(ARRIVING)?))
    }

    fn name(&self, prefix: &str) -> Result<Name, NameError> {
        Name::new(format!("{prefix}{}", self.0))
    }

    fn flow_set(&self, version: IpVersion) -> Result<Name, NameError> {
        self.name(of_version(FLOW_SETS, version))
    }

    fn echo_set(&self, version: IpVersion) -> Result<Name, NameError> {
        self.name(of_version(ECHO_SETS, version))
    }

    /// Returns the definitions of the container's four nftables sets: for each version of IP one of flows and one of
    /// the addresses that it sent an ICMP echo request to. They are without elements: the kernel adds and expires those
    /// as packets pass.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn sets(&self) -> Result<Vec<Set>, NameError> {
        use DataType::{Protocol, Service};
        let mut sets = Vec::new();
        for version in VERSIONS {
            let address = address_type(version);
            let flow = [Protocol, address, Service, Service];
            sets.push(Set::new(self.flow_set(version)?, flow).dynamic(FLOWS));
            sets.push(Set::new(self.echo_set(version)?, [address]).dynamic(ECHOES));
        }
        Ok(sets)
    }

    /// Returns the container's two chains, each with its rules: first the chain for frames that leave it, then the one
    /// for frames that arrive. The rules use the sets of [`Remembered::sets`]; each has a comment with its reason and a
    /// checksum, by which it is recognised.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn chains(&self) -> Result<[(Chain, Vec<Rule>); 2], NameError> {
        Ok([
            chain(Chain::regular(self.name(LEAVING)?), self.begun()?)?,
            chain(Chain::regular(self.name(ARRIVING)?), self.answered()?)?,
        ])
    }

    /// Remembers what the container begins.
    fn begun(&self) -> Result<Vec<(&'static str, Rule)>, NameError> {
        let mut rules = Vec::new();
        for version in VERSIONS {
            let flows = self.flow_set(version)?;
            let remember =
                |rule: Rule, time| rule.update(flows.clone(), flow_out(version), time).accept();
            let asked = echo(version, [8, 128]).update(
                self.echo_set(version)?,
                [destination(version)],
                ECHO,
            );
            rules.extend([
                (
                    "a connection ends",
                    remember(tcp().tcp_flags(ends()), TCP_TRANSITORY),
                ),
                (
                    "a connection lives",
                    remember(tcp().tcp_flags(TcpFlags::ACK), TCP_ESTABLISHED),
                ),
                ("a connection begins", remember(tcp(), TCP_TRANSITORY)),
                ("what it asks", remember(protocol(Datum::UDP), DATAGRAMS)),
                ("an association", remember(protocol(Datum::SCTP), DATAGRAMS)),
                ("an echo", asked.accept()),
            ]);
        }
        Ok(rules)
    }

    /// Lets in what answers it, and keeps it in mind.
    fn answered(&self) -> Result<Vec<(&'static str, Rule)>, NameError> {
        let mut rules = Vec::new();
        for version in VERSIONS {
            let flows = self.flow_set(version)?;
            let known = |rule: Rule| rule.is_in(flow_in(version), flows.clone());
            let keep = |rule: Rule, time| {
                known(rule)
                    .update(flows.clone(), flow_in(version), time)
                    .accept()
            };
            let answer = echo(version, [0, 129]).is_in([source(version)], self.echo_set(version)?);
            rules.extend([
                ("a connection ends", known(tcp().tcp_flags(ends())).accept()),
                ("a connection lives", keep(tcp(), TCP_ESTABLISHED)),
                ("an answer", keep(protocol(Datum::UDP), DATAGRAMS)),
                ("an association", keep(protocol(Datum::SCTP), DATAGRAMS)),
                ("an echo", answer.accept()),
            ]);
        }
        Ok(rules)
    }

    /// Appends operations to `batch` that create the container's sets and chains with their rules in `table`. They must
    /// not exist there: the rules of an existing chain would be doubled.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn add(&self, batch: &mut Batch, table: &Table) -> Result<(), NameError> {
        for set in self.sets()? {
            batch.add_set(table, &set);
        }
        for (chain, rules) in self.chains()? {
            batch.add_chain(table, chain.clone());
            for rule in rules {
                batch.add_rule(table, &chain.name, rule);
            }
        }
        Ok(())
    }

    /// Appends operations to `batch` that delete the container's sets and chains, with the flows, from `table`. Earlier
    /// operations must delete the elements of verdict maps that jump to the chains: else the kernel refuses the batch.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn delete(&self, batch: &mut Batch, table: &Table) -> Result<(), NameError> {
        for (chain, _) in self.chains()? {
            batch.push(Operation::FlushChain(table.clone(), chain.name.clone()));
            batch.push(Operation::DeleteChain(table.clone(), chain.name));
        }
        for set in self.sets()? {
            batch.push(Operation::DeleteSet(table.clone(), set.name));
        }
        Ok(())
    }
}

/// The sets and chains that remember containers' flows, as far as they were found in the kernel's table when its
/// ruleset was read. It begins empty; the reader hands every set and chain of the table to it, and it keeps those that
/// are its own.
#[derive(Debug, Default)]
pub struct Found {
    sets: BTreeSet<Set>,
    chains: BTreeMap<Chain, Vec<Option<String>>>,
}

impl Found {
    /// Keeps a copy of an nftables set that was read from the kernel if the set's name is that of a set which remembers
    /// a container's flows. Returns `false`, and leaves this value unchanged, if the name is another one: the set is
    /// then for the caller to compare. The set's types are not checked here, but by [`Found::whole`].
    pub fn take_set(&mut self, set: &Set) -> bool {
        let own = Remembered::by_name(&set.name).is_some();
        if own {
            self.sets.insert(set.clone());
        }
        own
    }

    /// Keeps a copy of a chain that was read from the kernel, with the comments of its rules in their order (`None` for
    /// a rule without one), if the chain's name is that of a chain which remembers a container's flows. Returns
    /// `false`, and leaves this value unchanged, if the name is another one. The rules are not checked here, but by
    /// [`Found::whole`].
    pub fn take_chain(&mut self, chain: &Chain, comments: &[Option<String>]) -> bool {
        let own = Remembered::by_name(&chain.name).is_some();
        if own {
            self.chains.insert(chain.clone(), comments.to_vec());
        }
        own
    }

    /// Returns the containers whose flows are remembered in the kernel, if what was found is exactly the sets and
    /// chains that this release makes for them, with the comments of their rules. Returns `None` if a set or chain of
    /// one of them is missing or differs: the caller then makes the whole table anew. It is an empty set if nothing was
    /// found.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn whole(&self) -> Result<Option<BTreeSet<Remembered>>, NameError> {
        let names = self.sets.iter().map(|set| &set.name);
        let names = names.chain(self.chains.keys().map(|chain| &chain.name));
        let ports: BTreeSet<_> = names.filter_map(Remembered::by_name).collect();
        let (mut sets, mut chains) = (BTreeSet::new(), BTreeMap::new());
        for port in &ports {
            sets.extend(port.sets()?);
            for (chain, rules) in port.chains()? {
                let comments = rules.into_iter().map(|rule| rule.comment);
                let comments = comments.map(|one| one.map(|one| one.as_str().to_owned()));
                chains.insert(chain, comments.collect());
            }
        }
        let stands = sets == self.sets && chains == self.chains;
        Ok(stands.then_some(ports))
    }
}

fn of_version<T>([v4, v6]: [T; 2], version: IpVersion) -> T {
    match version {
        IpVersion::V4 => v4,
        IpVersion::V6 => v6,
    }
}

/// Returns the fields of a flow: protocol, the other host's address and port, the container's own
/// port.
fn flow_out(version: IpVersion) -> [Field; 4] {
    let other = destination(version);
    let [others, own] = [Field::DestinationPort, Field::SourcePort];
    [Field::L4Proto, other, others, own]
}

fn flow_in(version: IpVersion) -> [Field; 4] {
    let other = source(version);
    let [others, own] = [Field::SourcePort, Field::DestinationPort];
    [Field::L4Proto, other, others, own]
}

fn protocol(number: Datum) -> Rule {
    Rule::new().is(Field::L4Proto, number)
}

fn tcp() -> Rule {
    protocol(Datum::TCP)
}

fn ends() -> TcpFlags {
    TcpFlags::FIN | TcpFlags::RST
}

/// Returns a rule that matches ICMP (RFC 792) or ICMPv6 (RFC 4443) of one of these types.
fn echo(version: IpVersion, types: [u8; 2]) -> Rule {
    let kind = of_version(types, version);
    match version {
        IpVersion::V4 => Rule::new().is(Field::IcmpType, Datum::IcmpType(kind)),
        IpVersion::V6 => Rule::new().is(Field::Icmpv6Type, Datum::Icmpv6Type(kind)),
    }
}
