//! What OpenSSL itself takes for the operations of a token, without anything around them: the yardstick of
//! `cargo xtask bench token`. Prints JSON; processor time in microseconds each, by the kernel's account of this thread.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for developers")]

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};

/// As long as the signing input of a token.
const MESSAGE: &[u8; 400] = &[b'x'; 400];

fn main() -> Result<(), ErrorStack> {
    let rsa = PKey::from_rsa(Rsa::generate(2048)?)?;
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let ec = PKey::from_ec_key(EcKey::generate(&curve)?)?;
    let signature = sign(&rsa)?;
    println!(
        r#"{{"rsa_sign":{:.2},"rsa_verify":{:.2},"ec_sign":{:.2}}}"#,
        microseconds(500, || sign(&rsa).map(|_| ()))?,
        microseconds(10_000, || {
            let mut verifier = Verifier::new(MessageDigest::sha256(), &rsa)?;
            verifier.verify_oneshot(&signature, MESSAGE).map(|_| ())
        })?,
        microseconds(10_000, || sign(&ec).map(|_| ()))?,
    );
    Ok(())
}

fn sign(key: &PKey<Private>) -> Result<Vec<u8>, ErrorStack> {
    Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(MESSAGE)
}

/// The processor time of one of `times` operations, after a tenth of them to warm up.
fn microseconds(times: u32, operation: impl Fn() -> Result<(), ErrorStack>) -> Result<f64, ErrorStack> {
    for _ in 0..times.div_euclid(10) {
        operation()?;
    }
    let before = processor_nanoseconds();
    for _ in 0..times {
        operation()?;
    }
    Ok((processor_nanoseconds() - before) / 1_000.0 / f64::from(times))
}

fn processor_nanoseconds() -> f64 {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps the account");
    account.split(' ').next().and_then(|text| text.parse().ok()).expect("a number of nanoseconds")
}
