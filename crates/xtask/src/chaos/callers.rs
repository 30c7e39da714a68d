//! The load: callers with rights, without, and with what they should not have. Each has clients of its own and does one
//! thing after the other, chosen from the seed; whatever it does and is answered goes into the history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::{ClientKey, SeededRandom};

use super::history::{Action, Answer, Asks, Bearer, Event, History, Number};
use super::stage::Doors;
use crate::http::{call, request};

/// What all callers share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) history: History,
    pub(super) doors: Doors,
    pub(super) stop: AtomicBool,
    pub(super) token_lifetime: Duration,
    pub(super) numbers: AtomicU64,
}

/// Somebody with clients.
#[derive(Debug)]
pub(super) struct Caller {
    world: Arc<World>,
    random: SeededRandom,
    clients: Vec<Arc<Client>>,
    tokens: VecDeque<Token>,
    revoked: Vec<Token>,
    used: VecDeque<Assertion>,
}

/// A client that was acknowledged.
#[derive(Debug)]
struct Client {
    number: Number,
    id: String,
    key: ClientKey,
}

#[derive(Debug, Clone)]
struct Token {
    number: Number,
    text: String,
    client: Arc<Client>,
    issued: Duration,
}

/// An assertion that got a token.
#[derive(Debug, Clone)]
struct Assertion {
    number: Number,
    text: String,
    client: Arc<Client>,
}

/// As many are remembered for further use.
const REMEMBERED: usize = 40;

impl Caller {
    pub(super) const fn new(world: Arc<World>, seed: u64) -> Self {
        Self {
            world,
            random: SeededRandom::new(seed),
            clients: Vec::new(),
            tokens: VecDeque::new(),
            revoked: Vec::new(),
            used: VecDeque::new(),
        }
    }

