//! Rules: statements from left to right, as nft writes them.

mod display;

use std::net::IpAddr;
use std::time::Duration;

use crate::datum::{CtState, CtStatus, Datum, IpVersion, TcpFlags};
use crate::field::Field;
use crate::name::{Comment, InterfacePrefix, Name};

/// Statements that a packet passes from left to right until one does not match or decides.
///
/// ```
/// use vch_nftables::{Field, Rule, name};
/// let rule = Rule::new()
///     .is_in([Field::InputInterface], name!("bridges"))
///     .is_not_in([Field::OutputInterface], name!("bridges"))
///     .masquerade();
/// assert_eq!(rule.to_string(), "iifname @bridges oifname != @bridges masquerade");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// What it does, in order.
    pub statements: Vec<Statement>,
    /// Kept by the kernel and shown by nft: a rule read back is known by it.
    pub comment: Option<Comment>,
}

/// One statement of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// Goes on where the field compares so.
    Compare(Field, Operator, Datum),
    /// Goes on where the name of the interface that the field holds begins so.
    Begins(Field, InterfacePrefix),
    /// Goes on where `field & mask` compares so.
    CompareBits {
        /// What is loaded.
        field: Field,
        /// Which of its bits count.
        mask: Datum,
        /// Equal or not equal.
        operator: Operator,
        /// With what they are compared.
        value: Datum,
    },
    /// Goes on where the field lies between both, which are included.
    Between(Field, Datum, Datum),
    /// Goes on where the fields together are a key of the set, or are none if `inverted`.
    Lookup {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// A set, or a map whose data does not matter.
        set: Name,
        /// Goes on where the key is *not* there.
        inverted: bool,
    },
    /// Does what the verdict map says for the fields' key; goes on where it has none.
    VerdictMap {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// A map with [`crate::MapData::Verdict`].
        map: Name,
    },
    /// Writes the bits of `mask` in the packet's mark and leaves the others.
    SetMark {
        /// Which bits are written.
        mask: u32,
        /// What they become.
        value: u32,
    },
    /// Makes the packet's mark what the map says for the fields' key; goes on where it says
    /// something.
    SetMarkMap {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// A map whose data is a mark.
        map: Name,
    },
    /// Puts the fields' key into a set, or lets it stay there for another `timeout`; goes on
    /// unless the set is full.
    Update {
        /// A set with [`crate::Set::dynamic`].
        set: Name,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// When it leaves the set again by itself; the kernel counts in milliseconds.
        timeout: Duration,
    },
    /// Goes on where the fields' key has more than so many tracked flows, this one included, which the
    /// kernel counts in the set. The key of a full set is not counted, and does not go on.
    FlowsOver {
        /// A set with [`crate::Set::counting`].
        set: Name,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// How many it may have.
        most: u32,
    },
    /// Translates to a fixed address, and port if one is given; only in chains of type nat.
    Nat {
        /// Source or destination.
        side: NatSide,
        /// New address.
        address: IpAddr,
        /// New port; `None` keeps it.
        port: Option<u16>,
    },
    /// Translates to what a map says for the fields' key; goes on where it has none.
    NatMap {
        /// Source or destination.
        side: NatSide,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// A map whose data is an address, or an address and a port.
        map: Name,
        /// What addresses the map holds.
        version: IpVersion,
        /// Whether the map's data has a port too.
        with_port: bool,
    },
    /// Translates the source to the address of the interface that the packet leaves by; only in
    /// postrouting chains of type nat.
    Masquerade,
    /// Counts packets and bytes.
    Counter,
    /// Writes a line to the kernel's log.
    Log(Comment),
    /// Drops the packet and tells its sender.
    Reject(Reject),
    /// Decides.
    Verdict(Verdict),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Which address a translation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatSide {
    /// `snat`
    Source,
    /// `dnat`
    Destination,
}

/// How a refused packet's sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// ICMP of the packet's IP version: port unreachable.
    PortUnreachable,
    /// ICMP of the packet's IP version: administratively prohibited.
    AdminProhibited,
    /// A reset; matches only TCP.
    TcpReset,
}

/// What is decided about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It goes on to the next base chain.
    Accept,
    /// It is gone.
    Drop,
    /// The next rule decides.
    Continue,
    /// Back to the chain that jumped here, or the policy.
    Return,
    /// Into another chain, and back here after it.
    Jump(Name),
    /// Into another chain for good.
    Goto(Name),
}

