//! Hashes of client secrets that another product made: bcrypt, Argon2 and PBKDF2, in the forms in which Ory Hydra keeps
//! them and the PHC string format writes them. They are slow on purpose, so what one may cost is decided here, when it is
//! imported, and not by whoever presents a secret (T-BRU-05). Where the hashing runs is not known here.

use std::fmt;

use argon2::Argon2;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD_NO_PAD};
use base64::{DecodeError, Engine};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Longer than the longest hash that is within the bounds below.
const MAX_LENGTH: usize = 512;
/// A quarter of a second.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=12;
/// What bcrypt reads of a secret. It would take a longer one for its first 72 bytes (T-BRU-06).
const BCRYPT_READS: usize = 72;
const ARGON2_MAX_MEMORY_KIB: u32 = 64 * 1024;
/// Memory times iterations.
const ARGON2_MAX_WORK_KIB: u32 = 256 * 1024;
const ARGON2_MAX_LANES: u32 = 16;
const PBKDF2_MAX_ITERATIONS: u32 = 1_000_000;
const SALT_LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;
const HASH_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// The base64 of bcrypt, which leaves bits over that some implementations do not clear.
const BCRYPT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// A hash of a secret, made elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedHash {
    text: String,
    function: Function,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Bcrypt { cost: u32 },
    Argon2 { kind: argon2::Algorithm, version: argon2::Version, memory_kib: u32, iterations: u32, lanes: u32 },
    Pbkdf2 { digest: Digest, iterations: u32 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha256,
    Sha512,
}

/// Why a text is not a hash that we import. Never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportedHashDefect {
    #[error(
        "it must begin with $2a$, $2b$, $2y$, $argon2id$, $argon2i$, $argon2d$, $pbkdf2-sha256$ or $pbkdf2-sha512$"
    )]
    UnknownFunction,
    #[error("it has not the parts that its function writes")]
    Malformed,
    #[error("its cost is beyond what is imported: {0}")]
    TooCostly(&'static str),
    #[error("its salt must have 8 to 64 bytes and its hash 16 to 64")]
    Sizes,
}

impl ImportedHash {
    /// Reads a hash and checks what it costs.
    ///
    /// # Errors
    /// [`ImportedHashDefect`].
    pub fn parse(text: &str) -> Result<Self, ImportedHashDefect> {
        if text.len() > MAX_LENGTH {
            return Err(ImportedHashDefect::Malformed);
        }
        let mut parts = text.split('$');
        let (before, name) = (parts.next(), parts.next().unwrap_or_default());
        let rest: Vec<&str> = parts.collect();
        if before != Some("") {
            return Err(ImportedHashDefect::UnknownFunction);
        }
        let (function, salt, expected) = match (name, rest.as_slice()) {
            ("2a" | "2b" | "2y", [cost, salt_and_hash]) => bcrypt_parts(cost, salt_and_hash)?,
            ("argon2id" | "argon2i" | "argon2d", [parameters @ .., salt, hash]) => {
                (argon2_function(name, parameters)?, phc_bytes(salt)?, phc_bytes(hash)?)
            }
            ("pbkdf2-sha256", [parameters, salt, hash]) => {
                (pbkdf2_function(Digest::Sha256, parameters, hash)?, phc_bytes(salt)?, phc_bytes(hash)?)
            }
            ("pbkdf2-sha512", [parameters, salt, hash]) => {
                (pbkdf2_function(Digest::Sha512, parameters, hash)?, phc_bytes(salt)?, phc_bytes(hash)?)
            }
            (
                "2a" | "2b" | "2y" | "argon2id" | "argon2i" | "argon2d" | "pbkdf2-sha256" | "pbkdf2-sha512",
                _,
            ) => return Err(ImportedHashDefect::Malformed),
            _ => return Err(ImportedHashDefect::UnknownFunction),
        };
        if !SALT_LENGTHS.contains(&salt.len()) || !HASH_LENGTHS.contains(&expected.len()) {
            return Err(ImportedHashDefect::Sizes);
        }
        Ok(Self { text: text.to_owned(), function, salt, expected })
    }

