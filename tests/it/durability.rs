//! What was acknowledged survives `kill -9` (R-08, T-REG-10, T-CLM-14).

use crate::deployment::{TokenService, json};
use crate::developer::Developer;

#[tokio::test]
async fn t_reg_10_a_client_survives_kill_9_right_after_its_201() {
    let data = tempfile::tempdir().unwrap();
    let mut service = TokenService::start(data.path(), &[]).await;
    let developer = Developer::register(&service).await;
    service.kill9_and_restart().await;
    let token = developer.token(&service).await;
    assert_eq!(token.split('.').count(), 3);
}

#[tokio::test]
async fn t_clm_14_a_used_assertion_is_refused_after_kill_9_and_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut service = TokenService::start(data.path(), &[]).await;
    let developer = Developer::register(&service).await;
    let assertion = developer.assertion(&service.issuer);
    let token_endpoint = service.url("/oauth/token");
    json(developer.present(&token_endpoint, &assertion).await, 200).await;
    service.kill9_and_restart().await;
    let refusal = json(developer.present(&token_endpoint, &assertion).await, 401).await;
    assert_eq!(refusal["error"], "invalid_client");
}

#[tokio::test]
async fn a_token_is_good_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut service = TokenService::start(data.path(), &[]).await;
    let developer = Developer::register(&service).await;
    let token = developer.token(&service).await;
    service.kill9_and_restart().await;
    let answer =
        crate::deployment::http().get(service.url("/tokeninfo")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(json(answer, 200).await["sub"], developer.client_id.as_str());
}
