use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
    Config::read(&Vars::from_pairs(pairs.iter().copied())).map_err(|problems| problems.to_string())
}

const DROP_IN: [(&str, &str); 6] = [
    ("PROFILE", "drop-in"),
    ("CLIENT_ID_HASH_SALT", "pepper"),
    ("PRIVATE_RSA_KEY_FILE_PATH", "/keys/private.pem"),
    ("PRIVATE_RSA_KEY_ID", "keyID"),
    ("MIA_JWT_ISSUER", "mia-issuer"),
    ("MIA_JWT_EXPIRES_IN", "600"),
];

#[test]
fn nothing_set_is_a_working_configuration() {
    let config = read(&[]).unwrap();
    assert_eq!((config.public.host.as_str(), config.public.port), ("0.0.0.0", 3000));
    assert_eq!((config.management.host.as_str(), config.management.port), ("127.0.0.1", 3001));
    assert_eq!(config.tokens.issuer, "http://localhost:3000");
    assert_eq!(config.tokens.lifetime_seconds, 3600);
    assert_eq!(config.tokens.clock_skew_seconds, 10);
    assert_eq!(config.tokens.accepted_audiences, ["urn:gettone:api"]);
    assert_eq!(config.default_client_state, ClientState::Public);
    assert!(config.mongodb.is_none() && config.pepper.is_none() && config.warnings.is_empty());
}

#[test]
fn drop_in_takes_the_variables_of_the_service_we_replace() {
    let config = read(&DROP_IN).unwrap();
    assert_eq!(config.tokens.issuer, "mia-issuer");
    assert_eq!((config.tokens.lifetime_seconds, config.tokens.clock_skew_seconds), (600, 0));
    assert_eq!(config.tokens.default_audience, None);
    assert!(config.tokens.accepted_audiences.is_empty());
    assert_eq!(config.warnings.len(), 3);
}

#[test]
fn t_ops_04_a_salt_that_could_be_guessed_is_warned_of_and_an_empty_one_is_none() {
    for (salt, warnings) in [("sixteen letters.", 0), ("fifteen letters", 1), ("a", 1), ("", 0)] {
        let config = read(&[("CLIENT_ID_HASH_SALT", salt)]).unwrap();
        assert_eq!((config.warnings.len(), config.pepper.is_none()), (warnings, salt.is_empty()), "{salt}");
    }
    let empty: Vec<_> = DROP_IN.into_iter().filter(|(name, _)| *name != "CLIENT_ID_HASH_SALT").collect();
    assert!(read(&[empty, vec![("CLIENT_ID_HASH_SALT", "")]].concat()).is_err());
}

#[test]
fn drop_in_names_every_missing_variable_at_once() {
    let text = read(&[("PROFILE", "drop-in"), ("HTTP_PORT", "many")]).unwrap_err();
    for name in REQUIRED_IN_DROP_IN.into_iter().chain(["HTTP_PORT"]) {
        assert!(text.contains(&format!("\n  {name}\n")), "{name} is missing in\n{text}");
    }
    assert!(text.starts_with("6 variables need attention"), "{text}");
}

#[test]
fn t_ops_04_an_issuer_without_tls_is_this_machine_or_refused() {
    for issuer in [
        "https://auth.example",
        "https://auth.example/tenant",
        "https://auth.example:8443/",
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://[::1]:3000",
    ] {
        assert!(read(&[("MIA_JWT_ISSUER", issuer)]).is_ok(), "{issuer}");
    }
    for issuer in [
        "http://auth.example",
        "http://localhost.example",
        "https://auth.example?x",
        "https://auth.example#x",
        "https://user@auth.example",
        "https:auth.example",
        "HTTPS://auth.example",
        "ftp://localhost",
        "mia-issuer",
    ] {
        let text = read(&[("MIA_JWT_ISSUER", issuer)]).unwrap_err();
        assert!(text.contains("MIA_JWT_ISSUER") && !text.contains(issuer), "{text}");
    }
}

