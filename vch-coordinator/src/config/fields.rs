//! The file as it is written, before it is checked.

use ipnet::IpNet;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub vch: Vch,
    #[serde(default)]
    pub api: Api,
    #[serde(default)]
    pub bridge: Bridge,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default)]
    pub tether: Tether,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vch {
    pub state_dir: Option<Spanned<PathBuf>>,
    pub run_dir: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub socket: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bridge {
    pub pools: Option<Vec<Spanned<Pool>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub base: IpNet,
    pub size: u8,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    pub upstreams: Option<Vec<Spanned<String>>>,
    pub threads: Option<Spanned<u64>>,
    pub ttl_seconds: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tether {
    pub heartbeat_ms: Option<Spanned<u64>>,
    pub report_deadline_ms: Option<Spanned<u64>>,
    pub vsock_port: Option<Spanned<u32>>,
}