    /// Whether `secret` is the one that was hashed. Takes up to a second of a processor and 64 MiB, the same for a right
    /// secret and a wrong one.
    #[must_use]
    pub fn verify(&self, secret: &str) -> bool {
        let mut computed = vec![0; self.expected.len()];
        let is_readable = match self.function {
            Function::Bcrypt { cost } => self.bcrypt(cost, secret, &mut computed),
            Function::Argon2 { kind, version, memory_kib, iterations, lanes } => {
                let length = Some(computed.len());
                argon2::Params::new(memory_kib, iterations, lanes, length).is_ok_and(|parameters| {
                    let argon2 = Argon2::new(kind, version, parameters);
                    argon2.hash_password_into(secret.as_bytes(), &self.salt, &mut computed).is_ok()
                })
            }
            Function::Pbkdf2 { digest, iterations } => {
                let pbkdf2 = match digest {
                    Digest::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>,
                    Digest::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>,
                };
                pbkdf2(secret.as_bytes(), &self.salt, iterations, &mut computed);
                true
            }
        };
        let equal: bool = computed.ct_eq(&self.expected).into();
        // Functions pad with NUL: it would make no difference at the end.
        equal & is_readable & !secret.contains('\0')
    }

    /// A secret that bcrypt would not read to its end is hashed like every other one, and then wrong (T-BRU-06).
    fn bcrypt(&self, cost: u32, secret: &str, computed: &mut [u8]) -> bool {
        let mut read = secret.as_bytes().to_vec();
        read.push(0);
        read.truncate(BCRYPT_READS);
        let salt = self.salt.as_slice().try_into().unwrap_or_default();
        let hash = bcrypt::bcrypt(cost, salt, &read);
        // The last byte was never written down.
        for (to, from) in computed.iter_mut().zip(hash) {
            *to = from;
        }
        secret.len() <= BCRYPT_READS
    }

