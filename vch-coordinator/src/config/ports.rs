//! The table `[ports]`: the range of automatic host ports.

use super::{Config, ConfigError, error::Source, fields};
use std::{fs, ops::RangeInclusive};
use vch_ledger::DEFAULT_EPHEMERAL;

/// The file with the range of ephemeral ports of the reader's network namespace.
const KERNEL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

impl Config {
    /// Returns the range of the host ports that the VCH may choose for published ports: the configured range, or else
    /// the range of ephemeral ports of the kernel (`net.ipv4.ip_local_port_range`), as in Docker. If the kernel's range
    /// cannot be read, it is 49153 to 65535.
    pub fn ephemeral(&self) -> RangeInclusive<u16> {
        let configured = self.ephemeral.clone();
        configured
            .or_else(|| range(&fs::read_to_string(KERNEL_RANGE).ok()?, char::is_whitespace))
            .unwrap_or(DEFAULT_EPHEMERAL)
    }
}

/// Checks the table `[ports]`. Returns the configured range; `None` if none is configured.
///
/// # Errors
/// Returns [`ConfigError::Field`] if the range is not valid.
pub(super) fn ephemeral(
    source: &Source<'_>,
    table: fields::PortsTable,
) -> Result<Option<RangeInclusive<u16>>, ConfigError> {
    let Some(written) = table.ephemeral else {
        return Ok(None);
    };
    let text = written.get_ref();
    let checked = range(text, |c| c == '-').ok_or_else(|| {
        let remedy = "write FIRST-LAST with ports from 1 to 65535, as in 49153-65535";
        source.field(written.span(), "ports.ephemeral", text.clone(), remedy)
    });
    checked.map(Some)
}

/// Parses two port numbers, the lower one first; `None` if they are not valid.
fn range(text: &str, separator: impl Fn(char) -> bool) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(separator)?;
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1 <= first && first <= last).then_some(first..=last)
}
