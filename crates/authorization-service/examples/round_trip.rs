//! The HTTP client of the service, alone: asks ADDRESS for `/userinfo` COUNT times over connections that stay open, sixteen at a
//! time. What it takes is what asking userinfo costs at the least, in `cargo xtask bench auth`.

use std::io::{Error, Result};

use futures_util::future::try_join_all;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_default();
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = service_kit::asking::client(false).build().map_err(Error::other)?;
        let url = format!("http://{address}/userinfo");
        let ask = async || {
            for _ in 0..count / 16 {
                let answer = client.get(&url).header("authorization", "Bearer x").send().await?;
                answer.bytes().await?;
            }
            Ok::<_, reqwest::Error>(())
        };
        try_join_all((0..16).map(|_| ask())).await.map_err(Error::other)?;
        Ok(())
    })
}
