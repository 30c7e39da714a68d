//! The client-credentials service.

fn main() -> std::process::ExitCode {
    service_kit::run::<client_credentials::ClientCredentials>()
}
