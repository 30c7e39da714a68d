//! What local mode demands of the variables, and what it makes of those that are not set.

use std::path::PathBuf;

use service_kit::{Problems, Secret, Vars};
use url::Url;

use super::{BackendUrl, Config, alone};

/// What `/tokeninfo` stands beside in client-credentials (docs/http-api.md).
const TOKENINFO: &str = "/tokeninfo";
const KEY_SET: &str = "/.well-known/jwks.json";
const TOKEN_ENDPOINT: &str = "/oauth/token";

/// The variables of local mode, complete.
#[derive(Debug, Clone)]
pub(crate) struct LocalMode {
    pub(crate) issuer: String,
    pub(crate) key_set_url: Url,
    pub(crate) feed_url: Url,
    pub(crate) feed_token: FeedTokenSource,
}

/// How the token for the feed is had.
#[derive(Debug, Clone)]
pub(crate) enum FeedTokenSource {
    File(PathBuf),
    Client { url: Url, id: String, secret: Secret },
}

impl Config {
    /// What local mode needs; `None` if [`check`] has found a problem.
    pub(crate) fn local_mode(&self) -> Option<LocalMode> {
        let feed_token = match &self.revocation_feed_token_path {
            Some(path) => FeedTokenSource::File(path.clone()),
            None => FeedTokenSource::Client {
                url: self.beside_tokeninfo(self.token_url.as_ref(), TOKEN_ENDPOINT)?,
                id: self.revocation_feed_client_id.clone()?,
                secret: self.revocation_feed_client_secret.clone()?,
            },
        };
        Some(LocalMode {
            issuer: self.mia_jwt_issuer.clone()?,
            key_set_url: self.beside_tokeninfo(self.jwks_url.as_ref(), KEY_SET)?,
            feed_url: self.revocation_feed_url.clone()?.0,
            feed_token,
        })
    }

    fn beside_tokeninfo(&self, chosen: Option<&BackendUrl>, path: &str) -> Option<Url> {
        match chosen {
            Some(BackendUrl(url)) => Some(url.clone()),
            None => sibling(&self.userinfo_url.as_ref()?.0, path),
        }
    }
}

/// What stands at `path` in the service whose `/tokeninfo` this is.
fn sibling(userinfo: &Url, path: &str) -> Option<Url> {
    let prefix = userinfo.path().strip_suffix(TOKENINFO)?;
    let mut url = userinfo.clone();
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(None);
    Some(url)
}

