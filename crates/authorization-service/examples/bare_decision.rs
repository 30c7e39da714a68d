//! actix-web with a handler that answers what an allow answers: what HTTP alone costs in `cargo xtask bench auth`. `/userinfo`
//! answers as userinfo does, every other path as a service behind the gateway. Prints the port it listens on.
#![expect(clippy::print_stdout, reason = "a program for developers")]

use actix_web::{App, HttpResponse, HttpServer, web};

fn main() -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| {
            App::new()
                .route("/auth", web::get().to(allow))
                .route("/userinfo", web::get().to(userinfo))
                .default_service(web::to(|| async { HttpResponse::Ok().body("ok") }))
        });
        let server = server.bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs().first().map_or(0, std::net::SocketAddr::port));
        server.run().await
    })
}

async fn allow() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .insert_header(("mia-allowed", "1"))
        .insert_header(("mia-userid", "abcdefghijklmnopqrstuvwxyzABCDEF"))
        .insert_header(("mia-groups", ""))
        .insert_header(("mia-userproperties", "{}"))
        .finish()
}

async fn userinfo() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"sub":"caller","permissions":["read:orders"]}"#)
}
