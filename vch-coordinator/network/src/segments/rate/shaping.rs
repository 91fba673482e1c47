//! What limits a link's traffic at present, as read from the kernel.

use super::bucket::TokenBucket;

/// The traffic limits of one link at present, as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shaping {
    /// The limit on what leaves by the link.
    pub egress: Egress,
    /// The filters that redirect what comes in by the link.
    pub ingress: Ingress,
}

/// The limit on what leaves by a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// The VCH has set no limit; another program may have set one.
    #[default]
    Other,
    /// A queueing discipline that the VCH made; `None` if another program replaced its token bucket by another kind.
    Ours(Option<TokenBucket>),
}

/// The filters that redirect what comes in by a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ingress {
    /// No filter redirects what comes in by the link.
    #[default]
    Unchanged,
    /// The VCH's filter redirects everything that comes in by the link to the link with this index; 0 if that link no
    /// longer exists.
    Redirected(u32),
    /// Filters of other programs redirect what comes in by the link, or the VCH's filter is one of several.
    Other,
}