impl Rule {
    /// An empty rule: it matches all and does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any statement.
    #[must_use]
    pub fn then(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// The field has this value.
    #[must_use]
    pub fn is(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::Equal, value.into()))
    }

    /// The field has another value.
    #[must_use]
    pub fn is_not(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::NotEqual, value.into()))
    }

    /// The flow is in one of these states (`ct state a,b`).
    #[must_use]
    pub fn ct_state(self, states: CtState) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtState,
            mask: Datum::CtState(states),
            operator: Operator::NotEqual,
            value: Datum::CtState(CtState::NONE),
        })
    }

    /// The flow has one of these bits (`ct status a,b`).
    #[must_use]
    pub fn ct_status(self, bits: CtStatus) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtStatus,
            mask: Datum::CtStatus(bits),
            operator: Operator::NotEqual,
            value: Datum::CtStatus(CtStatus::NONE),
        })
    }

    /// The segment has one of these control bits (`tcp flags a,b`).
    #[must_use]
    pub fn tcp_flags(self, bits: TcpFlags) -> Self {
        self.then(Statement::CompareBits {
            field: Field::TcpFlags,
            mask: Datum::TcpFlags(bits),
            operator: Operator::NotEqual,
            value: Datum::TcpFlags(TcpFlags::NONE),
        })
    }

    /// The interface's name begins so.
    #[must_use]
    pub fn begins(self, field: Field, prefix: InterfacePrefix) -> Self {
        self.then(Statement::Begins(field, prefix))
    }

    /// The packet's mark has all bits of `mask` as in `value`.
    #[must_use]
    pub fn mark_is(self, mask: u32, value: u32) -> Self {
        self.then(Statement::CompareBits {
            field: Field::Mark,
            mask: Datum::Mark(mask),
            operator: Operator::Equal,
            value: Datum::Mark(value),
        })
    }

    /// The address field lies in the subnet of `address`; a prefix longer than the address means
    /// all of it.
    #[must_use]
    pub fn in_subnet(self, field: Field, address: IpAddr, prefix: u8) -> Self {
        let (mask, network): (Datum, Datum) = match address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let network = address.to_bits() & !host;
                (Datum::Ipv4((!host).into()), Datum::Ipv4(network.into()))
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let network = address.to_bits() & !host;
                (Datum::Ipv6((!host).into()), Datum::Ipv6(network.into()))
            }
        };
        self.then(Statement::CompareBits {
            field,
            mask,
            operator: Operator::Equal,
            value: network,
        })
    }

    /// The fields together are a key of the set.
    #[must_use]
    pub fn is_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), false);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// The fields together are no key of the set.
    #[must_use]
    pub fn is_not_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), true);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Does what the verdict map says.
    #[must_use]
    pub fn verdict_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::VerdictMap { key, map })
    }

    /// Writes the bits of `mask` in the packet's mark.
    #[must_use]
    pub fn set_mark(self, mask: u32, value: u32) -> Self {
        self.then(Statement::SetMark { mask, value })
    }

    /// Makes the packet's mark what the map says.
    #[must_use]
    pub fn set_mark_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::SetMarkMap { key, map })
    }

    /// Keeps the key in the set for `timeout` from now on.
    #[must_use]
    pub fn update(self, set: Name, key: impl Into<Vec<Field>>, timeout: Duration) -> Self {
        let key = key.into();
        self.then(Statement::Update { set, key, timeout })
    }

    /// Goes on for flows beyond `most` of the key, counted in the set.
    #[must_use]
    pub fn flows_over(self, set: Name, key: impl Into<Vec<Field>>, most: u32) -> Self {
        let key = key.into();
        self.then(Statement::FlowsOver { set, key, most })
    }

    /// Translates the destination to a fixed address.
    #[must_use]
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        let side = NatSide::Destination;
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Translates the destination to the address and port that the map has for the key.
    #[must_use]
    pub fn dnat_map(self, version: IpVersion, key: impl Into<Vec<Field>>, map: Name) -> Self {
        self.then(Statement::NatMap {
            side: NatSide::Destination,
            key: key.into(),
            map,
            version,
            with_port: true,
        })
    }

    /// Translates the source to a fixed address.
    #[must_use]
    pub fn snat(self, address: IpAddr) -> Self {
        let (side, port) = (NatSide::Source, None);
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Translates the source to the outgoing interface's address.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.then(Statement::Masquerade)
    }

    /// Counts.
    #[must_use]
    pub fn counter(self) -> Self {
        self.then(Statement::Counter)
    }

    /// Accepts.
    #[must_use]
    pub fn accept(self) -> Self {
        self.then(Statement::Verdict(Verdict::Accept))
    }

    /// Drops.
    #[must_use]
    pub fn drop(self) -> Self {
        self.then(Statement::Verdict(Verdict::Drop))
    }

    /// Goes back to the chain that jumped here.
    #[must_use]
    pub fn returns(self) -> Self {
        self.then(Statement::Verdict(Verdict::Return))
    }

    /// Jumps to a chain of the same table.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Jump(chain)))
    }

    /// Goes to a chain of the same table for good.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Goto(chain)))
    }

    /// Refuses.
    #[must_use]
    pub fn reject(self, how: Reject) -> Self {
        self.then(Statement::Reject(how))
    }

    /// Gives the rule a comment.
    #[must_use]
    pub fn comment(mut self, comment: Comment) -> Self {
        self.comment = Some(comment);
        self
    }
}
