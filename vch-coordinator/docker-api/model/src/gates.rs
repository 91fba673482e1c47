//! The differences between versions of Docker's API, each a named gate. Only this module knows since or up to which
//! version a feature exists. Source: the Engine API's version history, and dockerd's answers.
//!
//! [`Version`] has no order, so that no other module can compare versions.

use crate::Version;

/// A feature of Docker's API that only a range of versions has: either all up to a version, or all since a version.
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

    /// Returns the value if the version has the feature; `None` otherwise. Used for a field of a request or response
    /// that only some versions have; such a field of a response is left out if it is `None`.
    pub fn then<T>(self, version: Version, value: T) -> Option<T> {
        self.is_open(version).then_some(value)
    }
}

/// Up to API 1.27: a list of networks shows the running containers on each network.
pub const NETWORK_LIST_CONTAINERS: Gate = Gate::up_to(27);
/// Since API 1.41: a request that creates a container may name the image's `platform`.
pub const CREATE_PLATFORM: Gate = Gate::since(41);
/// Up to API 1.41: a limit of the kernel's memory gets a warning, and `/info` shows whether it is supported.
pub const KERNEL_MEMORY: Gate = Gate::up_to(41);
/// Up to API 1.41: the response to a wait for a container has the key `Error`, which is null.
pub const WAIT_ERROR: Gate = Gate::up_to(41);
/// Up to API 1.41: the response to `/system/df` has the key `BuilderSize`.
pub const USAGE_BUILDER: Gate = Gate::up_to(41);
/// Since API 1.42: the parameter `type` of `/system/df` selects the kinds of objects that are counted.
pub const USAGE_TYPE: Gate = Gate::since(42);
/// Since API 1.42: a request may set the size of the terminal of a container or an exec (`ConsoleSize`).
pub const CONSOLE_SIZE: Gate = Gate::since(42);
/// Since API 1.42: a mount with options of another type of mount is refused.
pub const MOUNT_TYPE_CHECKED: Gate = Gate::since(42);
/// Since API 1.42: an exec (`docker exec`) whose program is not found has the exit code 127 instead of 126.
pub const EXEC_NOT_FOUND: Gate = Gate::since(42);
/// Since API 1.42: the requests to stop and to restart a container have the parameter `signal`.
pub const STOP_SIGNAL: Gate = Gate::since(42);
/// Since API 1.42: the content type of an attached stream tells whether standard output and standard error are
/// multiplexed, each chunk with a header, or raw.
pub const MULTIPLEXED_STREAM: Gate = Gate::since(42);
/// Since API 1.43: a request that creates a container may have `Annotations`.
pub const CREATE_ANNOTATIONS: Gate = Gate::since(43);
/// Since API 1.44: a health check may have another interval while a container starts (`StartInterval`).
pub const HEALTH_START_INTERVAL: Gate = Gate::since(44);
/// Since API 1.44: a request that creates a container may connect it to several networks, and sets MAC addresses
/// for each of them instead of for the container.
pub const SEVERAL_ENDPOINTS: Gate = Gate::since(44);
/// Up to API 1.43: the `Config` of an inspected container has the key `MacAddress`.
pub const CONFIG_MAC: Gate = Gate::up_to(43);
/// Since API 1.44: an endpoint (a container's connection to a network) shows its `DNSNames`.
pub const ENDPOINT_DNS_NAMES: Gate = Gate::since(44);
/// Up to API 1.43: an image has the key `VirtualSize`, which equals `Size`, and an empty `Created` if its creation
/// time is unknown.
pub const IMAGE_VIRTUAL_SIZE: Gate = Gate::up_to(43);
/// Up to API 1.44: the aliases of an endpoint include the container's short ID.
pub const ALIAS_SHORT_ID: Gate = Gate::up_to(44);
/// Up to API 1.44: an image has the keys `Container` and `ContainerConfig`, for the container that it was made
/// from.
pub const IMAGE_CONTAINER: Gate = Gate::up_to(44);
/// Since API 1.46: a list of containers shows their `Annotations`.
pub const LIST_ANNOTATIONS: Gate = Gate::since(46);
/// Since API 1.47: a list of images shows their `Manifests` on request.
pub const IMAGE_LIST_MANIFESTS: Gate = Gate::since(47);
/// Since API 1.48: an image has a `Descriptor` and shows its `Manifests` on request, and an inspected container has
/// the `ImageManifestDescriptor` of its image.
pub const IMAGE_DESCRIPTOR: Gate = Gate::since(48);
/// Since API 1.48: an endpoint has a `GwPriority`, the priority of its network's gateway as the default route.
pub const ENDPOINT_PRIORITY: Gate = Gate::since(48);
/// Since API 1.48: a network has the key `EnableIPv4`.
pub const NETWORK_IPV4: Gate = Gate::since(48);
/// Since API 1.49: `/info` has the key `FirewallBackend`.
pub const INFO_FIREWALL: Gate = Gate::since(49);
/// Up to API 1.48: the commits in `/info` have the key `Expected`.
pub const INFO_EXPECTED: Gate = Gate::up_to(48);
/// Up to API 1.49: `/info` has the keys `BridgeNfIptables` and `BridgeNfIp6tables`.
pub const INFO_BRIDGE_NF: Gate = Gate::up_to(49);
/// Since API 1.50: `/info` has the key `DiscoveredDevices`.
pub const INFO_DEVICES: Gate = Gate::since(50);
/// Up to API 1.49: the `Config` of an image also has the keys that only containers use, such as `Hostname`.
pub const IMAGE_CONTAINER_KEYS: Gate = Gate::up_to(49);
/// Since API 1.51: a list of images shows the number of `Containers` of each image.
pub const IMAGE_LIST_CONTAINERS: Gate = Gate::since(51);

#[cfg(test)]
mod tests;
