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
    /// The statements, in the order in which a packet passes them.
    pub statements: Vec<Statement>,
    /// The comment, which the kernel keeps and nft shows. A program can recognize its rules by it when it reads them.
    /// `None` for no comment.
    pub comment: Option<Comment>,
}

/// One statement of a rule: a condition that a packet must meet, or an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// Matches if the field's value is equal (or not equal) to the value, which must be of the field's type.
    Compare(Field, Operator, Datum),
    /// Matches if the name of the interface in the field begins with the prefix. The field must be
    /// [`Field::InputInterface`] or [`Field::OutputInterface`].
    Begins(Field, InterfacePrefix),
    /// Matches if the bitwise AND of `field` and `mask` is equal (or not equal) to `value`. A value with bits outside
    /// of the mask is never equal.
    CompareBits {
        /// The field to read.
        field: Field,
        /// The bits of the field to compare, as a value of the field's type.
        mask: Datum,
        /// Whether the result must be equal to the value, or must differ from it.
        operator: Operator,
        /// The value to compare with.
        value: Datum,
    },
    /// Matches if the field's value is between the two values, the lower one first, both included. They are compared as
    /// bytes, so it is for fields in network byte order, such as addresses, ports and types of messages.
    Between(Field, Datum, Datum),
    /// Matches if the fields' values are a key of the set; with `inverted`, if they are not.
    Lookup {
        /// The fields whose values are looked up together, in the order and of the types of the set's key.
        key: Vec<Field>,
        /// The name of a set, or of a map, whose data is then ignored.
        set: Name,
        /// Whether to match if the key is *not* in the set; `false` to match if it is.
        inverted: bool,
    },
    /// Takes the verdict that the map has for the fields' values. If the map does not have that key, the rule ends, and
    /// the next rule follows.
    VerdictMap {
        /// The fields whose values are looked up together, in the order and of the types of the map's key.
        key: Vec<Field>,
        /// The name of a map with [`crate::MapData::Verdict`].
        map: Name,
    },
    /// Writes `value` into the bits of `mask` in the packet's mark, and leaves the other bits of the mark. Always
    /// matches.
    SetMark {
        /// The bits of the mark to write.
        mask: u32,
        /// The new value of those bits, at their places in the mark; its bits outside of `mask` are ignored.
        value: u32,
    },
    /// Sets the packet's mark to the value that the map has for the fields' values. Matches only if the map has that
    /// key.
    SetMarkMap {
        /// The fields whose values are looked up together, in the order and of the types of the map's key.
        key: Vec<Field>,
        /// The name of a map whose data is a mark.
        map: Name,
    },
    /// Adds the fields' values as a key to the set, or restarts the time of the key if the set has it. Does not match
    /// if the set is full and does not have the key.
    Update {
        /// The name of a set made by [`crate::Set::dynamic`].
        set: Name,
        /// The fields whose values form the key, in the order and of the types of the set's key.
        key: Vec<Field>,
        /// The time after which the kernel removes the key unless it is restarted. Fractions of a millisecond are cut
        /// off.
        timeout: Duration,
    },
    /// Matches if more than `most` tracked flows, including the packet's own, have the same values of these fields. The
    /// kernel counts the flows of each key in the set. If the set is full, a new key is not counted and does not match.
    FlowsOver {
        /// The name of a set made by [`crate::Set::counting`].
        set: Name,
        /// The fields whose values form the key, in the order and of the types of the set's key.
        key: Vec<Field>,
        /// The greatest number of flows that do not match yet.
        most: u32,
    },
    /// Translates the packet's source or destination to a fixed address, and a fixed port if one is given. Only in
    /// chains of type nat. The following packets of the flow, and its replies, are translated without passing the rule.
    Nat {
        /// Whether to translate source or destination.
        side: NatSide,
        /// The new address, whose IP version the packet must have; other packets do not match.
        address: IpAddr,
        /// The new port; `None` keeps the packet's, or lets the kernel choose another source port if a flow has it
        /// already.
        port: Option<u16>,
    },
    /// Translates the packet's source or destination to the address (and port) that the map has for the fields' values.
    /// Only in chains of type nat. If the map does not have that key, the rule ends, and the next rule follows.
    NatMap {
        /// Whether to translate source or destination.
        side: NatSide,
        /// The fields whose values are looked up together, in the order and of the types of the map's key.
        key: Vec<Field>,
        /// The name of a map whose data is an address, or an address and a port.
        map: Name,
        /// The IP version of the map's addresses; packets of the other version do not match.
        version: IpVersion,
        /// Whether the map's data has a port after the address; `false` keeps the packet's port.
        with_port: bool,
    },
    /// Translates the packet's source to the address of the interface by which it leaves, and keeps the port unless a
    /// flow has it already. Only in chains of type nat at postrouting.
    Masquerade,
    /// Counts the packets that reach this statement, and their bytes.
    Counter,
    /// Writes a line about the packet to the kernel's log at the level warning. The line begins with this text.
    Log(Comment),
    /// Drops the packet and sends its sender an ICMP error or a TCP reset, as [`Reject`] says. Not possible in the
    /// family arp.
    Reject(Reject),
    /// Decides what happens to the packet, and ends the rule unless the verdict is to continue.
    Verdict(Verdict),
}

