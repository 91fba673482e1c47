//! Rules: lists of statements in the order in which nft writes them.

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
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// The comment, which the kernel keeps and nft shows. A program can recognize its rules by it when it reads them.
    pub comment: Option<Comment>,
}

/// One statement of a rule: a condition that a packet must meet, or an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// Matches if the field's value is equal (or not equal) to the value.
    Compare(Field, Operator, Datum),
    /// Matches if the name of the interface in the field begins with the prefix.
    Begins(Field, InterfacePrefix),
    /// Matches if `field & mask` is equal (or not equal) to the value.
    CompareBits {
        /// The field of the packet.
        field: Field,
        /// The bits of the field to compare.
        mask: Datum,
        /// The comparison.
        operator: Operator,
        /// The value to compare with.
        value: Datum,
    },
    /// Matches if the field's value is between the two values, both included.
    Between(Field, Datum, Datum),
    /// Matches if the fields' values are a key of the set; with `inverted`, if they are not.
    Lookup {
        /// The fields, as many as the set's key has.
        key: Vec<Field>,
        /// The name of a set, or of a map, whose data is then ignored.
        set: Name,
        /// Whether to match if the key is *not* in the set.
        inverted: bool,
    },
    /// Takes the verdict that the map has for the fields' values. If the map does not have that key, the next statement
    /// follows.
    VerdictMap {
        /// The fields, as many as the map's key has.
        key: Vec<Field>,
        /// The name of a map with [`crate::MapData::Verdict`].
        map: Name,
    },
    /// Writes `value` into the bits of `mask` in the packet's mark, and leaves the other bits.
    SetMark {
        /// The bits to write.
        mask: u32,
        /// The new value of those bits.
        value: u32,
    },
    /// Sets the packet's mark to the value that the map has for the fields' values. Matches only if the map has that
    /// key.
    SetMarkMap {
        /// The fields, as many as the map's key has.
        key: Vec<Field>,
        /// The name of a map whose data is a mark.
        map: Name,
    },
    /// Adds the fields' values as a key to the set, or restarts the key's time there. Matches unless the set is full.
    Update {
        /// The name of a set made by [`crate::Set::dynamic`].
        set: Name,
        /// The fields, as many as the set's key has.
        key: Vec<Field>,
        /// The time after which the kernel removes the key, in whole milliseconds.
        timeout: Duration,
    },
    /// Matches if more than `most` tracked flows, including this one, have the fields' values. The kernel counts the
    /// flows in the set. If the set is full, a new key is not counted and does not match.
    FlowsOver {
        /// The name of a set made by [`crate::Set::counting`].
        set: Name,
        /// The fields, as many as the set's key has.
        key: Vec<Field>,
        /// The greatest number of flows that do not match yet.
        most: u32,
    },
    /// Translates the packet's source or destination to a fixed address, and a fixed port if one is given. Only in
    /// chains of type nat.
    Nat {
        /// Whether to translate source or destination.
        side: NatSide,
        /// The new address.
        address: IpAddr,
        /// The new port; `None` keeps the packet's.
        port: Option<u16>,
    },
    /// Translates the packet's source or destination to the address (and port) that the map has for the fields' values.
    /// If the map does not have that key, the next statement follows.
    NatMap {
        /// Whether to translate source or destination.
        side: NatSide,
        /// The fields, as many as the map's key has.
        key: Vec<Field>,
        /// The name of a map whose data is an address, or an address and a port.
        map: Name,
        /// The IP version of the map's addresses.
        version: IpVersion,
        /// Whether the map's data has a port after the address.
        with_port: bool,
    },
    /// Translates the packet's source to the address of the interface by which it leaves. Only in chains of type nat at
    /// postrouting.
    Masquerade,
    /// Counts the packets that reach this statement, and their bytes.
    Counter,
    /// Writes a line about the packet to the kernel's log, which begins with this text.
    Log(Comment),
    /// Drops the packet and informs its sender.
    Reject(Reject),
    /// Decides what happens to the packet.
    Verdict(Verdict),
}

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Whether a translation changes a packet's source or its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatSide {
    /// The source address and port (`snat`).
    Source,
    /// The destination address and port (`dnat`).
    Destination,
}

/// What the sender of a rejected packet receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// An ICMP or ICMPv6 error: port unreachable.
    PortUnreachable,
    /// An ICMP or ICMPv6 error: administratively prohibited.
    AdminProhibited,
    /// A TCP reset. The statement matches TCP packets only.
    TcpReset,
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The packet leaves this base chain, and continues to the next one.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The packet continues with the next rule.
    Continue,
    /// The packet continues behind the rule that jumped to this chain. In a base chain, the policy decides.
    Return,
    /// The packet passes the chain with this name, and returns to this chain if no rule there decides.
    Jump(Name),
    /// The packet passes the chain with this name, and does not return to this chain.
    Goto(Name),
}

