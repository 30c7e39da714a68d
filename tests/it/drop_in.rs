//! client-credentials in the place of the service it replaces, with the stores that such a deployment has.

use std::process::Command;

use serde_json::json;
use testkit::crud_service::{CrudService, SHIPPED_FIELDS};
use testkit::mongod::Database;
use testkit::redis::RedisServer;

use crate::deployment::{TokenService, http, json as body_of};
use crate::developer::Developer;

mod on_redis {
    use super::*;

    #[tokio::test]
    async fn t_clm_12_t_clm_15_assertions_are_used_once_over_redis_and_without_it_there_is_no_token() {
        let mut redis = RedisServer::start(&["--requirepass", "hunter2"]).await;
        let address = redis.address().to_string();
        let data = tempfile::tempdir().unwrap();
        let variables = [("REDIS_HOSTS", address.as_str()), ("REDIS_PASSWORD", "hunter2")];
        let mut service = TokenService::start(data.path(), &variables).await;
        let developer = Developer::register(&service).await;
        let endpoint = service.url("/oauth/token");

        let assertion = developer.assertion(&service.issuer);
        body_of(developer.present(&endpoint, &assertion).await, 200).await;
        let replay = body_of(developer.present(&endpoint, &assertion).await, 401).await;
        assert_eq!(replay["error"], "invalid_client");

        redis.kill9();
        let assertion = developer.assertion(&service.issuer);
        let answer = developer.present(&endpoint, &assertion).await;
        assert!(answer.headers().contains_key("retry-after"));
        let body = body_of(answer, 503).await;
        assert_eq!(body["error"], "temporarily_unavailable");
        assert!(!body.to_string().contains("access_token"));
        assert_eq!(http().get(service.url("/-/ready")).send().await.unwrap().status(), 200);

        redis.restart().await;
        body_of(developer.present(&endpoint, &assertion).await, 200).await;
        body_of(developer.present(&endpoint, &assertion).await, 401).await;
        service.process.terminate().await;
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

/// With everything that such a deployment has: a crud-service, MongoDB and Redis.
mod on_mongodb {
    mod on_redis {
        use super::super::*;

        const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

        #[tokio::test]
        async fn contract_1_the_whole_way_over_the_stores_of_before() {
            let (database, mut redis) = (Database::fresh().await, RedisServer::start(&[]).await);
            let crud_service = CrudService::start(&SHIPPED_FIELDS);
            let data = tempfile::tempdir().unwrap();
            let key = data.path().join("key.pem");
            let made =
                Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output().unwrap();
            assert!(made.status.success());
            let (base_url, hosts) = (crud_service.url(), redis.address().to_string());
            let variables = [
                ("PROFILE", "drop-in"),
                ("CRUD_CLIENT_BASE_URL", base_url.as_str()),
                ("CREDENTIALS_MONGODB_URL", database.url()),
                ("REDIS_HOSTS", &hosts),
                ("CLIENT_ID_HASH_SALT", "a static salt"),
                ("PRIVATE_RSA_KEY_FILE_PATH", key.to_str().unwrap()),
                ("PRIVATE_RSA_KEY_ID", "keyID"),
                ("MIA_JWT_ISSUER", "mia-issuer"),
                ("MIA_JWT_EXPIRES_IN", "3600"),
                ("USERID_HEADER_KEY", "miauserid"),
                ("ADDITIONAL_HEADERS_TO_PROXY", "miausergroups,x-tenant"),
            ];
            let service = TokenService::start(data.path(), &variables).await;
            let endpoint = service.url("/oauth/token");

            // POST /clients with a secret, then a token and what it says.
            let client = json!({"client_name": "orders", "permissions": ["read:orders"]});
            let answer = http().post(service.url("/clients")).json(&client).send().await.unwrap();
            let made = body_of(answer, 201).await;
            let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
            let basic = || http().post(&endpoint).basic_auth(id, Some(secret)).form(&GRANT);
            let token = body_of(basic().send().await.unwrap(), 200).await;
            let token = token["access_token"].as_str().unwrap();
            let told = http().get(service.url("/tokeninfo")).bearer_auth(token).send().await.unwrap();
            assert_eq!(body_of(told, 200).await["permissions"], json!(["read:orders"]));
            let document = &crud_service.documents()[0];
            assert_eq!((&document["clientId"], &document["name"]), (&json!(id), &json!("orders")));
            assert!(!json!(document).to_string().contains(secret));

            // The crud-service is told who asks, on both listeners, and nothing that is not its business.
            let known = crud_service.requests().len();
            let by_caller = |request: reqwest::RequestBuilder| {
                let headers = [("miauserid", "admin-1"), ("x-tenant", "t"), ("x-request-id", "request-1")];
                let others = [("miauserproperties", "{}"), ("acl_rows", "[]"), ("cookie", "a=b")];
                headers
                    .into_iter()
                    .chain(others)
                    .fold(request, |request, (name, value)| request.header(name, value))
            };
            let client = json!({"client_name": "made"});
            let answer = by_caller(http().post(service.url("/clients")).json(&client)).send().await.unwrap();
            let other = body_of(answer, 201).await["client_id"].as_str().unwrap().to_owned();
            let url = format!("http://{}/clients/{other}", service.management);
            let patch =
                http().patch(url).bearer_auth(service.bootstrap_token()).json(&json!({"name": "changed"}));
            body_of(by_caller(patch).send().await.unwrap(), 200).await;
            body_of(by_caller(basic()).send().await.unwrap(), 200).await;
            let document = &crud_service.documents()[1];
            assert_eq!(
                (&document["creatorId"], &document["updaterId"]),
                (&json!("admin-1"), &json!("admin-1"))
            );
            let requests = crud_service.requests();
            assert!(requests.len() > known + 3, "{requests:?}");
            for request in &requests[known..] {
                for (name, value) in
                    [("miauserid", "admin-1"), ("x-tenant", "t"), ("x-request-id", "request-1")]
                {
                    assert_eq!(request.header(name), value, "{request:?}");
                }
                for name in ["authorization", "miauserproperties", "acl_rows", "cookie"] {
                    assert_eq!(request.header(name), "", "{request:?}");
                }
            }

            // POST /register with a key, then an assertion, once.
            let developer = Developer::register(&service).await;
            let assertion = developer.assertion("mia-issuer");
            body_of(developer.present(&endpoint, &assertion).await, 200).await;
            let replay = developer.present(&endpoint, &assertion).await.status().as_u16();
            assert!([401, 403].contains(&replay), "{replay}");

            // Each store alone is enough to stop what needs it.
            redis.kill9();
            let next = developer.assertion("mia-issuer");
            body_of(developer.present(&endpoint, &next).await, 503).await;
            body_of(basic().send().await.unwrap(), 200).await;
            crud_service.set_down(true);
            body_of(basic().send().await.unwrap(), 503).await;
            let told = http().get(service.url("/tokeninfo")).bearer_auth(token).send().await.unwrap();
            body_of(told, 200).await;
            crud_service.set_down(false);
            redis.restart().await;
            body_of(developer.present(&endpoint, &next).await, 200).await;
            body_of(basic().send().await.unwrap(), 200).await;
        }
    }
}
