//! actix-web with a handler that reads the body and answers a constant: what HTTP alone costs in
//! `cargo xtask bench token`. Prints the port it listens on.
#![expect(clippy::print_stdout, reason = "a program for developers")]

use actix_web::{App, HttpResponse, HttpServer, web};

fn main() -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().route("/oauth/token", web::post().to(answer)));
        let server = server.bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs().first().map_or(0, std::net::SocketAddr::port));
        server.run().await
    })
}

async fn answer(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"access_token":"x","token_type":"Bearer"}"#)
}