/// Notes what is missing or cannot be together, in local mode.
pub(super) fn check(vars: &Vars, problems: &mut Problems) {
    let is_set = |name| matches!(vars.text(name), Ok(Some(_)) | Err(_));
    if alone::<bool>(vars, "trust_mia_user_headers") == Some(true) {
        problems.note(
            "USERINFO_MODE",
            "is local while TRUST_MIA_USER_HEADERS is true: the caller is either in the token or in those headers",
        );
    }
    if !is_set("MIA_JWT_ISSUER") {
        problems.note(
            "MIA_JWT_ISSUER",
            "is required when USERINFO_MODE is local\nThe same text as at client-credentials: tokens of other issuers \
             are not verified here.",
        );
    }
    if !is_set("REVOCATION_FEED_URL") {
        problems.note(
            "REVOCATION_FEED_URL",
            "is required when USERINFO_MODE is local: without it a revoked token would pass until it expires\nFor \
             instance http://client-credentials:3001/revocations, on the management port.",
        );
    }
    let userinfo = alone::<Option<BackendUrl>>(vars, "userinfo_url").flatten();
    let derives = |path| userinfo.as_ref().is_some_and(|BackendUrl(url)| sibling(url, path).is_some());
    if !is_set("JWKS_URL") && !derives(KEY_SET) {
        problems.note(
            "JWKS_URL",
            "is required when USERINFO_MODE is local and USERINFO_URL does not end with /tokeninfo",
        );
    }
    if is_set("BACKOFFICE_USERINFO_URL") && !is_set("USERINFO_URL") {
        problems.note("USERINFO_URL", "is required when BACKOFFICE_USERINFO_URL is set");
    }
    let client = [is_set("REVOCATION_FEED_CLIENT_ID"), is_set("REVOCATION_FEED_CLIENT_SECRET")];
    match (is_set("REVOCATION_FEED_TOKEN_PATH"), client) {
        (true, [false, false]) => {}
        (true, _) => problems
            .note("REVOCATION_FEED_TOKEN_PATH", "set either this or REVOCATION_FEED_CLIENT_ID, not both"),
        (false, [true, true]) if is_set("TOKEN_URL") || derives(TOKEN_ENDPOINT) => {}
        (false, [true, true]) => problems.note(
            "TOKEN_URL",
            "is required when REVOCATION_FEED_CLIENT_ID is set and USERINFO_URL does not end with /tokeninfo",
        ),
        (false, _) => problems.note(
            "REVOCATION_FEED_CLIENT_ID",
            "is required with REVOCATION_FEED_CLIENT_SECRET, or else REVOCATION_FEED_TOKEN_PATH, when USERINFO_MODE \
             is local\nA client with the permission gettone:revocations:read, and no other.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: (&str, &str) = ("USERINFO_MODE", "local");
    const USERINFO: (&str, &str) = ("USERINFO_URL", "http://cc:3000/token-service/tokeninfo?x=1");
    const ISSUER: (&str, &str) = ("MIA_JWT_ISSUER", "https://auth.example");
    const FEED: (&str, &str) = ("REVOCATION_FEED_URL", "http://cc:3001/revocations");
    const ID: (&str, &str) = ("REVOCATION_FEED_CLIENT_ID", "authz");
    const SECRET: (&str, &str) = ("REVOCATION_FEED_CLIENT_SECRET", "hunter2");
    const FILE: (&str, &str) = ("REVOCATION_FEED_TOKEN_PATH", "/run/token");

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_vars(&Vars::from_pairs(pairs.iter().copied())).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_stands_beside_tokeninfo_is_found_there() {
        let mode = read(&[MODE, USERINFO, ISSUER, FEED, ID, SECRET]).unwrap().local_mode().unwrap();
        assert_eq!(mode.key_set_url.as_str(), "http://cc:3000/token-service/.well-known/jwks.json");
        let FeedTokenSource::Client { url, id, .. } = &mode.feed_token else { panic!() };
        assert_eq!((url.as_str(), id.as_str()), ("http://cc:3000/token-service/oauth/token", "authz"));
        assert_eq!((mode.issuer.as_str(), mode.feed_url.as_str()), (ISSUER.1, FEED.1));
        assert!(!format!("{mode:?}").contains("hunter2"));
    }

    #[test]
    fn without_userinfo_everything_is_named() {
        let keys = ("JWKS_URL", "http://cc/keys");
        let mode = read(&[MODE, ISSUER, FEED, FILE, keys]).unwrap().local_mode().unwrap();
        assert_eq!(mode.key_set_url.as_str(), "http://cc/keys");
        assert!(matches!(mode.feed_token, FeedTokenSource::File(path) if path.ends_with("token")));
        let token_url = ("TOKEN_URL", "http://cc/token");
        assert!(read(&[MODE, ISSUER, FEED, ID, SECRET, keys, token_url]).unwrap().local_mode().is_some());
    }

    #[test]
    fn r_06_local_mode_refuses_to_start_without_a_revocation_feed() {
        let text = read(&[MODE, USERINFO, ISSUER, ID, SECRET]).unwrap_err();
        assert!(text.contains("1 variable needs") && text.contains("REVOCATION_FEED_URL\n"), "{text}");
    }

    #[test]
    fn every_variable_that_is_missing_is_named_at_once() {
        let text = read(&[MODE]).unwrap_err();
        for name in ["MIA_JWT_ISSUER", "REVOCATION_FEED_URL", "JWKS_URL", "REVOCATION_FEED_CLIENT_ID"] {
            assert!(text.contains(&format!("{name}\n")), "{name}: {text}");
        }
        assert!(text.contains("4 variables need"), "{text}");
        let elsewhere = ("USERINFO_URL", "http://users/me");
        let text = read(&[MODE, elsewhere, ISSUER, FEED, ID, SECRET]).unwrap_err();
        assert!(text.contains("JWKS_URL\n") && text.contains("TOKEN_URL\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_together_is_refused() {
        let complete = [MODE, USERINFO, ISSUER, FEED, FILE];
        assert!(read(&complete).is_ok());
        let peer = ("TRUSTED_PEER_SECRET", "0123456789abcdef0123456789abcdef");
        for (further, named) in [
            (&[ID][..], "REVOCATION_FEED_TOKEN_PATH\n"),
            (&[ID, SECRET], "REVOCATION_FEED_TOKEN_PATH\n"),
            (&[("TRUST_MIA_USER_HEADERS", "true"), peer], "USERINFO_MODE\n"),
        ] {
            let text = read(&[&complete[..], further].concat()).unwrap_err();
            assert!(text.contains(named) && !text.contains("hunter2"), "{text}");
        }
        let office = ("BACKOFFICE_USERINFO_URL", "http://office/tokeninfo");
        let text = read(&[MODE, ISSUER, FEED, FILE, ("JWKS_URL", "http://cc/keys"), office]).unwrap_err();
        assert!(text.contains("USERINFO_URL\n"), "{text}");
    }

    #[test]
    fn in_proxy_mode_none_of_them_matters() {
        assert!(read(&[USERINFO]).is_ok());
        assert!(read(&[USERINFO, FEED, ID]).is_ok());
    }
}
