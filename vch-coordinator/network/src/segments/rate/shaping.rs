//! What limits a link's traffic, as the kernel has it.

use super::bucket::TokenBucket;

/// What limits the traffic of one link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shaping {
    /// What limits what leaves by the link.
    pub egress: Egress,
    /// Where what comes in by the link is led.
    pub ingress: Ingress,
}

/// What limits what leaves by a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// Nothing of the VCH's.
    #[default]
    Other,
    /// A queueing discipline of the VCH's; `None` for one that is no token bucket any more.
    Ours(Option<TokenBucket>),
}

/// Where what comes in by a link is led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ingress {
    /// Nowhere else.
    #[default]
    Unchanged,
    /// All of it to the link of this number, by the VCH's filter; 0 for a link that is gone.
    Redirected(u32),
    /// By other filters, or by the VCH's among others.
    Other,
}
