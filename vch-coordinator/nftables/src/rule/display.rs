//! Writes rules in nft's syntax.

use std::fmt;
use std::net::IpAddr;

use super::{NatSide, Operator, Reject, Rule, Statement, Verdict};
use crate::datum::{CtState, CtStatus, Datum, IpVersion, TcpFlags, write_concatenation};
use crate::field::Field;

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, statement) in self.statements.iter().enumerate() {
            let separator = if at == 0 { "" } else { " " };
            write!(f, "{separator}{statement}")?;
        }
        match &self.comment {
            Some(comment) => write!(f, " comment {comment}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Without "==" nft asks whether the bit is among those that are set.
            Self::Compare(field @ (Field::CtState | Field::CtStatus), Operator::Equal, value) => {
                write!(f, "{field} == {value}")
            }
            Self::Compare(field, operator, value) => write!(f, "{field} {operator}{value}"),
            Self::CompareBits {
                field,
                mask,
                operator,
                value,
            } => write_bits(f, *field, mask, *operator, value),
            Self::Begins(field, prefix) => write!(f, "{field} \"{prefix}*\""),
            Self::Between(field, first, last) => write!(f, "{field} {first}-{last}"),
            Self::Lookup { key, set, inverted } => {
                write_concatenation(f, key)?;
                write!(f, " {}@{set}", if *inverted { "!= " } else { "" })
            }
            Self::VerdictMap { key, map } => {
                write_concatenation(f, key)?;
                write!(f, " vmap @{map}")
            }
            Self::SetMark { mask, value } if *mask == u32::MAX => {
                write!(f, "meta mark set {}", Datum::Mark(*value))
            }
            Self::SetMark { mask, value } => write!(
                f,
                "meta mark set meta mark & {} ^ {}",
                Datum::Mark(!mask),
                Datum::Mark(value & mask)
            ),
            Self::SetMarkMap { key, map } => {
                f.write_str("meta mark set ")?;
                write_concatenation(f, key)?;
                write!(f, " map @{map}")
            }
            Self::Update { set, key, timeout } => {
                write!(f, "update @{set} {{ ")?;
                write_concatenation(f, key)?;
                write!(f, " timeout {}ms }}", timeout.as_millis())
            }
            Self::FlowsOver { set, key, most } => {
                write!(f, "add @{set} {{ ")?;
                write_concatenation(f, key)?;
                write!(f, " ct count over {most} }}")
            }
            Self::Nat {
                side,
                address,
                port,
            } => {
                let version = version_word(address.into());
                write!(f, "{side} {version} to ")?;
                match (address, port) {
                    (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
                    (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
                    (address, None) => address.fmt(f),
                }
            }
            Self::NatMap {
                side,
                key,
                map,
                version,
                ..
            } => {
                write!(f, "{side} {} to ", version_word(*version))?;
                write_concatenation(f, key)?;
                write!(f, " map @{map}")
            }
            Self::Masquerade => f.write_str("masquerade"),
            Self::Counter => f.write_str("counter"),
            Self::Log(prefix) => write!(f, "log prefix {prefix}"),
            Self::Reject(how) => how.fmt(f),
            Self::Verdict(verdict) => verdict.fmt(f),
        }
    }
}

fn write_bits(
    f: &mut fmt::Formatter<'_>,
    field: Field,
    mask: &Datum,
    operator: Operator,
    value: &Datum,
) -> fmt::Result {
    let bits = mask
        .bytes()
        .iter()
        .fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let width = mask.bytes().len() * 8;
    let leading = (bits << (128 - width)).leading_ones();
    match (mask, value) {
        (Datum::Ipv4(_) | Datum::Ipv6(_), _) if bits.count_ones() == leading => {
            write!(f, "{field} {operator}{value}/{leading}")
        }
        (
            _,
            Datum::CtState(CtState::NONE)
            | Datum::CtStatus(CtStatus::NONE)
            | Datum::TcpFlags(TcpFlags::NONE),
        ) if operator == Operator::NotEqual => {
            write!(f, "{field} {mask}")
        }
        // To nft the field is those bits alone.
        _ if field == Field::Ip6Fragment => write!(f, "{field} {operator}{value}"),
        _ if operator == Operator::Equal => write!(f, "{field} & {mask} == {value}"),
        _ => write!(f, "{field} & {mask} != {value}"),
    }
}

fn version_word(version: IpVersion) -> &'static str {
    match version {
        IpVersion::V4 => "ip",
        IpVersion::V6 => "ip6",
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "",
            Self::NotEqual => "!= ",
        })
    }
}

impl fmt::Display for NatSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "snat",
            Self::Destination => "dnat",
        })
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortUnreachable => "reject with icmpx type port-unreachable",
            Self::AdminProhibited => "reject with icmpx type admin-prohibited",
            Self::TcpReset => "reject with tcp reset",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}