    /// One thing in each of these times, until the end.
    pub(super) fn work(mut self, pace: Duration) -> Self {
        let mut due = Instant::now();
        while !self.world.stop.load(Ordering::Relaxed) {
            self.do_something();
            // Whoever had to wait does not hurry afterwards.
            due = due.checked_add(pace).unwrap_or(due).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        self
    }

    fn do_something(&mut self) {
        self.forget_old_tokens();
        match self.random.below(100) {
            0..2 => self.register(),
            2..28 => self.get_token(),
            28..31 => self.replay_at_both(),
            31..34 => self.present_again(),
            34..39 => self.revoke(),
            39..45 => self.set_right(),
            45..74 => self.call_with_token(Asks::Read),
            74..78 => self.call_with_token(Asks::Write),
            78..81 => self.call_as(Bearer::Nobody, None, Asks::Read),
            81..83 => self.call_as(Bearer::Opaque, Some("opaque-0123456789"), Asks::Read),
            83..86 => self.call_forged(),
            86..92 => self.use_revoked(),
            _ => self.describe(),
        }
    }

    /// Everything that was acknowledged, once more.
    pub(super) fn look_at_everything(mut self) {
        for client in self.clients.clone() {
            self.token_of(&client);
            if let Some(token) = self.tokens.back().cloned() {
                self.call_as(Bearer::Token(token.number), Some(&token.text), Asks::Read);
            }
        }
        for used in self.used.clone() {
            self.present(&used);
        }
        for token in std::mem::take(&mut self.revoked) {
            self.call_as(Bearer::Token(token.number), Some(&token.text), Asks::Read);
            self.describe_one(&token);
        }
    }

    fn register(&mut self) {
        let number = self.number();
        let key = ClientKey::generate("chaos");
        let body = json!({"client_name": "chaos", "token_endpoint_auth_method": "private_key_jwt",
            "public_key": key.public_jwk()});
        let request = request("POST", "/register", &["Content-Type: application/json"], &body.to_string());
        let (answer, body) = self.ask(self.world.doors.gateway, &request, |_| Action::Register);
        if let (Answer::Status(201), Some(id)) = (answer, member(&body, "client_id")) {
            self.clients.push(Arc::new(Client { number, id, key }));
        }
    }

    fn get_token(&mut self) {
        if let Some(client) = self.any_client() {
            self.token_of(&client);
        }
    }

    fn token_of(&mut self, client: &Arc<Client>) {
        let assertion = self.assertion(client);
        let issued = self.world.history.now();
        if let Some((number, text)) = self.present(&assertion) {
            self.tokens.push_back(Token { number, text, client: Arc::clone(client), issued });
            self.used.push_back(assertion);
            if self.used.len() > REMEMBERED {
                self.used.pop_front();
            }
            if self.tokens.len() > REMEMBERED {
                self.tokens.pop_front();
            }
        }
    }

    /// Presents an assertion through the gateway; number and text of the token, if there is one.
    fn present(&self, assertion: &Assertion) -> Option<(Number, String)> {
        present_at(&self.world, self.world.doors.gateway, assertion)
    }

    /// The same assertion at both replicas at the same time, twice at each.
    fn replay_at_both(&self) {
        let Some(client) = self.any_client() else { return };
        let assertion = self.assertion(&client);
        thread::scope(|scope| {
            for address in self.world.doors.tokens.iter().chain(&self.world.doors.tokens) {
                let assertion = &assertion;
                scope.spawn(move || present_at(&self.world, *address, assertion));
            }
        });
    }

    fn present_again(&self) {
        if let Some(assertion) = self.any(self.used.len()).and_then(|place| self.used.get(place)) {
            self.present(assertion);
        }
    }

    fn revoke(&mut self) {
        let Some(token) = self.any(self.tokens.len()).and_then(|place| self.tokens.remove(place)) else {
            return;
        };
        let form = format!("token={}&{}", token.text, self.assertion(&token.client).form());
        let request = request("POST", "/oauth/revoke", &[FORM], &form);
        let action = Action::Revoke { token: token.number };
        let (answer, _) = self.ask(self.world.doors.gateway, &request, |_| action);
        if answer.is_good() {
            self.revoked.push(token);
        }
    }

    fn set_right(&self) {
        let Some(client) = self.any_client() else { return };
        let may_read = self.random.below(3) > 0;
        let body = json!({"permissions": if may_read { vec!["read:orders"] } else { vec![] }});
        let headers = [self.world.doors.operator.as_str(), "Content-Type: application/merge-patch+json"];
        let request = request("PATCH", &format!("/clients/{}", client.id), &headers, &body.to_string());
        let action = Action::SetRight { client: client.number, may_read };
        self.ask(self.world.doors.management, &request, |_| action);
    }

    fn call_with_token(&self, asks: Asks) {
        if let Some(token) = self.any(self.tokens.len()).and_then(|place| self.tokens.get(place)) {
            self.call_as(Bearer::Token(token.number), Some(&token.text), asks);
        }
    }

    fn call_forged(&self) {
        let Some(token) = self.any(self.tokens.len()).and_then(|place| self.tokens.get(place)) else {
            return;
        };
        let text = token.text.rsplit_once('.').map(|(signed, _)| format!("{signed}.{}", "A".repeat(342)));
        self.call_as(Bearer::Forged, text.as_deref(), Asks::Read);
    }

    fn use_revoked(&self) {
        if let Some(token) = self.any(self.revoked.len()).and_then(|place| self.revoked.get(place)) {
            self.call_as(Bearer::Token(token.number), Some(&token.text), Asks::Read);
        }
    }

    fn describe(&self) {
        let tokens = self.tokens.iter().chain(&self.revoked);
        let chosen = self.any(self.tokens.len().saturating_add(self.revoked.len()));
        if let Some(token) = chosen.and_then(|place| tokens.clone().nth(place)) {
            self.describe_one(token);
        }
    }

    fn describe_one(&self, token: &Token) {
        let bearer = format!("Authorization: Bearer {}", token.text);
        let request = request("GET", "/tokeninfo", &[&bearer], "");
        let action = Action::Describe { token: token.number };
        self.ask(self.world.doors.gateway, &request, |_| action);
    }

    fn call_as(&self, bearer: Bearer, token: Option<&str>, asks: Asks) {
        let authorization = token.map(|token| format!("Authorization: Bearer {token}"));
        let headers: Vec<_> = authorization.as_deref().into_iter().collect();
        let method = if asks == Asks::Read { "GET" } else { "DELETE" };
        let request = request(method, "/orders", &headers, "");
        self.ask(self.world.doors.gateway, &request, |_| Action::Call { bearer, asks });
    }

    fn ask(
        &self,
        address: std::net::SocketAddr,
        request: &[u8],
        action: impl FnOnce(&str) -> Action,
    ) -> (Answer, String) {
        ask(&self.world.history, address, request, action)
    }

    fn forget_old_tokens(&mut self) {
        let now = self.world.history.now();
        let age = |token: &Token| now.saturating_sub(token.issued);
        let lifetime = self.world.token_lifetime;
        // It must not expire on its way.
        self.tokens.retain(|token| age(token).saturating_mul(2) < lifetime);
        // That an expired token is refused says nothing about its revocation.
        self.revoked.retain(|token| age(token) < lifetime);
    }

    fn any_client(&self) -> Option<Arc<Client>> {
        self.any(self.clients.len()).and_then(|place| self.clients.get(place)).cloned()
    }

    /// A place among so many.
    fn any(&self, length: usize) -> Option<usize> {
        let length = u64::try_from(length).ok().filter(|length| *length > 0)?;
        usize::try_from(self.random.below(length)).ok()
    }

    fn number(&self) -> Number {
        self.world.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A new one, good for one use.
    fn assertion(&self, client: &Arc<Client>) -> Assertion {
        let number = self.number();
        let expires = now().saturating_add(Duration::from_secs(290)).as_secs();
        let claims = json!({"iss": client.id, "sub": client.id, "aud": self.world.doors.issuer,
            "exp": expires, "jti": testkit::unique_name("chaos")});
        Assertion { number, text: client.key.sign(&claims), client: Arc::clone(client) }
    }
}

impl Assertion {
    fn form(&self) -> String {
        format!(
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={}",
            self.text
        )
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn present_at(
    world: &World,
    address: std::net::SocketAddr,
    assertion: &Assertion,
) -> Option<(Number, String)> {
    let form = format!("grant_type=client_credentials&{}", assertion.form());
    let number = world.numbers.fetch_add(1, Ordering::Relaxed);
    let (_, body) = ask(&world.history, address, &request("POST", "/oauth/token", &[FORM], &form), |body| {
        let token = member(body, "access_token").map(|_| number);
        Action::Present { client: assertion.client.number, assertion: assertion.number, token }
    });
    member(&body, "access_token").map(|text| (number, text))
}

/// Asks, and writes down what was asked and answered.
fn ask(
    history: &History,
    address: std::net::SocketAddr,
    request: &[u8],
    action: impl FnOnce(&str) -> Action,
) -> (Answer, String) {
    let begun = history.now();
    let (answer, body) = match call(address, request) {
        Ok((status, body)) => (Answer::Status(status), body),
        Err(_) => (Answer::Nothing, String::new()),
    };
    history.add(Event { begun, ended: history.now(), action: action(&body), answer });
    (answer, body)
}

fn member(body: &str, name: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[expect(clippy::disallowed_methods, reason = "the services that are tried go by the same clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
