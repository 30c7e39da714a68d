//! Three client-credentials processes over one replica set, under load and through a failover: what one revoked all refuse
//! (R-06, T-REV-03), no assertion is used twice, and no acknowledged client is lost.
//!
//! The counts are small, so that the gate can afford them. By hand: `GETTONE_TEST_SCALE=full`, which also demands the
//! times of R-06.

mod on_mongodb {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use futures_util::future::join_all;
    use serde_json::json;
    use testkit::mongod::ReplicaSet;

    use crate::deployment::{TokenService, http, json as body_of};
    use crate::developer::Developer;

    /// How much is done.
    #[derive(Clone, Copy)]
    struct Scale {
        revocations: usize,
        tokens_per_second: u32,
        replay_rounds: usize,
        registrations: usize,
        is_full: bool,
    }

    fn scale() -> Scale {
        let is_full = crate::scale::is_full();
        if is_full {
            Scale {
                revocations: 1000,
                tokens_per_second: 500,
                replay_rounds: 1000,
                registrations: 1000,
                is_full,
            }
        } else {
            Scale { revocations: 20, tokens_per_second: 20, replay_rounds: 10, registrations: 30, is_full }
        }
    }

    struct Replicas {
        services: Vec<TokenService>,
        server: ReplicaSet,
        _folders: Vec<tempfile::TempDir>,
    }

    /// A client with a secret.
    #[derive(Clone)]
    struct Client {
        id: String,
        secret: String,
    }

    impl Replicas {
        async fn start() -> Self {
            let server = ReplicaSet::start().await;
            let url = server.database_url();
            let (mut services, mut folders) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                let folder = tempfile::tempdir().unwrap();
                let variables = [
                    ("CREDENTIALS_MONGODB_URL", url.as_str()),
                    ("MIA_JWT_ISSUER", "http://localhost:8080"),
                    // All come from one source.
                    ("REGISTRATIONS_PER_MINUTE", "0"),
                    ("REGISTRATIONS_PER_MINUTE_PER_SOURCE", "0"),
                ];
                services.push(TokenService::start(folder.path(), &variables).await);
                folders.push(folder);
            }
            Self { services, server, _folders: folders }
        }

