//! The authorization service.

fn main() -> std::process::ExitCode {
    service_kit::run::<authorization_service::AuthorizationService>()
}
