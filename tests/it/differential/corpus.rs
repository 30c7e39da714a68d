//! Request targets: the tricks of conformance §3.1 at each place where they could work, and then as many made of the same
//! pieces as one likes, always the same ones.

/// Verbs that are tried.
pub(super) const VERBS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
/// Few of the old version: Envoy refuses them all.
pub(super) const VERSIONS: [&str; 8] = ["1.1", "1.1", "1.1", "1.0", "1.1", "1.1", "1.1", "1.1"];

/// What a caller without rights wants to reach.
const WANTED: [&str; 4] = ["admin", "foo-bar", "api/admin", "test/management"];

/// Where a trick begins.
const PREFIXES: [&str; 12] = [
    "",
    "/public",
    "/foo",
    "/api",
    "/api/x",
    "/test",
    "/public/a",
    "/foo/",
    "/test/",
    "/nowhere",
    "/PUBLIC",
    "/%70ublic",
];

/// Between a prefix and what is wanted (G-PATH-01 to 08, 22).
const JOINTS: [&str; 40] = [
    "/",
    "//",
    "///",
    "/./",
    "/../",
    "/../../",
    "/.//../",
    "/..%2f",
    "/..%2F",
    "/.%2e/",
    "/%2e%2e/",
    "/%2E%2E/",
    "/%2e/",
    "%2f",
    "%2F",
    "%2f..%2f",
    "/%2e%2e%2f",
    "\\",
    "/..\\",
    "\\..\\",
    "%5c",
    "/..%5c",
    "/%5c..%5c",
    "/;/",
    "/..;/",
    "/..;x=1/",
    ";/../",
    "/.;/",
    "/%252e%252e/",
    "/%252e%252e%252f",
    "%252f",
    "/%25%32%65%25%32%65/",
    "/%c0%ae%c0%ae/",
    "/%u002e%u002e/",
    "/.%00./",
    "/..%00/",
    "/%0a/",
    "/?/../",
    "/#/../",
    "-bar/../",
];

/// After what is wanted (G-PATH-07, 11 to 14, 18, 27).
const TAILS: [&str; 30] = [
    "",
    "/",
    "//",
    "/.",
    "/..",
    "/../",
    ";",
    ";x=1",
    ";.css",
    "%3b",
    ".json",
    ".",
    "%2e",
    "%20",
    "%09",
    "%0a",
    "%0d%0a",
    "%00",
    "?",
    "?/public",
    "%3f/public",
    "#",
    "#/public",
    "%23/public",
    "%2f",
    "%2fx",
    "%5c",
    "\\",
    "/x",
    "?x=//a/../b",
];

/// Spellings of what is wanted (G-PATH-09, 10, 21, 22).
fn spellings(wanted: &str) -> Vec<String> {
    let escaped = |place: usize| {
        let byte = wanted.as_bytes()[place];
        format!("{}%{byte:02x}{}", &wanted[..place], &wanted[place + 1..])
    };
    let mut capital = wanted.to_owned();
    capital[..1].make_ascii_uppercase();
    vec![
        wanted.to_owned(),
        wanted.to_uppercase(),
        capital,
        escaped(0),
        escaped(wanted.len() - 1),
        escaped(wanted.len() / 2),
        wanted.replacen('i', "%C4%B1", 1),
        wanted.replacen('i', "\u{131}", 1),
        wanted.replacen('m', "%4D", 1),
        wanted.replacen('-', "%2d", 1),
        wanted.replace('/', "//"),
        wanted.replace('/', "%2f"),
        wanted.replace('/', "/./"),
    ]
}

/// Closed doors and open ones beside them, each step in spellings that take another habit: only together do they get
/// through (G-PATH-27).
const WAYS: [&[&[&str]]; 2] = [
    &[
        &["/shop/"],
        &["staff", "Staff", "st%61ff", "STAFF."],
        &["/", "//", ";x/"],
        &["open", "Open", "%6fpen", "a:b", "a%3Ab", "A%3ab"],
        &["", "/", ".", ".json", "%20", ";x"],
    ],
    &[
        &["/shop/tenants/", "/shop/Tenants/"],
        &["public", "Public", "p%75blic", "public%20", "x"],
        &["/", "//"],
        &["secret", "Secret", "s%65cret"],
        &["", "/", ".", ".json", ".Json.", "..json", "%20.json", ";x"],
    ],
];

/// Every way, in every spelling of its steps.
fn ways() -> impl Iterator<Item = String> {
    WAYS.iter().flat_map(|steps| {
        steps.iter().fold(vec![String::new()], |ways, step| {
            ways.iter().flat_map(|way| step.iter().map(move |name| format!("{way}{name}"))).collect()
        })
    })
}

/// Other forms of a target (G-PATH-15, 16, 17, 26).
const FORMS: [&str; 12] = [
    "http://other/admin",
    "http://other//admin",
    "https://127.0.0.1/public/../admin",
    "http://other",
    "*",
    "admin",
    "public/../admin",
    "%2fadmin",
    "/public /admin",
    "/public\t/admin",
    "//other/admin",
    "http:/admin",
];

/// The targets of the table, in its order.
pub(super) fn table() -> impl Iterator<Item = String> {
    let tricks = PREFIXES.iter().flat_map(|prefix| {
        WANTED.iter().flat_map(move |wanted| {
            let joints = JOINTS.iter().map(move |joint| format!("{prefix}{joint}{wanted}"));
            let tails = TAILS.iter().map(move |tail| format!("{prefix}/{wanted}{tail}"));
            let names = spellings(wanted).into_iter().map(move |name| format!("{prefix}/{name}"));
            joints.chain(tails).chain(names)
        })
    });
    let long = [format!("/admin/{}", "a".repeat(8_193)), format!("/public{}/../admin", "/a".repeat(2_000))];
    ways().chain(tricks).chain(FORMS.map(str::to_owned)).chain(long)
}

/// Targets without end, made of the same pieces: each seed its own, always the same.
pub(super) fn made(seed: u64) -> impl Iterator<Item = String> {
    let mut dice = Dice(seed);
    std::iter::repeat_with(move || {
        let mut target = String::new();
        for _ in 0..1 + dice.below(4) {
            let name = if dice.below(2) == 0 { "public" } else { WANTED[dice.below(WANTED.len())] };
            let names = spellings(name);
            target.push_str(match dice.below(3) {
                0 => "/",
                _ => JOINTS[dice.below(JOINTS.len())],
            });
            target.push_str(&names[dice.below(names.len())]);
            if dice.below(3) == 0 {
                target.push_str(TAILS[dice.below(TAILS.len())]);
            }
        }
        target
    })
}

/// SplitMix64: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("below a usize")
    }
}
