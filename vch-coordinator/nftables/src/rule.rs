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
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// The comment, kept by the kernel and shown by nft: a rule that is read back is known by it.
    pub comment: Option<Comment>,
}

/// One statement of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// Matches if the field compares so with the value.
    Compare(Field, Operator, Datum),
    /// Matches if the name of the interface in the field begins with the prefix.
    Begins(Field, InterfacePrefix),
    /// Matches if `field & mask` compares so with the value.
    CompareBits {
        /// The field to load.
        field: Field,
        /// The bits of the field to compare.
        mask: Datum,
        /// The comparison.
        operator: Operator,
        /// The value to compare with.
        value: Datum,
    },
    /// Matches if the field lies between both values, which are included.
    Between(Field, Datum, Datum),
    /// Matches if the fields together are a key of the set, or are none if `inverted`.
    Lookup {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// The name of a set, or of a map whose data is ignored.
        set: Name,
        /// Whether to match if the key is *not* in the set.
        inverted: bool,
    },
    /// Takes the verdict that the map has for the fields' key; goes on if the map does not have the
    /// key.
    VerdictMap {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// The name of a map with [`crate::MapData::Verdict`].
        map: Name,
    },
    /// Writes the bits of `mask` in the packet's mark, and leaves the others.
    SetMark {
        /// The bits to write.
        mask: u32,
        /// The new value of those bits.
        value: u32,
    },
    /// Sets the packet's mark to the map's data for the fields' key; matches only if the map has
    /// the key.
    SetMarkMap {
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// A map whose data is a mark.
        map: Name,
    },
    /// Adds the fields' key to a set, or renews its `timeout` there; matches unless the set is
    /// full.
    Update {
        /// The name of a set made by [`crate::Set::dynamic`].
        set: Name,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// The time after which the kernel removes the key; counted in milliseconds.
        timeout: Duration,
    },
    /// Matches if the fields' key has more than `most` tracked flows, this one included. The kernel counts them in
    /// the set; a key that does not fit a full set is not counted, and does not match.
    FlowsOver {
        /// The name of a set made by [`crate::Set::counting`].
        set: Name,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// The greatest number of flows that does not match.
        most: u32,
    },
    /// Translates the source or destination to a fixed address, and port if one is given; only in
    /// chains of type nat.
    Nat {
        /// The end to translate.
        side: NatSide,
        /// The new address.
        address: IpAddr,
        /// The new port; `None` keeps the packet's.
        port: Option<u16>,
    },
    /// Translates the source or destination to the map's data for the fields' key; goes on if the
    /// map does not have the key.
    NatMap {
        /// The end to translate.
        side: NatSide,
        /// One field, or several that are concatenated.
        key: Vec<Field>,
        /// The name of a map whose data is an address, or an address and a port.
        map: Name,
        /// The IP version of the map's addresses.
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
    /// Decides about the packet.
    Verdict(Verdict),
}

/// A comparison of a field with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// The end of a packet that a translation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatSide {
    /// `snat`
    Source,
    /// `dnat`
    Destination,
}

/// The answer to the sender of a rejected packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// ICMP of the packet's IP version: port unreachable.
    PortUnreachable,
    /// ICMP of the packet's IP version: administratively prohibited.
    AdminProhibited,
    /// A TCP reset; matches TCP only.
    TcpReset,
}

/// The decision about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The packet goes on to the next base chain.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The next rule decides.
    Continue,
    /// The chain that jumped here goes on, or the policy decides.
    Return,
    /// The rules of another chain decide; this one goes on if they do not.
    Jump(Name),
    /// The rules of another chain decide; this one does not go on.
    Goto(Name),
}

