//! The published ports that only some clients may use: one nftables chain for each different list of clients.

use super::rules::explained;
use ipnet::IpNet;
use vch_nftables::{Field, Name, NameError, Rule};

/// The list of subnets from which a published port may be used. Published ports with equal lists share one chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientList(Vec<IpNet>);

/// The beginning of such a chain's name.
const PREFIX: &str = "clients-";

impl ClientList {
    /// Makes a list of these subnets. Their order does not matter.
    pub fn new(clients: &[IpNet]) -> Self {
        let mut clients = clients.to_vec();
        clients.sort_unstable();
        clients.dedup();
        Self(clients)
    }

    /// Returns the name of the nftables chain of this list. Different lists have different names.
    ///
    /// # Errors
    /// Returns [`NameError`] if the name is too long for nf_tables.
    pub fn chain(&self) -> Result<Name, NameError> {
        let words = self.0.iter().map(ToString::to_string);
        let words = words.collect::<Vec<_>>().join(" ");
        Name::new(format!("{PREFIX}{:032x}", fingerprint(words.as_bytes())))
    }

    /// Returns whether a chain of this name belongs to a list of clients.
    pub fn is_chain(name: &Name) -> bool {
        name.as_str().starts_with(PREFIX)
    }

    /// Returns the rules of the list's nftables chain. They drop packets that do not come from a client of the list.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn rules(&self) -> Result<Vec<Rule>, NameError> {
        let known = self.0.iter().map(|net| {
            let source = match net {
                IpNet::V4(_) => Field::IpSource,
                IpNet::V6(_) => Field::Ip6Source,
            };
            let rule = Rule::new().in_subnet(source, net.addr(), net.prefix_len());
            explained(rule.returns(), "a client that may")
        });
        let other = explained(Rule::new().drop(), "one that may not");
        known.chain([other]).collect()
    }
}

/// Returns the FNV-1a hash of 128 bits (RFC 9923), which is so long that no two lists share one by
/// chance.
fn fingerprint(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests;
