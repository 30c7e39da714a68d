//! `deploy/gateway/nginx`, with every include in its place and every inherited directive counted as nginx counts it.

use std::path::Path;

use super::IDENTITY;
use crate::deployment::workspace;

/// A directive, with what is between its braces if it has any.
#[derive(Debug)]
struct Directive {
    words: Vec<String>,
    block: Vec<Directive>,
}

impl Directive {
    fn name(&self) -> &str {
        &self.words[0]
    }

    fn argument(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }

    fn is(&self, words: &[&str]) -> bool {
        self.words == words
    }

    /// The directives of this name right inside.
    fn all<'this>(&'this self, name: &'this str) -> impl Iterator<Item = &'this Self> {
        self.block.iter().filter(move |directive| directive.name() == name)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.block.iter().any(|directive| directive.is(words))
    }

    /// Every directive inside, however deep.
    fn everything(&self) -> Vec<&Self> {
        self.block.iter().flat_map(|inner| std::iter::once(inner).chain(inner.everything())).collect()
    }
}

/// The file with its includes in place; paths are relative to the folder.
fn parse(folder: &Path, file: &str) -> Vec<Directive> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut words = tokens(&text).into_iter();
    block(folder, &mut words)
}

fn block(folder: &Path, words: &mut impl Iterator<Item = String>) -> Vec<Directive> {
    let (mut directives, mut line) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            ";" | "{" => {
                let inner = if word == "{" { block(folder, words) } else { Vec::new() };
                let directive = Directive { words: std::mem::take(&mut line), block: inner };
                if directive.name() == "include" {
                    directives.extend(parse(folder, directive.argument()));
                } else {
                    directives.push(directive);
                }
            }
            "}" => return directives,
            _ => line.push(word),
        }
    }
    directives
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            ';' | '{' | '}' => 1,
            '"' | '\'' => rest[1..].find(first).expect("a closing quote") + 2,
            _ => rest.find([' ', '\t', '\n', ';']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        if first != '#' {
            tokens.push(token.trim_matches(['"', '\'']).to_owned());
        }
        rest = after.trim_start();
    }
    tokens
}

/// The `http` block of the shipped file.
fn http() -> Directive {
    let file = parse(&workspace().join("deploy/gateway/nginx"), "nginx.conf");
    file.into_iter().find(|directive| directive.name() == "http").expect("http { }")
}

fn server(http: &Directive) -> &Directive {
    let mut servers = http.all("server");
    let server = servers.next().expect("server { }");
    assert!(servers.next().is_none(), "one server");
    server
}

/// Places that answer without asking, each for its own reason: the public endpoints of client-credentials, /clients, and pages.
fn asks_nobody(location: &Directive) -> bool {
    location.has(&["auth_request", "off"])
}

/// The locations that pass requests on to services.
fn to_services(server: &Directive) -> Vec<&Directive> {
    let locations: Vec<_> =
        server.all("location").filter(|location| location.all("proxy_pass").next().is_some()).collect();
    let services: Vec<_> = locations.into_iter().filter(|location| !location.has(&["internal"])).collect();
    assert!(services.len() >= 2, "{services:?}");
    services
}

fn question(server: &Directive) -> &Directive {
    server.all("location").find(|location| location.has(&["internal"])).expect("the question")
}

/// The headers that a request passed on from here gets: nginx inherits them only where there are none of the location's own.
fn headers_set(server: &Directive, location: &Directive) -> Vec<(String, String)> {
    let own: Vec<_> = location.all("proxy_set_header").collect();
    let set = if own.is_empty() { server.all("proxy_set_header").collect() } else { own };
    set.iter().map(|header| (header.argument().to_lowercase(), header.words[2].clone())).collect()
}

#[test]
fn g_lint_01_every_place_asks_but_those_that_are_named() {
    let http = http();
    let server = server(&http);
    assert!(server.has(&["auth_request", "/_gettone_authorize"]), "whatever includes nothing asks too");
    let open: Vec<_> = server
        .all("location")
        .filter(|location| asks_nobody(location))
        .map(|location| location.words[1..].join(" "))
        .collect();
    let pages = open.iter().filter(|place| place.starts_with('@')).count();
    assert_eq!(open.len() - pages, 2, "the public endpoints of client-credentials and /clients: {open:?}");
    for location in to_services(server).into_iter().filter(|location| !asks_nobody(location)) {
        assert!(location.has(&["auth_request", "/_gettone_authorize"]), "{location:?}");
    }
    assert!(
        http.everything().iter().all(|directive| directive.name() != "satisfy"),
        "one yes must not be enough"
    );
}

