//! `/clients` on the management listener.

use std::thread;

use credentials::client::ClientId;
use credentials::secret::Pepper;
use serde_json::json;

use crate::service::{Answer, BOOTSTRAP_TOKEN, GRANT, JSON, SALT, Service, call};

fn conditional(service: &Service, path: &str, condition: &str, patch: &str) -> Answer {
    conditional_call(service, "PATCH", path, condition, patch)
}

fn conditional_call(service: &Service, method: &str, path: &str, condition: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
    let headers = [("Authorization", authorization.as_str()), JSON, ("If-Match", condition)];
    call(service.management, method, path, &headers, body)
}

#[test]
fn contract_1_2_a_client_with_powers() {
    let service = Service::standard(&[]);
    let client = json!({"client_name": "c", "permissions": ["read:orders"], "audience": ["api"],
        "allowedCustomClaims": ["tenant"], "__STATE__": "DRAFT", "metadata": {"team": "a"}});
    let created = service.manage("POST", "/clients", Some(&client));
    insta::assert_snapshot!("created", created.text());
    let id = created.json()["client_id"].as_str().unwrap().to_owned();
    insta::assert_snapshot!("shown", service.manage("GET", &format!("/clients/{id}"), None).text());
}

#[test]
fn a_merge_patch_changes_what_it_names() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"permissions": ["a"], "metadata": {"keep": 1, "drop": 2}}));
    service.clock.advance_seconds(60);
    let patch = json!({"name": "renamed", "permissions": ["read:orders"], "metadata": {"drop": null}});
    let changed = service.manage("PATCH", &format!("/clients/{}", client.id), Some(&patch));
    insta::assert_snapshot!(changed.text());
    let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
    let headers =
        [("Authorization", authorization.as_str()), ("Content-Type", "application/merge-patch+json")];
    let path = format!("/clients/{}", client.id);
    assert_eq!(call(service.management, "PATCH", &path, &headers, "{}").json()["version"], 3);
}

#[test]
fn what_an_operator_gets_wrong_is_explained_and_changes_nothing() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let before = service.manage("GET", &path, None);
    let patch = |patch: serde_json::Value| service.manage("PATCH", &path, Some(&patch));
    let raw = |content_type: &str, body: &str| {
        let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", content_type)];
        call(service.management, "PATCH", &path, &headers, body)
    };
    for (what, answer, status, code) in [
        ("unknown member", patch(json!({"permission": ["a"]})), 400, "invalid_client_metadata"),
        ("T-REG-07", patch(json!({"client_secret": "x"})), 400, "invalid_client_metadata"),
        ("T-REG-08", patch(json!({"authMethod": "none"})), 400, "invalid_client_metadata"),
        ("reserved claim", patch(json!({"allowedCustomClaims": ["sub"]})), 400, "invalid_client_metadata"),
        ("half good", patch(json!({"name": "x", "permissions": 7})), 400, "invalid_client_metadata"),
        ("transition", patch(json!({"__STATE__": "DELETED"})), 400, "invalid_client_metadata"),
        ("no object", raw("application/json", "[]"), 400, "invalid_request"),
        ("repeated name", raw("application/json", r#"{"name":"a","name":"b"}"#), 400, "invalid_request"),
        ("text", raw("text/plain", "{}"), 415, "invalid_request"),
        ("JSON patch", raw("application/json-patch+json", "[]"), 415, "invalid_request"),
        ("limit 0", service.manage("GET", "/clients?limit=0", None), 400, "invalid_request"),
        ("limit 1001", service.manage("GET", "/clients?limit=1001", None), 400, "invalid_request"),
        ("limit x", service.manage("GET", "/clients?limit=x", None), 400, "invalid_request"),
        ("T-OPS-02", service.manage("GET", "/clients?after=%00", None), 400, "invalid_request"),
        ("two limits", service.manage("GET", "/clients?limit=1&limit=2", None), 400, "invalid_request"),
        ("nobody", service.manage("GET", "/clients/nobody", None), 404, "not_found"),
        ("no id", service.manage("GET", "/clients/%20", None), 404, "not_found"),
        ("PATCH nobody", service.manage("PATCH", "/clients/nobody", Some(&json!({}))), 404, "not_found"),
        ("DELETE nobody", service.manage("DELETE", "/clients/nobody", None), 404, "not_found"),
        ("old version", conditional(&service, &path, "\"7\"", "{}"), 412, "precondition_failed"),
        ("odd version", conditional(&service, &path, "1", "{}"), 400, "invalid_request"),
    ] {
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{what}: {answer:?}");
    }
    assert_eq!(service.manage("GET", &path, None), before);
}

#[test]
fn if_match_is_read_as_rfc_9110_writes_it() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let patch = |condition: &str| conditional(&service, &path, condition, "{}");
    for good in ["\"1\"", "*", "\"7\", \"3\"", "W/\"4\",,\"a,b\" , \"4\""] {
        assert_eq!(patch(good).status, 200, "{good}");
    }
    // Of now; it is compared strongly, and byte for byte.
    assert_eq!(service.manage("GET", &path, None).header("etag"), Some("\"5\""));
    let delete = |condition: &str| conditional_call(&service, "DELETE", &path, condition, "");
    for other in ["W/\"5\"", "\"x\"", "\"05\"", "\"+5\"", "\"\"", "\"1\", \"2\"", "\"1,5\""] {
        assert_eq!(patch(other).refusal(), (412, "precondition_failed".to_owned()), "{other}");
        assert_eq!(delete(other).refusal(), (412, "precondition_failed".to_owned()), "{other}");
    }
    for odd in ["5", "\"5", "", ",", "\"5\" \"6\"", "*, \"5\"", "w/\"5\"", "\"5\"x"] {
        assert_eq!(patch(odd).refusal(), (400, "invalid_request".to_owned()), "{odd}");
    }
    let nobody = conditional(&service, "/clients/nobody", "\"1\", \"2\"", "{}");
    assert_eq!(nobody.refusal(), (404, "not_found".to_owned()));
    assert_eq!(delete("\"4\", \"5\"").status, 204);
}

