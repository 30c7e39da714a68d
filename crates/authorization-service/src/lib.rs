//! The authorization service: a gateway asks it, for every request, whether it may pass. A face (`http`, `grpc`) reads the
//! request the gateway asks about, `decide` finds the rule and who the caller is, and the `answer` is 200 with the
//! caller's identity, or a denial.

mod answer;
mod app;
mod cli;
mod config;
mod decide;
mod grpc;
mod http;
mod metrics;
mod record;
mod rules_source;
mod userinfo;

pub use app::AuthorizationService;
pub use config::Config;