#[test]
fn g_lint_02_the_question_is_the_gateways_own() {
    let http = http();
    let question = question(server(&http));
    for words in [
        &["internal"][..],
        &["proxy_pass_request_body", "off"],
        &["proxy_pass_request_headers", "off"],
        &["proxy_set_header", "Content-Length", ""],
        &["proxy_set_header", "Original-Request-Uri", "$request_uri"],
        &["proxy_set_header", "Original-Request-Method", "$request_method"],
    ] {
        assert!(question.has(words), "{words:?}");
    }
    for name in ["client-type", "isbackoffice"] {
        let header = question.all("proxy_set_header").find(|header| header.argument() == name);
        assert!(header.is_some_and(|header| header.words[2].starts_with("$gettone_")), "{name}");
    }
}

#[test]
fn g_lint_03_g_mode_02_identity_headers_are_set_wherever_a_request_is_passed_on() {
    let http = http();
    let server = server(&http);
    for location in to_services(server) {
        let set = headers_set(server, location);
        for name in IDENTITY {
            let values: Vec<_> =
                set.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str()).collect();
            let [value] = values.as_slice() else {
                panic!("{name} is set {} times: {location:?}", values.len())
            };
            assert!(value.is_empty() || value.starts_with("$gettone_"), "{name}: {value}");
        }
    }
}

#[test]
fn g_lint_04_what_is_read_two_ways_is_settled_first() {
    let http = http();
    for words in
        [["underscores_in_headers", "off"], ["ignore_invalid_headers", "on"], ["merge_slashes", "on"]]
    {
        assert!(server(&http).has(&words), "{words:?}");
    }
}

#[test]
fn g_lint_05_g_cache_04_no_answer_is_no_and_decisions_are_not_remembered() {
    let http = http();
    let question = question(server(&http));
    // Only where there was no answer, and once: an answer of a replica is final, also a 503.
    assert!(question.has(&["proxy_next_upstream", "error", "timeout"]));
    assert!(question.has(&["proxy_next_upstream_tries", "2"]) && question.has(&["proxy_cache", "off"]));
    for name in ["proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout"] {
        let seconds = question
            .all(name)
            .next()
            .map(|time| time.argument().trim_end_matches('s').parse::<u32>().unwrap());
        assert!(seconds.is_some_and(|seconds| seconds <= 10), "{name}: {seconds:?}");
    }
    assert!(http.everything().iter().all(|directive| directive.name() != "proxy_cache_path"));
}

#[test]
fn g_lint_06_g_hdr_16_error_pages_lead_nowhere() {
    let http = http();
    let server = server(&http);
    let pages: Vec<_> = server.all("error_page").map(|page| page.words.last().unwrap().clone()).collect();
    assert!(pages.len() >= 4, "{pages:?}");
    for page in pages {
        let location = server.all("location").find(|location| location.argument() == page);
        let location = location.unwrap_or_else(|| panic!("{page} is no location of this server"));
        assert!(
            location.everything().iter().all(|directive| directive.name() != "proxy_pass"),
            "{location:?}"
        );
    }
}

#[test]
fn g_lint_07_what_is_passed_on_is_what_was_asked_about() {
    let http = http();
    let server = server(&http);
    for location in to_services(server).into_iter().filter(|location| !asks_nobody(location)) {
        let target = location.all("proxy_pass").next().unwrap().argument();
        assert_eq!(target, "http://$gettone_target", "a path behind the name would send another spelling");
        assert!(location.everything().iter().all(|directive| directive.name() != "rewrite"), "{location:?}");
    }
}

#[test]
fn g_lint_08_g_hdr_15_nothing_reaches_a_service_but_by_the_question() {
    let http = http();
    let server = server(&http);
    for name in ["alias", "root", "try_files", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"] {
        assert!(http.everything().iter().all(|directive| directive.name() != name), "{name}");
    }
    for location in to_services(server).into_iter().chain([question(server)]) {
        let ignored = location.all("proxy_ignore_headers").next().expect("proxy_ignore_headers");
        assert!(ignored.words.iter().any(|word| word == "X-Accel-Redirect"), "{location:?}");
    }
}

#[test]
fn g_lint_09_nobody_is_believed_about_an_address_by_default() {
    let http = http();
    assert!(http.everything().iter().all(|directive| directive.name() != "set_real_ip_from"));
    let server = server(&http);
    for location in to_services(server) {
        let set = headers_set(server, location);
        assert!(set.contains(&("x-forwarded-for".to_owned(), "$remote_addr".to_owned())), "{location:?}");
    }
}

#[test]
fn g_cache_12_answers_of_services_are_not_remembered() {
    let http = http();
    let server = server(&http);
    for location in to_services(server) {
        assert!(location.has(&["proxy_cache", "off"]), "{location:?}");
    }
}
