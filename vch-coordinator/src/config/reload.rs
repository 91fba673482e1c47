//! Which changes of the configuration file a running coordinator applies.

use super::{Config, ConfigError, Links, LinksError};
use std::path::Path;
use thiserror::Error;
use vch_ledger::ExternalNetwork;

/// The error of a changed field that a running coordinator does not apply: it must be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{field}` has changed, which only a start takes over: put it back, or restart the coordinator"
)]
pub struct RestartNeeded {
    /// The field or table of the configuration file that has changed.
    pub field: &'static str,
}

/// Why a running coordinator cannot apply the configuration file.
#[derive(Debug, Error)]
pub enum RereadError {
    /// The file is not a valid configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file changes a field that a running coordinator does not apply.
    #[error(transparent)]
    Restart(#[from] RestartNeeded),
    /// The VCH does not have a configured interface or address.
    #[error(transparent)]
    Links(#[from] LinksError),
}

impl Config {
    /// Reads the configuration file again, and checks it against the interfaces of the calling thread's network
    /// namespace. The result differs from `self` at most in its external networks.
    ///
    /// # Errors
    /// - [`RereadError::Config`] if the file is not a valid configuration.
    /// - [`RereadError::Restart`] if another field has changed, which needs a restart.
    /// - [`RereadError::Links`] if the kernel refuses to list the interfaces, or an interface or address does not
    ///   exist.
    pub fn reread(&self, file: &Path) -> Result<Self, RereadError> {
        let newer = Self::read(file)?;
        self.reload(&newer)?;
        Links::observe()?.verify(&newer)?;
        Ok(newer)
    }

    /// Returns the external networks of `newer`, a configuration that was read later, if it does not differ from `self`
    /// in anything else.
    ///
    /// # Errors
    /// Returns [`RestartNeeded`] with the first other field that differs.
    pub fn reload<'a>(&self, newer: &'a Self) -> Result<&'a [ExternalNetwork], RestartNeeded> {
        // The pattern is exhaustive, so that for each new field it must be decided here what a
        // reload does with it.
        let Self {
            state_dir,
            run_dir,
            api_socket,
            management,
            docker_endpoint,
            externals: _,
            bridge,
            ephemeral,
            runtime,
            images,
            dns,
            tether,
            metrics,
        } = self;
        let same = [
            ("vch.state_dir", *state_dir == newer.state_dir),
            ("vch.run_dir", *run_dir == newer.run_dir),
            ("api.socket", *api_socket == newer.api_socket),
            ("management", *management == newer.management),
            ("docker_endpoint", *docker_endpoint == newer.docker_endpoint),
            ("bridge.segment", bridge.segment == newer.bridge.segment),
            (
                "bridge.shared_interface",
                bridge.shared_interface == newer.bridge.shared_interface,
            ),
            ("bridge.subnet", bridge.subnet == newer.bridge.subnet),
            ("bridge.pools", bridge.pools == newer.bridge.pools),
            ("ports.ephemeral", *ephemeral == newer.ephemeral),
            ("runtime", *runtime == newer.runtime),
            ("images", *images == newer.images),
            ("dns", *dns == newer.dns),
            ("tether", *tether == newer.tether),
            ("metrics", *metrics == newer.metrics),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(RestartNeeded { field }),
            None => Ok(&newer.externals),
        }
    }
}