impl Rule {
    /// Returns a rule without statements, which matches every packet and does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a statement, and returns the rule.
    #[must_use]
    pub fn then(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Appends a condition: the field has this value.
    #[must_use]
    pub fn is(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::Equal, value.into()))
    }

    /// Appends a condition: the field does not have this value.
    #[must_use]
    pub fn is_not(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::NotEqual, value.into()))
    }

    /// Appends a condition: the packet's flow has one of these states (`ct state a,b`).
    #[must_use]
    pub fn ct_state(self, states: CtState) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtState,
            mask: Datum::CtState(states),
            operator: Operator::NotEqual,
            value: Datum::CtState(CtState::NONE),
        })
    }

    /// Appends a condition: the packet's flow has one of these status bits (`ct status a,b`).
    #[must_use]
    pub fn ct_status(self, bits: CtStatus) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtStatus,
            mask: Datum::CtStatus(bits),
            operator: Operator::NotEqual,
            value: Datum::CtStatus(CtStatus::NONE),
        })
    }

    /// Appends a condition: the TCP segment has one of these control bits (`tcp flags a,b`).
    #[must_use]
    pub fn tcp_flags(self, bits: TcpFlags) -> Self {
        self.then(Statement::CompareBits {
            field: Field::TcpFlags,
            mask: Datum::TcpFlags(bits),
            operator: Operator::NotEqual,
            value: Datum::TcpFlags(TcpFlags::NONE),
        })
    }

    /// Appends a condition: the name of the interface in `field` begins with the prefix.
    #[must_use]
    pub fn begins(self, field: Field, prefix: InterfacePrefix) -> Self {
        self.then(Statement::Begins(field, prefix))
    }

    /// Appends a condition: the packet's mark is `value` in all bits of `mask`.
    #[must_use]
    pub fn mark_is(self, mask: u32, value: u32) -> Self {
        self.then(Statement::CompareBits {
            field: Field::Mark,
            mask: Datum::Mark(mask),
            operator: Operator::Equal,
            value: Datum::Mark(value),
        })
    }

    /// Appends a condition: the field's address is in the subnet of `address` with this prefix length. A `prefix`
    /// longer than the address means the address alone.
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

    /// Appends a condition: the fields' values are a key of the set.
    #[must_use]
    pub fn is_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), false);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a condition: the fields' values are not a key of the set.
    #[must_use]
    pub fn is_not_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), true);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a [`Statement::VerdictMap`]: the map decides by the fields' values.
    #[must_use]
    pub fn verdict_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::VerdictMap { key, map })
    }

    /// Appends a [`Statement::SetMark`]: writes `value` into the bits of `mask` in the packet's mark.
    #[must_use]
    pub fn set_mark(self, mask: u32, value: u32) -> Self {
        self.then(Statement::SetMark { mask, value })
    }

    /// Appends a [`Statement::SetMarkMap`]: sets the packet's mark to the value that the map has for the fields'
    /// values.
    #[must_use]
    pub fn set_mark_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::SetMarkMap { key, map })
    }

    /// Appends a [`Statement::Update`]: adds the fields' values to the set for the time `timeout` from now on.
    #[must_use]
    pub fn update(self, set: Name, key: impl Into<Vec<Field>>, timeout: Duration) -> Self {
        let key = key.into();
        self.then(Statement::Update { set, key, timeout })
    }

    /// Appends a [`Statement::FlowsOver`]: matches if more than `most` flows have the fields' values.
    #[must_use]
    pub fn flows_over(self, set: Name, key: impl Into<Vec<Field>>, most: u32) -> Self {
        let key = key.into();
        self.then(Statement::FlowsOver { set, key, most })
    }

    /// Appends a translation of the destination to a fixed address, and to a fixed port if one is given.
    #[must_use]
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        let side = NatSide::Destination;
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Appends a translation of the destination to the address and port that the map has for the fields' values.
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

    /// Appends a translation of the source to a fixed address.
    #[must_use]
    pub fn snat(self, address: IpAddr) -> Self {
        let (side, port) = (NatSide::Source, None);
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Appends a translation of the source to the address of the outgoing interface.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.then(Statement::Masquerade)
    }

    /// Appends a counter of packets and bytes.
    #[must_use]
    pub fn counter(self) -> Self {
        self.then(Statement::Counter)
    }

    /// Appends the verdict [`Verdict::Accept`].
    #[must_use]
    pub fn accept(self) -> Self {
        self.then(Statement::Verdict(Verdict::Accept))
    }

    /// Appends the verdict [`Verdict::Drop`].
    #[must_use]
    pub fn drop(self) -> Self {
        self.then(Statement::Verdict(Verdict::Drop))
    }

    /// Appends the verdict [`Verdict::Return`].
    #[must_use]
    pub fn returns(self) -> Self {
        self.then(Statement::Verdict(Verdict::Return))
    }

    /// Appends the verdict [`Verdict::Jump`] to a chain of the same table.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Jump(chain)))
    }

    /// Appends the verdict [`Verdict::Goto`] to a chain of the same table.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Goto(chain)))
    }

    /// Appends a [`Statement::Reject`]: drops the packet and informs its sender.
    #[must_use]
    pub fn reject(self, how: Reject) -> Self {
        self.then(Statement::Reject(how))
    }

    /// Sets the rule's comment, and returns the rule.
    #[must_use]
    pub fn comment(mut self, comment: Comment) -> Self {
        self.comment = Some(comment);
        self
    }
}
