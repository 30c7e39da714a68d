//! Local mode (ADR 13): access tokens of one issuer are verified here, against its key set and the revocation feed, and
//! nobody is asked. What cannot be verified here (another issuer's token, an opaque one, cookies) and what is not known
//! here (keys, revocations) is asked at the userinfo endpoint, if there is one.

mod event_stream;
mod feed;
mod feed_token;
mod key_set;
mod keys;
mod metrics;
mod revocations;
mod token_fault;
mod verified;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use common::{AccessTokenClaims, Clock, Profile};
use jose::{AccessTokenRejection, ParsedAccessToken, SignatureDefect};
use reqwest::header::ACCEPT;
use service_kit::HeaderName;
use service_kit::bearer::{self, BearerDefect};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use self::feed::{Feed, Jitter};
use self::keys::{Current, Keys};
use self::metrics::{Extent, Judged};
use self::revocations::{Revocations, Standing};
use self::verified::{Verified, VerifiedTokens};
use super::download::{body_of, innermost};
use super::proxy::Proxy;
use super::{Cause, Nobody, Presented, UserinfoAnswer};
use principal::Reading;

pub(crate) use feed_token::FeedToken;
pub(crate) use metrics::LocalMetrics;
pub(crate) use token_fault::TokenFault;

/// A token with an unknown key waits so long for the key set, at most.
const LONGEST_WAIT_FOR_KEYS: Duration = Duration::from_secs(2);
/// By how much a token may have been issued later than it is here: clocks differ.
const LATEST_ISSUE_SECONDS: i64 = 60;
/// From one look at the age of what is known to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From one removal of what has ended to the next.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What local mode needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `iss` of the tokens, compared byte for byte.
    pub(crate) issuer: String,
    /// A token with an audience needs one of these.
    pub(crate) audiences: Vec<String>,
    /// In standard, tokens have the type of access tokens (RFC 9068 §4); in drop-in any JWT may be one (K-06).
    pub(crate) profile: Profile,
    pub(crate) key_set_url: Url,
    pub(crate) feed_url: Url,
    pub(crate) feed_token: FeedToken,
    /// For one answer of the three.
    pub(crate) deadline: Duration,
    /// If there are any, a request without them is anonymous.
    pub(crate) credentials: Vec<HeaderName>,
    pub(crate) authorization: HeaderName,
    pub(crate) reading: Arc<Reading>,
    /// Who is asked about what cannot be known here.
    pub(crate) elsewhere: Option<Proxy>,
    /// Whether backoffice requests are always asked there: their users are others.
    pub(crate) backoffice_is_elsewhere: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Local {
    settings: Settings,
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    revocations: Arc<Revocations>,
    tokens: VerifiedTokens,
    metrics: Arc<LocalMetrics>,
}

/// Why a token is not judged here.
#[derive(Debug, Clone)]
enum NotHere {
    /// It is none of our issuer's.
    Foreign(TokenFault),
    CannotKnow(Cause),
}

