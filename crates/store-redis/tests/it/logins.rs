//! Users, passwords and TLS: only the right ones connect, and the sentence says what to check.

use store_redis::{Login, OpenError, Server, Settings, Tls};
use testkit::redis::{RedisServer, Sentinels};
use testkit::tls::Authority;

use crate::{at, connect, host, soon, use_of};

fn login(username: Option<&str>, password: &str) -> Option<Login> {
    Some(Login { username: username.map(str::to_owned), password: password.to_owned() })
}

mod on_redis {
    use credentials::replay::ReplayGuard;

    use super::*;

    #[tokio::test]
    async fn a_password_is_needed_where_there_is_one() {
        let server = RedisServer::start(&["--requirepass", "hunter2"]).await;
        let guard =
            connect(Settings { login: login(None, "hunter2"), ..at(server.address()) }).await.unwrap();
        assert!(guard.first_use(use_of("a"), soon()).await.unwrap());
        for wrong in [None, login(None, "hunter3"), login(Some("nobody"), "hunter2")] {
            let error = connect(Settings { login: wrong, ..at(server.address()) }).await.unwrap_err();
            assert!(matches!(error, OpenError::Refused), "{error}");
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }

    /// A user that may do nothing but what a use needs: no INFO, no other keys.
    #[tokio::test]
    async fn a_user_with_the_least_rights_is_enough() {
        let users = "--user gettone on >hunter2 ~gettone:* -@all +set +wait \
                     --user other on >hunter2 ~other:* -@all +set +info";
        let server = RedisServer::start(&users.split_whitespace().collect::<Vec<_>>()).await;
        let settings = |name| Settings { login: login(Some(name), "hunter2"), ..at(server.address()) };
        let guard = connect(settings("gettone")).await.unwrap();
        assert!(guard.first_use(use_of("a"), soon()).await.unwrap());
        assert!(!guard.first_use(use_of("a"), soon()).await.unwrap());
        let powerless = connect(settings("other")).await.unwrap();
        let error = powerless.first_use(use_of("b"), soon()).await.unwrap_err();
        assert!(format!("{error:?}").contains("NoPerm"), "{error:?}");
    }

    #[tokio::test]
    async fn tls_is_spoken_with_the_authority_we_were_given_and_no_other() {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        let files = [path(authority.certificate()), path(authority.key()), path(authority.authority())];
        let [certificate, key, ca] = files.each_ref().map(String::as_str);
        // Redis asks for a certificate of ours too, unless it is told not to.
        let server = RedisServer::start(&[
            "--tls-port",
            "{port}",
            "--port",
            "0",
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
            ca,
        ])
        .await;
        let identity = Some((authority.certificate(), authority.key()));
        let tls = |authorities, identity| Settings {
            tls: Some(Tls { authorities: Some(authorities), identity }),
            ..at(server.address())
        };
        let guard = connect(tls(authority.authority(), identity.clone())).await.unwrap();
        assert!(guard.first_use(use_of("a"), soon()).await.unwrap());
        for (what, wrong) in [
            ("an authority of somebody else", tls(stranger.authority(), identity.clone())),
            ("no certificate of ours", tls(authority.authority(), None)),
            (
                "a certificate of a stranger",
                tls(authority.authority(), Some((stranger.certificate(), stranger.key()))),
            ),
            ("no TLS", at(server.address())),
        ] {
            let error = connect(wrong).await.unwrap_err();
            assert!(matches!(error, OpenError::Unreachable(_)), "{what}: {error}");
        }
        for (name, settings) in [
            ("REDIS_TLS_CA_PATH", tls("/no/such/file".into(), None)),
            ("REDIS_TLS_CERT_PATH", tls(authority.authority(), Some(("/no/such".into(), authority.key())))),
            ("REDIS_TLS_CA_PATH", tls("/dev/null".into(), None)),
        ] {
            let error = connect(settings).await.unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[tokio::test]
    async fn sentinels_may_have_a_login_of_their_own() {
        let server = ["--requirepass", "hunter2", "--masterauth", "hunter2"];
        let auth_pass = format!("sentinel auth-pass {} hunter2", Sentinels::MASTER_NAME);
        let deployment = Sentinels::start(&server, &[&auth_pass, "requirepass watch-2"]).await;
        let sentinels: Vec<_> = deployment.hosts().iter().map(|text| host(text)).collect();
        let settings = |name: &str, sentinel: Option<Login>, server: Option<Login>| Settings {
            server: Server::FoundBySentinels {
                sentinels: sentinels.clone(),
                master_name: name.to_owned(),
                login: sentinel,
            },
            login: server,
            tls: None,
            replicas_to_wait_for: 0,
        };
        let name = Sentinels::MASTER_NAME;
        let (watch, hunter) = (login(None, "watch-2"), login(None, "hunter2"));
        let guard = connect(settings(name, watch.clone(), hunter.clone())).await.unwrap();
        assert!(guard.first_use(use_of("a"), soon()).await.unwrap());

        let error = connect(settings(name, None, hunter.clone())).await.unwrap_err();
        assert!(matches!(error, OpenError::SentinelsRefuse), "{error}");
        let error = connect(settings(name, hunter.clone(), hunter.clone())).await.unwrap_err();
        assert!(matches!(error, OpenError::SentinelsRefuse), "{error}");
        let error = connect(settings(name, watch.clone(), watch.clone())).await.unwrap_err();
        assert!(matches!(error, OpenError::Refused), "{error}");
        let error = connect(settings("another", watch, hunter)).await.unwrap_err();
        assert!(matches!(error, OpenError::UnknownMaster), "{error}");
    }
}
