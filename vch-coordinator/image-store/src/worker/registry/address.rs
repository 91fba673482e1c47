//! Checks the addresses to which a registry redirects its client: they must not be of services on this host or its
//! link.

use std::net::IpAddr;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A resolver that refuses addresses which a registry must not lead to.
#[derive(Debug)]
pub(super) struct Careful {
    /// The registry that the user named: it may be anywhere.
    host: String,
    /// It is on this machine itself, and knows the machine's services anyway.
    local: bool,
    inner: DefaultResolver,
}

impl Careful {
    /// Returns a resolver for requests to the registry at this host, which may itself be at any address.
    pub fn new(registry: &str) -> Self {
        let authority = registry.parse::<ureq::http::uri::Authority>();
        let host = authority.map(|authority| authority.host().to_owned());
        let host = host.unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        let local = bare == "localhost" || bare.parse().is_ok_and(is_near);
        Self {
            host,
            local,
            inner: DefaultResolver::default(),
        }
    }
}

impl Resolver for Careful {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        if self.local || host.eq_ignore_ascii_case(&self.host) {
            return Ok(found);
        }
        match found.iter().find(|address| is_near(address.ip())) {
            None => Ok(found),
            Some(address) => {
                let what = format!(
                    "it sends to {host}, whose address {} is this machine's or its link's",
                    address.ip()
                );
                Err(Error::Other(what.into()))
            }
        }
    }
}

/// Returns whether an address is loopback, unspecified, multicast or link-local; clouds offer their
/// machines' secrets at a link-local one.
pub(super) fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_near(mapped.into()),
            None => {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unicast_link_local()
                    || address.is_multicast()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn addresses_of_this_machine_and_its_link_are_told_from_others() {
        for near in [
            "127.0.0.2",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_near(near.parse().expect(near)), "{near}");
        }
        for far in ["10.0.0.1", "192.0.2.1", "2001:db8::1"] {
            assert!(!is_near(far.parse().expect(far)), "{far}");
        }
    }
}
