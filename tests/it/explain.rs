//! A refusal, from the caller's answer to the clause of the rule that refused them.

use serde_json::{Value, json};
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::deployment::{DecisionService, TokenService, http, service, workspace};
use crate::developer::Developer;
use crate::upstream::Upstream;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

mod through_nginx {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_is_found_in_the_access_log_and_explained_by_http_and_by_the_command() {
        let data = tempfile::tempdir().unwrap();
        let tokens = TokenService::start(data.path(), &[]).await;
        let management = ReservedPort::new();
        let port = management.number().to_string();
        let variables = [("MANAGEMENT_PORT", port.as_str()), ("MANAGEMENT_TOKEN", TOKEN)];
        let mut decisions = DecisionService::start(&tokens.url("/tokeninfo"), &variables).await;
        let upstream = Upstream::start();
        let folder = tempfile::tempdir().unwrap();
        let (gateway, _nginx) = Process::start_on_free_port(|port| {
            let addresses = Addresses {
                gateway: port.address(),
                authorization_service: decisions.address,
                client_credentials: tokens.public,
                service: upstream.address,
            };
            let command = gateway::nginx(workspace(), folder.path(), &addresses).unwrap();
            (command, Ready::Listens(port.address()))
        })
        .await;

        let developer = Developer::register(&tokens).await;
        tokens.grant(&developer.client_id, &["read:orders"]).await;
        let assertion = developer.assertion(&tokens.issuer);
        let answer = developer.present(&tokens.url("/oauth/token"), &assertion).await;
        let token = crate::deployment::json(answer, 200).await["access_token"].as_str().unwrap().to_owned();
        let url = format!("http://{}/orders?secret=hunter2", gateway.address());
        let refused = http().delete(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let id = refused.headers()["x-decision-id"].to_str().unwrap().to_owned();

        decisions.process.wait_for_output(&id).await;
        let log = decisions.process.stdout();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.into_iter().find(|line| line["decision"]["id"] == id.as_str()).expect("its line");
        assert_eq!(line["decision"]["request"], "DELETE /orders");

        let asked = http().get(format!("http://{}/decisions/{id}", management.address()));
        let explained: Value =
            serde_json::from_str(&asked.bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap())
                .unwrap();
        assert_eq!(explained["request"], json!({"method": "DELETE", "path": "/orders"}));
        assert_eq!(explained["caller"]["id"], developer.client_id.as_str());
        let failed = explained["evaluation"]["failed"][0]["clause"].as_str().unwrap().to_owned();
        assert!(
            explained["rule"]["expression"].as_str().unwrap().contains("delete:orders")
                && failed.contains("delete:orders")
        );
        assert!(!explained.to_string().contains("hunter2"));

        let mut command = service("authorization-service", &variables);
        command.args(["explain", &id]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let file = workspace().join("deploy/demo/auth.json").display().to_string();
        for expected in
            ["DENY, forbidden", "DELETE /orders", &developer.client_id, &file, &format!("needs     {failed}")]
        {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
    }
}
