//! The limits of what the ledger holds for one container, one network or one transaction.

/// The maximum number of networks that one container can be connected to. It is within the limits of the protocol with
/// the agent.
pub const MAX_ENDPOINTS: usize = 32;
/// The maximum number of subnets of one network.
pub const MAX_SUBNETS: usize = 16;
/// The maximum number of auxiliary addresses (addresses that no container gets) of one subnet.
pub const MAX_AUXILIARY: usize = 256;
/// The maximum number of aliases (further DNS names) of a container on one network.
pub const MAX_ALIASES: usize = 64;
/// The maximum number of links (private DNS names for other containers) of a container on one network.
pub const MAX_LINKS: usize = 64;
/// The maximum number of ports that one container exposes and publishes.
pub const MAX_PORTS: usize = 1_024;
/// The maximum number of client subnets of one published port.
pub const MAX_CLIENTS: usize = 64;
/// The maximum number of lines that a caller adds to one container's `/etc/hosts`.
pub const MAX_EXTRA_HOSTS: usize = 64;
/// The maximum length of a container's host name, and of its domain name, in bytes: the kernel holds no longer one
/// (`__NEW_UTS_LEN` of linux/utsname.h).
pub const MAX_UTS_NAME: usize = 64;
/// The maximum number of kernel settings (sysctls) of one container, and of one endpoint. So many fit the message to
/// the agent.
pub const MAX_SYSCTLS: usize = 32;
/// The maximum number of DNS servers of one container, and of one external network. Of a container's longer list the
/// first ones are used; an external network with a longer list is refused.
pub const MAX_DNS_SERVERS: usize = 8;
/// The maximum length of a document (a text that other packages store with a container), in bytes.
pub const MAX_DOCUMENT: usize = 256 << 10;
/// The maximum length of a network's document, in bytes. [`MAX_LABELS`] options of the greatest length fit it.
pub const MAX_NETWORK_DOCUMENT: usize = 1 << 20;
/// The maximum number of commands in one [`Command::Batch`](crate::Command::Batch).
pub const MAX_TOGETHER: usize = 128;
/// The maximum number of labels, and of options, of one network.
pub const MAX_LABELS: usize = 128;
/// The maximum length of a label's or option's key, and of an auxiliary address's name, in bytes.
pub const MAX_LABEL_KEY: usize = 256;
/// The maximum length of a label's or option's value, in bytes.
pub const MAX_LABEL_VALUE: usize = 4_096;
