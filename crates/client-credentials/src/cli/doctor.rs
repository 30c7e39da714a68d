//! `client-credentials doctor`: asks a running service what an operator would look at when tokens fail, and says of each
//! what to do. It changes nothing.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::health::local_authority;

use super::{CommandError, Connection, data_dir};
use crate::generated_file::is_open_to_others;
use crate::signing_keys::generated_files;
use service_kit::management::{Management, ManagementError};
use service_kit::output::{Column, Format};

const PATIENCE: Duration = Duration::from_secs(10);

/// What was found.
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// What is so, or what to do.
    sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Well,
    Failed,
    /// Something else has to be put right before.
    NotChecked,
}

const COLUMNS: [Column; 3] =
    [Column::text("", "/verdict"), Column::text("CHECK", "/check"), Column::text("FINDING", "/finding")];

pub(super) async fn run(connection: &Connection, vars: &Vars) -> Result<(), CommandError> {
    let management = connection.open(vars)?;
    let listener = listener(&management).await;
    let listens = listener.verdict == Verdict::Well;
    let mut findings = vec![listener];
    findings.extend(management.token_file().map(|path| private_file("management token", path)));
    let key_files = generated_files(&data_dir(vars).map_err(ManagementError::Variable)?);
    findings.extend(key_files.iter().map(|path| private_file("signing key file", path)));
    if listens {
        findings.push(store(&management).await);
        findings.push(signing_keys(&management).await);
    } else {
        findings.extend(["store", "signing keys"].map(|check| not_checked(check, "management listener")));
    }
    findings.extend(public_side(vars).await);
    show(&findings, connection.output)?;
    match findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count() {
        0 => Ok(()),
        count => Err(CommandError::Unwell(count)),
    }
}

fn show(findings: &[Finding], output: Format) -> std::io::Result<()> {
    let json = Value::Array(findings.iter().map(Finding::json).collect());
    let records: Vec<&Value> = json.as_array().into_iter().flatten().collect();
    output.show(&json, &records, &COLUMNS)
}

async fn listener(management: &Management) -> Finding {
    let check = "management listener";
    match management.get(&["clients"], &[("limit", "1")]).await {
        Ok(_) => well(check, format!("{} answers, and accepts the token", management.base())),
        Err(error) => unwell(check, error),
    }
}

fn private_file(check: &'static str, path: &Path) -> Finding {
    if is_open_to_others(path) {
        unwell(check, format!("others on this machine may read it: chmod 600 {}", path.display()))
    } else {
        well(check, format!("{} is readable by its owner only", path.display()))
    }
}

async fn store(management: &Management) -> Finding {
    let check = "store";
    match management.get(&["-", "check-up"], &[]).await {
        Ok(_) => well(check, "answers, and took the last write"),
        Err(ManagementError::Refused { .. }) => unwell(
            check,
            "does not answer, or takes no writes: look at the database (CREDENTIALS_MONGODB_URL), or whether the disk of \
             DATA_DIR is full or read-only; the log of the service names the reason",
        ),
        Err(error) => unwell(check, error),
    }
}

async fn signing_keys(management: &Management) -> Finding {
    let check = "signing keys";
    let answer = match management.get(&["keys"], &[]).await {
        Ok(answer) => answer,
        Err(error) => return unwell(check, error),
    };
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let in_state =
        |state: &str| keys.iter().filter(|key| key.get("state").is_some_and(|own| own == state)).count();
    let (active, next, retiring) = (in_state("active"), in_state("next"), in_state("retiring"));
    match active {
        0 => unwell(check, "none is active, so no token can be signed: activate one with `keys rotate`"),
        _ => well(check, format!("{active} active, {next} next, {retiring} retiring")),
    }
}

/// What callers see, asked on this machine: the public listener may have another name outside.
async fn public_side(vars: &Vars) -> Vec<Finding> {
    let text = |name: &str| vars.text(name).ok().flatten().map(|text| text.trim().to_owned());
    let port = text("HTTP_PORT").unwrap_or_else(|| "3000".to_owned());
    let prefix = text("SERVICE_PREFIX").unwrap_or_default();
    let host = text("HTTP_HOST").unwrap_or_else(|| "0.0.0.0".to_owned());
    let base = format!("http://{}{}", local_authority(&host, port), prefix.trim_end_matches('/'));
    let jwks = fetch(&format!("{base}/.well-known/jwks.json")).await;
    let keys = match &jwks {
        Ok(set) => match set.get("keys").and_then(Value::as_array).map_or(0, Vec::len) {
            0 => unwell("published keys", "there are none: nobody can check a token"),
            count => well("published keys", format!("{count} at {base}/.well-known/jwks.json")),
        },
        Err(reason) => unwell(
            "published keys",
            format!(
                "{reason}. Run this where the service runs, with its HTTP_HOST, HTTP_PORT and SERVICE_PREFIX"
            ),
        ),
    };
    let discovery = match jwks {
        Ok(_) => discovery(&base, text("MIA_JWT_ISSUER")).await,
        Err(_) => not_checked("discovery", "published keys"),
    };
    vec![keys, discovery]
}

async fn discovery(base: &str, issuer: Option<String>) -> Finding {
    let check = "discovery";
    let document = match fetch(&format!("{base}/.well-known/openid-configuration")).await {
        Ok(document) => document,
        Err(reason) => {
            return well(check, format!("none ({reason}): libraries must be told the endpoints"));
        }
    };
    let announced = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
    match issuer {
        Some(issuer) if issuer != announced => unwell(
            check,
            format!(
                "announces the issuer {announced}, but MIA_JWT_ISSUER is {issuer}: correct OPENID_CONFIG_PATH"
            ),
        ),
        _ => well(check, format!("announces the issuer {announced}")),
    }
}

/// A JSON document of the public listener.
async fn fetch(url: &str) -> Result<Value, String> {
    let url = Url::parse(url).map_err(|_| format!("{url} is no URL"))?;
    let http =
        reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(|error| error.to_string())?;
    let answer = http.get(url.clone()).send().await.map_err(|_| format!("{url} does not answer"))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("{url} answers {status}"));
    }
    let text = answer.text().await.map_err(|_| format!("{url} does not answer to the end"))?;
    serde_json::from_str(&text).map_err(|_| format!("{url} answers something that is no JSON"))
}

fn well(check: &'static str, sentence: impl fmt::Display) -> Finding {
    Finding { check, verdict: Verdict::Well, sentence: sentence.to_string() }
}

fn unwell(check: &'static str, sentence: impl fmt::Display) -> Finding {
    Finding { check, verdict: Verdict::Failed, sentence: sentence.to_string() }
}

/// It cannot be asked as long as `before` fails.
fn not_checked(check: &'static str, before: &str) -> Finding {
    let sentence = format!("put the {before} right, and run this again");
    Finding { check, verdict: Verdict::NotChecked, sentence }
}

impl Finding {
    fn json(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Well => "ok",
            Verdict::Failed => "FAILED",
            Verdict::NotChecked => "not checked",
        };
        json!({ "verdict": verdict, "check": self.check, "finding": self.sentence })
    }
}