#[test]
fn pages_cover_every_client_once_in_order() {
    let service = Service::standard(&[]);
    let mut ids: Vec<String> = (0..7).map(|_| service.basic_client(&json!({})).id).collect();
    ids.sort();
    let mut seen = Vec::new();
    let mut target = "/clients?limit=3".to_owned();
    loop {
        let page = service.manage("GET", &target, None).json();
        seen.extend(
            page["clients"]
                .as_array()
                .unwrap()
                .iter()
                .map(|client| client["clientId"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/clients?limit=3&after={next}");
    }
    assert_eq!(seen, ids);
    let all = service.manage("GET", "/clients", None).json();
    assert_eq!((all["clients"].as_array().unwrap().len(), &all["next"]), (7, &json!(null)));
}

#[test]
fn a_removed_client_gets_no_token_and_its_secret_is_forgotten() {
    let service = Service::drop_in(&[]);
    let (client, keyed) = (service.basic_client(&json!({})), service.key_client(&json!({})));
    for id in [&client.id, &keyed.id] {
        let removed = service.manage("DELETE", &format!("/clients/{id}"), None);
        assert_eq!((removed.status, removed.body.as_str()), (204, ""));
        assert_eq!(service.manage("GET", &format!("/clients/{id}"), None).status, 404);
        assert_eq!(service.manage("DELETE", &format!("/clients/{id}"), None).status, 404);
    }
    let answer = service.token(&[("Authorization", &client.basic())], GRANT);
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(service.present(&service.assertion(&keyed, &json!({}))).status, 403);
    let owner = Pepper::new(SALT.as_bytes().to_vec()).lookup(&ClientId::parse(&client.id).unwrap());
    let left = actix_web::rt::System::new()
        .block_on(credentials::secret::SecretStore::find(&service.stores, &owner))
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn t_reg_06_parallel_changes_are_all_kept() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let changes: Vec<_> = (0..8)
            .map(|number| {
                let (service, path) = (&service, &path);
                let patch = json!({"metadata": {format!("m{number}"): number}});
                scope.spawn(move || service.manage("PATCH", path, Some(&patch)).status)
            })
            .collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    let kept = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let after = service.manage("GET", &path, None).json();
    assert_eq!(after["metadata"].as_object().unwrap().len(), kept);
    assert_eq!(after["version"], 1 + kept);
}

#[test]
fn an_expected_version_is_compared() {
    let service = Service::standard(&[]);
    let path = format!("/clients/{}", service.basic_client(&json!({})).id);
    assert_eq!(service.manage("GET", &path, None).header("etag"), Some("\"1\""));
    assert_eq!(conditional(&service, &path, "\"1\"", r#"{"name":"a"}"#).header("etag"), Some("\"2\""));
    assert_eq!(conditional(&service, &path, "\"1\"", r#"{"name":"b"}"#).status, 412);
    assert_eq!(conditional(&service, &path, "*", r#"{"name":"c"}"#).status, 200);
}

#[test]
fn t_reg_06_only_the_expected_version_is_removed() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    assert_eq!(service.manage("PATCH", &path, Some(&json!({"name": "changed"}))).status, 200);
    let remove = |condition: &str| conditional_call(&service, "DELETE", &path, condition, "");
    let token = || service.token(&[("Authorization", &client.basic())], GRANT).status;
    for (condition, status) in [("\"1\"", 412), ("\"3\"", 412), ("2", 400), ("W/\"2\"", 412)] {
        assert_eq!(remove(condition).status, status, "{condition}");
    }
    assert_eq!((service.manage("GET", &path, None).header("etag"), token()), (Some("\"2\""), 200));
    assert_eq!((remove("\"2\"").status, token()), (204, 401));
    assert_eq!(remove("\"2\"").status, 404);
    let another = format!("/clients/{}", service.basic_client(&json!({})).id);
    assert_eq!(conditional_call(&service, "DELETE", &another, "*", "").status, 204);
}

/// The store may take its time with a change, and another replica issues tokens meanwhile.
#[test]
fn a_client_that_is_put_aside_loses_the_tokens_it_got_until_then() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let slow = service.stores.replacements.hold();
    let token = thread::scope(|scope| {
        let change = scope.spawn(|| service.manage("PATCH", &path, Some(&json!({"__STATE__": "TRASH"}))));
        service.stores.replacements.await_calls(1);
        service.clock.advance_seconds(10);
        let token = service.token_of(&client);
        drop(slow);
        assert_eq!(change.join().unwrap().status, 200);
        token
    });
    assert_eq!(service.tokeninfo(&token).refusal(), (401, "invalid_token".to_owned()));
}

/// Only who has a `gettone:` permission may remove a client that has it: in its last version, not in one before.
#[test]
fn a_client_that_got_a_permission_meanwhile_is_not_removed_by_who_lacks_it() {
    let service = Service::standard(&[]);
    let operator = service.basic_client(&json!({"permissions": ["gettone:clients:write"]}));
    let authorization = format!("Bearer {}", service.token_of(&operator));
    let path = format!("/clients/{}", service.basic_client(&json!({})).id);
    let slow = service.stores.removals.hold();
    let removed = thread::scope(|scope| {
        let removal = scope.spawn(|| {
            call(service.management, "DELETE", &path, &[("Authorization", authorization.as_str())], "")
        });
        service.stores.removals.await_calls(1);
        let powers = json!({"permissions": ["gettone:keys:write"]});
        assert_eq!(service.manage("PATCH", &path, Some(&powers)).status, 200);
        drop(slow);
        removal.join().unwrap()
    });
    assert_eq!(removed.refusal(), (403, "access_denied".to_owned()));
    assert_eq!(service.manage("GET", &path, None).status, 200);
}

/// Without `If-Match`, whichever version is there is removed.
#[test]
fn a_client_that_was_changed_meanwhile_is_removed_nevertheless() {
    let service = Service::standard(&[]);
    let path = format!("/clients/{}", service.basic_client(&json!({})).id);
    let slow = service.stores.removals.hold();
    thread::scope(|scope| {
        let removal = scope.spawn(|| service.manage("DELETE", &path, None));
        service.stores.removals.await_calls(1);
        assert_eq!(service.manage("PATCH", &path, Some(&json!({"name": "other"}))).status, 200);
        drop(slow);
        assert_eq!(removal.join().unwrap().status, 204);
    });
    assert_eq!(service.manage("GET", &path, None).status, 404);
}

#[test]
fn a_list_shows_what_was_asked_for() {
    let service = Service::standard(&[]);
    let make = |client: &serde_json::Value| {
        let answer = service.manage("POST", "/clients", Some(client));
        answer.json()["client_id"].as_str().unwrap().to_owned()
    };
    make(
        &json!({"client_name": "Orders", "permissions": ["read:orders"], "metadata": {"team": "a", "a b": "c"}}),
    );
    make(&json!({"client_name": "Invoices", "__STATE__": "DRAFT", "metadata": {"team": "b"}}));
    service.register(&json!({"client_name": "a stranger's orders"}));
    let now = service.clock_seconds() * 1000;
    let names = |query: &str| {
        let answer = service.manage("GET", &format!("/clients?{query}"), None);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let clients = answer.json()["clients"].as_array().unwrap().clone();
        let mut names: Vec<_> =
            clients.iter().map(|client| client["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.join(", ")
    };
    for (query, expected) in [
        ("state=DRAFT", "Invoices"),
        ("state=PUBLIC", "Orders, a stranger's orders"),
        ("origin=registration", "a stranger's orders"),
        ("name=oRDER", "Orders, a stranger's orders"),
        ("name=.*", ""),
        ("permission=read:orders", "Orders"),
        ("metadata.team=b", "Invoices"),
        ("metadata.a%20b=c", "Orders"),
        ("metadata.team=a&state=DRAFT", ""),
        ("metadata.team=a&metadata.a%20b=c", "Orders"),
        ("metadata.team=a&metadata.a%20b=d", ""),
        ("name=orders&origin=operator", "Orders"),
        (&format!("unused_since={}", now + 1000), "Invoices, Orders, a stranger's orders"),
        (&format!("unused_since={}", now - 1000), ""),
        (&format!("created_before={}", now - 1000), ""),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    for odd in [
        "state=draft",
        "origin=me",
        "metadata.=x",
        "metadata.team=a&metadata.team=b",
        "unused_since=monday",
        "nme=x",
        "metadata=x",
    ] {
        let answer = service.manage("GET", &format!("/clients?{odd}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{odd}");
    }
}

/// What comes back from a page must be ours; conditions are compared as texts, and never as a part of a query.
#[test]
fn t_ops_02_forged_pages_and_filters_show_nothing_else() {
    let service = Service::standard(&[]);
    let ids = [(); 3].map(|()| service.basic_client(&json!({"permissions": ["p"]})).id);
    let shown = |query: &str| {
        let answer = service.manage("GET", &format!("/clients?{query}"), None);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let clients = answer.json()["clients"].as_array().unwrap().clone();
        clients.iter().map(|client| client["clientId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (query, expected) in [
        // As they are: text that is compared.
        ("name=%27%20OR%201%3D1--".to_owned(), &[] as &[String]),
        ("name=%25".to_owned(), &[]),
        ("permission=%7B%22%24ne%22%3A1%7D".to_owned(), &[]),
        ("metadata.%24where=1".to_owned(), &[]),
        ("metadata.a%27%20OR%20%271%27%3D%271=x".to_owned(), &[]),
    ] {
        assert_eq!(shown(&query), expected, "{query}");
    }
    for forged in [
        &*format!("after={}", ids[0]),
        "after=%7B%22%24gt%22%3A%22%22%7D",
        "after=%27%20OR%201%3D1--",
        "after%5B%24gt%5D=",
        "after=%00",
        "after=%FF",
        "after=a&after=b",
        "permission%5B%24ne%5D=x",
        "state%5B%24ne%5D=PUBLIC",
        "state=PUBLIC%27--",
        "origin=%24ne",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=1e3",
        "limit=1%3BDROP%20TABLE%20clients",
        "unused_since=1%20OR%201",
        "created_before=99999999999999999999",
        "_q=%7B%7D",
        "%24where=1",
    ] {
        let answer = service.manage("GET", &format!("/clients?{forged}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{forged}");
    }
    for forged in ["after=x", "after=%27--", "client=%27%20OR%201", "action=%24ne", "until=x"] {
        let answer = service.manage("GET", &format!("/audit?{forged}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{forged}");
    }
}

#[test]
fn t_ops_02_a_forged_page_and_an_empty_condition_are_refused_and_say_why() {
    let service = Service::standard(&[]);
    let ids: Vec<String> = (0..3).map(|_| service.basic_client(&json!({})).id).collect();
    let page = service.manage("GET", "/clients?limit=1", None).json();
    let next = page["next"].as_str().unwrap();
    let (id, mark) = next.rsplit_once('.').unwrap();
    let other = ids.iter().find(|other| *other != id).unwrap();
    let forged =
        [id, "x", "$gt", "'", &format!("{other}.{mark}"), &format!("{id}."), &next[..next.len() - 1]];
    for after in forged {
        let answer = service.manage("GET", &format!("/clients?after={after}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{after}");
    }
    let page = service.manage("GET", "/audit?limit=1", None).json();
    let next_event = page["next"].as_str().unwrap();
    let event = page["events"][0]["id"].as_str().unwrap();
    let made_up = "01a20081-967b-7001-8203-040506070809";
    let mark = next_event.rsplit_once('.').map(|(_, mark)| mark).unwrap_or_default();
    for after in [event, made_up, &format!("{made_up}.{mark}"), next] {
        let answer = service.manage("GET", &format!("/audit?after={after}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{after}");
    }
    let older = service.manage("GET", &format!("/audit?after={next_event}"), None);
    assert_eq!((older.status, older.json()["events"].as_array().unwrap().len()), (200, 2));
    let path = format!("/clients/{id}/secrets/x");
    for (target, sentence) in [
        ("/clients?unused_since=", "the parameter unused_since is empty"),
        ("/clients?state", "the parameter state is empty"),
        ("/clients?origin=&limit=1", "the parameter origin is empty"),
        ("/clients?metadata.a=", "the parameter metadata.NAME is empty"),
        ("/clients?state=public", "state must be PUBLIC, DRAFT, TRASH or DELETED"),
        ("/clients?nme=x", "it takes limit, after, state, origin, name, permission"),
        ("/clients?unused_since=monday", "unused_since must be a whole number: Unix time in milliseconds"),
        ("/audit?client=", "the parameter client is empty"),
        ("/audit?action=token", "action must be one of client.registered, client.created"),
    ] {
        let answer = service.manage("GET", target, None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{target}");
        assert!(answer.json()["message"].as_str().unwrap().contains(sentence), "{target}: {answer:?}");
    }
    let forced = service.manage("DELETE", &format!("{path}?force=yes"), None);
    assert!(forced.body.contains("force must be true or false"), "{forced:?}");
    for (body, sentence) in [
        (
            json!({"graceseconds": 1}),
            "the body has a member that this path does not know: it takes graceSeconds",
        ),
        (json!({"graceSeconds": -1}), "graceSeconds must be a whole number of seconds from 0 to 7776000"),
    ] {
        let answer = service.manage("POST", &format!("/clients/{id}/secrets"), Some(&body));
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{body}");
        assert!(answer.json()["message"].as_str().unwrap().contains(sentence), "{body}: {answer:?}");
    }
}

#[test]
fn the_use_of_a_client_is_counted() {
    let service = Service::standard(&[]);
    let (client, other) = (service.basic_client(&json!({})), service.basic_client(&json!({})));
    let usage = |query: &str| {
        let answer = service.manage("GET", &format!("/clients/{}/usage{query}", client.id), None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["tokensIssued"].clone()
    };
    assert_eq!(usage(""), 0);
    for _ in 0..3 {
        service.token_of(&client);
        service.token_of(&other);
        service.clock.advance_seconds(10);
    }
    let since = (service.clock_seconds() - 15) * 1000;
    assert_eq!((usage(""), usage(&format!("?since={since}"))), (json!(3), json!(1)));
    assert_eq!(service.manage("GET", "/clients/nobody/usage", None).status, 404);
    assert_eq!(service.manage("GET", &format!("/clients/{}/usage?since=x", client.id), None).status, 400);
}
