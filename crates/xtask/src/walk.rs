//! The whole way once, step by step: every line is printed as a person would type it, and run as printed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::gateway::Addresses;

use crate::console;
use crate::gateway::Gateway;

/// Where the walk goes.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) workspace: PathBuf,
    /// Keys and tokens of the walk, relative to the workspace so that the printed lines are short.
    pub(crate) folder: String,
    pub(crate) gateway: Gateway,
    pub(crate) addresses: Addresses,
    pub(crate) management: std::net::SocketAddr,
    pub(crate) issuer: String,
    /// Who stands in front of `/orders`, for the reader.
    pub(crate) front: &'static str,
}

/// Walks; fails at the first step whose answer is not the expected one.
pub(crate) fn walk(place: &Place) -> Result<()> {
    let mut steps = Steps { place, number: 0 };
    steps.tell("A developer makes a key pair. The private half never leaves this machine.")?;
    steps.shell(&format!(
        "[ -f {0}/key.pem ] || openssl genrsa -out {0}/key.pem 2048 2>/dev/null",
        place.folder
    ))?;

    steps.tell("The developer registers the public half. Anybody may: a new client has no permission.")?;
    steps.shell(&format!("sh deploy/demo/public-jwk.sh {0}/key.pem > {0}/public.jwk", place.folder))?;
    let body = format!(
        r#""{{\"client_name\":\"demo\",\"token_endpoint_auth_method\":\"private_key_jwt\",\"public_key\":$(cat {}/public.jwk)}}""#,
        place.folder
    );
    let registered = steps.request(
        201,
        &format!("{}/register -H 'Content-Type: application/json' -d {body}", place.public()),
    )?;
    let client = member(&registered, "client_id")?;

    steps
        .tell("It signs an assertion, valid once and for a minute, and exchanges it for an access token.")?;
    steps.fetch_token(&client)?;

    steps.tell(&format!(
        "{} asks the authorization service: the token is good, the permission is missing.",
        place.front
    ))?;
    steps.request(403, &place.protected("GET", true))?;

    steps.tell("The operator grants the permission, on the management port, which no gateway routes.")?;
    steps.request(200, &format!(
        "-X PATCH http://{}/clients/{client} -H \"Authorization: Bearer $(cat {}/data/bootstrap-token)\" -H 'Content-Type: application/merge-patch+json' -d '{{\"permissions\":[\"read:orders\"]}}'",
        place.management, place.folder
    ))?;

    steps.tell("Permissions travel in the token, so the developer takes a new one.")?;
    steps.fetch_token(&client)?;

    steps.tell("The right caller passes.")?;
    steps.request(200, &place.protected("GET", true))?;

    steps.tell("Without a token nobody passes.")?;
    steps.request(401, &place.protected("GET", false))?;

    steps.tell("With the wrong permission neither: DELETE wants another one.")?;
    steps.request(403, &place.protected("DELETE", true))?;
    Ok(())
}

impl Place {
    /// Where clients register and get tokens: through the gateway, if there is one.
    fn public(&self) -> String {
        let address = match self.gateway {
            Gateway::None => self.addresses.client_credentials,
            _ => self.addresses.gateway,
        };
        format!("http://{address}")
    }

    /// A request for `/orders` as its caller sends it; without a gateway, the question a gateway would ask about it.
    fn protected(&self, method: &str, with_token: bool) -> String {
        let token = if with_token {
            format!(" -H \"Authorization: Bearer $(cat {}/token)\"", self.folder)
        } else {
            String::new()
        };
        match self.gateway {
            Gateway::None => format!(
                "http://{}/auth -H 'Original-Request-Method: {method}' -H 'Original-Request-Uri: /orders'{token}",
                self.addresses.authorization_service
            ),
            _ => {
                let verb = if method == "GET" { String::new() } else { format!("-X {method} ") };
                format!("{verb}http://{}/orders{token}", self.addresses.gateway)
            }
        }
    }
}

struct Steps<'walk> {
    place: &'walk Place,
    number: u32,
}

impl Steps<'_> {
    fn tell(&mut self, what: &str) -> Result<()> {
        self.number = self.number.saturating_add(1);
        console::line(format_args!("\n{}. {what}", self.number))
    }

    /// Signs an assertion, exchanges it, and keeps the token in a file for the lines that follow.
    fn fetch_token(&self, client: &str) -> Result<()> {
        let Place { folder, issuer, .. } = self.place;
        self.shell(&format!(
            "sh deploy/demo/sign-assertion.sh {folder}/key.pem {client} {issuer} > {folder}/assertion"
        ))?;
        self.request(200, &format!(
            "{}/oauth/token -d grant_type=client_credentials -d client_id={client} -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer -d client_assertion=\"$(cat {folder}/assertion)\" | tee {folder}/answer",
            self.place.public()
        ))?;
        self.shell(&format!(
            r#"sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p' {folder}/answer > {folder}/token"#
        ))
        .map(|_| ())
    }

    /// Prints and runs a curl line. Gives the body of the answer, whose status must be `expected`.
    fn request(&self, expected: u16, arguments: &str) -> Result<String> {
        let output = self.shell(&format!("curl -s -w '\\n%{{http_code}}\\n' {arguments}"))?;
        let (body, status) = output.trim_end().rsplit_once('\n').unwrap_or(("", output.trim_end()));
        ensure!(
            status == expected.to_string(),
            "step {}: the answer is {status}, expected {expected}",
            self.number
        );
        Ok(body.to_owned())
    }

    /// Prints and runs a line. Gives what it printed.
    fn shell(&self, line: &str) -> Result<String> {
        console::line(format_args!("   $ {line}"))?;
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.place.workspace)
            .stdin(Stdio::null())
            .output();
        let output = output.context("sh could not be started")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for shown in text.lines().filter(|shown| !shown.is_empty()) {
            console::line(format_args!("   {shown}"))?;
        }
        if !output.status.success() {
            bail!(
                "step {}: the line failed ({}): {}",
                self.number,
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(text)
    }
}

fn member(json: &str, name: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(json).context("the answer is no JSON")?;
    answer
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {name}"))
}
