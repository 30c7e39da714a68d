//! A crud-service with one collection of clients, over real sockets: what the upstream contract §7 recorded of version
//! 7.2.5, and nothing that was not recorded there. It is a double: it keeps documents in memory and knows of queries what
//! `store-crud` sends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Map, Value, json};

type Document = Map<String, Value>;

/// Fields of the collection as the platform ships it (contract §1.7).
pub const SHIPPED_FIELDS: [&str; 7] =
    ["name", "permissions", "audience", "allowedCustomClaims", "clientId", "authMethod", "publicKey"];
/// Fields that we can use beside them.
pub const FURTHER_FIELDS: [&str; 8] = [
    "lastLogin",
    "metadata",
    "registration",
    "keys",
    "jwksUri",
    "assertionAlgorithm",
    "staticClaims",
    "tokenLifetimeSeconds",
];
const STATES: [&str; 4] = ["PUBLIC", "DRAFT", "TRASH", "DELETED"];

/// A running double. It ends with the test process.
#[derive(Debug)]
pub struct CrudService {
    address: SocketAddr,
    collection: Arc<Mutex<Collection>>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub method: String,
    /// Without `/clients` and the query.
    pub path: String,
    /// Names are lower case.
    pub headers: Vec<(String, String)>,
}

impl ReceivedRequest {
    /// The values of a header, joined as Node.js joins them.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug)]
struct Collection {
    requests: Vec<ReceivedRequest>,
    fields: Vec<&'static str>,
    documents: Vec<Document>,
    /// Milliseconds since 2026-11-21T19:00Z: each change comes one later, as with real time and slower people.
    time: u32,
    /// Version 6 spells some statuses differently.
    duplicate_status: u16,
    down: bool,
}

impl CrudService {
    /// Starts one whose schema has these fields.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn start(fields: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let fields = fields.to_vec();
        let collection = Collection {
            requests: Vec::new(),
            fields,
            documents: Vec::new(),
            time: 0,
            duplicate_status: 409,
            down: false,
        };
        let collection = Arc::new(Mutex::new(collection));
        let shared = Arc::clone(&collection);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, collection }
    }

    /// What `CRUD_CLIENT_BASE_URL` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/clients", self.address)
    }

    /// Answers duplicates as version 6 does.
    pub fn as_version_6(&self) {
        self.collection.lock().expect("a lock").duplicate_status = 422;
    }

    /// Closes every connection without an answer, or answers again.
    pub fn set_down(&self, down: bool) {
        self.collection.lock().expect("a lock").down = down;
    }

    /// All documents, as another tool of the platform sees them.
    #[must_use]
    pub fn documents(&self) -> Vec<Map<String, Value>> {
        self.collection.lock().expect("a lock").documents.clone()
    }

    /// All requests until now.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.collection.lock().expect("a lock").requests.clone()
    }

    /// Puts a document in, as another tool does; it has no index to heed.
    pub fn put(&self, fields: &Value, state: &str) {
        let fields = fields.as_object().expect("an object").clone();
        self.collection.lock().expect("a lock").insert(fields, state, "public");
    }
}