    /// The hash as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Two digits, then 22 letters of salt and 31 of hash.
fn bcrypt_parts(cost: &str, salt_and_hash: &str) -> Result<(Function, Vec<u8>, Vec<u8>), ImportedHashDefect> {
    let cost = Some(cost).filter(|cost| cost.len() == 2).and_then(number);
    let cost = cost.ok_or(ImportedHashDefect::Malformed)?;
    if !BCRYPT_COSTS.contains(&cost) {
        return Err(ImportedHashDefect::TooCostly("bcrypt cost 4 to 12"));
    }
    let parts = salt_and_hash.split_at_checked(22).filter(|(_, hash)| hash.len() == 31);
    let (salt, hash) = parts.ok_or(ImportedHashDefect::Malformed)?;
    let bytes = |text| decoded(BCRYPT_BASE64.decode(text));
    Ok((Function::Bcrypt { cost }, bytes(salt)?, bytes(hash)?))
}

/// `v=19` and `m=…,t=…,p=…`; without a version, it is the first one.
fn argon2_function(name: &str, parameters: &[&str]) -> Result<Function, ImportedHashDefect> {
    let (version, costs) = match parameters {
        ["v=19", costs] => (argon2::Version::V0x13, costs),
        ["v=16", costs] | [costs] => (argon2::Version::V0x10, costs),
        _ => return Err(ImportedHashDefect::Malformed),
    };
    let [memory_kib, iterations, lanes] = numbers(costs, ["m", "t", "p"])?;
    let work = memory_kib.saturating_mul(iterations);
    let bounded =
        memory_kib <= ARGON2_MAX_MEMORY_KIB && work <= ARGON2_MAX_WORK_KIB && lanes <= ARGON2_MAX_LANES;
    if !bounded {
        return Err(ImportedHashDefect::TooCostly(
            "Argon2 memory 64 MiB, memory times iterations 256 MiB, parallelism 16",
        ));
    }
    if argon2::Params::new(memory_kib, iterations, lanes, None).is_err() {
        return Err(ImportedHashDefect::Malformed);
    }
    let kind = match name {
        "argon2id" => argon2::Algorithm::Argon2id,
        "argon2i" => argon2::Algorithm::Argon2i,
        _ => argon2::Algorithm::Argon2d,
    };
    Ok(Function::Argon2 { kind, version, memory_kib, iterations, lanes })
}

/// `i=…,l=…`, where `l` is the length of the hash in bytes; it may be left out.
fn pbkdf2_function(digest: Digest, parameters: &str, hash: &str) -> Result<Function, ImportedHashDefect> {
    let iterations = match numbers(parameters, ["i", "l"]) {
        Ok([iterations, length]) => {
            let same = phc_bytes(hash)?.len() == usize::try_from(length).unwrap_or(usize::MAX);
            if same { iterations } else { return Err(ImportedHashDefect::Malformed) }
        }
        Err(_) => {
            let [iterations] = numbers(parameters, ["i"])?;
            iterations
        }
    };
    match iterations {
        0 => Err(ImportedHashDefect::Malformed),
        1..=PBKDF2_MAX_ITERATIONS => Ok(Function::Pbkdf2 { digest, iterations }),
        _ => Err(ImportedHashDefect::TooCostly("PBKDF2 iterations 1000000")),
    }
}

/// The values of exactly these names, in their order.
fn numbers<const COUNT: usize>(
    parameters: &str,
    names: [&str; COUNT],
) -> Result<[u32; COUNT], ImportedHashDefect> {
    let mut given = parameters.split(',');
    let mut values = [0; COUNT];
    for (value, name) in values.iter_mut().zip(names) {
        let text = given.next().and_then(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        *value = text.and_then(number).ok_or(ImportedHashDefect::Malformed)?;
    }
    if given.next().is_some() { Err(ImportedHashDefect::Malformed) } else { Ok(values) }
}

/// Digits and nothing else: Rust's own reading takes a sign as well.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn phc_bytes(text: &str) -> Result<Vec<u8>, ImportedHashDefect> {
    decoded(STANDARD_NO_PAD.decode(text))
}

fn decoded(bytes: Result<Vec<u8>, DecodeError>) -> Result<Vec<u8>, ImportedHashDefect> {
    bytes.map_err(|_| ImportedHashDefect::Malformed)
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ImportedHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "some-secret";
    /// Of [`SECRET`], each made by another implementation: libxcrypt, the reference implementation of Argon2, OpenSSL.
    const HASHES: [&str; 10] = [
        "$2a$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS",
        "$2b$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS",
        "$2y$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS",
        "$argon2id$v=19$m=64,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$vjmmrMMhGx/CTaecwmFZkfs2QrOl0yztzJc6ix+tZ1E",
        "$argon2i$v=19$m=64,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$f2BZX6AHiEgIm6F597EWe27Uu+3bMCykEv1z+2DuGW8",
        "$argon2d$v=16$m=64,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$+5cULKWts6SI54Ns20SKw5WhKqEFUdESVVLnuvLXgR8",
        "$argon2d$m=64,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$+5cULKWts6SI54Ns20SKw5WhKqEFUdESVVLnuvLXgR8",
        "$pbkdf2-sha256$i=1,l=64$AAECAwQFBgcICQoLDA0ODw$f20+A4YJ59wufw4EUU5mV5OUAcQ6LrG5uya5f3OfBTX84tr+oVsQAlMSsjdOKM6S6kaCqQ3Xv64UOr5ihn54ZA",
        "$pbkdf2-sha512$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$o6Ri/6rIY39wG6NviK+VIoQ6T6lNNAy2tVr6QV0Ss32cZ1OETU2txkZYvVA4m7leD/sRg+AlVI1vNgC0k2InQg",
        "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$o6Ri/6rIY39wG6NviK+VIoQ6T6lNNAy2tVr6QV0Ss32cZ1OETU2txkZYvVA4m7leD/sRg+AlVI1vNgC0k2InQg",
    ];

    fn verifies(hash: &str, secret: &str) -> bool {
        ImportedHash::parse(hash).unwrap().verify(secret)
    }

    #[test]
    fn hashes_of_other_implementations_are_verified() {
        for hash in HASHES {
            assert!(verifies(hash, SECRET), "{hash}");
            for wrong in ["some-secreT", "some-secre", "some-secret\0", "", &"x".repeat(1024)] {
                assert!(!verifies(hash, wrong), "{hash} {wrong}");
            }
        }
    }

    #[test]
    fn t_bru_06_a_secret_of_more_than_72_bytes_is_not_its_beginning() {
        let of_72 = "$2b$04$AbCdEfGhIjKlMnOpQrStUu/9//hEcHIMTohdCpBYc3PKiow5xvE3K";
        assert!(verifies(of_72, &"x".repeat(72)));
        for length in [71, 73, 74, 144, 1024] {
            assert!(!verifies(of_72, &"x".repeat(length)), "{length}");
        }
        // The form in which a shorter secret is hashed ends with NUL, and begins again.
        let again = format!("{SECRET}\0{SECRET}");
        for hash in &HASHES[..3] {
            assert!(!verifies(hash, &again) && !verifies(hash, &format!("{SECRET}\0")), "{hash}");
        }
    }

    #[test]
    fn t_bru_05_what_would_cost_too_much_is_not_imported() {
        let bcrypt = "AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS";
        let argon2 = "AAECAwQFBgcICQoLDA0ODw$vjmmrMMhGx/CTaecwmFZkfs2QrOl0yztzJc6ix+tZ1E";
        let pbkdf2 = "AAECAwQFBgcICQoLDA0ODw$vjmmrMMhGx/CTaecwmFZkfs2QrOl0yztzJc6ix+tZ1E";
        let parsed = |text: &str| ImportedHash::parse(text).map(drop);
        for dear in ["03", "13", "31", "99"] {
            let verdict = parsed(&format!("$2b${dear}${bcrypt}"));
            assert!(matches!(verdict, Err(ImportedHashDefect::TooCostly(_))), "{dear}");
        }
        for costs in ["m=65537,t=1,p=1", "m=65536,t=5,p=1", "m=4294967295,t=4294967295,p=1", "m=256,t=1,p=17"]
        {
            let verdict = parsed(&format!("$argon2id$v=19${costs}${argon2}"));
            assert!(matches!(verdict, Err(ImportedHashDefect::TooCostly(_))), "{costs}");
        }
        for iterations in ["1000001", "4294967295"] {
            let verdict = parsed(&format!("$pbkdf2-sha256$i={iterations},l=32${pbkdf2}"));
            assert!(matches!(verdict, Err(ImportedHashDefect::TooCostly(_))), "{iterations}");
        }
        for good in [
            format!("$2b$12${bcrypt}"),
            format!("$argon2id$v=19$m=65536,t=4,p=4${argon2}"),
            format!("$pbkdf2-sha256$i=1000000,l=32${pbkdf2}"),
        ] {
            assert_eq!(parsed(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        use ImportedHashDefect::{Malformed, Sizes, UnknownFunction};
        let long = format!("{}$", HASHES[3]).repeat(6);
        for (text, defect) in [
            ("", UnknownFunction),
            ("secret", UnknownFunction),
            ("x$2b$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS", UnknownFunction),
            ("$2x$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS", UnknownFunction),
            // Hydra means SHA-3 by these two names.
            ("$pbkdf2-sha384$i=1,l=16$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", UnknownFunction),
            ("$pbkdf2-sha224$i=1,l=16$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", UnknownFunction),
            ("$2b$4$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS", Malformed),
            ("$2b$+4$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS", Malformed),
            ("$2b$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3zt", Malformed),
            ("$2b$04$AbCdEfGhIjKlMnOpQrStUukI9asqphaLG/YhfqddmnNso0dP.3ztS$", Malformed),
            ("$2b$04$AbCdEfGhIjKlMnOpQrStUè9asqphaLG/YhfqddmnNso0dP.3ztSxx", Malformed),
            ("$2b$04", Malformed),
            ("$argon2id$v=18$m=64,t=3,p=2$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$v=19$m=64,t=3,p=2,x=1$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$v=19$t=3,m=64,p=2$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$v=19$m=1,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$v=19$m=64,t=0,p=2$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$v=19$m=64,t=3,p=0$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$argon2id$AAECAwQFBgcICQ", Malformed),
            ("$pbkdf2-sha256$i=0,l=16$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$pbkdf2-sha256$i=-1,l=16$AAECAwQFBgcICQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$pbkdf2-sha256$i=1,l=17$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$pbkdf2-sha256$i=1,l=16$AAEC=AwQ$AAECAwQFBgcICQoLDA0ODw", Malformed),
            ("$pbkdf2-sha256$i=1,l=0$AAECAwQFBgcICQoLDA0ODw$", Sizes),
            ("$pbkdf2-sha256$i=1,l=16$AAEC$AAECAwQFBgcICQoLDA0ODw", Sizes),
            ("$argon2id$v=19$m=64,t=3,p=2$AAECAwQFBgcICQoLDA0ODw$AAEC", Sizes),
            (&long, Malformed),
        ] {
            assert_eq!(ImportedHash::parse(text).map(drop), Err(defect), "{text}");
        }
    }

    #[test]
    fn debug_output_shows_no_hash() {
        assert_eq!(format!("{:?}", ImportedHash::parse(HASHES[0]).unwrap()), "ImportedHash(..)");
    }
}
