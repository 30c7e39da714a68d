//! The canary: no secret, assertion or token that was issued or presented appears in a log (T-LOG-02).

use crate::deployment::{Deployment, http, json};
use crate::developer::Developer;

#[tokio::test]
async fn t_log_02_no_secret_is_in_any_log() {
    let mut deployment = Deployment::start().await;
    let tokens = &deployment.tokens;
    let developer = Developer::register(tokens).await;
    let assertion = developer.assertion(&tokens.issuer);
    let answer = json(developer.present(&tokens.url("/oauth/token"), &assertion).await, 200).await;
    let token = answer["access_token"].as_str().unwrap().to_owned();
    // The second use is refused: the refusal must not quote it.
    json(developer.present(&tokens.url("/oauth/token"), &assertion).await, 401).await;

    let registered = http()
        .post(tokens.url("/register"))
        .json(&serde_json::json!({"client_name": "canary"}))
        .send()
        .await
        .unwrap();
    let registered = json(registered, 201).await;
    let [id, secret] =
        ["client_id", "client_secret"].map(|name| registered[name].as_str().unwrap().to_owned());
    let form = [("grant_type", "client_credentials")];
    let basic = http()
        .post(tokens.url("/oauth/token"))
        .basic_auth(&id, Some(&secret))
        .form(&form)
        .send()
        .await
        .unwrap();
    json(basic, 200).await;
    let in_query = format!("/oauth/token?client_id={id}&client_secret={secret}");
    json(http().post(tokens.url(&in_query)).form(&form).send().await.unwrap(), 400).await;
    json(http().get(tokens.url(&format!("/tokeninfo?access_token={token}"))).send().await.unwrap(), 401)
        .await;
    tokens.grant(&id, &["read:orders"]).await;

    let question = http().get(format!("http://{}/auth", deployment.decisions.address)).bearer_auth(&token);
    let question = question
        .header("original-request-uri", "/orders?key=hunter2")
        .header("original-request-method", "GET");
    assert_eq!(question.send().await.unwrap().status(), 403);

    let bootstrap = tokens.bootstrap_token();
    let mut logs = Vec::new();
    for process in [&mut deployment.tokens.process, &mut deployment.decisions.process] {
        // The last lines are written before the end.
        process.terminate().await;
        logs.extend([process.stdout(), process.stderr()]);
    }
    assert!(
        logs[0].contains("request completed") && logs[2].contains("request completed"),
        "the logs are there"
    );
    for canary in [&assertion, &token, &secret, &bootstrap, &"hunter2".to_owned()] {
        assert!(logs.iter().all(|log| !log.contains(canary.as_str())), "a log holds a secret");
    }
}