impl Local {
    /// Begins to fetch keys and to follow the feed, in tasks of their own.
    pub(crate) fn start(
        settings: Settings,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
        metrics: Arc<LocalMetrics>,
    ) -> Self {
        let keys = Arc::new(Keys::new(Arc::clone(&metrics)));
        let revocations = Arc::<Revocations>::default();
        let (client, url, deadline) = (http.clone(), settings.key_set_url.clone(), settings.deadline);
        tokio::spawn(keys::refresh(Arc::clone(&keys), move || {
            download(client.clone(), url.clone(), deadline)
        }));
        let feed = Feed {
            http,
            url: settings.feed_url.clone(),
            token: settings.feed_token.clone(),
            issuer: settings.issuer.clone(),
            strange_issuer_told: false,
            deadline,
            jitter: Jitter::new(RandomState::new().build_hasher().finish()),
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(feed::follow(feed, Arc::clone(&revocations)));
        tokio::spawn(attend(Arc::clone(&revocations), Arc::clone(&clock)));
        Self { settings, clock, keys, revocations, tokens: VerifiedTokens::default(), metrics }
    }

    /// Waits until keys and revocations are known, but no longer than `patience`: then requests are answered as if both
    /// were lost.
    pub(crate) async fn warm_up(&self, patience: Duration) {
        let warm = async {
            self.keys.there().await;
            while !self.revocations.is_current(Instant::now()) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(patience, warm).await.is_err() {
            tracing::error!(
                keys = self.keys.current(Instant::now()).is_some(),
                revocations = self.revocations.is_current(Instant::now()),
                "keys or revocations are still not known: ready without them"
            );
        }
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self) {
        let now = Instant::now();
        let (revoked_tokens, revoked_clients) = self.revocations.extent();
        self.metrics.show(&Extent {
            key_set_age: self.keys.age(now),
            feed_silence: self.revocations.silence(now),
            revoked_tokens,
            revoked_clients,
            verified_tokens: self.tokens.len(),
        });
    }

    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        let mut names = self.settings.elsewhere.as_ref().map(Proxy::headers).unwrap_or_default();
        for name in self.settings.credentials.iter().chain([&self.settings.authorization]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) async fn find(&self, presented: &Presented, is_backoffice: bool) -> Arc<UserinfoAnswer> {
        let settings = &self.settings;
        if is_backoffice && settings.backoffice_is_elsewhere {
            return self.elsewhere(presented, is_backoffice, Nobody::NotAsked.into()).await;
        }
        if !settings.credentials.is_empty() && !presented.has_any(&settings.credentials) {
            return Arc::new(Nobody::NotAsked.into());
        }
        let not_here = match bearer::token(presented.values(&settings.authorization)) {
            Err(BearerDefect::Missing) => Nobody::NotAsked.into(),
            Err(BearerDefect::Several | BearerDefect::Malformed) => Nobody::Malformed.into(),
            Ok(token) => match self.judge(token).await {
                Ok(answer) => return answer,
                Err(NotHere::Foreign(fault)) => {
                    self.metrics.judged(Judged::Elsewhere);
                    Nobody::Token(fault).into()
                }
                Err(NotHere::CannotKnow(cause)) => {
                    self.metrics.judged(Judged::CannotKnow);
                    cause.into()
                }
            },
        };
        self.elsewhere(presented, is_backoffice, not_here).await
    }

    /// Who userinfo says it is; `otherwise`, if there is none, or the request shows it nothing.
    async fn elsewhere(
        &self,
        presented: &Presented,
        is_backoffice: bool,
        otherwise: UserinfoAnswer,
    ) -> Arc<UserinfoAnswer> {
        match &self.settings.elsewhere {
            Some(proxy) if proxy.would_be_shown(presented) => proxy.ask(presented, is_backoffice).await,
            _ => Arc::new(otherwise),
        }
    }

    /// Who the token describes, by what is known here.
    async fn judge(&self, token: &str) -> Result<Arc<UserinfoAnswer>, NotHere> {
        let now = Instant::now();
        if self.settings.elsewhere.is_some() && !self.revocations.is_current(now) {
            // No work for a token that has to be asked about anyway.
            return Err(NotHere::CannotKnow(Cause::RevocationsUnknown));
        }
        let keyed = |current: Current| {
            let key = verified::key(token, current.version);
            (current, key)
        };
        let current = self.keys.current(now).map(keyed);
        if let Some(known) = current.as_ref().and_then(|(_, key)| self.tokens.get(*key)) {
            return self.still_good(&known, Judged::Known);
        }
        let parsed = self.parse(token).map_err(NotHere::Foreign)?;
        let (current, key) = current.ok_or(NotHere::CannotKnow(Cause::KeysUnknown))?;
        let (claims, key) = match self.verify(&parsed, &current) {
            Err(AccessTokenRejection::Signature(SignatureDefect::UnknownKey)) => {
                let patience = LONGEST_WAIT_FOR_KEYS.min(self.settings.deadline.mul_f64(0.5));
                let fetched = self.keys.fetched_from_now_on(patience).await;
                let (current, key) = keyed(fetched.map_err(NotHere::CannotKnow)?);
                (self.verify(&parsed, &current), key)
            }
            outcome => (outcome, key),
        };
        let checked = claims.map_err(TokenFault::from).and_then(|claims| self.check_issue(claims));
        let claims = match checked {
            Ok(claims) => claims,
            Err(fault) => return Ok(self.refused(fault)),
        };
        // As if `/tokeninfo` had answered, which shows the claims of a token that is good.
        let answer =
            principal::of_members(parsed.into_payload(), &self.settings.reading, self.clock.now()).into();
        let known = Arc::new(Verified::new(claims, answer));
        if matches!(*known.answer, UserinfoAnswer::Known(_)) {
            self.tokens.insert(key, token.len(), Arc::clone(&known));
        }
        self.still_good(&known, Judged::Verified)
    }

    /// Takes a token apart that says it is an access token of our issuer.
    fn parse(&self, token: &str) -> Result<ParsedAccessToken, TokenFault> {
        let parsed = ParsedAccessToken::parse(token).map_err(|_| TokenFault::Foreign)?;
        if parsed.issuer() != Some(&self.settings.issuer) {
            return Err(TokenFault::Foreign);
        }
        match (parsed.token_type(), self.settings.profile) {
            (Some("at+jwt"), _) | (Some("jwt"), Profile::DropIn) => Ok(parsed),
            _ => Err(TokenFault::Type),
        }
    }

    fn verify(
        &self,
        parsed: &ParsedAccessToken,
        current: &Current,
    ) -> Result<AccessTokenClaims, AccessTokenRejection> {
        let Settings { issuer, audiences, profile, .. } = &self.settings;
        let key_of = |kid: &str| current.set.verifier(kid);
        parsed.verify(key_of, issuer, Some(audiences), *profile, self.clock.now())
    }

    fn check_issue(&self, claims: AccessTokenClaims) -> Result<AccessTokenClaims, TokenFault> {
        let latest = self.clock.now().plus_seconds(LATEST_ISSUE_SECONDS).unix_seconds();
        if claims.iat <= latest { Ok(claims) } else { Err(TokenFault::IssuedLater) }
    }

    /// The answer of a verified token, unless it has ended.
    fn still_good(&self, known: &Verified, how: Judged) -> Result<Arc<UserinfoAnswer>, NotHere> {
        if known.claims().exp <= self.clock.now().unix_seconds() {
            return Ok(self.refused(TokenFault::Expired));
        }
        match self.revocations.standing(known.claims(), Instant::now()) {
            Standing::Good => {
                self.metrics.judged(how);
                Ok(Arc::clone(&known.answer))
            }
            Standing::Revoked => {
                self.metrics.judged(Judged::Revoked);
                Ok(Arc::new(Nobody::Token(TokenFault::Revoked).into()))
            }
            Standing::Unknown => Err(NotHere::CannotKnow(Cause::RevocationsUnknown)),
        }
    }

    fn refused(&self, fault: TokenFault) -> Arc<UserinfoAnswer> {
        self.metrics.judged(Judged::Refused);
        Arc::new(Nobody::Token(fault).into())
    }
}

/// What the configured address shows, within one deadline.
async fn download(http: reqwest::Client, url: Url, deadline: Duration) -> Result<Vec<u8>, Cause> {
    let exchange = async {
        let request = http.get(url).header(ACCEPT, "application/jwk-set+json, application/json");
        let mut answer = request.send().await.map_err(|error| Cause::Unreachable(innermost(&error)))?;
        match answer.status().as_u16() {
            200 => body_of(&mut answer).await,
            status => Err(Cause::Status(status)),
        }
    };
    timeout(deadline, exchange).await.unwrap_or(Err(Cause::Deadline))
}

/// Says once when what is known of revocations is too old, and once when it is not any more. Drops what has ended.
async fn attend(revocations: Arc<Revocations>, clock: Arc<dyn Clock>) {
    let (mut was_current, mut forgotten) = (false, Instant::now());
    loop {
        sleep(LOOK_EVERY).await;
        let now = Instant::now();
        let is_current = revocations.is_current(now);
        if was_current && !is_current {
            tracing::error!(
                revocations.silenceSeconds = revocations.silence(now).as_secs(),
                "nobody knows what is revoked: userinfo is asked about every token, or the answer is 503"
            );
        } else if is_current && !was_current {
            tracing::info!("it is known what is revoked: tokens are judged here");
        }
        was_current = is_current;
        if forgotten.elapsed() >= FORGET_EVERY {
            revocations.forget(clock.now());
            forgotten = now;
        }
    }
}
