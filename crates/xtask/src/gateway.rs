//! Which gateway stands in front, and how a caller reaches the services through it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use testkit::gateway::Addresses;

use crate::tools;

/// `--gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gateway {
    Nginx,
    Envoy,
    /// No gateway: the walk asks the authorization service itself, as a gateway would.
    None,
}

impl Gateway {
    /// The command that starts it, with its configuration in `folder`; `None` for none.
    pub(crate) fn command(
        self,
        workspace: &Path,
        folder: &Path,
        addresses: &Addresses,
    ) -> Result<Option<Command>> {
        let command = match self {
            Self::Nginx => testkit::gateway::nginx(workspace, folder, addresses)?,
            Self::Envoy => testkit::gateway::envoy(workspace, folder, addresses)?,
            Self::None => return Ok(None),
        };
        Ok(Some(command))
    }

    /// What has to be on this machine for it.
    pub(crate) const fn tool(self) -> Option<&'static tools::Tool> {
        match self {
            Self::Nginx => Some(&tools::NGINX),
            Self::Envoy => Some(&tools::ENVOY),
            Self::None => None,
        }
    }
}
