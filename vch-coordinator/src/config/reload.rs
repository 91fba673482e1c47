//! What a running coordinator takes over from a file that was changed.

use super::{Config, ConfigError, Links, LinksError};
use std::path::Path;
use thiserror::Error;
use vch_ledger::ExternalNetwork;

/// A field that only a start takes over was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{field}` has changed, which only a start takes over: put it back, or restart the coordinator"
)]
pub struct RestartNeeded {
    /// The field, or the table.
    pub field: &'static str,
}

/// Why a file is not taken over by a running coordinator.
#[derive(Debug, Error)]
pub enum RereadError {
    /// It is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It changes what only a start takes over.
    #[error(transparent)]
    Restart(#[from] RestartNeeded),
    /// The VCH is not as it says.
    #[error(transparent)]
    Links(#[from] LinksError),
}

impl Config {
    /// Reads a file again, and the VCH's links, of the caller's network namespace. What is given back
    /// differs from `self` in its external networks at most.
    ///
    /// # Errors
    /// Where the file can't be taken over; `self` stays in force.
    pub fn reread(&self, file: &Path) -> Result<Self, RereadError> {
        let newer = Self::read(file)?;
        self.reload(&newer)?;
        Links::observe()?.verify(&newer)?;
        Ok(newer)
    }

    /// The external networks of a newer configuration, where nothing else differs.
    ///
    /// # Errors
    /// The first field that differs and needs a restart; nothing is to be taken over then.
    pub fn reload<'a>(&self, newer: &'a Self) -> Result<&'a [ExternalNetwork], RestartNeeded> {
        // Whoever adds a field decides here what a reload does with it.
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
