//! EC keys: on their curve, with coordinates of the exact length (RFC 7518 §6.2.1, RFC 8725 §3.4, T-KEY-06).

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde_json::{Map, Value};

use super::{KeyDefect, bytes, text};

/// A curve of RFC 7518 §6.2.1.1.
#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// Checks an EC key and returns its required members.
pub(super) fn check(jwk: &Map<String, Value>) -> Result<(Map<String, Value>, Curve), KeyDefect> {
    let (curve, nid, length) = match text(jwk, "crv") {
        Some("P-256") => (Curve::P256, Nid::X9_62_PRIME256V1, 32),
        Some("P-384") => (Curve::P384, Nid::SECP384R1, 48),
        Some("P-521") => (Curve::P521, Nid::SECP521R1, 66),
        _ => return Err(KeyDefect::Curve),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(KeyDefect::CoordinateLength);
    }
    let group = EcGroup::from_curve_name(nid)?;
    let (x, y) = (BigNum::from_slice(&x)?, BigNum::from_slice(&y)?);
    // Refuses coordinates beyond the field, points beside the curve, and infinity, which has no coordinates at all.
    EcKey::from_public_key_affine_coordinates(&group, &x, &y)
        .and_then(|key| key.check_key())
        .map_err(|_| KeyDefect::NotOnCurve)?;
    let kept = ["kty", "crv", "x", "y"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())))
        .collect();
    Ok((kept, curve))
}
