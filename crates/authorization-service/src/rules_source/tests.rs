//! The watch over real files, look by look. What a look finds in which state of the file is all that is tested here;
//! that looks happen, and how soon, is tested on the running service.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Clock, Timestamp};
use serde_json::{Value, json};
use service_kit::{SystemClock, Vars};
use tempfile::TempDir;

use super::watch::Cause;
use super::{LiveRules, Watch, file, start};
use crate::config::Config;
use crate::metrics::Metrics;

/// The rule that tells one content from another.
fn rules(name: &str) -> String {
    json!({"/r": {"GET": {"authorization": {"expression": format!("groups.{name}"), "public": false}}}})
        .to_string()
}

struct Fixture {
    folder: TempDir,
    live: Arc<LiveRules>,
    watch: Watch,
    metrics: Metrics,
}

impl Fixture {
    /// With the rules `first` in force, in a folder that `prepare` may arrange.
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let config = Config::from_vars(&Vars::from_pairs([
            ("CONFIGURATION_PATH", folder.path().to_str().unwrap()),
            ("USERINFO_URL", "http://127.0.0.1:1/"),
        ]))
        .unwrap();
        let settings = config.rules();
        let first = start(&settings, SystemClock.now()).unwrap();
        let metrics = Metrics::new("authorization-service", "0", Timestamp::from_unix_seconds(0), &first);
        let live = Arc::new(LiveRules::new(first, String::new()));
        let watch =
            Watch::new(settings, Arc::clone(&live), Arc::clone(&metrics.rules), Arc::new(SystemClock));
        Self { folder, live, watch, metrics }
    }

    fn plain() -> Self {
        Self::new(|folder| std::fs::write(folder.join("auth.json"), rules("first")).unwrap())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("auth.json")
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        std::fs::write(self.file(), content).unwrap();
    }

    fn look(&mut self) {
        self.watch.look(Cause::Time);
    }

    /// The group that the rule in force asks for.
    fn in_force(&self) -> String {
        let current = self.live.current();
        let rule = current.table.rules().next().unwrap();
        rule.expression_text().trim_start_matches("groups.").to_owned()
    }

    fn status(&self) -> Value {
        serde_json::to_value(self.live.status(SystemClock.now())).unwrap()
    }

    fn error(&self) -> Option<String> {
        self.status()["error"]["message"].as_str().map(str::to_owned)
    }

    /// Loaded, refused, and whether the file is refused now.
    fn counted(&self) -> [f64; 3] {
        let page = self.metrics.text();
        let value = |series: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(series)).unwrap();
            line.trim().parse().unwrap()
        };
        [
            value("rules_reloads_total{outcome=\"loaded\"}"),
            value("rules_reloads_total{outcome=\"refused\"}"),
            value("rules_file_refused "),
        ]
    }
}

#[test]
fn g_cache_11_whatever_becomes_of_the_file_the_last_good_rules_stay_and_it_is_told_once() {
    type Spoil = fn(&Fixture);
    let rows: &[(&str, Spoil, &str)] = &[
        ("cut off", |f| f.write(&rules("second")[..20]), "auth.json:1:"),
        ("empty", |f| f.write(""), "empty"),
        ("garbage", |f| f.write([0xff, 0xfe, 0, 1]), "not UTF-8"),
        ("another document", |f| f.write("[]"), "expected an object of rules"),
        (
            "one bad rule among good ones",
            |f| f.write(rules("second").replace("groups.", "groups..")),
            "auth.json:1:",
        ),
        ("gone", |f| std::fs::remove_file(f.file()).unwrap(), "cannot be read: No such file"),
        (
            "a folder",
            |f| {
                std::fs::remove_file(f.file()).unwrap();
                std::fs::create_dir(f.file()).unwrap();
            },
            "it is not a file",
        ),
        (
            "a pipe nobody writes to",
            |f| {
                std::fs::remove_file(f.file()).unwrap();
                let made = std::process::Command::new("mkfifo").arg(f.file()).status().unwrap();
                assert!(made.success());
            },
            "it is not a file",
        ),
        (
            "a link to nowhere",
            |f| {
                std::fs::remove_file(f.file()).unwrap();
                symlink("nowhere", f.file()).unwrap();
            },
            "No such file",
        ),
        (
            "a link to itself",
            |f| {
                std::fs::remove_file(f.file()).unwrap();
                symlink("auth.json", f.file()).unwrap();
            },
            "cannot be read",
        ),
        ("too large", |f| f.write(vec![b' '; access_rules::MAX_RULES_FILE_SIZE + 1]), "expected at most"),
    ];
    for (what, spoil, complaint) in rows {
        let mut fixture = Fixture::plain();
        spoil(&fixture);
        fixture.look();
        assert_eq!(
            (fixture.in_force().as_str(), fixture.error()),
            ("first", None),
            "{what}: it may be on its way"
        );
        for _ in 0..3 {
            fixture.look();
            assert_eq!(fixture.in_force(), "first", "{what}");
            assert!(fixture.error().unwrap().contains(complaint), "{what}: {:?}", fixture.error());
            assert_eq!(fixture.counted(), [0.0, 1.0, 1.0], "{what}");
        }
        // Whatever stands there: a rename puts good rules in its place.
        if fixture.file().is_dir() {
            std::fs::remove_dir(fixture.file()).unwrap();
        }
        let next = fixture.folder.path().join("next");
        std::fs::write(&next, rules("second")).unwrap();
        std::fs::rename(next, fixture.file()).unwrap();
        fixture.look();
        assert_eq!((fixture.in_force().as_str(), fixture.error()), ("second", None), "{what}");
        assert_eq!(fixture.counted(), [1.0, 1.0, 0.0], "{what}");
    }
}

