//! The token that opens the revocation feed: from a file that somebody else keeps fresh, or from the token endpoint, with a
//! client of our own. It needs the permission `gettone:revocations:read`, and no other.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use common::strict_json;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use service_kit::Secret;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::userinfo::Cause;
use crate::userinfo::download::{body_of, innermost};

/// Longer ones open nothing.
const LONGEST_TOKEN: u64 = 16 * 1024;

/// Where the token comes from.
#[derive(Debug, Clone)]
pub(crate) enum FeedToken {
    /// A file, read each time the feed is opened.
    File(PathBuf),
    /// `client_credentials` at the token endpoint, with HTTP Basic (RFC 6749 §4.4, §2.3.1).
    Client { url: Url, id: String, secret: Secret },
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoFeedToken {
    #[error("REVOCATION_FEED_TOKEN_FILE cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("REVOCATION_FEED_TOKEN_FILE holds no token")]
    NotAToken,
    #[error("the token endpoint gave none: {0}")]
    Endpoint(#[from] Cause),
    #[error("the answer of the token endpoint holds no token")]
    Answer,
}

/// A token that was issued to us.
#[derive(Debug)]
pub(super) struct Issued {
    token: Secret,
    asked_at: Instant,
    /// A feed ends with its token, so one is opened with a young one.
    young_for: Duration,
}

impl FeedToken {
    /// The token to open the feed with now. `issued` is the one of before, or none.
    ///
    /// # Errors
    /// [`NoFeedToken`].
    pub(super) async fn get(
        &self,
        http: &reqwest::Client,
        issued: &mut Option<Issued>,
    ) -> Result<Secret, NoFeedToken> {
        match self {
            Self::File(path) => {
                let mut text = String::new();
                std::fs::File::open(path)?.take(LONGEST_TOKEN).read_to_string(&mut text)?;
                let token = text.trim();
                let legal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
                if legal { Ok(Secret::from(token.to_owned())) } else { Err(NoFeedToken::NotAToken) }
            }
            Self::Client { url, id, secret } => {
                if let Some(young) =
                    issued.as_ref().filter(|issued| issued.asked_at.elapsed() < issued.young_for)
                {
                    return Ok(young.token.clone());
                }
                let new = issued.insert(request(http, url, id, secret).await?);
                Ok(new.token.clone())
            }
        }
    }
}

async fn request(
    http: &reqwest::Client,
    url: &Url,
    id: &str,
    secret: &Secret,
) -> Result<Issued, NoFeedToken> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let asked_at = Instant::now();
    let answer = http
        .post(url.clone())
        .basic_auth(encoded(id), Some(encoded(secret.expose())))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body("grant_type=client_credentials")
        .send()
        .await;
    let mut answer = answer.map_err(|error| Cause::Unreachable(innermost(&error)))?;
    if answer.status() != 200 {
        return Err(Cause::Status(answer.status().as_u16()).into());
    }
    let body = strict_json::object(&body_of(&mut answer).await?).map_err(|_| NoFeedToken::Answer)?;
    let token = body.get("access_token").and_then(Value::as_str).ok_or(NoFeedToken::Answer)?;
    let seconds = body.get("expires_in").and_then(Value::as_u64).unwrap_or(0).min(86_400);
    Ok(Issued {
        token: Secret::from(token.to_owned()),
        asked_at,
        young_for: Duration::from_secs(seconds / 2),
    })
}
