//! A rule's statements -> expressions of the kernel's virtual machine.

use std::time::Duration;

use crate::abi::{self, data, expr, verdict};
use crate::datum::{DataType, Datum, IpVersion};
use crate::field::{Field, Guard, Load, PacketHeader};
use crate::name::InterfacePrefix;
use crate::object::Family;
use crate::rule::{NatSide, Operator, Reject, Rule, Statement, Verdict};
use crate::set::joined_length;
use crate::wire::Writer;

/// The reason why a rule can't be written as expressions of the kernel. It is found before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A field is compared with a value of another type.
    #[error("{field} holds {expected}, it can't be compared with {found} {value}")]
    Type {
        /// The field.
        field: Field,
        /// The field's type.
        expected: DataType,
        /// The value's type.
        found: DataType,
        /// The value, in nft's syntax.
        value: String,
    },
    /// Packets of the table's family do not have the header that the field or statement needs.
    #[error("packets of family {family} have no {what}: use another field or family")]
    Family {
        /// The table's family.
        family: Family,
        /// The field or statement, in nft's syntax.
        what: String,
    },
    /// The key of a statement, which is looked up in or added to a set, has no field, or its fields are longer than 64
    /// bytes together.
    #[error("the key \"{key}\" has {length} bytes, 1 to 64 are possible: use fewer fields")]
    Key {
        /// The key's fields, in nft's syntax.
        key: String,
        /// The key's length in bytes; of several fields, each is rounded up to a multiple of 4.
        length: usize,
    },
}

/// Writes the rule's expressions as elements of a list that the caller has opened.
///
/// # Errors
/// Returns [`RuleError`] if an expression of the rule cannot be expressed in this family.
pub(crate) fn write_rule(w: &mut Writer, family: Family, rule: &Rule) -> Result<(), RuleError> {
    let mut compiler = Compiler {
        w,
        family,
        known: Vec::new(),
    };
    rule.statements
        .iter()
        .try_for_each(|statement| compiler.statement(statement))
}

/// Writes a verdict as data of an expression or element.
pub(crate) fn write_verdict(w: &mut Writer, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Accept => (verdict::ACCEPT, None),
        Verdict::Drop => (verdict::DROP, None),
        Verdict::Continue => (verdict::CONTINUE, None),
        Verdict::Return => (verdict::RETURN, None),
        Verdict::Jump(chain) => (verdict::JUMP, Some(chain)),
        Verdict::Goto(chain) => (verdict::GOTO, Some(chain)),
    };
    w.nested(data::VERDICT, |w| {
        w.raw(data::VERDICT_CODE, &code.to_be_bytes());
        if let Some(chain) = chain {
            w.text(data::VERDICT_CHAIN, chain.as_str());
        }
    });
}

const FIRST: u32 = abi::REGISTER_FIRST;

struct Compiler<'a> {
    w: &'a mut Writer,
    family: Family,
    /// The loads that the rule has compared already, and their values.
    known: Vec<(Load, Vec<u8>)>,
}

