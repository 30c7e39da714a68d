//! Reading a compact JWS (RFC 7515 §7.1) from a stranger: one form, one reading, everything else refused before any
//! cryptography. Knows nothing of keys and of what claims mean; a parsed JWS is not yet a verified one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::strict_json;
use serde_json::{Map, Value};

/// The longest token we read and issue, in bytes: what the header buffers of common gateways hold (T-HDR-10).
pub const MAX_LENGTH: usize = 8 * 1024;

/// The longest `kid` of a token or a key, in bytes (T-HDR-04).
pub const MAX_KID_LENGTH: usize = 256;

/// A compact JWS, taken apart and well formed. Its signature is still to be verified.
#[derive(Clone)]
pub struct Jws {
    algorithm: String,
    kid: Option<String>,
    token_type: Option<String>,
    payload: Map<String, Value>,
    signing_input: String,
    signature: Vec<u8>,
}

/// Why a text is no JWS that we read. For the log: it names the rule and never repeats the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsDefect {
    #[error("the token is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the token holds a byte other than A-Z a-z 0-9 - _ and .")]
    ForeignByte,
    #[error("the token does not have exactly three parts, none of them empty")]
    NotThreeParts,
    #[error("a part of the token is not canonical base64url without padding")]
    NotBase64Url,
    #[error("the header is not a JSON object with distinct member names")]
    HeaderNotAnObject,
    #[error("the payload is not a JSON object with distinct member names")]
    PayloadNotAnObject,
    #[error("the header has no alg, or one that is not a string")]
    AlgorithmNotAString,
    #[error("the header demands an extension (crit or b64)")]
    Extension,
    #[error("the kid is not a string")]
    KidNotAString,
    #[error("the kid is longer than {MAX_KID_LENGTH} bytes")]
    KidTooLong,
    #[error("the typ is not a string")]
    TypeNotAString,
    #[error("a claim that the header repeats differs from the payload")]
    ReplicatedClaimDiffers,
}

impl Jws {
    /// Takes a compact JWS apart. Header members other than `alg`, `kid`, `typ`, `crit` and `b64` have no effect: a key
    /// or the address of one (`jwk`, `jku`, `x5c`, `x5u`) in a token is never used (T-HDR-01 to T-HDR-03).
    ///
    /// # Errors
    /// [`JwsDefect`], the first that was found.
    pub fn parse(token: &str) -> Result<Self, JwsDefect> {
        if token.len() > MAX_LENGTH {
            return Err(JwsDefect::TooLong);
        }
        // Every byte is looked at, so that many are at a time.
        if !token.bytes().fold(true, |all, byte| all & is_of_a_token(byte)) {
            return Err(JwsDefect::ForeignByte);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsDefect::NotThreeParts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsDefect::NotThreeParts)?;
        if payload.contains('.') || [header, payload, signature].contains(&"") {
            return Err(JwsDefect::NotThreeParts);
        }
        let header = strict_json::object(&decode(header)?).map_err(|_| JwsDefect::HeaderNotAnObject)?;
        let payload = strict_json::object(&decode(payload)?).map_err(|_| JwsDefect::PayloadNotAnObject)?;
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(JwsDefect::Extension);
        }
        // RFC 7519 §5.3.
        let differs = |name| matches!((header.get(name), payload.get(name)), (Some(a), Some(b)) if a != b);
        if ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"].into_iter().any(differs) {
            return Err(JwsDefect::ReplicatedClaimDiffers);
        }
        Ok(Self {
            algorithm: algorithm(&header)?,
            kid: kid(&header)?,
            token_type: token_type(&header)?,
            payload,
            signing_input: signing_input.to_owned(),
            signature: decode(signature)?,
        })
    }

    /// The `alg` of the header, as written.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The `kid` of the header, as written.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The `typ` of the header in lower case and without a leading `application/` (RFC 7515 §4.1.9).
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// The claims, unverified.
    #[must_use]
    pub const fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    /// The claims, unverified, without what they came in.
    #[must_use]
    pub fn into_payload(self) -> Map<String, Value> {
        self.payload
    }

    /// What the signature is over (RFC 7515 §5.2, step 8).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// A letter or a digit of base64url, or a dot.
const fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_') | (byte == b'.')
}

/// The engine refuses padding and spare bits, so that one sequence of bytes has one spelling (T-JWS-02).
fn decode(part: &str) -> Result<Vec<u8>, JwsDefect> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsDefect::NotBase64Url)
}

fn algorithm(header: &Map<String, Value>) -> Result<String, JwsDefect> {
    header.get("alg").and_then(Value::as_str).map(str::to_owned).ok_or(JwsDefect::AlgorithmNotAString)
}

fn kid(header: &Map<String, Value>) -> Result<Option<String>, JwsDefect> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() > MAX_KID_LENGTH => Err(JwsDefect::KidTooLong),
        Some(Value::String(kid)) => Ok(Some(kid.clone())),
        Some(_) => Err(JwsDefect::KidNotAString),
    }
}

