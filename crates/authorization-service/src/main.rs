use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run::<authorization_service::AuthorizationService>(env!("CARGO_PKG_VERSION"))
}
