//! The expression language row by row (upstream contract §4.3, conformance §3.6).

use common::Principal;

use super::{Clause, EvaluationError, Expression, ExpressionWarning, Facts};

fn user(groups: &[&str], permissions: &[&str]) -> Principal {
    Principal {
        id: "u".to_owned(),
        groups: groups.iter().map(ToString::to_string).collect(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
        ..Principal::default()
    }
}

fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn holds(text: &str, client_type: &str, is_backoffice: bool, user: &Principal) -> bool {
    parse(text).evaluate(&Facts { client_type, is_backoffice }, Some(user)).unwrap()
}

fn holds_for(text: &str, user: &Principal) -> bool {
    holds(text, "", false, user)
}

fn refusal(text: &str) -> (usize, String) {
    let error = Expression::parse(text).expect_err(text);
    (error.column, error.message.into_owned())
}

fn assert_refused(cases: &[(&str, usize, &str)]) {
    for (text, column, message) in cases {
        let (found_column, found_message) = refusal(text);
        assert!(found_message.contains(message), "{text}: {found_message}");
        assert_eq!(found_column, *column, "{text}: {found_message}");
    }
}

#[test]
fn contract_4_3_every_documented_form() {
    let admin = user(&["admin"], &["write:orders", "read"]);
    for (text, expected) in [
        ("true", true),
        ("false", false),
        ("groups.admin", true),
        ("\"admin\" in groups", true),
        ("permissions[\"write:orders\"]", true),
        ("\"write:orders\" in permissions", true),
        ("permissions.read", true),
        ("[\"admin\",\"user\"] in groups", true),
        ("[\"write:orders\",\"view:orders\"] in groups", false),
        ("[\"write:orders\",\"view:orders\"] in permissions", true),
        ("clientType == \"apiKey\"", true),
        ("clientType=='apiKey'", true),
        ("clientType === 'A' || clientType === 'apiKey'", true),
        ("(clientType === 'A' || clientType === 'apiKey') && (groups.admin || groups.users)", true),
        ("clientType == \"apiKey\" || clientType == \"apiKey2\";", true),
        ("clientType != 'apiKey'", false),
        ("clientType !== 'other'", true),
        ("clientType in ['apiKey', 'other']", true),
        ("isBackoffice", false),
        ("isBackOffice", false),
        ("!isBackoffice", true),
        ("!(groups.user)", true),
        ("groups.admin && isBackoffice", false),
        ("groups[\"group-group\"]", false),
    ] {
        assert_eq!(holds(text, "apiKey", false, &admin), expected, "{text}");
    }
    assert!(holds("groups.admin && isBackoffice", "", true, &admin));
    assert!(holds_for("groups.group-group", &user(&["group-group"], &[])));
}

#[test]
fn who_asks_for_permissions_is_told() {
    for (text, asks) in [
        ("permissions.read", true),
        ("groups.a || !(isBackoffice && 'x' in permissions)", true),
        ("groups.permissions", false),
        ("'permissions' in groups && clientType == 'permissions'", false),
    ] {
        assert_eq!(parse(text).mentions_permissions(), asks, "{text}");
    }
}

#[test]
fn contract_4_3_edge_examples() {
    let admin = user(&["admin"], &[]);
    for (text, expected) in [
        ("groups.admin", true),
        ("groups.user", false),
        ("\"admin\" in groups", true),
        ("[\"user\",\"admin\"] in groups", true),
        ("[] in groups", false),
        ("!(groups.admin)", false),
        ("permissions[\"read:users\"]", false),
        ("groups.admin && isBackoffice", false),
    ] {
        assert_eq!(holds_for(text, &admin), expected, "{text}");
    }
    for text in [
        "groups.admin",
        "groups[\"admin\"]",
        "permissions[\"x\"]",
        "\"admin\" in groups",
        "groups",
        "clientType",
    ] {
        assert_eq!(parse(text).evaluate(&Facts::default(), None), Ok(false), "nobody: {text}");
    }
}

#[test]
fn contract_4_3_truthiness() {
    let nobody = Principal::default();
    for (text, expected) in [
        ("null", false),
        ("\"\"", false),
        ("\"a\"", true),
        ("0", false),
        ("-0", false),
        ("0.0", false),
        ("7", true),
        ("groups", false),
        ("clientType", false),
        ("!null", true),
    ] {
        assert_eq!(holds_for(text, &nobody), expected, "{text}");
    }
    assert!(holds_for("groups", &user(&["x"], &[])));
    assert!(!holds_for("permissions", &user(&["x"], &[])));
    assert!(holds("clientType", "k", false, &nobody));
}

#[test]
fn g_exp_01_limits_hold_on_a_small_stack() {
    let million = 1_000_000;
    let attack = move || {
        for text in [
            "(".repeat(million),
            "!".repeat(million),
            "true&&".repeat(100_000),
            format!("\"{}\"", "a".repeat(1 << 20)),
            "(".repeat(8000),
            "!".repeat(8000),
            "[".repeat(8000),
            format!("{}true{}", "!(".repeat(33), ")".repeat(33)),
        ] {
            Expression::parse(&text).expect_err("over a limit");
        }
        // The deepest and the widest tree that is accepted: parsed, analysed, printed, evaluated and dropped.
        let deepest = format!("{}groups.a{}", "(true && !".repeat(31), ")".repeat(31));
        let widest = vec!["groups.a"; 600].join("||");
        for text in [deepest, widest] {
            let expression = Expression::parse(&text).unwrap();
            assert_eq!(Expression::parse(&expression.to_string()).unwrap(), expression);
            expression.evaluate(&Facts::default(), None).unwrap();
            assert_eq!(expression.warnings().is_empty(), !expression.negates_user_data());
        }
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(attack).unwrap().join().unwrap();
}

#[test]
fn g_exp_01_each_limit_is_named() {
    assert_refused(&[
        (&"(".repeat(8000), 65, "64 levels"),
        (&"!".repeat(8000), 65, "64 levels"),
        (&" ".repeat(9000), 1, "at most 8192 bytes"),
        (&vec!["1"; 1100].join("||"), 3073, "at most 1024 operands"),
        // 64 parentheses and negations are open, but the tree has one level more.
        (&format!("{}groups.a{}", "(true && !".repeat(32), ")".repeat(32)), 2, "64 levels"),
    ]);
    parse(&format!("{}true{}", "(".repeat(64), ")".repeat(64)));
    parse(&format!("\"{}\" in groups", "a".repeat(8 * 1024 - 12)));
}

#[test]
fn g_exp_02_precedence_over_all_values() {
    for bits in 0..8 {
        let names = ["a", "b", "c"].into_iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        let caller = user(&names.map(|(_, name)| name).collect::<Vec<_>>(), &[]);
        let [a, b, c] = ["a", "b", "c"].map(|name| caller.groups.contains(name));
        for (text, expected) in [
            ("groups.a && groups.b || groups.c", (a && b) || c),
            ("groups.a || groups.b && groups.c", a || (b && c)),
            ("!groups.a && groups.b", !a && b),
            ("!groups.a || groups.b", !a || b),
            ("!(groups.a && groups.b)", !(a && b)),
            ("(groups.a || groups.b) && groups.c", (a || b) && c),
            ("groups.a && (groups.b || groups.c)", a && (b || c)),
            ("groups.a && groups.b && groups.c", a && b && c),
            ("groups.a || groups.b || groups.c", a || b || c),
            ("!groups.a == groups.b", a != b),
            ("groups.a == groups.b && groups.c", a == b && c),
            ("groups.a || groups.b == groups.c", a || b == c),
        ] {
            assert_eq!(holds_for(text, &caller), expected, "{text} {bits:03b}");
        }
    }
}

#[test]
fn g_exp_03_and_04_negation_over_user_data_is_a_warning() {
    let negated = |text: &str| {
        let expression = parse(text);
        let clauses: Vec<_> = expression
            .warnings()
            .into_iter()
            .filter_map(|warning| match warning {
                ExpressionWarning::NegatesUserData(clause) => Some(clause),
                _ => None,
            })
            .collect();
        assert_eq!(expression.negates_user_data(), !clauses.is_empty(), "{text}");
        clauses
    };
    for (text, clauses) in [
        ("!groups.banned", vec!["!groups.banned"]),
        ("true && !(\"x\" in permissions)", vec!["!(\"x\" in permissions)"]),
        ("!(clientType == 'x' && groups.a)", vec!["groups.a"]),
        ("groups.a != true", vec!["groups.a != true"]),
        ("false == groups.a", vec!["false == groups.a"]),
        ("groups.a == groups.b", vec!["groups.a == groups.b"]),
        ("groups.a == isBackoffice", vec!["groups.a == isBackoffice"]),
        ("groups.a in [false]", vec!["groups.a in [false]"]),
        ("!!groups.a", vec![]),
        ("groups.a == true", vec![]),
        ("groups.a != false", vec![]),
        ("(!groups.a) == false", vec![]),
        ("(!groups.a) == true", vec!["!groups.a"]),
        ("!(groups.a == true)", vec!["groups.a == true"]),
        ("clientType != 'x'", vec![]),
        ("!isBackoffice || groups.a", vec![]),
    ] {
        assert_eq!(negated(text), clauses, "{text}");
    }
}

#[test]
fn g_exp_05_an_error_is_not_false() {
    let caller = user(&["a"], &[]);
    for (text, error) in [
        ("clientType == isBackoffice || true", EvaluationError::Incomparable),
        ("true || clientType == isBackoffice", EvaluationError::Incomparable),
        ("false && clientType == isBackoffice", EvaluationError::Incomparable),
        ("!(groups == permissions)", EvaluationError::Incomparable),
        ("groups == groups", EvaluationError::Incomparable),
        ("\"a\" in clientType || true", EvaluationError::NoMembership),
        ("isBackoffice in groups || true", EvaluationError::NoMembership),
    ] {
        let expression = parse(text);
        assert_eq!(expression.evaluate(&Facts::default(), Some(&caller)), Err(error), "{text}");
        assert!(
            expression.warnings().iter().any(|warning| matches!(warning, ExpressionWarning::AlwaysFails(_))),
            "{text}"
        );
    }
}

#[test]
fn g_exp_06_no_coercion() {
    assert_refused(&[
        ("clientType == null", 12, "the empty string"),
        ("1 == \"1\"", 3, "a number and a string"),
        ("true == \"true\"", 6, "a boolean and a string"),
        ("groups.a == \"true\"", 10, "a boolean and a string"),
        ("groups == \"a\"", 8, "a set of names and a string"),
        ("[\"a\"] == [\"a\"]", 7, "of one type"),
    ]);
    assert!(holds_for("1 == 1.0 && 'a' == \"a\" && null == null && true != false", &Principal::default()));
    assert!(!holds_for("1 in ['1'] || null in ['']", &Principal::default()));
}

#[test]
fn g_exp_07_strict_grammar() {
    let tricky = user(&[], &["write:orders", "a\"b", "it's", "è"]);
    for text in [
        "permissions[\"write:orders\"]",
        r#"permissions["a\"b"]"#,
        r#"permissions["a\u0022b"]"#,
        r"permissions['it\'s']",
        r#"permissions["it's"]"#,
        "permissions['è']",
        r#"permissions["\u00e8"]"#,
        " \t\r\n permissions [ 'è' ] ; ",
    ] {
        assert!(holds_for(text, &tricky), "{text}");
    }
    assert!(holds("clientType == \"\\uD83D\\uDE00\"", "😀", false, &tricky));
    assert_refused(&[
        ("groups[\"a]", 8, "closing \""),
        ("groups['a]", 8, "closing '"),
        ("groups[\"\\q\"]", 9, "escapes"),
        ("groups[\"\\u12\"]", 9, "four hexadecimal"),
        ("groups[\"\\ud800\"]", 9, "four hexadecimal"),
        ("groups[\"a\nb\"]", 10, "control character"),
        ("groups.a groups.b", 10, "found `groups`"),
        ("groups.a;;", 10, "found `;`"),
        ("groups.a; groups.b", 11, "found `groups`"),
        ("groups.a // note", 10, "found `/`"),
        ("groups.a /* note */", 10, "found `/`"),
        ("groups.a &&", 12, "found the end"),
        ("groups.a & groups.b", 10, "`&&`"),
        ("groups.a | groups.b", 10, "`||`"),
        ("clientType = 'a'", 12, "`==`"),
        ("(groups.a", 10, "`)`"),
        ("groups.a)", 9, "found `)`"),
        ("groups.", 8, "a name"),
        ("groups[admin]", 8, "a quoted name"),
        ("groups.a.b", 9, "groups[\"a.b\"]"),
        ("clientType.length", 11, "no members"),
        ("isBackoffice['x']", 13, "no members"),
        ("[groups.a] in groups", 2, "a constant"),
        ("['a',] in groups", 6, "a constant"),
        ("['a' 'b'] in groups", 6, "`,` or `]`"),
        ("['a']", 1, "an array is neither true nor false"),
        ("!['a']", 2, "an array is neither true nor false"),
        ("true && ['a']", 9, "an array is neither true nor false"),
        ("1e5", 1, "a plain number"),
        ("1.", 1, "a plain number"),
        ("-", 1, "a plain number"),
        ("clientType == 'a' == true", 19, "do not chain"),
    ]);
}

#[test]
fn g_exp_08_prototype_names_are_plain_names() {
    let caller = user(&["admin"], &[]);
    for name in ["constructor", "__proto__", "toString", "hasOwnProperty", "length", "prototype"] {
        assert!(!holds_for(&format!("groups.{name}"), &caller), "{name}");
        assert!(!holds_for(&format!("groups[\"{name}\"]"), &caller), "{name}");
    }
    for keyword in ["in", "true", "null", "groups", "1"] {
        assert!(holds_for(&format!("groups.{keyword}"), &user(&[keyword], &[])), "{keyword}");
    }
}

#[test]
fn g_exp_09_group_names_are_never_parsed() {
    let attacker = user(&["admin || true", "true", "x\"] || groups[\"x"], &[]);
    assert!(!holds_for("groups.admin", &attacker));
    assert!(holds_for("\"admin || true\" in groups", &attacker));
    assert!(!holds("clientType == 'a'", "a' || 'a'=='a", false, &attacker));
}

#[test]
fn what_other_languages_write_is_answered_with_what_to_write() {
    assert_refused(&[
        (
            "permissions.read:orders",
            17,
            "found `:`: write a name that holds a colon as permissions[\"read:orders\"]",
        ),
        ("true && groups.a:2b:c", 17, "groups[\"a:2b:c\"]"),
        ("groups.a and groups.b", 10, "found `and`: write `&&`"),
        ("groups.a or groups.b", 10, "found `or`: write `||`"),
        ("not groups.a", 1, "found `not`: write `!`"),
        ("(groups.a AND groups.b)", 11, "found `AND`: write `&&`"),
        ("groups.a : groups.b", 10, "found `:`"),
        ("clientType:x", 11, "found `:`"),
    ]);
    assert!(holds_for("groups.and && groups.or", &user(&["and", "or"], &[])));
}

#[test]
fn g_exp_10_case_and_look_alikes() {
    assert_refused(&[
        ("Groups.admin", 1, "one of groups, permissions"),
        ("user.id", 1, "one of groups, permissions"),
        ("TRUE", 1, "one of groups"),
        ("groups.a ＆＆ groups.b", 10, "U+FF06"),
        ("groups.a\u{a0}&& true", 9, "U+00A0"),
        ("groups.ad\u{200b}min", 10, "U+200B"),
        ("groups.è", 8, "U+00E8"),
        ("\u{feff}true", 1, "U+FEFF"),
    ]);
    assert!(!holds_for("\"Admin\" in groups", &user(&["admin"], &[])));
    assert!(!holds_for("\"ad\u{200b}min\" in groups", &user(&["admin"], &[])));
}

#[test]
fn g_exp_11_an_empty_expression_is_refused() {
    for text in ["", " ", "\n\t"] {
        assert_eq!(refusal(text).0, 1);
    }
    assert_refused(&[(";", 1, "an operand"), ("()", 2, "an operand")]);
}

#[test]
fn g_exp_12_membership_does_not_slow_down_with_the_number_of_groups() {
    let many = Principal { groups: (0..100_000).map(|n| format!("g{n}")).collect(), ..Principal::default() };
    let expression = parse(&(0..500).map(|n| format!("groups.x{n}")).collect::<Vec<_>>().join(" || "));
    let start = std::time::Instant::now();
    assert_eq!(expression.evaluate(&Facts::default(), Some(&many)), Ok(false));
    // A scan of the list would take 50 million comparisons, seconds in a debug build.
    assert!(start.elapsed() < std::time::Duration::from_millis(250), "{:?}", start.elapsed());
}

#[test]
fn g_exp_18_in_wants_a_list() {
    let caller = user(&["a"], &[]);
    assert!(holds_for("\"a\" in groups", &caller));
    assert!(!holds_for("\"b\" in groups", &caller));
    assert_refused(&[
        ("clientType in \"read:users\"", 12, "found a string"),
        ("\"a\" in null", 5, "found null"),
        ("\"a\" in true", 5, "found a boolean"),
        ("\"a\" in groups in groups", 15, "do not chain"),
        ("1 in groups", 3, "a string"),
        ("[1] in groups", 5, "a string"),
        ("[\"a\"] in [\"a\"]", 7, "a string"),
        ("\"a\" in", 7, "found the end"),
        ("in groups", 1, "one of groups"),
    ]);
}

#[test]
fn display_prints_canonical_text() {
    for (text, printed) in [
        ("groups['a-b']", "groups.a-b"),
        ("groups['a b']", "groups[\"a b\"]"),
        ("groups['']", "groups[\"\"]"),
        ("isBackOffice===true", "isBackoffice == true"),
        ("((true))||(false||null)", "true || (false || null)"),
        ("!(groups.a)", "!groups.a"),
        ("!('a' in groups)", "!(\"a\" in groups)"),
        ("(true && true) && true", "(true && true) && true"),
        ("(groups.a == true) == false", "(groups.a == true) == false"),
        ("['a',1,null] in groups || 'a' in ['a',1,null];", ""),
        ("'a\\n\\u0022' in groups", "\"a\\u000a\\\"\" in groups"),
    ] {
        if let Ok(expression) = Expression::parse(text) {
            assert_eq!(expression.to_string(), printed);
            assert_eq!(parse(printed), expression);
        } else {
            assert_eq!(printed, "", "{text}");
        }
    }
}

#[test]
fn warnings_name_the_clause() {
    let warnings =
        |text: &str| parse(text).warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(warnings("groups && isBackoffice").starts_with("`groups` by itself"));
    assert!(warnings("groups.admin || \"user\"").starts_with("`\"user\"` is a constant"));
    assert!(warnings("isBackoffice == clientType").starts_with("`isBackoffice == clientType` mixes types"));
    assert_eq!(warnings("groups.a && clientType != 'x' || \"a\" in permissions"), "");
}

/// The value, the smallest clauses and what is needed, for a caller in the group `staff` who may `read`.
fn explained(text: &str) -> (String, Vec<String>, String) {
    let explanation = parse(text)
        .explain(&Facts { client_type: "app", is_backoffice: false }, Some(&user(&["staff"], &["read"])));
    (
        explanation.value.map_or_else(|_| "error".to_owned(), |value| value.to_string()),
        explanation.culprits.iter().map(|clause| clause.text.clone()).collect(),
        explanation.needs.unwrap_or_default(),
    )
}

#[test]
fn an_explanation_names_the_smallest_clauses_and_what_is_needed() {
    for (text, value, culprits, needs) in [
        ("groups.staff", "true", &[][..], ""),
        ("permissions.write", "false", &["permissions.write"], "permissions.write"),
        (
            "groups.staff && permissions['write:all']",
            "false",
            &["permissions[\"write:all\"]"],
            "permissions[\"write:all\"]",
        ),
        ("groups.a || groups.b", "false", &["groups.a", "groups.b"], "groups.a || groups.b"),
        (
            "groups.staff && (groups.a || (groups.b || groups.c))",
            "false",
            &["groups.a", "groups.b", "groups.c"],
            "groups.a || groups.b || groups.c",
        ),
        (
            "(groups.a || groups.b && groups.staff) && clientType == 'web'",
            "false",
            &["groups.a", "groups.b", "clientType == \"web\""],
            "(groups.a || groups.b) && clientType == \"web\"",
        ),
        // Negation: what stands in the way must go.
        ("!groups.staff", "false", &["!groups.staff"], "!groups.staff"),
        (
            "!(groups.staff && permissions.read)",
            "false",
            &["!groups.staff", "!permissions.read"],
            "!groups.staff || !permissions.read",
        ),
        ("!(groups.staff || groups.a)", "false", &["!groups.staff"], "!groups.staff"),
        ("!!groups.a", "false", &["groups.a"], "groups.a"),
        ("!('staff' in groups)", "false", &["!(\"staff\" in groups)"], "!(\"staff\" in groups)"),
        // What nobody can change is not needed.
        ("false", "false", &["false"], ""),
        ("false && groups.a", "false", &["false", "groups.a"], ""),
        ("false || groups.a", "false", &["false", "groups.a"], "groups.a"),
        // Errors: the clause that fails, however deep.
        ("groups.a || !(clientType == isBackoffice)", "error", &["clientType == isBackoffice"], ""),
    ] {
        let expected =
            (value.to_owned(), culprits.iter().map(ToString::to_string).collect(), needs.to_owned());
        assert_eq!(explained(text), expected, "{text}");
    }
}

#[test]
fn a_trace_shows_every_part_and_its_value() {
    fn lines(clause: &Clause, depth: usize, shown: &mut Vec<String>) {
        shown.push(format!("{}{} = {}", "  ".repeat(depth), clause.text, clause.value));
        clause.parts.iter().for_each(|part| lines(part, depth + 1, shown));
    }
    let expression = parse(
        "(groups.a || clientType == 'web') && [\"read\", 'x'] in permissions && !(groups == isBackoffice)",
    );
    let facts = Facts { client_type: "app", is_backoffice: false };
    let mut shown = Vec::new();
    lines(&expression.explain(&facts, Some(&user(&["a"], &["read"]))).trace, 0, &mut shown);
    assert_eq!(
        shown,
        [
            "(groups.a || clientType == \"web\") && [\"read\", \"x\"] in permissions && !(groups == isBackoffice) = the expression compares values that cannot be compared",
            "  groups.a || clientType == \"web\" = true",
            "    groups.a = true",
            "    clientType == \"web\" = false",
            "      clientType = \"app\"",
            "  [\"read\", \"x\"] in permissions = true",
            "    permissions = 1 name",
            "  !(groups == isBackoffice) = the expression compares values that cannot be compared",
            "    groups == isBackoffice = the expression compares values that cannot be compared",
            "      groups = 1 name",
            "      isBackoffice = false",
        ]
    );
}

#[test]
fn evidence_is_what_was_asked_for_and_no_more() {
    let rich = user(&["staff", "secret-project"], &["read", "write", "other"]);
    let facts = Facts { client_type: "other", is_backoffice: false };
    for (text, groups, permissions) in [
        ("groups.staff && permissions.missing", &["staff"][..], &[][..]),
        ("[\"write\", \"no\"] in permissions || 'x' in groups", &[], &["write"]),
        ("clientType in permissions", &[], &["other"]),
        // The set as a whole: one name stands for all.
        ("groups", &["staff"], &[]),
        ("isBackoffice", &[], &[]),
    ] {
        let evidence = parse(text).evidence(&facts, &rich);
        let expected = Principal { id: String::new(), ..user(groups, permissions) };
        assert_eq!(evidence, expected, "{text}");
    }
}
