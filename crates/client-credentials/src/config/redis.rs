//! The variables of Redis: what they say together, and the settings they make. Names are upstream's (contract §2); those
//! of TLS appear nowhere there and are ours.

use serde::Deserialize;
use service_kit::{Problems, Secret};
use store_redis::{Host, Login, Server, Settings, Tls};
use zeroize::Zeroizing;

use super::Variables;

const TLS_SCHEME: &str = "rediss://";

/// `host:port`, or several of them separated by commas, each with a scheme or none.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct RedisHosts {
    hosts: Vec<Host>,
    tls: bool,
}

/// What the hosts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisMode {
    Normal,
    Sentinel,
}

impl TryFrom<String> for RedisHosts {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let elements: Vec<_> = text.split(',').map(str::trim).filter(|element| !element.is_empty()).collect();
        let tls = elements.iter().filter(|element| element.starts_with(TLS_SCHEME)).count();
        if tls != 0 && tls != elements.len() {
            return Err("must have rediss:// before each host, or before none");
        }
        let hosts = elements.iter().map(|element| {
            let bare = element.strip_prefix(TLS_SCHEME).or_else(|| element.strip_prefix("redis://"));
            bare.unwrap_or(element).parse()
        });
        let hosts: Vec<Host> = hosts.collect::<Result<_, _>>().map_err(
            |_| "must be host:port, or several separated by commas; user and password have variables",
        )?;
        if hosts.is_empty() { Err("must name a host") } else { Ok(Self { hosts, tls: tls != 0 }) }
    }
}

