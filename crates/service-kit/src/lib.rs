//! What every process of Gettone has: variables, arguments, logs, metrics, traces, status routes, limits, shutdown, server start. It
//! knows neither tokens nor rules.

mod access_line;
pub mod access_log;
pub mod asking;
pub mod bearer;
pub mod body;
pub mod caller;
pub mod carried;
mod clock;
mod connection;
pub mod etag;
pub mod files;
mod header_names;
pub mod health;
mod kept_body;
mod log_output;
pub mod logging;
pub mod management;
pub mod metrics;
pub mod openapi;
pub mod output;
mod random;
pub mod request_id;
pub mod server;
mod service;
pub mod status;
pub mod to_the_end;
pub mod traces;
mod unread_body;
pub mod variables;

pub use clock::SystemClock;
pub use header_names::{HeaderName, HeaderNames, is_token_byte};
pub use random::SystemRandom;
pub use service::{CommandFailure, Service, StartError, Telemetry, VERSION, run};
pub use variables::{CommaList, Count, Problems, Secret, ServicePrefix, Variable, Vars};
