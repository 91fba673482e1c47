//! The differences between versions of the API, each a named gate. Only this module knows from or
//! up to which version a feature exists. Source: the Engine API's version history, and dockerd's
//! answers.
//!
//! Versions have no other order, so that no other module can compare them.

use crate::Version;

/// A feature of the API that only some versions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    first: u32,
    last: u32,
}

impl Gate {
    const fn since(first: u32) -> Self {
        Self {
            first,
            last: u32::MAX,
        }
    }

    const fn up_to(last: u32) -> Self {
        Self { first: 0, last }
    }

    /// Returns whether a version has the feature.
    pub fn is_open(self, version: Version) -> bool {
        (self.first..=self.last).contains(&version.0)
    }

    /// Returns a value that is read or shown only in versions with the feature; `None` in others.
    pub fn then<T>(self, version: Version, value: T) -> Option<T> {
        self.is_open(version).then_some(value)
    }
}

/// 1.28: a list of networks no longer has their containers.
pub const NETWORK_LIST_CONTAINERS: Gate = Gate::up_to(27);
/// 1.41: a container is created for a `platform`.
pub const CREATE_PLATFORM: Gate = Gate::since(41);
/// 1.42: limits of the kernel's memory are ignored, and `/info` no longer shows them.
pub const KERNEL_MEMORY: Gate = Gate::up_to(41);
/// 1.42: the answer of a wait no longer has a null `Error`.
pub const WAIT_ERROR: Gate = Gate::up_to(41);
/// 1.42: `/system/df` no longer has `BuilderSize`.
pub const USAGE_BUILDER: Gate = Gate::up_to(41);
/// 1.42: `/system/df` counts only the objects in its `type`.
pub const USAGE_TYPE: Gate = Gate::since(42);
/// 1.42: the terminal of a container or an exec is created with a size (`ConsoleSize`).
pub const CONSOLE_SIZE: Gate = Gate::since(42);
/// 1.42: options of a mount must be those of its type.
pub const MOUNT_TYPE_CHECKED: Gate = Gate::since(42);
/// 1.42: an exec whose program is not found has the exit code 127.
pub const EXEC_NOT_FOUND: Gate = Gate::since(42);
/// 1.42: stop and restart take a `signal`.
pub const STOP_SIGNAL: Gate = Gate::since(42);
/// 1.42: the content type distinguishes a multiplexed stream from a raw one.
pub const MULTIPLEXED_STREAM: Gate = Gate::since(42);
/// 1.43: a container is created with `Annotations`.
pub const CREATE_ANNOTATIONS: Gate = Gate::since(43);
/// 1.44: a health check has a separate interval while a container starts (`StartInterval`).
pub const HEALTH_START_INTERVAL: Gate = Gate::since(44);
/// 1.44: a container is created with endpoints on several networks, and a MAC address is an endpoint's.
pub const SEVERAL_ENDPOINTS: Gate = Gate::since(44);
/// 1.44: inspect no longer has the container's `MacAddress`.
pub const CONFIG_MAC: Gate = Gate::up_to(43);
/// 1.44: an endpoint shows its `DNSNames`.
pub const ENDPOINT_DNS_NAMES: Gate = Gate::since(44);
/// 1.44: an image no longer has `VirtualSize`, which is `Size`, nor an empty `Created`.
pub const IMAGE_VIRTUAL_SIZE: Gate = Gate::up_to(43);
/// 1.45: the aliases of an endpoint no longer have the container's short ID.
pub const ALIAS_SHORT_ID: Gate = Gate::up_to(44);
/// 1.45: an image no longer has the container that it was made by (`Container`, `ContainerConfig`).
pub const IMAGE_CONTAINER: Gate = Gate::up_to(44);
/// 1.46: a list of containers shows `Annotations`.
pub const LIST_ANNOTATIONS: Gate = Gate::since(46);
/// 1.47: a list of images may have `Manifests`.
pub const IMAGE_LIST_MANIFESTS: Gate = Gate::since(47);
/// 1.48: images have a `Descriptor`, their inspection may have `Manifests`, and a container has its
/// `ImageManifestDescriptor`.
pub const IMAGE_DESCRIPTOR: Gate = Gate::since(48);
/// 1.48: an endpoint has a `GwPriority`.
pub const ENDPOINT_PRIORITY: Gate = Gate::since(48);
/// 1.48: a network has `EnableIPv4`.
pub const NETWORK_IPV4: Gate = Gate::since(48);
/// 1.49: `/info` has a `FirewallBackend`.
pub const INFO_FIREWALL: Gate = Gate::since(49);
/// 1.49: commits in `/info` no longer have `Expected`.
pub const INFO_EXPECTED: Gate = Gate::up_to(48);
/// 1.50: `/info` no longer has `BridgeNfIptables` and `BridgeNfIp6tables`.
pub const INFO_BRIDGE_NF: Gate = Gate::up_to(49);
/// 1.50: `/info` has `DiscoveredDevices`.
pub const INFO_DEVICES: Gate = Gate::since(50);
/// 1.50: an image's configuration no longer has a container's keys.
pub const IMAGE_CONTAINER_KEYS: Gate = Gate::up_to(49);
/// 1.51: a list of images counts their `Containers`.
pub const IMAGE_LIST_CONTAINERS: Gate = Gate::since(51);

#[cfg(test)]
mod tests;