/// Variables that say something only beside `REDIS_HOSTS`.
const NEED_HOSTS: [&str; 9] = [
    "REDIS_MASTER_NAME",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_TLS_CA_PATH",
    "REDIS_TLS_CERT_PATH",
    "REDIS_TLS_KEY_PATH",
    "REDIS_REPLICAS_TO_WAIT_FOR",
];
const NEED_SENTINELS: [&str; 3] = ["REDIS_MASTER_NAME", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"];
const NEED_TLS: [&str; 3] = ["REDIS_TLS_CA_PATH", "REDIS_TLS_CERT_PATH", "REDIS_TLS_KEY_PATH"];
/// The second is needed by the first.
const NEED_EACH_OTHER: [(&str, &str); 4] = [
    ("REDIS_USERNAME", "REDIS_PASSWORD"),
    ("REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"),
    ("REDIS_TLS_CERT_PATH", "REDIS_TLS_KEY_PATH"),
    ("REDIS_TLS_KEY_PATH", "REDIS_TLS_CERT_PATH"),
];

/// Notes what does not go together. A variable that would silently do nothing is a mistake too: whoever set a password
/// or a certificate authority thinks that it protects something.
pub(super) fn check_together(text: impl Fn(&str) -> Option<Zeroizing<String>>, problems: &mut Problems) {
    let is_set = |name: &str| text(name).is_some();
    let says = |name: &str, value: &str| text(name).is_some_and(|text| text.trim() == value);
    let Some(hosts) = text("REDIS_HOSTS") else {
        let sentinel = says("REDIS_MODE", "sentinel").then_some("REDIS_MODE");
        let tls = says("REDIS_TLS_ENABLED", "true").then_some("REDIS_TLS_ENABLED");
        let others = NEED_HOSTS.into_iter().filter(|name| is_set(name)).chain(sentinel).chain(tls);
        for name in others {
            problems.note(name, "needs REDIS_HOSTS: set that, or unset this");
        }
        return;
    };
    if says("REDIS_MODE", "sentinel") {
        if !is_set("REDIS_MASTER_NAME") {
            problems.note("REDIS_MASTER_NAME", "is required if REDIS_MODE is sentinel");
        }
    } else {
        for name in NEED_SENTINELS.into_iter().filter(|name| is_set(name)) {
            problems.note(name, "is for sentinels: set REDIS_MODE=sentinel, or unset this");
        }
        // A list that cannot be read is told by itself.
        let readable = RedisHosts::try_from(hosts.to_string()).is_ok();
        if readable && hosts.split(',').filter(|host| !host.trim().is_empty()).count() > 1 {
            problems.note(
                "REDIS_HOSTS",
                "must be one host: what one of several forgets, another cannot know. If these are sentinels, set \
                 REDIS_MODE=sentinel",
            );
        }
    }
    let rediss = hosts.contains(TLS_SCHEME);
    if rediss && says("REDIS_TLS_ENABLED", "false") {
        problems.note("REDIS_TLS_ENABLED", "is false, but REDIS_HOSTS says rediss://");
    }
    let tls = rediss || says("REDIS_TLS_ENABLED", "true");
    for name in NEED_TLS.into_iter().filter(|name| !tls && is_set(name)) {
        problems.note(name, "is for TLS: set REDIS_TLS_ENABLED=true, or unset this");
    }
    for (name, needed) in NEED_EACH_OTHER.into_iter().filter(|(name, needed)| is_set(name) && !is_set(needed))
    {
        problems.note(name, format!("needs {needed}"));
    }
}

/// The settings, of variables that were checked. `None`: no Redis.
pub(super) fn settings(variables: &Variables) -> Option<Settings> {
    let RedisHosts { hosts, tls } = variables.redis_hosts.clone()?;
    let sentinel = variables.redis_mode == RedisMode::Sentinel;
    let server = if sentinel {
        Server::FoundBySentinels {
            sentinels: hosts,
            master_name: variables.redis_master_name.clone()?,
            login: login(
                variables.redis_sentinel_username.as_ref(),
                variables.redis_sentinel_password.as_ref(),
            ),
        }
    } else {
        Server::At(hosts.into_iter().next()?)
    };
    let identity = variables.redis_tls_cert_path.clone().zip(variables.redis_tls_key_path.clone());
    let tls = (tls || variables.redis_tls_enabled)
        .then(|| Tls { authorities: variables.redis_tls_ca_path.clone(), identity });
    Some(Settings {
        server,
        login: login(variables.redis_username.as_ref(), variables.redis_password.as_ref()),
        tls,
        replicas_to_wait_for: variables.redis_replicas_to_wait_for.unwrap_or(u16::from(sentinel)),
    })
}

fn login(username: Option<&String>, password: Option<&Secret>) -> Option<Login> {
    Some(Login { username: username.cloned(), password: password?.expose().to_owned() })
}

#[cfg(test)]
mod tests {
    use service_kit::Vars;

    use super::super::Config;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let config = Config::read(&Vars::from_pairs(pairs.iter().copied()));
        config.map(|config| config.redis).map_err(|problems| problems.to_string())
    }

    const SENTINELS: [(&str, &str); 3] = [
        ("REDIS_HOSTS", "s-1:26379, s-2:26379,s-3:26379"),
        ("REDIS_MODE", "sentinel"),
        ("REDIS_MASTER_NAME", "mymaster"),
    ];

    #[test]
    fn contract_2_without_hosts_there_is_no_redis() {
        for pairs in [&[][..], &[("REDIS_MODE", "normal")], &[("REDIS_HOSTS", ""), ("REDIS_PASSWORD", "")]] {
            assert!(read(pairs).unwrap().is_none(), "{pairs:?}");
        }
    }

    #[test]
    fn contract_2_one_redis_with_a_login() {
        let settings = read(&[("REDIS_HOSTS", "redis:6379")]).unwrap().unwrap();
        assert!(matches!(&settings.server, Server::At(host) if host.to_string() == "redis:6379"));
        assert!(settings.login.is_none() && settings.tls.is_none());
        assert_eq!(settings.replicas_to_wait_for, 0);

        let pairs = [
            ("REDIS_HOSTS", "rediss://redis:6379"),
            ("REDIS_USERNAME", "gettone"),
            ("REDIS_PASSWORD", "hunter2"),
            ("REDIS_TLS_CA_PATH", "/ca.pem"),
            ("REDIS_TLS_CERT_PATH", "/cert.pem"),
            ("REDIS_TLS_KEY_PATH", "/key.pem"),
            ("REDIS_REPLICAS_TO_WAIT_FOR", "2"),
        ];
        let settings = read(&pairs).unwrap().unwrap();
        let login = settings.login.unwrap();
        assert_eq!((login.username.as_deref(), login.password.as_str()), (Some("gettone"), "hunter2"));
        let tls = settings.tls.unwrap();
        assert_eq!(tls.authorities, Some("/ca.pem".into()));
        assert_eq!(tls.identity, Some(("/cert.pem".into(), "/key.pem".into())));
        assert_eq!(settings.replicas_to_wait_for, 2);
    }

    #[test]
    fn contract_2_sentinels_with_a_login_of_their_own() {
        let further = [("REDIS_SENTINEL_PASSWORD", "watch"), ("REDIS_TLS_ENABLED", "true")];
        let settings = read(&[&SENTINELS[..], &further].concat()).unwrap().unwrap();
        let Server::FoundBySentinels { sentinels, master_name, login } = settings.server else {
            panic!("one")
        };
        assert_eq!(sentinels.len(), 3);
        assert_eq!(sentinels[1].to_string(), "s-2:26379");
        assert_eq!((master_name.as_str(), login.unwrap().password.as_str()), ("mymaster", "watch"));
        assert!(settings.login.is_none() && settings.tls.is_some());
        assert_eq!(settings.replicas_to_wait_for, 1, "a failover must not forget");
    }

    #[test]
    fn contract_2_combinations_that_do_nothing_or_harm_are_refused() {
        for (pairs, named) in [
            (&[("REDIS_HOSTS", "s:26379"), ("REDIS_MODE", "sentinel")][..], "REDIS_MASTER_NAME"),
            (&[("REDIS_HOSTS", "a:1,b:2")], "REDIS_HOSTS"),
            (&[("REDIS_HOSTS", "rediss://a:1,b:2"), SENTINELS[1], SENTINELS[2]], "REDIS_HOSTS"),
            (&[("REDIS_HOSTS", "user:hunter2@a:1")], "REDIS_HOSTS"),
            (&[("REDIS_HOSTS", "a")], "REDIS_HOSTS"),
            (&[("REDIS_HOSTS", ",")], "REDIS_HOSTS"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_MODE", "cluster")], "REDIS_MODE"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_MASTER_NAME", "mymaster")], "REDIS_MASTER_NAME"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_SENTINEL_PASSWORD", "hunter2")], "REDIS_SENTINEL_PASSWORD"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_USERNAME", "gettone")], "REDIS_USERNAME"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_TLS_CA_PATH", "/ca.pem")], "REDIS_TLS_CA_PATH"),
            (&[("REDIS_HOSTS", "rediss://a:1"), ("REDIS_TLS_KEY_PATH", "/k.pem")], "REDIS_TLS_KEY_PATH"),
            (&[("REDIS_HOSTS", "rediss://a:1"), ("REDIS_TLS_CERT_PATH", "/c.pem")], "REDIS_TLS_CERT_PATH"),
            (&[("REDIS_HOSTS", "rediss://a:1"), ("REDIS_TLS_ENABLED", "false")], "REDIS_TLS_ENABLED"),
            (&[("REDIS_PASSWORD", "hunter2")], "REDIS_PASSWORD"),
            (&[("REDIS_MODE", "sentinel")], "REDIS_MODE"),
            (&[("REDIS_TLS_ENABLED", "true")], "REDIS_TLS_ENABLED"),
            (&[("REDIS_HOSTS", "a:1"), ("REDIS_REPLICAS_TO_WAIT_FOR", "-1")], "REDIS_REPLICAS_TO_WAIT_FOR"),
        ] {
            let text = read(pairs).unwrap_err();
            assert!(text.contains(&format!("\n  {named}\n")), "{pairs:?}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let sentinel = [SENTINELS[0], SENTINELS[1], ("REDIS_SENTINEL_USERNAME", "watch")];
        let text = read(&[&sentinel[..], &[("REDIS_TLS_CA_PATH", "/ca.pem")]].concat()).unwrap_err();
        assert!(text.starts_with("3 variables need attention"), "all at once: {text}");
    }
}
