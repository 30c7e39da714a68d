//! Ed25519 keys (RFC 8037 §2): a point of the curve in its one encoding, and none of the few whose order is so small that
//! signatures of anybody verify (T-KEY-07). OpenSSL checks none of this; it does refuse an `S` outside the group.

use openssl::bn::{BigNum, BigNumContext};
use openssl::error::ErrorStack;
use serde_json::{Map, Value};

use super::{KeyDefect, bytes, text};

pub(super) const LENGTH: usize = 32;

/// The field has 2^255 - 19 elements.
const PRIME: &str = "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED";
/// `d` of the curve `-x² + y² = 1 + dx²y²` (RFC 8032 §5.1).
const D: &str = "52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3";

/// `y` of the points whose order divides 8: those of order 1, 2, 4, and the two pairs of order 8.
const SMALL_ORDER: [&str; 5] = [
    "01",
    "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEC",
    "00",
    "05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826",
    "7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7",
];

/// Checks an Ed25519 key and returns its required members.
pub(super) fn check(jwk: &Map<String, Value>) -> Result<Map<String, Value>, KeyDefect> {
    if text(jwk, "crv") != Some("Ed25519") {
        return Err(KeyDefect::EdwardsCurve);
    }
    let x = bytes(jwk, "x")?;
    let encoded = <[u8; LENGTH]>::try_from(x.as_slice()).map_err(|_| KeyDefect::PointLength)?;
    check_point(encoded)?;
    Ok(["kty", "crv", "x"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())))
        .collect())
}

/// RFC 8032 §5.1.3, steps 1 to 3, without the root itself: that it exists is enough.
fn check_point(mut encoded: [u8; LENGTH]) -> Result<(), KeyDefect> {
    encoded.reverse();
    // The highest bit is the sign of x.
    let [highest, ..] = &mut encoded;
    *highest &= 0x7F;
    let (prime, y) = (BigNum::from_hex_str(PRIME)?, BigNum::from_slice(&encoded)?);
    if y >= prime {
        return Err(KeyDefect::NotAPoint);
    }
    for small in SMALL_ORDER {
        if y == BigNum::from_hex_str(small)? {
            return Err(KeyDefect::SmallOrder);
        }
    }
    if is_on_curve(&y, &prime)? { Ok(()) } else { Err(KeyDefect::NotAPoint) }
}

/// Whether `(y² - 1) / (dy² + 1)` is a square other than zero, by Euler's criterion; the quotient is a square exactly if
/// the product is.
fn is_on_curve(y: &BigNum, prime: &BigNum) -> Result<bool, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let one = BigNum::from_u32(1)?;
    let [mut square, mut numerator, mut denominator, mut product, mut power] =
        [BigNum::new()?, BigNum::new()?, BigNum::new()?, BigNum::new()?, BigNum::new()?];
    square.mod_sqr(y, prime, &mut context)?;
    numerator.mod_sub(&square, &one, prime, &mut context)?;
    product.mod_mul(&square, &*BigNum::from_hex_str(D)?, prime, &mut context)?;
    denominator.mod_add(&product, &one, prime, &mut context)?;
    product.mod_mul(&numerator, &denominator, prime, &mut context)?;
    let mut exponent = BigNum::new()?;
    exponent.rshift1(prime)?;
    power.mod_exp(&product, &exponent, prime, &mut context)?;
    Ok(power == one)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y` of twice the point: `(y² + x²) / (2 - y² + x²)`, with `x²` from the equation of the curve.
    fn doubled(y: &BigNum) -> BigNum {
        let mut context = BigNumContext::new().unwrap();
        let (prime, d, one) = (
            BigNum::from_hex_str(PRIME).unwrap(),
            BigNum::from_hex_str(D).unwrap(),
            BigNum::from_u32(1).unwrap(),
        );
        let mut op = |f: &dyn Fn(&mut BigNum, &mut BigNumContext)| {
            let mut result = BigNum::new().unwrap();
            f(&mut result, &mut context);
            result
        };
        let yy = op(&|r, c| r.mod_sqr(y, &prime, c).unwrap());
        let numerator = op(&|r, c| r.mod_sub(&yy, &one, &prime, c).unwrap());
        let dyy = op(&|r, c| r.mod_mul(&d, &yy, &prime, c).unwrap());
        let denominator = op(&|r, c| r.mod_add(&dyy, &one, &prime, c).unwrap());
        let inverse = op(&|r, c| r.mod_inverse(&denominator, &prime, c).unwrap());
        let xx = op(&|r, c| r.mod_mul(&numerator, &inverse, &prime, c).unwrap());
        let sum = op(&|r, c| r.mod_add(&yy, &xx, &prime, c).unwrap());
        let difference = op(&|r, c| r.mod_sub(&xx, &yy, &prime, c).unwrap());
        let two = BigNum::from_u32(2).unwrap();
        let below = op(&|r, c| r.mod_add(&difference, &two, &prime, c).unwrap());
        let inverse = op(&|r, c| r.mod_inverse(&below, &prime, c).unwrap());
        op(&|r, c| r.mod_mul(&sum, &inverse, &prime, c).unwrap())
    }

    #[test]
    fn the_table_holds_the_points_whose_order_divides_eight() {
        let neutral = BigNum::from_u32(1).unwrap();
        let mut orders: Vec<u32> = SMALL_ORDER
            .map(|y| {
                let mut y = BigNum::from_hex_str(y).unwrap();
                let mut order = 1;
                while y != neutral && order < 16 {
                    y = doubled(&y);
                    order *= 2;
                }
                order
            })
            .into();
        orders.sort_unstable();
        // With both signs of x: one point of order 1, one of 2, two of 4, four of 8. There are no others.
        assert_eq!(orders, [1, 2, 4, 8, 8]);
    }
}
