//! Which gateway stands in front, and how a caller reaches the services through it.

use std::net::SocketAddr;
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
    EnvoyGrpc,
    Traefik,
    Caddy,
    Haproxy,
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
        grpc: SocketAddr,
    ) -> Result<Option<Command>> {
        let command = match self {
            Self::Nginx => testkit::gateway::nginx(workspace, folder, addresses)?,
            Self::Envoy => testkit::gateway::envoy(workspace, folder, addresses)?,
            Self::EnvoyGrpc => testkit::gateway::envoy_grpc(workspace, folder, addresses, grpc)?,
            Self::Traefik => testkit::gateway::traefik(workspace, folder, addresses)?,
            Self::Caddy => testkit::gateway::caddy(workspace, folder, addresses)?,
            Self::Haproxy => testkit::gateway::haproxy(workspace, folder, addresses)?,
            Self::None => return Ok(None),
        };
        Ok(Some(command))
    }

    /// What has to be on this machine for it.
    pub(crate) const fn tool(self) -> Option<&'static tools::Tool> {
        match self {
            Self::Nginx => Some(&tools::NGINX),
            Self::Envoy | Self::EnvoyGrpc => Some(&tools::ENVOY),
            Self::Traefik => Some(&tools::TRAEFIK),
            Self::Caddy => Some(&tools::CADDY),
            Self::Haproxy => Some(&tools::HAPROXY),
            Self::None => None,
        }
    }

    /// What the authorization service has to know about it: `ORIGINAL_REQUEST_FROM`.
    pub(crate) const fn original_request_from(self) -> &'static str {
        match self {
            Self::Nginx | Self::Envoy | Self::EnvoyGrpc | Self::Haproxy | Self::None => "headers",
            Self::Traefik | Self::Caddy => "x-forwarded",
        }
    }

    /// Its own name, at the beginning of a sentence.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy | Self::EnvoyGrpc => "Envoy",
            Self::Traefik => "Traefik",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::None => "A gateway",
        }
    }
}
