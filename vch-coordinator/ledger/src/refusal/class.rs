//! The code and the kind of each refusal.

use super::{Refusal, RefusalKind};

impl Refusal {
    /// Returns the refusal's code. API clients may rely on it: it stays the same in every release, while the message
    /// may change. The codes by kind:
    ///
    /// - NotFound: `container-not-found`, `network-missing`, `network-not-found`, `no-configuration`, `not-connected`,
    ///   `port-not-published`.
    /// - Conflict: `already-connected`, `channel-taken`, `container-connected`, `container-name-taken`,
    ///   `interface-taken`, `mac-taken`, `network-exists`, `nic-taken`, `port-in-use`, `port-range-taken`,
    ///   `port-reserved`, `port-taken`, `port-twice`.
    /// - Invalid: `address-on-default-bridge`, `address-outside`, `address-twice`, `auxiliary-outside`, `cid-reserved`,
    ///   `container-ambiguous`, `external-address`, `external-no-default`, `external-no-subnet`, `external-subnet`,
    ///   `gateway-outside`, `nested`, `network-ambiguous`, `no-dns-ttl`, `no-subnet`, `not-a-host`, `port-address`,
    ///   `port-client-family`, `port-client-host-bits`, `port-family`, `port-on-external`, `port-range`, `port-zero`,
    ///   `range-host-bits`, `range-outside`, `range-too-big`, `reserved-twice`, `resolver`, `spec-impossible`,
    ///   `subnet-host-bits`, `subnet-twice`, `subnet-unusable`, `too-long`, `too-many`.
    /// - Forbidden: `address-in-use`, `address-not-granted`, `address-reserved`, `configuration-in-use`,
    ///   `external-dhcp`, `external-in-use`, `external-orphans`, `network-in-use`, `network-is-configuration`,
    ///   `network-name-predefined`, `network-predefined`, `no-endpoints-on-none`, `route-overlap`, `subnet-overlap`.
    /// - Exhausted: `addresses-exhausted`, `pools-exhausted`, `ports-exhausted`.
    pub fn code(&self) -> &'static str {
        self.class().0
    }

    /// Returns the refusal's kind, from which an API derives its status code.
    pub fn kind(&self) -> RefusalKind {
        self.class().1
    }

    fn class(&self) -> (&'static str, RefusalKind) {
        use RefusalKind::{Conflict, Exhausted, Forbidden, Invalid, NotFound};
        match self {
            Self::NetworkNotFound(_) => ("network-not-found", NotFound),
            Self::NetworkMissing { .. } => ("network-missing", NotFound),
            Self::InterfaceTaken { .. } => ("interface-taken", Conflict),
            Self::NetworkAmbiguous(_) => ("network-ambiguous", Invalid),
            Self::ContainerNotFound(_) => ("container-not-found", NotFound),
            Self::ContainerAmbiguous(_) => ("container-ambiguous", Invalid),
            Self::NetworkExists(_) => ("network-exists", Conflict),
            Self::PredefinedName(_) => ("network-name-predefined", Forbidden),
            Self::PredefinedNetwork(_) => ("network-predefined", Forbidden),
            Self::NetworkInUse { .. } => ("network-in-use", Forbidden),
            Self::NoConfiguration(_) => ("no-configuration", NotFound),
            Self::ConfigurationInUse(_) => ("configuration-in-use", Forbidden),
            Self::ConnectToConfiguration(_) => ("network-is-configuration", Forbidden),
            Self::NoDnsTtl(_) => ("no-dns-ttl", Invalid),
            Self::Nested => ("nested", Invalid),
            Self::TooMany { .. } => ("too-many", Invalid),
            Self::TooLong { .. } => ("too-long", Invalid),
            Self::NoSubnet(_) => ("no-subnet", Invalid),
            Self::SubnetHostBits(_) => ("subnet-host-bits", Invalid),
            Self::SubnetUnusable { .. } => ("subnet-unusable", Invalid),
            Self::SubnetOverlap { .. } => ("subnet-overlap", Forbidden),
            Self::SubnetTwice { .. } => ("subnet-twice", Invalid),
            Self::RouteOverlap { .. } => ("route-overlap", Forbidden),
            Self::PoolsExhausted { .. } => ("pools-exhausted", Exhausted),
            Self::RangeHostBits(_) => ("range-host-bits", Invalid),
            Self::RangeOutside { .. } => ("range-outside", Invalid),
            Self::RangeTooBig { .. } => ("range-too-big", Invalid),
            Self::GatewayOutside { .. } => ("gateway-outside", Invalid),
            Self::AuxiliaryOutside { .. } => ("auxiliary-outside", Invalid),
            Self::ReservedTwice { .. } => ("reserved-twice", Invalid),
            Self::NotAHost { .. } => ("not-a-host", Invalid),
            Self::AddressOutside { .. } => ("address-outside", Invalid),
            Self::AddressTwice(..) => ("address-twice", Invalid),
            Self::AddressInUse { .. } => ("address-in-use", Forbidden),
            Self::AddressReserved { .. } => ("address-reserved", Forbidden),
            Self::AddressNotGranted { .. } => ("address-not-granted", Forbidden),
            Self::AddressOnDefaultBridge(_) => ("address-on-default-bridge", Invalid),
            Self::AddressesExhausted { .. } => ("addresses-exhausted", Exhausted),
            Self::AlreadyConnected { .. } => ("already-connected", Conflict),
            Self::NotConnected { .. } => ("not-connected", NotFound),
            Self::NoEndpointsOnNone(_) => ("no-endpoints-on-none", Forbidden),
            Self::ContainerNameTaken { .. } => ("container-name-taken", Conflict),
            Self::ContainerConnected { .. } => ("container-connected", Conflict),
            Self::ChannelTaken { .. } => ("channel-taken", Conflict),
            Self::ReservedCid(_) => ("cid-reserved", Invalid),
            Self::MacTaken { .. } => ("mac-taken", Conflict),
            Self::NicTaken { .. } => ("nic-taken", Conflict),
            Self::SpecImpossible { .. } => ("spec-impossible", Invalid),
            Self::Resolver { .. } => ("resolver", Invalid),
            Self::Port(refusal) => refusal.class(),
            Self::External(refusal) => refusal.class(),
        }
    }
}
