//! Bounds of what the ledger holds of one container, network or transaction.

/// The most endpoints of one container: within the protocol's limits for interfaces and hosts
/// entries.
pub const MAX_ENDPOINTS: usize = 32;
/// The most subnets of one network.
pub const MAX_SUBNETS: usize = 16;
/// The most auxiliary addresses of one subnet.
pub const MAX_AUXILIARY: usize = 256;
/// The most aliases of one endpoint.
pub const MAX_ALIASES: usize = 64;
/// The most links of one endpoint.
pub const MAX_LINKS: usize = 64;
/// The most ports that one container exposes and publishes.
pub const MAX_PORTS: usize = 1_024;
/// The most client subnets of one published port.
pub const MAX_CLIENTS: usize = 64;
/// The most extra hosts of one container.
pub const MAX_EXTRA_HOSTS: usize = 64;
/// The most bytes of a host name, and of a domain name, that the kernel holds (`__NEW_UTS_LEN` of
/// linux/utsname.h).
pub const MAX_UTS_NAME: usize = 64;
/// The most kernel settings of one container, and of one endpoint: they fit a spec's extension.
pub const MAX_SYSCTLS: usize = 32;
/// The most DNS servers of one container that are asked: the first ones of its list.
pub const MAX_DNS_SERVERS: usize = 8;
/// The most bytes of a container's document.
pub const MAX_DOCUMENT: usize = 256 << 10;
/// The most bytes of a network's document: [`MAX_LABELS`] texts fit it.
pub const MAX_NETWORK_DOCUMENT: usize = 1 << 20;
/// The most commands in one transaction.
pub const MAX_TOGETHER: usize = 128;
/// The most labels, and the most options, of one network.
pub const MAX_LABELS: usize = 128;
/// The most bytes of a label's or option's key, and of an auxiliary address's name.
pub const MAX_LABEL_KEY: usize = 256;
/// The most bytes of a label's or option's value.
pub const MAX_LABEL_VALUE: usize = 4_096;
