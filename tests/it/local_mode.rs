//! Local mode with the real client-credentials: the same answers as proxy mode, and a revoked token refused within a second
//! at every door.
//!
//! The counts are small, so that the gate can afford them. By hand: `GETTONE_TEST_SCALE=full`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::deployment::http;
use crate::house::House;
use crate::scale;

const PROPERTIES: (&str, &str) =
    ("USER_PROPERTIES_TO_PROXY", "sub,client_id,permissions,aud,tenant,plan,groups");

async fn ask(http: &reqwest::Client, door: SocketAddr, method: &str, token: &str) -> reqwest::Response {
    let request = http.get(format!("http://{door}/auth")).bearer_auth(token);
    let original =
        request.header("original-request-uri", "/orders").header("original-request-method", method);
    original.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_mode_makes_the_same_principal_as_tokeninfo() {
    let house = House::start().await;
    let doors = [house.local_door(&[PROPERTIES]).await, house.proxy_door(&[PROPERTIES]).await];
    let http = http();
    for (permissions, statics) in [
        (json!([]), json!({})),
        (json!(["read:orders"]), json!({})),
        (json!(["read:orders", "é", "a,b"]), json!({"tenant": "t1", "plan": {"seats": 1.50, "on": true}})),
        (json!(["write:orders"]), json!({"tenant": "Zoë", "plan": [null, 9_007_199_254_740_993_i64]})),
    ] {
        let client = house.client(&[]).await;
        house.change(&client, &json!({"permissions": permissions, "staticClaims": statics})).await;
        let token = house.token(&client).await;
        for method in ["GET", "POST", "DELETE"] {
            let mut seen = Vec::new();
            for door in &doors {
                let answer = ask(&http, door.address, method, &token).await;
                let names =
                    ["mia-userid", "mia-groups", "mia-userproperties", "mia-allowed", "www-authenticate"];
                let header =
                    |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                seen.push((answer.status().as_u16(), names.map(header)));
            }
            assert_eq!(seen[0], seen[1], "{method} {permissions} {statics}");
        }
        house.revoke(&client, &token).await;
        assert_eq!(ask(&http, doors[1].address, "GET", &token).await.status(), 401);
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_06_g_cache_05_what_is_revoked_is_refused_within_a_second_at_every_door() {
    let rounds = if scale::is_full() { 1000 } else { 30 };
    let house = House::start().await;
    let doors = [house.local_door(&[]).await, house.local_door(&[]).await];
    let client = house.client(&["read:orders"]).await;
    let http = http();
    let mut times = Vec::new();
    for _ in 0..rounds {
        let token = house.token(&client).await;
        for door in &doors {
            assert_eq!(ask(&http, door.address, "GET", &token).await.status(), 200);
        }
        house.revoke(&client, &token).await;
        let revoked = Instant::now();
        times.extend(
            join_all(doors.iter().map(|door| async {
                while ask(&http, door.address, "GET", &token).await.status() != 401 {
                    assert!(revoked.elapsed() < Duration::from_secs(20), "still not refused");
                }
                revoked.elapsed()
            }))
            .await,
        );
    }
    let [half, most, worst] = [50, 99, 100].map(|percent| percentile(&mut times, percent));
    println!("{rounds} revocations at two doors: p50 {half:?}, p99 {most:?}, max {worst:?}");
    assert!(most <= Duration::from_secs(1), "p99 {most:?}");
}