/// The comparison of a field with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `==`: matches if both are equal.
    Equal,
    /// `!=`: matches if they differ. A packet without the field's header does not match either.
    NotEqual,
}

/// The side of a packet that a translation changes: its source or its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatSide {
    /// The source address and port (`snat`).
    Source,
    /// The destination address and port (`dnat`).
    Destination,
}

/// The answer that the sender of a rejected packet receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// The ICMP or ICMPv6 error "port unreachable", by the packet's IP version.
    PortUnreachable,
    /// The ICMP or ICMPv6 error "administratively prohibited", by the packet's IP version.
    AdminProhibited,
    /// A TCP segment with RST. Packets of other protocols than TCP do not match, and pass the rule unchanged.
    TcpReset,
}

/// The decision about a packet, by a rule's statement or by the data of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The packet leaves this base chain, and continues to the next one.
    Accept,
    /// The packet is dropped; no further rule or chain gets it.
    Drop,
    /// The packet continues with the rule's next statement, then with the next rule.
    Continue,
    /// The packet continues with the rule behind the one that jumped to this chain. In a base chain, the policy
    /// decides.
    Return,
    /// The packet passes the chain with this name, and continues with the next rule of this chain if no rule there
    /// decides.
    Jump(Name),
    /// The packet passes the chain with this name, and does not return to this chain. If no rule there decides, it
    /// continues as [`Verdict::Return`] of this chain says.
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

    /// Appends a condition: the field has this value. Packets without the field's header do not match. A value of
    /// another type than the field's is an error of [`Connection::commit`](crate::Connection::commit).
    #[must_use]
    pub fn is(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::Equal, value.into()))
    }

    /// Appends a condition: the packet has the field's header, and the field does not have this value. A value of
    /// another type than the field's is an error of [`Connection::commit`](crate::Connection::commit).
    #[must_use]
    pub fn is_not(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::NotEqual, value.into()))
    }

    /// Appends a condition: the packet's flow has one of these states (`ct state a,b`). Never matches with
    /// [`CtState::NONE`].
    #[must_use]
    pub fn ct_state(self, states: CtState) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtState,
            mask: Datum::CtState(states),
            operator: Operator::NotEqual,
            value: Datum::CtState(CtState::NONE),
        })
    }

    /// Appends a condition: the packet's flow has at least one of these status bits (`ct status a,b`). Never matches
    /// with [`CtStatus::NONE`].
    #[must_use]
    pub fn ct_status(self, bits: CtStatus) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtStatus,
            mask: Datum::CtStatus(bits),
            operator: Operator::NotEqual,
            value: Datum::CtStatus(CtStatus::NONE),
        })
    }

    /// Appends a condition: the packet is TCP and has at least one of these control bits (`tcp flags a,b`). Never
    /// matches with [`TcpFlags::NONE`].
    #[must_use]
    pub fn tcp_flags(self, bits: TcpFlags) -> Self {
        self.then(Statement::CompareBits {
            field: Field::TcpFlags,
            mask: Datum::TcpFlags(bits),
            operator: Operator::NotEqual,
            value: Datum::TcpFlags(TcpFlags::NONE),
        })
    }

    /// Appends a condition: the name of the interface in `field` begins with the prefix. `field` must be
    /// [`Field::InputInterface`] or [`Field::OutputInterface`].
    #[must_use]
    pub fn begins(self, field: Field, prefix: InterfacePrefix) -> Self {
        self.then(Statement::Begins(field, prefix))
    }

    /// Appends a condition: the packet's mark is `value` in all bits of `mask`, whatever its other bits are. Never
    /// matches if `value` has bits outside of `mask`.
    #[must_use]
    pub fn mark_is(self, mask: u32, value: u32) -> Self {
        self.then(Statement::CompareBits {
            field: Field::Mark,
            mask: Datum::Mark(mask),
            operator: Operator::Equal,
            value: Datum::Mark(value),
        })
    }

    /// Appends a condition: the field's address is in the subnet of `address` with this prefix length. `field` must be
    /// an address of the same IP version; the host bits of `address` are ignored. A `prefix` longer than the address
    /// means the address alone.
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

    /// Appends a condition: the set has the values of the fields `key`, taken together, as a key. Of a map with this
    /// name, the keys count and the data is ignored.
    #[must_use]
    pub fn is_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), false);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a condition: the set does not have the values of the fields `key`, taken together, as a key. Packets
    /// without a header of the fields do not match.
    #[must_use]
    pub fn is_not_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), true);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a [`Statement::VerdictMap`]: the verdict that the map has for the values of the fields `key` decides. If
    /// the map does not have them as a key, the rule ends, and the next rule follows.
    #[must_use]
    pub fn verdict_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::VerdictMap { key, map })
    }

    /// Appends a [`Statement::SetMark`]: writes `value` into the bits of `mask` in the packet's mark, and leaves the
    /// other bits.
    #[must_use]
    pub fn set_mark(self, mask: u32, value: u32) -> Self {
        self.then(Statement::SetMark { mask, value })
    }

    /// Appends a [`Statement::SetMarkMap`]: sets the packet's whole mark to the value that the map has for the values
    /// of the fields `key`. If the map does not have them as a key, the rule ends.
    #[must_use]
    pub fn set_mark_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::SetMarkMap { key, map })
    }

    /// Appends a [`Statement::Update`]: adds the values of the fields `key` to the set, which must be one of
    /// [`Set::dynamic`](crate::Set::dynamic). The kernel removes them when no packet has passed the statement with
    /// these values for the time `timeout`.
    #[must_use]
    pub fn update(self, set: Name, key: impl Into<Vec<Field>>, timeout: Duration) -> Self {
        let key = key.into();
        self.then(Statement::Update { set, key, timeout })
    }

    /// Appends a [`Statement::FlowsOver`]: matches if more than `most` tracked flows, including the packet's own, have
    /// the same values of the fields `key`. The kernel counts them in the set, which must be one of
    /// [`Set::counting`](crate::Set::counting).
    #[must_use]
    pub fn flows_over(self, set: Name, key: impl Into<Vec<Field>>, most: u32) -> Self {
        let key = key.into();
        self.then(Statement::FlowsOver { set, key, most })
    }

    /// Appends a translation of the destination to a fixed address, and to a fixed port if one is given; `None` keeps
    /// the packet's port. Only packets of the address's IP version match. Only in chains of type nat.
    #[must_use]
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        let side = NatSide::Destination;
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Appends a translation of the destination to the address and port that the map has for the values of the fields
    /// `key`. `version` is the IP version of the map's addresses. If the map does not have the key, the rule ends, and
    /// the next rule follows.
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

    /// Appends a translation of the source to a fixed address. The source port stays, unless a flow has it already.
    /// Only packets of the address's IP version match. Only in chains of type nat.
    #[must_use]
    pub fn snat(self, address: IpAddr) -> Self {
        let (side, port) = (NatSide::Source, None);
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Appends a translation of the source to the address of the interface by which the packet leaves. Only in chains
    /// of type nat at postrouting.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.then(Statement::Masquerade)
    }

    /// Appends a counter of the packets that reach this statement, and of their bytes. nft shows it; this crate does
    /// not read it.
    #[must_use]
    pub fn counter(self) -> Self {
        self.then(Statement::Counter)
    }

    /// Appends the verdict [`Verdict::Accept`]: the packet leaves this base chain, and continues to the next one.
    #[must_use]
    pub fn accept(self) -> Self {
        self.then(Statement::Verdict(Verdict::Accept))
    }

    /// Appends the verdict [`Verdict::Drop`]: the packet is dropped.
    #[must_use]
    pub fn drop(self) -> Self {
        self.then(Statement::Verdict(Verdict::Drop))
    }

    /// Appends the verdict [`Verdict::Return`]: the packet continues behind the rule that jumped to this chain; in a
    /// base chain, the policy decides.
    #[must_use]
    pub fn returns(self) -> Self {
        self.then(Statement::Verdict(Verdict::Return))
    }

    /// Appends the verdict [`Verdict::Jump`]: the packet passes the chain with this name in the same table, and
    /// continues behind this rule if no rule there decides.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Jump(chain)))
    }

    /// Appends the verdict [`Verdict::Goto`]: the packet passes the chain with this name in the same table, and does
    /// not return to this chain.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Goto(chain)))
    }

    /// Appends a [`Statement::Reject`]: drops the packet and sends its sender the error `how`.
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
