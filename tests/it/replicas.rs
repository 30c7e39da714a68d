//! Several client-credentials processes over one MongoDB behave as one.

mod on_mongodb {
    use futures_util::future::join_all;
    use testkit::mongod::Database;

    use crate::deployment::{TokenService, http, json};
    use crate::developer::Developer;

    /// Two processes with files of their own, as on two machines, and one database.
    async fn pair(database: &str) -> (TokenService, TokenService, [tempfile::TempDir; 2]) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let variables = [("CREDENTIALS_MONGODB_URL", database), ("MIA_JWT_ISSUER", "http://localhost:8080")];
        let first = TokenService::start(folders[0].path(), &variables).await;
        let second = TokenService::start(folders[1].path(), &variables).await;
        (first, second, folders)
    }

    #[tokio::test]
    async fn t_clm_13_parallel_replay_over_two_replicas_has_one_winner() {
        let database = Database::fresh().await;
        let (first, second, _folders) = pair(database.url()).await;
        let developer = Developer::register(&first).await;
        // Both accept an assertion of this client, so that a refusal below can only come from its second use.
        developer.token(&first).await;
        developer.token(&second).await;
        for _ in 0..3 {
            let assertion = developer.assertion(&first.issuer);
            let urls = [first.url("/oauth/token"), second.url("/oauth/token")];
            let posts = (0..50).map(|turn| developer.present(&urls[turn % 2], &assertion));
            let mut statuses: Vec<_> =
                join_all(posts).await.iter().map(|answer| answer.status().as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses[0], 200);
            assert!(statuses[1..].iter().all(|status| *status == 401), "{statuses:?}");
        }
    }

    #[tokio::test]
    async fn a_client_of_one_replica_and_its_token_are_good_at_the_other() {
        let database = Database::fresh().await;
        let (first, second, _folders) = pair(database.url()).await;

        let developer = Developer::register(&first).await;
        let token = developer.token(&second).await;
        let answer = http().get(first.url("/tokeninfo")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(json(answer, 200).await["sub"], developer.client_id.as_str());

        let request = serde_json::json!({"client_name": "basic"});
        let registered =
            json(http().post(second.url("/register")).json(&request).send().await.unwrap(), 201).await;
        let [id, secret] =
            ["client_id", "client_secret"].map(|name| registered[name].as_str().unwrap().to_owned());
        let form = [("grant_type", "client_credentials")];
        let answer = http()
            .post(first.url("/oauth/token"))
            .basic_auth(&id, Some(&secret))
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(json(answer, 200).await["token_type"], "Bearer");
    }
}