struct Request {
    received: ReceivedRequest,
    query: Vec<(String, String)>,
    body: Value,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let (mut length, mut headers) = (0, Vec::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':')?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            if name == "content-length" {
                length = value.parse().ok()?;
            }
            headers.push((name, value));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(name, value)| (name.to_owned(), decode(value))).collect();
        let path = path.strip_prefix("/clients")?.to_owned();
        let received = ReceivedRequest { method, path, headers };
        Some(Self { received, query, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Who it is from (contract §7.3).
    fn user(&self) -> String {
        let user = self.received.header("miauserid");
        if user.is_empty() { "public".to_owned() } else { user }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn filter(&self) -> Value {
        self.parameter("_q").map_or_else(|| json!({}), |text| serde_json::from_str(text).expect("a good _q"))
    }

    fn states(&self) -> Vec<&str> {
        self.parameter("_st").unwrap_or("PUBLIC").split(',').collect()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.expect("two digits")));
                u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn serve(mut stream: TcpStream, collection: &Mutex<Collection>) {
    let Some(request) = Request::read(&stream) else { return };
    let mut collection = collection.lock().expect("a lock");
    if collection.down {
        return;
    }
    collection.requests.push(request.received.clone());
    let (status, body) = collection.answer(&request);
    drop(collection);
    let body = if status == 204 { String::new() } else { body.to_string() };
    let head = "content-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length";
    let _ = write!(stream, "HTTP/1.1 {status} Status\r\n{head}: {}\r\n\r\n{body}", body.len());
}

impl Collection {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        match (request.received.method.as_str(), request.received.path.as_str()) {
            ("POST", "/") => self.add(request),
            ("GET", "/") => self.list(request),
            ("GET", "/count") => (200, json!(self.documents.len())),
            ("PATCH", "/") => self.change(request),
            ("POST", "/state") => self.change_state(request),
            ("DELETE", path) => self.remove(path.trim_start_matches('/'), request),
            _ => (404, json!({"error": "not found"})),
        }
    }

    fn add(&mut self, request: &Request) -> (u16, Value) {
        let mut fields = request.body.as_object().expect("an object").clone();
        let state = fields.remove("__STATE__").unwrap_or_else(|| json!("DRAFT"));
        let state = state.as_str().unwrap_or_default();
        if !STATES.contains(&state) {
            return bad_request("body/__STATE__ must be equal to one of the allowed values");
        }
        for required in ["name", "permissions", "clientId"] {
            if !fields.contains_key(required) {
                return bad_request(&format!("body must have required property '{required}'"));
            }
        }
        if let Some(refusal) = self.refuse_unknown(&fields) {
            return refusal;
        }
        if self.documents.iter().any(|document| document["clientId"] == fields["clientId"]) {
            let message = format!(
                "E11000 duplicate key error collection: cruddb.clients index: clientIdIndex dup key: {{ clientId: {} }}",
                fields["clientId"]
            );
            let status = self.duplicate_status;
            return (status, json!({"statusCode": status, "error": "Conflict", "message": message}));
        }
        (200, json!({ "_id": self.insert(fields, state, &request.user()) }))
    }

    fn insert(&mut self, mut fields: Document, state: &str, user: &str) -> String {
        let now = self.tick();
        let id = format!("{:024x}", self.time);
        fields.insert("_id".to_owned(), json!(id));
        for (name, value) in [("creatorId", user), ("updaterId", user), ("__STATE__", state)] {
            fields.insert(name.to_owned(), json!(value));
        }
        for name in ["createdAt", "updatedAt"] {
            fields.insert(name.to_owned(), json!(now));
        }
        self.documents.push(fields);
        id
    }

    fn list(&self, request: &Request) -> (u16, Value) {
        let limit: usize = request.parameter("_l").map_or(200, |text| text.parse().expect("a number"));
        if limit > 200 {
            return bad_request("querystring/_l must be <= 200");
        }
        let (filter, states) = (request.filter(), request.states());
        let mut found: Vec<_> =
            self.documents.iter().filter(|document| matches(document, &filter, &states)).cloned().collect();
        if let Some(field) = request.parameter("_s") {
            found.sort_by(|one, other| one[field].as_str().cmp(&other[field].as_str()));
        }
        found.truncate(limit);
        (200, json!(found))
    }

    fn change(&mut self, request: &Request) -> (u16, Value) {
        let set = request.body["$set"].as_object().cloned().unwrap_or_default();
        let unset = request.body["$unset"].as_object().cloned().unwrap_or_default();
        if let Some(refusal) = self.refuse_unknown(&set).or_else(|| self.refuse_unknown(&unset)) {
            return refusal;
        }
        let (filter, states, now) = (request.filter(), request.states(), self.tick());
        let mut changed = 0;
        for document in self.documents.iter_mut().filter(|document| matches(document, &filter, &states)) {
            document.extend(set.clone());
            document.retain(|name, _| !unset.contains_key(name));
            document.insert("updatedAt".to_owned(), json!(now));
            document.insert("updaterId".to_owned(), json!(request.user()));
            changed += 1;
        }
        (200, json!(changed))
    }

    fn change_state(&mut self, request: &Request) -> (u16, Value) {
        let now = self.tick();
        let mut changed = 0;
        for step in request.body.as_array().expect("a list") {
            let to = step["stateTo"].as_str().expect("a state");
            for document in
                self.documents.iter_mut().filter(|document| matches(document, &step["filter"], &STATES))
            {
                let from = document["__STATE__"].as_str().expect("a state").to_owned();
                let allowed = match from.as_str() {
                    "PUBLIC" | "DRAFT" => ["DRAFT", "PUBLIC", "TRASH"].contains(&to),
                    "TRASH" => ["DELETED", "DRAFT", "TRASH"].contains(&to),
                    _ => ["DELETED", "TRASH"].contains(&to),
                };
                if !allowed {
                    return bad_request(&format!("transition from {from} to {to} not allowed."));
                }
                document.insert("__STATE__".to_owned(), json!(to));
                document.insert("updatedAt".to_owned(), json!(now));
                document.insert("updaterId".to_owned(), json!(request.user()));
                changed += 1;
            }
        }
        (200, json!(changed))
    }

    fn remove(&mut self, id: &str, request: &Request) -> (u16, Value) {
        let (filter, states, before) = (request.filter(), request.states(), self.documents.len());
        self.documents.retain(|document| document["_id"] != id || !matches(document, &filter, &states));
        if self.documents.len() < before { (204, Value::Null) } else { (404, json!({"error": "not found"})) }
    }

    fn refuse_unknown(&self, fields: &Document) -> Option<(u16, Value)> {
        let unknown = fields.keys().find(|name| !self.fields.contains(&name.as_str()))?;
        Some(bad_request(&format!(
            "body must NOT have additional properties. Property \"{unknown}\" is not defined in validation schema"
        )))
    }

    fn tick(&mut self) -> String {
        self.time += 1;
        let (minute, second, millis) = (self.time / 60_000, self.time / 1000 % 60, self.time % 1000);
        format!("2026-11-21T19:{minute:02}:{second:02}.{millis:03}Z")
    }
}

fn matches(document: &Document, filter: &Value, states: &[&str]) -> bool {
    let state = document["__STATE__"].as_str().expect("a state");
    let fits = |name: &String, wanted: &Value| match wanted.get("$gt").and_then(Value::as_str) {
        Some(least) => document.get(name).and_then(Value::as_str).is_some_and(|text| text > least),
        None => document.get(name) == Some(wanted),
    };
    states.contains(&state)
        && filter.as_object().expect("an object").iter().all(|(name, wanted)| fits(name, wanted))
}

fn bad_request(message: &str) -> (u16, Value) {
    (
        400,
        json!({"statusCode": 400, "code": "FST_ERR_VALIDATION", "error": "Bad Request", "message": message}),
    )
}