#[test]
fn values_out_of_range_are_refused_by_name_and_not_shown() {
    for (name, value) in [
        ("MIA_JWT_EXPIRES_IN", "0"),
        ("MIA_JWT_EXPIRES_IN", "86401"),
        ("CLOCK_SKEW_SECONDS", "-1"),
        ("CLOCK_SKEW_SECONDS", "301"),
        ("BOOTSTRAP_TOKEN", "thirty-one-characters-are-short"),
        ("BOOTSTRAP_TOKEN", "thirty-six characters with blanks ok"),
        ("DEFAULT_CLIENT_STATE", "TRASH"),
        ("SIGNING_ALGORITHM", "HS256"),
        ("SIGNING_ALGORITHM", "RS384"),
        ("SIGNING_ALGORITHM", "eddsa"),
        ("SIGNING_KEYS_ENCRYPTION_KEY", "c2hvcnQ="),
        ("SIGNING_KEYS_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("SIGNING_KEYS_ENCRYPTION_KEY", "not base64 at all"),
        ("SIGNING_KEY_ROTATION_DAYS", "30"),
        ("SIGNING_KEY_ROTATION_DAYS", "0"),
        ("PROFILE", "upstream"),
        ("SERVICE_PREFIX", "auth"),
        ("SERVICE_PREFIX", "/a//b"),
        ("SERVICE_PREFIX", "/a/../b"),
        ("SERVICE_PREFIX", "/-"),
        ("SERVICE_PREFIX", "/{x}"),
        ("CRUD_CLIENT_BASE_URL", "http://crud-service.internal/clients"),
        ("MANAGEMENT_PORT", "3000"),
        ("PRIVATE_RSA_KEY_ID", &"k".repeat(257)),
    ] {
        let text = read(&[(name, value)]).unwrap_err();
        assert!(text.contains(name), "{name}={value}: {text}");
        assert!(
            name == "MANAGEMENT_PORT" || value.len() < 4 || !text.contains(&format!(" {value}")),
            "{text}"
        );
    }
}

#[test]
fn t_cc_04_the_issuer_is_not_an_audience_of_tokens() {
    let issuer = "https://auth.example";
    for variables in [
        [("MIA_JWT_ISSUER", issuer), ("DEFAULT_AUDIENCE", issuer)],
        [("HTTP_PORT", "3456"), ("DEFAULT_AUDIENCE", "http://localhost:3456")],
    ] {
        let text = read(&variables).unwrap_err();
        assert!(text.contains("DEFAULT_AUDIENCE"), "{text}");
    }
}

#[test]
fn a_prefix_loses_its_last_slash() {
    assert_eq!(read(&[("SERVICE_PREFIX", "/auth/v1/")]).unwrap().service_prefix, "/auth/v1");
    assert_eq!(read(&[("SERVICE_PREFIX", "/")]).unwrap().service_prefix, "");
}

#[test]
fn t_log_02_debug_output_holds_no_secret() {
    let secrets = [
        ("BOOTSTRAP_TOKEN", "hunter2-hunter2-hunter2-hunter2-hunter2"),
        ("CREDENTIALS_MONGODB_URL", "mongodb://u:hunter2@localhost"),
        ("CLIENT_ID_HASH_SALT", "hunter2"),
        ("PRIVATE_KEY_PASSWORD", "hunter2"),
        ("SIGNING_KEYS_ENCRYPTION_KEY", "hunter2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("REDIS_HOSTS", "sentinel:26379"),
        ("REDIS_MODE", "sentinel"),
        ("REDIS_MASTER_NAME", "master"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_SENTINEL_PASSWORD", "hunter2"),
    ];
    assert!(!format!("{:?}", read(&secrets).unwrap()).contains("hunter2"));
}

#[test]
fn signing_keys_of_the_configuration() {
    let config = read(&[]).unwrap();
    assert!(config.shared_keys.is_none());
    assert_eq!(config.signing_key.algorithm, Algorithm::Rs256);
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let shared = [
        ("SIGNING_ALGORITHM", "EdDSA"),
        ("SIGNING_KEYS_ENCRYPTION_KEY", key),
        ("SIGNING_KEY_ROTATION_DAYS", "30"),
    ];
    let config = read(&shared).unwrap();
    assert_eq!(config.signing_key.algorithm, Algorithm::EdDsa);
    assert_eq!(config.shared_keys.unwrap().rotation_seconds, Some(30 * 86_400));
    let with_file: Vec<_> = DROP_IN.into_iter().chain([("SIGNING_ALGORITHM", "PS256")]).collect();
    assert!(read(&with_file).unwrap_err().contains("SIGNING_ALGORITHM"));
    let many = [
        ("SIGNING_ALGORITHM", "none"),
        ("SIGNING_KEYS_ENCRYPTION_KEY", "hunter2"),
        ("SIGNING_KEY_ROTATION_DAYS", "never"),
    ];
    let text = read(&many).unwrap_err();
    assert!(text.starts_with("3 variables need attention") && !text.contains("hunter2"), "{text}");
}
