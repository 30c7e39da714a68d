//! client-credentials in the place of the service it replaces, with the stores that such a deployment has.

use testkit::redis::RedisServer;

use crate::deployment::{TokenService, http, json};
use crate::developer::Developer;

mod on_redis {
    use super::*;

    #[tokio::test]
    async fn t_clm_12_t_clm_15_assertions_are_used_once_over_redis_and_without_it_there_is_no_token() {
        let mut redis = RedisServer::start(&["--requirepass", "hunter2"]).await;
        let address = redis.address().to_string();
        let data = tempfile::tempdir().unwrap();
        let variables = [("REDIS_HOSTS", address.as_str()), ("REDIS_PASSWORD", "hunter2")];
        let service = TokenService::start(data.path(), &variables).await;
        let developer = Developer::register(&service).await;
        let endpoint = service.url("/oauth/token");

        let assertion = developer.assertion(&service.issuer);
        json(developer.present(&endpoint, &assertion).await, 200).await;
        let replay = json(developer.present(&endpoint, &assertion).await, 401).await;
        assert_eq!(replay["error"], "invalid_client");

        redis.kill9();
        let assertion = developer.assertion(&service.issuer);
        let answer = developer.present(&endpoint, &assertion).await;
        assert!(answer.headers().contains_key("retry-after"));
        let body = json(answer, 503).await;
        assert_eq!(body["error"], "temporarily_unavailable");
        assert!(!body.to_string().contains("access_token"));
        assert_eq!(http().get(service.url("/-/ready")).send().await.unwrap().status(), 200);

        redis.restart().await;
        json(developer.present(&endpoint, &assertion).await, 200).await;
        json(developer.present(&endpoint, &assertion).await, 401).await;
        assert!(!service.process.stdout().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_redis_that_does_not_answer_is_said_at_start() {
        let mut redis = RedisServer::start(&[]).await;
        let address = redis.address().to_string();
        redis.kill9();
        let data = tempfile::tempdir().unwrap();
        let variables = [
            ("REDIS_HOSTS", address.as_str()),
            ("DATA_DIR", data.path().to_str().unwrap()),
            ("HTTP_PORT", "0"),
            ("MANAGEMENT_PORT", "0"),
        ];
        let output = crate::deployment::service("client-credentials", &variables).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("REDIS_HOSTS"), "{text}");
    }
}
