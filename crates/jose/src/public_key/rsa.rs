//! RSA keys: size, exponent, and that the modulus can be a product of two large primes nobody guesses (T-KEY-01 to
//! T-KEY-05). Whoever registers a weak key harms himself first; but his clients' permissions are ours to protect.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use serde_json::{Map, Value};

use super::{KeyDefect, bytes};

const MODULUS_BITS: std::ops::RangeInclusive<i32> = 2048..=8192;

/// Trial division goes up to here, about 750 primes (T-KEY-05).
const LARGEST_TRIAL_DIVISOR: u32 = 5_711;

/// Above this size nobody makes a prime modulus by mistake, and the test would cost more than a stranger may spend of our
/// time: 14 ms at 4096 bits, 90 ms at 8192, on the development machine (conformance R-19).
const LARGEST_PRIME_TEST_BITS: i32 = 4096;

/// Infineon's flawed generator leaves each of these residues in the subgroup that 65537 generates (CVE-2017-15361).
const ROCA_PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Checks an RSA key and returns its required members.
pub(super) fn check(jwk: &Map<String, Value>) -> Result<Map<String, Value>, KeyDefect> {
    let modulus = number(jwk, "n")?;
    let exponent = number(jwk, "e")?;
    if !MODULUS_BITS.contains(&modulus.num_bits()) {
        return Err(KeyDefect::ModulusSize);
    }
    if !exponent.is_odd() || exponent.num_bits() > 64 || exponent < BigNum::from_u32(65_537)? {
        return Err(KeyDefect::Exponent);
    }
    if has_small_factor(&modulus)? || is_square(&modulus)? || is_prime(&modulus)? {
        return Err(KeyDefect::ModulusNotAProduct);
    }
    if is_roca(&modulus)? {
        return Err(KeyDefect::ModulusPredictable);
    }
    Ok(["kty", "n", "e"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())))
        .collect())
}

/// A number in its one spelling (RFC 7518 §2, Base64urlUInt).
fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<BigNum, KeyDefect> {
    let bytes = bytes(jwk, name)?;
    match bytes.first() {
        None | Some(0) => Err(KeyDefect::Number(name)),
        Some(_) => Ok(BigNum::from_slice(&bytes)?),
    }
}

fn has_small_factor(modulus: &BigNumRef) -> Result<bool, ErrorStack> {
    for divisor in std::iter::once(2).chain((3..=LARGEST_TRIAL_DIVISOR).step_by(2)) {
        if modulus.mod_word(divisor)? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the modulus is the square of a number: Newton's method for the integer square root, from above.
fn is_square(modulus: &BigNumRef) -> Result<bool, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let mut root = BigNum::new()?;
    root.set_bit(modulus.num_bits().saturating_add(1).div_euclid(2))?;
    loop {
        let (mut quotient, mut sum, mut next) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        quotient.checked_div(modulus, &root, &mut context)?;
        sum.checked_add(&root, &quotient)?;
        next.rshift1(&sum)?;
        if next >= root {
            break;
        }
        root = next;
    }
    let mut square = BigNum::new()?;
    square.sqr(&root, &mut context)?;
    Ok(square.ucmp(modulus).is_eq())
}

/// Fermat's test to base 2: one exponentiation, which every prime passes and no product of two random primes does.
fn is_prime(modulus: &BigNumRef) -> Result<bool, ErrorStack> {
    if modulus.num_bits() > LARGEST_PRIME_TEST_BITS {
        return Ok(false);
    }
    let mut context = BigNumContext::new()?;
    let mut exponent = modulus.to_owned()?;
    exponent.sub_word(1)?;
    let mut power = BigNum::new()?;
    power.mod_exp(&*BigNum::from_u32(2)?, &exponent, modulus, &mut context)?;
    Ok(power == BigNum::from_u32(1)?)
}

fn is_roca(modulus: &BigNumRef) -> Result<bool, ErrorStack> {
    for prime in ROCA_PRIMES {
        let residue = modulus.mod_word(u32::try_from(prime).unwrap_or(u32::MAX))?;
        if !is_power_of_65537(residue, prime) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_power_of_65537(residue: u64, prime: u64) -> bool {
    let powers = std::iter::successors(Some(1_u64), |power| {
        let next = power.checked_mul(65_537)?.checked_rem(prime)?;
        (next != 1).then_some(next)
    });
    powers.into_iter().any(|power| power == residue)
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_TRIAL_DIVISOR, ROCA_PRIMES, is_power_of_65537};

    #[test]
    fn powers_of_65537_are_its_subgroup() {
        // 65537 is 3 modulo 7 and 2 modulo 3; both generate all residues but zero.
        assert!((1..7).all(|residue| is_power_of_65537(residue, 7)));
        assert!(!is_power_of_65537(0, 7));
        assert!(is_power_of_65537(2, 3) && is_power_of_65537(1, 3) == is_power_of_65537(1, 7));
    }

    #[test]
    fn the_tables_are_what_they_claim() {
        let is_prime = |n: u64| n > 1 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        let odd_primes: Vec<u64> = (3..=167).filter(|n| is_prime(*n)).collect();
        assert_eq!(odd_primes, ROCA_PRIMES);
        let divisors = (2..=u64::from(LARGEST_TRIAL_DIVISOR)).filter(|n| is_prime(*n)).count();
        assert_eq!(divisors, 752);
    }
}
