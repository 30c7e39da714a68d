//! What a connection may cost (R-18, T-FRM-08). The same code serves client-credentials, whose tests go further.

use std::io::{Read, Write};
use std::thread;

use serde_json::json;

use crate::service::{Service, request};
use crate::stub::dead_url;

fn service(variables: &[(&str, &str)]) -> Service {
    let url = dead_url();
    let variables: Vec<_> = [("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect();
    Service::start(&json!({}), &variables)
}

#[test]
fn r_18_a_gateway_that_takes_its_answers_gets_all_of_them_however_far_ahead_it_asks() {
    let service = service(&[]);
    let questions = 3_000;
    let mut connection = service.connect();
    let mut sender = connection.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let many = "GET /-/healthz HTTP/1.1\r\nHost: authz\r\n\r\n".repeat(questions - 1);
        sender.write_all(many.as_bytes()).unwrap();
        sender.write_all(&request("GET", "/-/healthz", &[])).unwrap();
    });
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    sending.join().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), questions);
}

#[test]
fn t_frm_08_connections_that_say_nothing_do_not_shut_out_the_next_one() {
    let service = service(&[("MAX_CONNECTIONS", "20")]);
    let mut silent: Vec<_> = (0..70).map(|_| service.connect()).collect();
    assert_eq!(service.call("GET", "/-/healthz", &[]).status, 200);
    let mut text = String::new();
    silent.swap_remove(0).read_to_string(&mut text).unwrap();
    assert_eq!(text, "", "it made room before its time was over");
}
