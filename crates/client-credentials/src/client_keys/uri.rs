//! Which URLs may be a `jwks_uri`: nothing that points inside, hides where it points, or leads back to us. Names are
//! looked up when keys are fetched, and their addresses checked then.

use url::{Host, Origin, Url};

use super::address::AddressPolicy;

/// The longest URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// The port of https; from this one on others may be used. Below live services that are no web servers.
const HTTPS: u16 = 443;
const FIRST_FREE_PORT: u16 = 1024;

/// Ends of names that exist inside only.
const INSIDE: [&str; 8] =
    ["localhost", "local", "internal", "intranet", "lan", "corp", "private", "home.arpa"];

/// Where clouds hand out credentials of the machine.
const METADATA: [&str; 2] = ["metadata.google.internal", "metadata.goog"];

/// Why a URL is refused. The texts are public sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksUriDefect {
    #[error(
        "jwks_uri must be an https URL of at most 2048 bytes in its normal form, without user, fragment and characters \
beyond ASCII"
    )]
    Form,
    #[error("jwks_uri must use port 443, or one from 1024 on")]
    Port,
    #[error("jwks_uri must name a public host")]
    Inside,
    #[error("jwks_uri must not be on the host of this service: its keys are not those of clients")]
    OurOwn,
}

/// The URL, checked as far as it can be without looking anything up. `own` is the origin of our issuer.
///
/// # Errors
/// [`JwksUriDefect`].
pub(super) fn parse(text: &str, policy: &AddressPolicy, own: Option<&Origin>) -> Result<Url, JwksUriDefect> {
    if text.len() > MAX_LENGTH {
        return Err(JwksUriDefect::Form);
    }
    let url = Url::parse(text).map_err(|_| JwksUriDefect::Form)?;
    // What is spelled in another way than the one we print may be read in another way by somebody else: numbers for
    // addresses, letters beyond ASCII, upper case, tabs. A missing path is the one thing that may be added.
    let normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    let bare = url.username().is_empty() && url.password().is_none() && !url.authority().contains('@');
    if url.scheme() != "https" || !normal || !bare || url.fragment().is_some() {
        return Err(JwksUriDefect::Form);
    }
    if url.port().is_some_and(|port| port != HTTPS && port < FIRST_FREE_PORT) {
        return Err(JwksUriDefect::Port);
    }
    let public = match url.host() {
        Some(Host::Ipv4(address)) => policy.permits(address.into()),
        Some(Host::Ipv6(address)) => policy.permits(address.into()),
        Some(Host::Domain(name)) => is_good_name(name, policy),
        None => false,
    };
    if !public {
        return Err(JwksUriDefect::Inside);
    }
    if own.is_some_and(|own| *own == url.origin()) { Err(JwksUriDefect::OurOwn) } else { Ok(url) }
}

fn is_good_name(name: &str, policy: &AddressPolicy) -> bool {
    let ends_with =
        |end: &&str| name.strip_suffix(*end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if name.ends_with('.') || METADATA.iter().any(ends_with) {
        return false;
    }
    // Where the operator allows networks of the inside, the addresses alone decide.
    policy.reaches_inside() || (name.contains('.') && !INSIDE.iter().any(ends_with))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), JwksUriDefect> {
        let own = Url::parse("https://auth.example/t1").unwrap().origin();
        parse(text, &AddressPolicy::default(), Some(&own)).map(drop)
    }

    #[test]
    fn public_https_urls_are_taken() {
        for good in [
            "https://client.example/jwks.json",
            "https://client.example",
            "https://client.example:8443/k?a=b",
            "https://1.1.1.1/k",
            "https://[2606:4700::1111]/k",
            "https://xn--bcher-kva.example/k",
        ] {
            assert_eq!(verdict(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn t_ssrf_01_addresses_and_names_of_the_inside_in_every_spelling() {
        for inside in [
            "https://127.0.0.1/k",
            "https://[::1]/k",
            "https://0.0.0.0/k",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/k",
            "https://100.64.0.1/k",
            "https://192.168.0.1/k",
            "https://[fd00::1]/k",
            "https://[::ffff:7f00:1]/k",
            "https://[64:ff9b::7f00:1]/k",
            "https://localhost/k",
            "https://a.localhost/k",
            "https://metadata/k",
            "https://metadata.google.internal/k",
            "https://db.internal/k",
            "https://printer.local/k",
            "https://intranet/k",
        ] {
            assert_eq!(verdict(inside), Err(JwksUriDefect::Inside), "{inside}");
        }
        for spelling in [
            "https://2130706433/k",
            "https://0x7f.1/k",
            "https://0x7f000001/k",
            "https://0177.0.0.1/k",
            "https://127.1/k",
            "https://[::ffff:127.0.0.1]/k",
            "https://LOCALHOST/k",
            "https://%6cocalhost/k",
            "https://１２７.0.0.1/k",
        ] {
            assert!(verdict(spelling).is_err(), "{spelling}");
        }
    }

    #[test]
    fn t_ssrf_04_scheme_user_port_and_name() {
        for bad in [
            "http://client.example/k",
            "file:///etc/passwd",
            "gopher://client.example/",
            "client.example/k",
            "https://a@client.example/k",
            "https://a:b@client.example/k",
            "https://@client.example/k",
            "https://client.example/k#f",
            "https:client.example/k",
            "https://client.example\\@evil.example/k",
            "https://clіent.example/k",
            "https://",
            " https://client.example/k",
            "https://client.example/a/../k",
            "https://client.example:443/k",
            "",
            "https://CLIENT.example/k",
        ] {
            assert_eq!(verdict(bad), Err(JwksUriDefect::Form), "{bad}");
        }
        let long = format!("https://client.example/{}", "x".repeat(2048));
        assert_eq!(verdict(&long), Err(JwksUriDefect::Form));
        for port in [22, 25, 80, 1023] {
            assert_eq!(
                verdict(&format!("https://client.example:{port}/k")),
                Err(JwksUriDefect::Port),
                "{port}"
            );
        }
        assert_eq!(verdict("https://client.example./k"), Err(JwksUriDefect::Inside));
    }

    #[test]
    fn t_ssrf_09_our_own_endpoints_are_nobodys_keys() {
        for own in [
            "https://auth.example/register",
            "https://auth.example/.well-known/jwks.json",
            "https://auth.example",
        ] {
            assert_eq!(verdict(own), Err(JwksUriDefect::OurOwn), "{own}");
        }
        assert_eq!(verdict("https://auth.example:8443/k"), Ok(()));
    }

    #[test]
    fn where_networks_are_allowed_their_names_are_but_not_those_of_clouds() {
        let policy = AddressPolicy::new(vec!["10.0.0.0/8".parse().unwrap()]);
        for good in
            ["https://keys/k", "https://keys.internal/k", "https://10.0.0.1/k", "https://client.example/k"]
        {
            assert!(parse(good, &policy, None).is_ok(), "{good}");
        }
        for bad in ["https://metadata.google.internal/k", "https://127.0.0.1/k", "https://169.254.169.254/k"]
        {
            assert_eq!(parse(bad, &policy, None), Err(JwksUriDefect::Inside), "{bad}");
        }
    }
}
