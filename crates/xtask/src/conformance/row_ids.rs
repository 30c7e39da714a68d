//! The rows that a test shows, read from its name: `t_clm_13_parallel_replay` shows T-CLM-13, `c_6749_02_t_bas_01_…`
//! two rows, `t_bas_02_03_04_…` three, `t_clm_01_to_04_…` four, `g_path_02_and_03_…` two.

/// Families of the rows that begin with `t_`; every other word after a `t` is only a word.
const ATTACKS: [&str; 20] = [
    "alg", "hdr", "jwe", "jws", "clm", "key", "bas", "frm", "tim", "bru", "reg", "ssrf", "cc", "pwd", "tok",
    "int", "rev", "log", "ops", "api",
];

/// Families of the rows that begin with `g_`.
const GATEWAY: [&str; 15] = [
    "path", "host", "meth", "ws", "h2c", "smug", "0rtt", "grpc", "hdr", "mode", "grp", "ui", "cache", "exp",
    "lint",
];

/// The ids in the name of a test, whatever module it is in. A name without a number after the family shows no row.
pub(super) fn of(test: &str) -> Vec<String> {
    let words: Vec<&str> = super::function(test).split('_').collect();
    let mut ids = Vec::new();
    let mut at = 0;
    while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((family, length)) = family(rest) else {
            at = at.saturating_add(1);
            continue;
        };
        at = at.saturating_add(length);
        let mut last = None;
        loop {
            match (words.get(at).copied(), words.get(at.saturating_add(1)).copied()) {
                (Some("to"), Some(end)) if last.is_some() && number(end).is_some() => {
                    let first = last.unwrap_or(0_u32).saturating_add(1);
                    let end = number(end).unwrap_or(0);
                    ids.extend((first..=end).map(|number| format!("{family}-{number:02}")));
                    at = at.saturating_add(2);
                }
                (Some("and"), Some(word)) if last.is_some() && number(word).is_some() => {
                    at = at.saturating_add(1);
                }
                (Some(word), _) if number(word).is_some() => {
                    last = number(word);
                    ids.push(format!("{family}-{word}"));
                    at = at.saturating_add(1);
                }
                _ => break,
            }
        }
    }
    ids
}

/// The family that these words begin with, and how many words it takes.
fn family(words: &[&str]) -> Option<(String, usize)> {
    match words {
        ["c", "oidc", ..] => Some(("C-OIDC".to_owned(), 2)),
        ["c", rfc, ..] if (2..=4).contains(&rfc.len()) && digits(rfc) => Some((format!("C-{rfc}"), 2)),
        ["t", attack, ..] if ATTACKS.contains(attack) => Some((format!("T-{}", attack.to_uppercase()), 2)),
        ["g", attack, ..] if GATEWAY.contains(attack) => Some((format!("G-{}", attack.to_uppercase()), 2)),
        ["k", row, ..] if number(row).is_some() => Some(("K".to_owned(), 1)),
        _ => None,
    }
}

/// The number of a row: two digits.
fn number(word: &str) -> Option<u32> {
    if word.len() == 2 && digits(word) { word.parse().ok() } else { None }
}

fn digits(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn names_show_rows() {
        for (test, ids) in [
            ("client-credentials it::t_clm_13_parallel_replay_has_one_winner", &["T-CLM-13"][..]),
            ("p a::c_6749_02_t_bas_01_both_halves", &["C-6749-02", "T-BAS-01"]),
            ("p t_bas_02_03_04_unreadable", &["T-BAS-02", "T-BAS-03", "T-BAS-04"]),
            ("p t_clm_01_to_04_the_audience", &["T-CLM-01", "T-CLM-02", "T-CLM-03", "T-CLM-04"]),
            ("e2e it::through_envoy::g_hdr_01_to_03_nothing", &["G-HDR-01", "G-HDR-02", "G-HDR-03"]),
            ("p g_path_02_and_03_dot_segments", &["G-PATH-02", "G-PATH-03"]),
            ("p g_h2c_01_and_others", &["G-H2C-01"]),
            ("p k_12_and_k_14_negation", &["K-12", "K-14"]),
            ("p c_21_01_c_oidc_05", &["C-21-01", "C-OIDC-05"]),
            ("p x_401c_t_tim_03_alike", &["T-TIM-03"]),
            ("p t_clm_14::on_mongodb::plain", &[]),
            ("p c_6749_malformed_requests", &[]),
            ("p contract_1_1_a_client", &[]),
            ("p k_is_a_letter", &[]),
            ("p c_7519_08_t", &["C-7519-08"]),
        ] {
            assert_eq!(of(test), ids, "{test}");
        }
    }
}