        fn url(&self, turn: usize, path: &str) -> String {
            self.services[turn % self.services.len()].url(path)
        }
    }

    /// Registers; `None` if it was not acknowledged.
    async fn register(http: &reqwest::Client, url: &str) -> Option<Client> {
        let answer = http.post(url).json(&json!({"client_name": "c"})).send().await.ok()?;
        if answer.status() != 201 {
            assert_eq!(answer.status(), 503);
            return None;
        }
        let body = body_of(answer, 201).await;
        let member = |name: &str| body[name].as_str().unwrap().to_owned();
        Some(Client { id: member("client_id"), secret: member("client_secret") })
    }

    async fn post(
        http: &reqwest::Client,
        url: &str,
        client: &Client,
        form: &[(&str, &str)],
    ) -> reqwest::Response {
        http.post(url).basic_auth(&client.id, Some(&client.secret)).form(form).send().await.unwrap()
    }

    /// A token; again until the database is back.
    async fn token(http: &reqwest::Client, url: &str, client: &Client) -> String {
        let start = Instant::now();
        loop {
            let answer = post(http, url, client, &[("grant_type", "client_credentials")]).await;
            if answer.status() == 200 {
                return body_of(answer, 200).await["access_token"].as_str().unwrap().to_owned();
            }
            assert_eq!(answer.status(), 503);
            assert!(start.elapsed() < Duration::from_secs(60), "no token for a minute");
        }
    }

    async fn status_of(http: &reqwest::Client, url: &str, token: &str) -> u16 {
        http.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    /// How long until a token is refused here, from now on.
    async fn time_to_refusal(http: &reqwest::Client, url: &str, token: &str) -> Duration {
        let start = Instant::now();
        while status_of(http, url, token).await != 401 {
            assert!(start.elapsed() < Duration::from_secs(60), "still not refused");
        }
        start.elapsed()
    }

    fn percentile(times: &mut [Duration], percent: usize) -> Duration {
        times.sort_unstable();
        times[(times.len() * percent / 100).min(times.len() - 1)]
    }

    /// Asks for tokens at this rate until it is stopped; how many it got.
    fn load(
        urls: Vec<String>,
        client: Client,
        per_second: u32,
        stop: &Arc<AtomicBool>,
    ) -> tokio::task::JoinHandle<usize> {
        let stop = Arc::clone(stop);
        tokio::spawn(async move {
            let http = http();
            let issued = Arc::new(AtomicUsize::new(0));
            let on_their_way = Arc::new(tokio::sync::Semaphore::new(64));
            let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second);
            let mut turn = 0;
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                turn += 1;
                let Ok(place) = Arc::clone(&on_their_way).try_acquire_owned() else { continue };
                let (http, issued, client) = (http.clone(), Arc::clone(&issued), client.clone());
                let url = urls[turn % urls.len()].clone();
                tokio::spawn(async move {
                    let answer = post(&http, &url, &client, &[("grant_type", "client_credentials")]).await;
                    if answer.status() == 200 {
                        issued.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(place);
                });
            }
            issued.load(Ordering::Relaxed)
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_06_t_rev_03_what_one_replica_revokes_all_refuse_under_load_and_through_a_failover() {
        let scale = scale();
        let replicas = Replicas::start().await;
        let http = http();
        let client = register(&http, &replicas.url(0, "/register")).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let urls = (0..3).map(|turn| replicas.url(turn, "/oauth/token")).collect();
        let started = Instant::now();
        let load = load(urls, client.clone(), scale.tokens_per_second, &stop);
        let (mut times, mut revoked) = (Vec::new(), Vec::new());
        for round in 0..scale.revocations {
            let token = token(&http, &replicas.url(round, "/oauth/token"), &client).await;
            if round == scale.revocations / 2 {
                replicas.server.step_down().await;
            }
            let answer =
                post(&http, &replicas.url(round + 1, "/oauth/revoke"), &client, &[("token", &token)]).await;
            if answer.status() != 200 {
                // Not acknowledged: it may be revoked or not.
                assert_eq!(answer.status(), 503);
                continue;
            }
            let places: Vec<_> = (0..3).map(|turn| replicas.url(turn, "/tokeninfo")).collect();
            times.extend(join_all(places.iter().map(|url| time_to_refusal(&http, url, &token))).await);
            revoked.push(token);
        }
        stop.store(true, Ordering::Relaxed);
        let issued = load.await.unwrap();
        let rate = issued as f64 / started.elapsed().as_secs_f64();
        let [half, most, worst] = [50, 99, 100].map(|percent| percentile(&mut times, percent));
        println!(
            "{} revocations at {rate:.0} tokens/s, one failover: visible everywhere p50 {half:?}, p99 {most:?}, max {worst:?}",
            revoked.len()
        );
        assert!(revoked.len() * 10 > scale.revocations * 8, "most were acknowledged: {}", revoked.len());
        for token in &revoked {
            for turn in 0..3 {
                assert_eq!(status_of(&http, &replicas.url(turn, "/tokeninfo"), token).await, 401);
            }
        }
        if scale.is_full {
            assert!(most <= Duration::from_secs(1), "p99 {most:?}");
            assert!(worst <= Duration::from_secs(5), "max {worst:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_07_t_clm_13_parallel_replay_over_three_replicas_through_a_failover_has_one_winner_at_most() {
        let scale = scale();
        let replicas = Replicas::start().await;
        let developer = Developer::register(&replicas.services[0]).await;
        let urls: Vec<_> = (0..3).map(|turn| replicas.url(turn, "/oauth/token")).collect();
        let (mut with_winner, mut undecided) = (0, 0);
        for round in 0..scale.replay_rounds {
            let assertion = developer.assertion(&replicas.services[0].issuer);
            if round == scale.replay_rounds / 2 {
                replicas.server.step_down().await;
            }
            let posts = (0..12).map(|turn| developer.present(&urls[turn % 3], &assertion));
            let statuses: Vec<_> =
                join_all(posts).await.iter().map(|answer| answer.status().as_u16()).collect();
            let winners = statuses.iter().filter(|status| **status == 200).count();
            assert!(winners <= 1, "round {round}: {statuses:?}");
            assert!(statuses.iter().all(|status| [200, 401, 503].contains(status)), "{statuses:?}");
            match winners {
                1 => with_winner += 1,
                // A use that was recorded, and whose acknowledgement was lost, has no winner: never a second one.
                _ => {
                    assert!(
                        statuses.contains(&503),
                        "nobody won, and nobody was told to come back: {statuses:?}"
                    );
                    undecided += 1;
                }
            }
        }
        println!("{with_winner} rounds with one winner, {undecided} without, none with two");
        assert!(with_winner * 10 >= scale.replay_rounds * 7, "{with_winner}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_08_t_reg_10_no_acknowledged_registration_is_lost_in_a_failover() {
        let scale = scale();
        let replicas = Replicas::start().await;
        let http = http();
        let mut acknowledged = Vec::new();
        for round in 0..scale.registrations / 5 {
            if round == scale.registrations / 10 {
                replicas.server.step_down().await;
            }
            let urls: Vec<_> = (0..5).map(|turn| replicas.url(round + turn, "/register")).collect();
            acknowledged
                .extend(join_all(urls.iter().map(|url| register(&http, url))).await.into_iter().flatten());
        }
        println!(
            "{} of {} registrations acknowledged, one failover",
            acknowledged.len(),
            scale.registrations
        );
        assert!(acknowledged.len() * 10 >= scale.registrations * 5, "{}", acknowledged.len());
        for (turn, client) in acknowledged.iter().enumerate() {
            let token = token(&http, &replicas.url(turn, "/oauth/token"), client).await;
            assert_eq!(token.split('.').count(), 3);
        }
    }
}