fn token_type(header: &Map<String, Value>) -> Result<Option<String>, JwsDefect> {
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(text)) => {
            let text = text.to_ascii_lowercase();
            Ok(Some(text.strip_prefix("application/").unwrap_or(&text).to_owned()))
        }
        Some(_) => Err(JwsDefect::TypeNotAString),
    }
}

impl fmt::Debug for Jws {
    /// Without payload and signature: together with the rest they are a credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Jws")
            .field("alg", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::{Jws, JwsDefect};

    fn token(header: &str, payload: &str) -> String {
        let [header, payload, signature] =
            [header, payload, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.{signature}")
    }

    fn defect(header: &str) -> Option<JwsDefect> {
        Jws::parse(&token(header, "{}")).err()
    }

    #[test]
    fn c_7515_05_a_well_formed_token_is_taken_apart() {
        let text =
            token(r#"{"alg":"RS256","kid":"A1","typ":"JWT","foo":1,"jwk":{"kty":"RSA"}}"#, r#"{"iss":"é"}"#);
        let jws = Jws::parse(&text).unwrap();
        assert_eq!((jws.algorithm(), jws.kid(), jws.token_type()), ("RS256", Some("A1"), Some("jwt")));
        assert_eq!(jws.payload()["iss"], "é");
        assert_eq!(jws.signature(), b"signature");
        assert_eq!(jws.signing_input(), text.rsplit_once('.').unwrap().0.as_bytes());
    }

    #[test]
    fn c_7515_09_typ_is_compared_without_case_and_media_type_prefix() {
        for typ in [
            "client-authentication+jwt",
            "application/client-authentication+jwt",
            "Client-Authentication+JWT",
        ] {
            let jws = Jws::parse(&token(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#), "{}")).unwrap();
            assert_eq!(jws.token_type(), Some("client-authentication+jwt"));
        }
        assert_eq!(defect(r#"{"alg":"ES256","typ":1}"#), Some(JwsDefect::TypeNotAString));
    }

    #[test]
    fn t_alg_02_alg_must_be_a_string() {
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":1}"#, r#"{"alg":["RS256"]}"#] {
            assert_eq!(defect(header), Some(JwsDefect::AlgorithmNotAString), "{header}");
        }
    }

    #[test]
    fn t_hdr_04_kid_is_a_string_of_at_most_256_bytes() {
        for kid in ["7", "null", "[\"a\"]", r#"{"$ne":null}"#] {
            assert_eq!(defect(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#)), Some(JwsDefect::KidNotAString));
        }
        let longest = "k".repeat(256);
        assert_eq!(defect(&format!(r#"{{"alg":"RS256","kid":"{longest}"}}"#)), None);
        assert_eq!(defect(&format!(r#"{{"alg":"RS256","kid":"{longest}k"}}"#)), Some(JwsDefect::KidTooLong));
    }

    #[test]
    fn t_hdr_07_crit_and_b64_are_refused() {
        for extension in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":["alg"]"#,
            r#""crit":["b64","b64"]"#,
            r#""crit":"cnf""#,
            r#""b64":false"#,
            r#""b64":true"#,
            r#""crit":["b64"],"b64":false"#,
        ] {
            assert_eq!(defect(&format!(r#"{{"alg":"RS256",{extension}}}"#)), Some(JwsDefect::Extension));
        }
    }

    #[test]
    fn t_hdr_08_repeated_members_are_refused_in_header_and_payload() {
        for header in [r#"{"alg":"RS256","alg":"none"}"#, r#"{"alg":"RS256","kid":"a","kid":"b"}"#] {
            assert_eq!(defect(header), Some(JwsDefect::HeaderNotAnObject));
        }
        let victim = token(r#"{"alg":"RS256"}"#, r#"{"sub":"victim","sub":"me"}"#);
        assert_eq!(Jws::parse(&victim).err(), Some(JwsDefect::PayloadNotAnObject));
    }

    #[test]
    fn t_hdr_10_long_and_deep_tokens_are_refused() {
        assert_eq!(Jws::parse(&"a".repeat(1 << 20)).err(), Some(JwsDefect::TooLong));
        let start = token(r#"{"alg":"RS256"}"#, "{}");
        let of_length = |length: usize| format!("{start}{}", "A".repeat(length - start.len()));
        assert!(Jws::parse(&of_length(8_192)).is_ok());
        assert_eq!(Jws::parse(&of_length(8_193)).err(), Some(JwsDefect::TooLong));
        let deep = "[".repeat(3_000);
        assert_eq!(defect(&format!(r#"{{"alg":"RS256","x":{deep}"#)), Some(JwsDefect::HeaderNotAnObject));
    }

    #[test]
    fn t_hdr_11_t_jwe_01_only_three_parts_are_a_jws() {
        for text in ["", "a", "a.b", "a.b.", ".b.c", "a..c", "..", "a.b.c.d", "a.b.c.d.e", &".".repeat(8_000)]
        {
            assert_eq!(Jws::parse(text).err(), Some(JwsDefect::NotThreeParts), "{text}");
        }
        assert_eq!(Jws::parse(&".".repeat(1_000_000)).err(), Some(JwsDefect::TooLong));
        // The five parts of a JWE, its header well formed (T-JWE-02, T-JWE-03).
        let header = URL_SAFE_NO_PAD
            .encode(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","zip":"DEF","p2c":2147483648}"#);
        assert_eq!(Jws::parse(&format!("{header}.AA.AA.AA.AA")).err(), Some(JwsDefect::NotThreeParts));
    }

    #[test]
    fn t_jws_01_json_serialisation_is_refused_on_its_first_byte() {
        let good = token(r#"{"alg":"RS256"}"#, "{}");
        for text in [
            r#"{"payload":"e30","protected":"e30","signature":"AA"}"#.to_owned(),
            format!(r#"{{"protected":"{good}"}}"#),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{good} {good}"),
            good.replace('.', "%2E"),
            format!("{good}é"),
        ] {
            assert_eq!(Jws::parse(&text).err(), Some(JwsDefect::ForeignByte), "{text}");
        }
    }

    #[test]
    fn t_jws_02_base64url_has_one_spelling() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        // One byte takes two letters; the low four bits of the second one are spare: "AA" is canonical, "AB" is not.
        let canonical = format!("{header}.e30.AA");
        assert!(Jws::parse(&canonical).is_ok());
        assert_eq!(Jws::parse(&format!("{header}.e30.AB")).err(), Some(JwsDefect::NotBase64Url));
        assert_eq!(Jws::parse(&format!("{header}.e30.A")).err(), Some(JwsDefect::NotBase64Url));
        for text in [format!("{header}=.e30.AA"), format!("{header}.e30.AA=="), format!("{header}.e30.+/")] {
            assert_eq!(Jws::parse(&text).err(), Some(JwsDefect::ForeignByte), "{text}");
        }
    }

    #[test]
    fn c_7515_07_only_utf_8_objects_are_read() {
        for bytes in [
            &b"{\"a\":\"\xff\"}"[..],
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":1,}",
            b"[]",
            b"\"x\"",
            b"\xfe\xff\x00{\x00}",
        ] {
            let payload = URL_SAFE_NO_PAD.encode(bytes);
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
            let defect = Jws::parse(&format!("{header}.{payload}.AA")).err();
            assert_eq!(defect, Some(JwsDefect::PayloadNotAnObject));
        }
    }

    #[test]
    fn c_7519_07_a_claim_repeated_in_the_header_must_agree() {
        let header = r#"{"alg":"RS256","iss":"a"}"#;
        let differing = token(header, r#"{"iss":"b"}"#);
        assert_eq!(Jws::parse(&differing).err(), Some(JwsDefect::ReplicatedClaimDiffers));
        assert!(Jws::parse(&token(header, r#"{"iss":"a"}"#)).is_ok());
        for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] {
            let header = format!(r#"{{"alg":"RS256","{name}":1}}"#);
            let differing = token(&header, &format!(r#"{{"{name}":2}}"#));
            assert_eq!(Jws::parse(&differing).err(), Some(JwsDefect::ReplicatedClaimDiffers), "{name}");
            assert!(Jws::parse(&token(&header, &format!(r#"{{"{name}":1}}"#))).is_ok(), "{name}");
        }
    }

    #[test]
    fn c_7515_08_texts_that_look_alike_are_not_equal() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        let header = format!(r#"{{"alg":"RS256","sub":"{composed}"}}"#);
        let other = token(&header, &format!(r#"{{"sub":"{decomposed}"}}"#));
        assert_eq!(Jws::parse(&other).err(), Some(JwsDefect::ReplicatedClaimDiffers));
        assert!(Jws::parse(&token(&header, &format!(r#"{{"sub":"{composed}"}}"#))).is_ok());
        // The sign for Kelvin is no K, although lower case makes it one.
        let jws = Jws::parse(&token("{\"alg\":\"ES256\",\"typ\":\"\u{212a}wt\"}", "{}")).unwrap();
        assert_eq!(jws.token_type(), Some("\u{212a}wt"));
    }

    #[test]
    fn debug_output_is_no_credential() {
        let jws = Jws::parse(&token(r#"{"alg":"RS256"}"#, r#"{"jti":"j-4711"}"#)).unwrap();
        assert!(!format!("{jws:?}").contains("j-4711"));
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = Jws::parse(&text);
        }

        #[test]
        fn parse_never_panics_on_three_decodable_parts(parts in prop::array::uniform3(any::<Vec<u8>>())) {
            let text = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let _ = Jws::parse(&text);
        }

        /// Whatever is accepted is the only spelling of what it says (T-JWS-02).
        #[test]
        fn what_is_accepted_re_encodes_to_itself(end in "[A-Za-z0-9_-]{1,7}", alg in "[ -!#-\\[\\]-~]{0,9}") {
            let start = token(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
            let text = format!("{}.{end}", start.rsplit_once('.').unwrap().0);
            if let Ok(jws) = Jws::parse(&text) {
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(jws.signature()), end);
                prop_assert_eq!(jws.algorithm(), alg);
            }
        }
    }
}