impl Rule {
    /// Makes an empty rule, which matches every packet and does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a statement.
    #[must_use]
    pub fn then(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Appends a match: the field has this value.
    #[must_use]
    pub fn is(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::Equal, value.into()))
    }

    /// Appends a match: the field has another value.
    #[must_use]
    pub fn is_not(self, field: Field, value: impl Into<Datum>) -> Self {
        self.then(Statement::Compare(field, Operator::NotEqual, value.into()))
    }

    /// Appends a match: the flow is in one of these states (`ct state a,b`).
    #[must_use]
    pub fn ct_state(self, states: CtState) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtState,
            mask: Datum::CtState(states),
            operator: Operator::NotEqual,
            value: Datum::CtState(CtState::NONE),
        })
    }

    /// Appends a match: the flow has one of these bits (`ct status a,b`).
    #[must_use]
    pub fn ct_status(self, bits: CtStatus) -> Self {
        self.then(Statement::CompareBits {
            field: Field::CtStatus,
            mask: Datum::CtStatus(bits),
            operator: Operator::NotEqual,
            value: Datum::CtStatus(CtStatus::NONE),
        })
    }

    /// Appends a match: the segment has one of these control bits (`tcp flags a,b`).
    #[must_use]
    pub fn tcp_flags(self, bits: TcpFlags) -> Self {
        self.then(Statement::CompareBits {
            field: Field::TcpFlags,
            mask: Datum::TcpFlags(bits),
            operator: Operator::NotEqual,
            value: Datum::TcpFlags(TcpFlags::NONE),
        })
    }

    /// Appends a match: the interface's name begins with the prefix.
    #[must_use]
    pub fn begins(self, field: Field, prefix: InterfacePrefix) -> Self {
        self.then(Statement::Begins(field, prefix))
    }

    /// Appends a match: the packet's mark has all bits of `mask` as in `value`.
    #[must_use]
    pub fn mark_is(self, mask: u32, value: u32) -> Self {
        self.then(Statement::CompareBits {
            field: Field::Mark,
            mask: Datum::Mark(mask),
            operator: Operator::Equal,
            value: Datum::Mark(value),
        })
    }

    /// Appends a match: the address field lies in the subnet of `address`; a prefix longer than the
    /// address means the address alone.
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

    /// Appends a match: the fields together are a key of the set.
    #[must_use]
    pub fn is_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), false);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a match: the fields together are no key of the set.
    #[must_use]
    pub fn is_not_in(self, key: impl Into<Vec<Field>>, set: Name) -> Self {
        let (key, inverted) = (key.into(), true);
        self.then(Statement::Lookup { key, set, inverted })
    }

    /// Appends a [`Statement::VerdictMap`]: the map's verdict for the key decides.
    #[must_use]
    pub fn verdict_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::VerdictMap { key, map })
    }

    /// Appends a [`Statement::SetMark`]: writes the bits of `mask` in the packet's mark.
    #[must_use]
    pub fn set_mark(self, mask: u32, value: u32) -> Self {
        self.then(Statement::SetMark { mask, value })
    }

    /// Appends a [`Statement::SetMarkMap`]: sets the packet's mark to the map's data.
    #[must_use]
    pub fn set_mark_map(self, key: impl Into<Vec<Field>>, map: Name) -> Self {
        let key = key.into();
        self.then(Statement::SetMarkMap { key, map })
    }

    /// Appends a [`Statement::Update`]: keeps the key in the set for `timeout` from now on.
    #[must_use]
    pub fn update(self, set: Name, key: impl Into<Vec<Field>>, timeout: Duration) -> Self {
        let key = key.into();
        self.then(Statement::Update { set, key, timeout })
    }

    /// Appends a [`Statement::FlowsOver`]: matches flows beyond `most` of the key.
    #[must_use]
    pub fn flows_over(self, set: Name, key: impl Into<Vec<Field>>, most: u32) -> Self {
        let key = key.into();
        self.then(Statement::FlowsOver { set, key, most })
    }

    /// Appends a translation of the destination to a fixed address.
    #[must_use]
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        let side = NatSide::Destination;
        self.then(Statement::Nat {
            side,
            address,
            port,
        })
    }

    /// Appends a translation of the destination to the address and port that the map has for the
    /// key.
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

    /// Appends a translation of the source to the outgoing interface's address.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.then(Statement::Masquerade)
    }

    /// Appends a counter of packets and bytes.
    #[must_use]
    pub fn counter(self) -> Self {
        self.then(Statement::Counter)
    }

    /// Appends the verdict accept.
    #[must_use]
    pub fn accept(self) -> Self {
        self.then(Statement::Verdict(Verdict::Accept))
    }

    /// Appends the verdict drop.
    #[must_use]
    pub fn drop(self) -> Self {
        self.then(Statement::Verdict(Verdict::Drop))
    }

    /// Appends the verdict return: the chain that jumped here goes on.
    #[must_use]
    pub fn returns(self) -> Self {
        self.then(Statement::Verdict(Verdict::Return))
    }

    /// Appends a jump to a chain of the same table.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Jump(chain)))
    }

    /// Appends a goto to a chain of the same table.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.then(Statement::Verdict(Verdict::Goto(chain)))
    }

    /// Appends a rejection: the packet is dropped, and its sender told.
    #[must_use]
    pub fn reject(self, how: Reject) -> Self {
        self.then(Statement::Reject(how))
    }

    /// Sets the rule's comment.
    #[must_use]
    pub fn comment(mut self, comment: Comment) -> Self {
        self.comment = Some(comment);
        self
    }
}