impl Compiler<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<(), RuleError> {
        match statement {
            Statement::Compare(field, operator, value) => {
                check(*field, value)?;
                self.load_all(&[*field])?;
                self.compare(operator_code(*operator), &value.bytes());
                if *operator == Operator::Equal {
                    self.known.push((field.load(), value.bytes()));
                }
            }
            Statement::Begins(field, prefix) => self.begins(*field, *prefix)?,
            Statement::CompareBits {
                field,
                mask,
                operator,
                value,
            } => {
                check(*field, mask)?;
                check(*field, value)?;
                self.load_all(&[*field])?;
                let none = vec![0; mask.bytes().len()];
                self.bitwise(&mask.bytes(), &none);
                self.compare(operator_code(*operator), &value.bytes());
            }
            Statement::Between(field, first, last) => {
                check(*field, first)?;
                check(*field, last)?;
                self.load_all(&[*field])?;
                self.compare(expr::CMP_GTE, &first.bytes());
                self.compare(expr::CMP_LTE, &last.bytes());
            }
            Statement::Lookup { key, set, inverted } => {
                self.load_all(key)?;
                self.lookup(set.as_str(), None, *inverted);
            }
            Statement::VerdictMap { key, map } => {
                self.load_all(key)?;
                self.lookup(map.as_str(), Some(abi::REGISTER_VERDICT), false);
            }
            Statement::SetMark { mask, value } => self.set_mark(*mask, *value),
            Statement::SetMarkMap { key, map } => self.set_mark_map(key, map.as_str())?,
            Statement::Update { set, key, timeout } => self.update(set.as_str(), key, *timeout)?,
            Statement::FlowsOver { set, key, most } => self.flows_over(set.as_str(), key, *most)?,
            Statement::Nat {
                side,
                address,
                port,
            } => {
                let version = address.into();
                self.ensure(PacketHeader::Ip(version), || statement.to_string())?;
                self.immediate(FIRST, &Datum::from(*address).bytes());
                if let Some(port) = port {
                    self.immediate(port_register(version), &port.to_be_bytes());
                }
                self.nat(*side, version, port.is_some());
            }
            Statement::NatMap {
                side,
                key,
                map,
                version,
                with_port,
            } => {
                self.ensure(PacketHeader::Ip(*version), || statement.to_string())?;
                self.load_all(key)?;
                self.lookup(map.as_str(), Some(FIRST), false);
                self.nat(*side, *version, *with_port);
            }
            Statement::Masquerade => self.expression("masq", |_| {}),
            Statement::Counter => self.expression("counter", |_| {}),
            Statement::Log(prefix) => self.expression("log", |w| {
                w.text(expr::LOG_PREFIX, prefix.as_str());
            }),
            Statement::Reject(how) => self.reject(*how)?,
            Statement::Verdict(verdict) => self.expression("immediate", |w| {
                w.u32(expr::IMMEDIATE_DREG, abi::REGISTER_VERDICT);
                w.nested(expr::IMMEDIATE_DATA, |w| write_verdict(w, verdict));
            }),
        }
        Ok(())
    }

    fn begins(&mut self, field: Field, prefix: InterfacePrefix) -> Result<(), RuleError> {
        if field.data_type() != DataType::Interface {
            return Err(RuleError::Type {
                field,
                expected: field.data_type(),
                found: DataType::Interface,
                value: prefix.to_string(),
            });
        }
        self.load_all(&[field])?;
        self.compare(expr::CMP_EQ, prefix.as_str().as_bytes());
        Ok(())
    }

    fn update(&mut self, set: &str, key: &[Field], timeout: Duration) -> Result<(), RuleError> {
        self.load_all(key)?;
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.expression("dynset", |w| {
            w.text(expr::DYNSET_SET, set);
            w.u32(expr::DYNSET_OP, expr::DYNSET_UPDATE);
            w.u32(expr::DYNSET_SREG_KEY, FIRST);
            w.u64(expr::DYNSET_TIMEOUT, milliseconds);
        });
        Ok(())
    }

    fn flows_over(&mut self, set: &str, key: &[Field], most: u32) -> Result<(), RuleError> {
        self.load_all(key)?;
        self.expression("dynset", |w| {
            w.text(expr::DYNSET_SET, set);
            w.u32(expr::DYNSET_OP, expr::DYNSET_ADD);
            w.u32(expr::DYNSET_SREG_KEY, FIRST);
            w.nested(expr::DYNSET_EXPR, |w| {
                w.text(expr::NAME, "connlimit");
                w.nested(expr::DATA, |w| {
                    w.u32(expr::CONNLIMIT_COUNT, most);
                    w.u32(expr::CONNLIMIT_FLAGS, expr::CONNLIMIT_F_INV);
                });
            });
        });
        Ok(())
    }

    /// Loads fields one behind the other, from the first register on.
    fn load_all(&mut self, fields: &[Field]) -> Result<(), RuleError> {
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type()).collect();
        let length = joined_length(&types);
        if !(1..=abi::KEY_MAX).contains(&length) {
            let key: Vec<String> = fields.iter().map(Field::to_string).collect();
            let key = key.join(" . ");
            return Err(RuleError::Key { key, length });
        }
        for field in fields {
            self.ensure(field.header(), || field.to_string())?;
        }
        let mut register = FIRST;
        for field in fields {
            self.load(field.load(), register, field.data_type().length());
            register += registers(field.data_type());
        }
        Ok(())
    }

    /// Makes the rule go on only for packets that have the header.
    fn ensure(
        &mut self,
        header: PacketHeader,
        what: impl FnOnce() -> String,
    ) -> Result<(), RuleError> {
        match header.guard(self.family) {
            Guard::Never => Ok(()),
            Guard::Impossible => Err(RuleError::Family {
                family: self.family,
                what: what(),
            }),
            Guard::Compare(load, bytes) => {
                let guard = (load, bytes);
                if !self.known.contains(&guard) {
                    self.load(guard.0, FIRST, guard.1.len());
                    self.compare(expr::CMP_EQ, &guard.1);
                    self.known.push(guard);
                }
                Ok(())
            }
        }
    }

    fn expression(&mut self, name: &str, body: impl FnOnce(&mut Writer)) {
        self.w.nested(abi::LIST_ELEM, |w| {
            w.text(expr::NAME, name);
            w.nested(expr::DATA, body);
        });
    }

    fn load(&mut self, load: Load, register: u32, length: usize) {
        match load {
            Load::Meta(key) => self.expression("meta", |w| {
                w.u32(expr::META_KEY, key);
                w.u32(expr::META_DREG, register);
            }),
            Load::Payload(base, offset) => self.expression("payload", |w| {
                w.u32(expr::PAYLOAD_DREG, register);
                w.u32(expr::PAYLOAD_BASE, base);
                w.u32(expr::PAYLOAD_OFFSET, offset);
                // No field is longer than an interface name.
                w.u32(expr::PAYLOAD_LEN, u32::try_from(length).unwrap_or(u32::MAX));
            }),
            Load::Extension(header, offset) => self.expression("exthdr", |w| {
                w.u32(expr::EXTHDR_DREG, register);
                w.raw(expr::EXTHDR_TYPE, &[header]);
                w.u32(expr::EXTHDR_OFFSET, offset);
                w.u32(expr::EXTHDR_LEN, u32::try_from(length).unwrap_or(u32::MAX));
            }),
            Load::Ct(key) => self.expression("ct", |w| {
                w.u32(expr::CT_KEY, key);
                w.u32(expr::CT_DREG, register);
            }),
            Load::CtOriginal(key) => self.expression("ct", |w| {
                w.u32(expr::CT_KEY, key);
                w.u32(expr::CT_DREG, register);
                w.raw(expr::CT_DIRECTION_ATTRIBUTE, &[0]);
            }),
            Load::Fib(flags) => self.expression("fib", |w| {
                w.u32(expr::FIB_RESULT, expr::FIB_RESULT_ADDRTYPE);
                w.u32(expr::FIB_FLAGS, flags);
                w.u32(expr::FIB_DREG, register);
            }),
        }
    }

    fn compare(&mut self, operator: u32, value: &[u8]) {
        self.expression("cmp", |w| {
            w.u32(expr::CMP_SREG, FIRST);
            w.u32(expr::CMP_OP, operator);
            w.nested(expr::CMP_DATA, |w| w.raw(data::VALUE, value));
        });
    }

    fn bitwise(&mut self, mask: &[u8], xor: &[u8]) {
        self.expression("bitwise", |w| {
            w.u32(expr::BITWISE_SREG, FIRST);
            w.u32(expr::BITWISE_DREG, FIRST);
            w.u32(
                expr::BITWISE_LEN,
                u32::try_from(mask.len()).unwrap_or(u32::MAX),
            );
            w.nested(expr::BITWISE_MASK, |w| w.raw(data::VALUE, mask));
            w.nested(expr::BITWISE_XOR, |w| w.raw(data::VALUE, xor));
        });
    }

    fn immediate(&mut self, register: u32, value: &[u8]) {
        self.expression("immediate", |w| {
            w.u32(expr::IMMEDIATE_DREG, register);
            w.nested(expr::IMMEDIATE_DATA, |w| w.raw(data::VALUE, value));
        });
    }

    fn lookup(&mut self, set: &str, result: Option<u32>, inverted: bool) {
        self.expression("lookup", |w| {
            w.text(expr::LOOKUP_SET, set);
            w.u32(expr::LOOKUP_SREG, FIRST);
            if let Some(register) = result {
                w.u32(expr::LOOKUP_DREG, register);
            }
            if inverted {
                w.u32(expr::LOOKUP_FLAGS, expr::LOOKUP_F_INVERTED);
            }
        });
    }

    fn set_mark(&mut self, mask: u32, value: u32) {
        if mask == u32::MAX {
            self.immediate(FIRST, &value.to_ne_bytes());
        } else {
            self.load(Field::Mark.load(), FIRST, DataType::Mark.length());
            self.bitwise(&(!mask).to_ne_bytes(), &(value & mask).to_ne_bytes());
        }
        self.write_mark();
    }

    fn set_mark_map(&mut self, key: &[Field], map: &str) -> Result<(), RuleError> {
        self.load_all(key)?;
        self.lookup(map, Some(FIRST), false);
        self.write_mark();
        Ok(())
    }

    fn write_mark(&mut self) {
        self.expression("meta", |w| {
            w.u32(expr::META_KEY, expr::META_MARK);
            w.u32(expr::META_SREG, FIRST);
        });
    }

    fn nat(&mut self, side: NatSide, version: IpVersion, with_port: bool) {
        self.expression("nat", |w| {
            w.u32(
                expr::NAT_TYPE,
                match side {
                    NatSide::Source => expr::NAT_SNAT,
                    NatSide::Destination => expr::NAT_DNAT,
                },
            );
            w.u32(expr::NAT_FAMILY, version as u32);
            w.u32(expr::NAT_REG_ADDR_MIN, FIRST);
            if with_port {
                w.u32(expr::NAT_REG_PROTO_MIN, port_register(version));
            }
        });
    }

    /// Appends a rejection. ICMP codes: RFC 792 and RFC 1812 (v4), RFC 4443 (v6), `enum
    /// nft_reject_inet_code` (both).
    fn reject(&mut self, how: Reject) -> Result<(), RuleError> {
        let (kind, code) = match (how, self.family) {
            (_, Family::Arp) => {
                return Err(RuleError::Family {
                    family: self.family,
                    what: how.to_string(),
                });
            }
            (Reject::TcpReset, _) => {
                self.ensure(PacketHeader::Transport(TCP), || how.to_string())?;
                (expr::REJECT_TCP_RST, 0)
            }
            (Reject::PortUnreachable, Family::Ip) => (expr::REJECT_ICMP_UNREACH, 3),
            (Reject::AdminProhibited, Family::Ip) => (expr::REJECT_ICMP_UNREACH, 13),
            (Reject::PortUnreachable, Family::Ip6) => (expr::REJECT_ICMP_UNREACH, 4),
            (Reject::AdminProhibited, Family::Ip6) => (expr::REJECT_ICMP_UNREACH, 1),
            (Reject::PortUnreachable, _) => (expr::REJECT_ICMPX_UNREACH, 1),
            (Reject::AdminProhibited, _) => (expr::REJECT_ICMPX_UNREACH, 3),
        };
        self.expression("reject", |w| {
            w.u32(expr::REJECT_TYPE, kind);
            if kind != expr::REJECT_TCP_RST {
                w.raw(expr::REJECT_CODE, &[code]);
            }
        });
        Ok(())
    }
}

/// `IPPROTO_TCP`
const TCP: u8 = 6;

fn check(field: Field, value: &Datum) -> Result<(), RuleError> {
    if field.data_type() == value.data_type() {
        return Ok(());
    }
    Err(RuleError::Type {
        field,
        expected: field.data_type(),
        found: value.data_type(),
        value: value.to_string(),
    })
}

fn operator_code(operator: Operator) -> u32 {
    match operator {
        Operator::Equal => expr::CMP_EQ,
        Operator::NotEqual => expr::CMP_NEQ,
    }
}

/// Returns how many registers of 4 bytes a value takes.
fn registers(data_type: DataType) -> u32 {
    match data_type.padded_length() {
        16 => 4,
        8 => 2,
        _ => 1,
    }
}

/// Returns the register of a port, which stands behind the address.
fn port_register(version: IpVersion) -> u32 {
    FIRST
        + match version {
            IpVersion::V4 => 1,
            IpVersion::V6 => 4,
        }
}

#[cfg(test)]
mod tests;
