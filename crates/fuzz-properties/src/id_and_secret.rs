//! `credentials::id_and_secret`: a Basic credential has one reading, and both ways of sending a secret agree about it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credentials::id_and_secret::{IdAndSecret, MAX_LENGTH};
use url::form_urlencoded::byte_serialize;

pub(crate) fn check(input: &[u8]) {
    if let Some(read) = IdAndSecret::from_basic(input) {
        assert_legal(&read);
        let again = IdAndSecret::from_basic(&basic(&read.client_id, &read.secret)).expect("as it was read");
        assert_same(&again, &read);
        let followed = [input, b" "].concat();
        assert!(IdAndSecret::from_basic(&followed).is_none(), "base64 has one spelling (T-BAS-05)");
    }
    // The input as the two parameters of a form.
    if let Some((id, secret)) = std::str::from_utf8(input).ok().and_then(|text| text.split_once(':')) {
        let in_form = IdAndSecret::from_form(id, secret);
        let in_header = IdAndSecret::from_basic(&basic(id, secret));
        match (in_form, in_header) {
            (Some(in_form), Some(in_header)) => {
                assert_legal(&in_form);
                assert_eq!((in_form.client_id.as_str(), in_form.secret.as_str()), (id, secret));
                assert_same(&in_form, &in_header);
            }
            (None, None) => {}
            _ => panic!("the two ways of sending a secret disagree"),
        }
    }
}

fn basic(id: &str, secret: &str) -> Vec<u8> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))).into_bytes()
}

fn assert_legal(read: &IdAndSecret) {
    for text in [read.client_id.as_str(), read.secret.as_str()] {
        assert!(text.len() <= MAX_LENGTH && text.chars().all(|character| (' '..='~').contains(&character)));
    }
}

fn assert_same(a: &IdAndSecret, b: &IdAndSecret) {
    assert_eq!((&a.client_id, a.secret.as_str()), (&b.client_id, b.secret.as_str()));
}
