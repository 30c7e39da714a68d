//! A caller as commands are told of it: a userinfo answer in a file, or groups and permissions by name.

use std::path::PathBuf;

use access_rules::{Caller, Facts};
use clap::Args;
use common::{Clock, Principal};
use service_kit::{SystemClock, Vars};

use super::{CommandError, input};
use crate::config::ReadingSettings;
use crate::userinfo::UserinfoAnswer;
use crate::userinfo::answer::{self, Received};

/// Who asks. Without any of these, somebody without credentials.
#[derive(Debug, Args)]
pub(super) struct CallerOptions {
    /// A file with what userinfo answers for the caller, read as the service of this environment reads it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["groups", "permissions", "unknown"])]
    principal: Option<PathBuf>,
    /// A group of the caller; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A permission of the caller; may be repeated
    #[arg(long = "permission", value_name = "NAME")]
    permissions: Vec<String>,
    /// Userinfo cannot say who it is
    #[arg(long, conflicts_with_all = ["groups", "permissions"])]
    unknown: bool,
    /// The client type that the gateway tells
    #[arg(long, value_name = "TYPE", default_value = "")]
    client_type: String,
    /// The gateway says that it is a backoffice request
    #[arg(long)]
    backoffice: bool,
}

/// What the options say of the caller.
#[derive(Debug)]
pub(super) enum Asking {
    Known(Box<Principal>),
    Nobody,
    Unknown,
}

impl CallerOptions {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { client_type: &self.client_type, is_backoffice: self.backoffice }
    }

    /// Whether variables say how the caller is read.
    pub(super) fn is_from_file(&self) -> bool {
        self.principal.is_some()
    }

    pub(super) fn read(&self, vars: &Vars) -> Result<Asking, CommandError> {
        if let Some(file) = &self.principal {
            return from_file(file.clone(), vars);
        }
        Ok(match (self.unknown, self.groups.is_empty() && self.permissions.is_empty()) {
            (true, _) => Asking::Unknown,
            (false, true) => Asking::Nobody,
            (false, false) => Asking::Known(Box::new(Principal {
                groups: self.groups.iter().cloned().collect(),
                permissions: self.permissions.iter().cloned().collect(),
                ..Principal::default()
            })),
        })
    }
}

impl Asking {
    /// As the rules see it.
    pub(super) fn seen(&self) -> Caller<'_> {
        match self {
            Self::Known(principal) => Caller::Known(principal),
            Self::Nobody => Caller::Anonymous,
            Self::Unknown => Caller::Unknown,
        }
    }
}

fn from_file(path: PathBuf, vars: &Vars) -> Result<Asking, CommandError> {
    let reading = ReadingSettings::from_vars(vars).map_err(CommandError::Variables)?.reading();
    let body = input::read(&path)?;
    let received =
        Received { status: 200, content_type: Some(b"application/json"), retry_after: None, body: &body };
    match answer::read(&received, &reading, SystemClock.now()) {
        UserinfoAnswer::Known(principal) => Ok(Asking::Known(Box::new(principal))),
        UserinfoAnswer::Nobody(why) => Err(CommandError::File { file: path, reason: why.to_string() }),
        UserinfoAnswer::Unknown(failure) => {
            Err(CommandError::File { file: path, reason: failure.cause.to_string() })
        }
    }
}