#[test]
fn the_same_file_again_is_a_recovery_and_no_reload() {
    let mut fixture = Fixture::plain();
    fixture.write("{");
    fixture.look();
    fixture.look();
    assert_eq!(fixture.counted(), [0.0, 1.0, 1.0]);
    fixture.write(rules("first"));
    fixture.look();
    assert_eq!((fixture.error(), fixture.counted()), (None, [0.0, 1.0, 0.0]));
    // The same mistake is told again after that.
    fixture.write("{");
    fixture.look();
    fixture.look();
    assert_eq!(fixture.counted(), [0.0, 2.0, 1.0]);
}

#[test]
fn a_file_that_is_written_in_pieces_is_neither_taken_nor_complained_about() {
    let mut fixture = Fixture::plain();
    let whole = rules("second");
    for end in 0..whole.len() {
        fixture.write(&whole[..end]);
        fixture.look();
        assert_eq!((fixture.in_force().as_str(), fixture.error()), ("first", None), "{end}");
    }
    fixture.write(&whole);
    fixture.look();
    assert_eq!((fixture.in_force().as_str(), fixture.counted()), ("second", [1.0, 0.0, 0.0]));
}

#[test]
fn a_file_that_has_just_changed_is_read_at_every_look() {
    let mut fixture = Fixture::plain();
    for name in ["aaaaa", "bbbbb", "aaaaa"] {
        // Same length, same inode, and perhaps within the same tick: the times alone would not show it.
        fixture.write(rules(name));
        fixture.look();
        assert_eq!((fixture.in_force().as_str(), fixture.watch.seen), (name, None));
    }
}

#[test]
fn a_mounted_config_map_is_followed_through_its_links() {
    // As Kubernetes lays it out: auth.json → ..data/auth.json, ..data → ..2026_a, and a rename swaps ..data.
    let arrange = |folder: &Path| {
        std::fs::create_dir(folder.join("..2026_a")).unwrap();
        std::fs::write(folder.join("..2026_a/auth.json"), rules("first")).unwrap();
        symlink("..2026_a", folder.join("..data")).unwrap();
        symlink("..data/auth.json", folder.join("auth.json")).unwrap();
    };
    let mut fixture = Fixture::new(arrange);
    fixture.look();
    for name in ["second", "third"] {
        let folder = fixture.folder.path();
        let version = format!("..2026_{name}");
        std::fs::create_dir(folder.join(&version)).unwrap();
        std::fs::write(folder.join(&version).join("auth.json"), rules(name)).unwrap();
        symlink(&version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        fixture.look();
        assert_eq!(fixture.in_force(), name);
    }
    std::fs::remove_dir_all(fixture.folder.path().join("..2026_a")).unwrap();
    fixture.look();
    assert_eq!((fixture.error(), fixture.counted()), (None, [2.0, 0.0, 0.0]));
}

#[test]
fn whoever_asks_is_told_at_once_and_again() {
    let mut fixture = Fixture::plain();
    fixture.write("{");
    fixture.watch.look(Cause::Asked);
    assert_eq!(fixture.counted(), [0.0, 1.0, 1.0]);
    fixture.watch.look(Cause::Asked);
    assert_eq!(fixture.counted(), [0.0, 2.0, 1.0]);
    fixture.look();
    assert_eq!(fixture.counted(), [0.0, 2.0, 1.0]);
}

#[test]
fn a_file_that_rests_is_not_read_again() {
    let mut fixture = Fixture::plain();
    // An old time cannot be forged by writing; this clock is far ahead of the file instead.
    let ahead = Timestamp::from_unix_millis(SystemClock.now().unix_millis() + 3_600_000);
    fixture.watch.clock = Arc::new(testkit::FakeClock::at(ahead));
    fixture.look();
    let seen = fixture.watch.seen.expect("it rests");
    assert_eq!(file::stamp(&fixture.file()).unwrap(), seen);
    fixture.write(rules("other"));
    fixture.look();
    assert_eq!(fixture.in_force(), "other");
}
