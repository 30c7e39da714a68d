//! The variables that say which rules decide and how requests find them: the part of the configuration that the commands
//! for rules need too.

use std::path::{Path, PathBuf};

use access_rules::{EncodedSlashes, Matching, Parents, PathPolicy, RepeatedSlashes};
use common::Profile;
use serde::Deserialize;
use service_kit::{Problems, Vars};

use super::one;

/// Which rules decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesSettings {
    pub file: PathBuf,
    pub matching: Matching,
    /// Whether `CUSTOM_PERMISSIONS_KEY` is set. Without it nobody has a permission.
    pub permissions_are_known: bool,
}

/// `MATCHING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchingName {
    Segment,
    SegmentLongest,
    TrailingSlash,
}

/// `PATH_REPEATED_SLASHES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepeatedSlashesName {
    Refuse,
    Merge,
}

/// `PATH_ENCODED_SLASHES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncodedSlashesName {
    Refuse,
    BothReadings,
}

impl RulesSettings {
    /// Reads these variables and no other, so that rules can be looked at where no service could start.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn from_vars(vars: &Vars) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let folder: Option<PathBuf> = one(vars, "configuration_path", &mut problems);
        let name: Option<String> = one(vars, "configuration_file_name", &mut problems);
        let parents = one(vars, "matching", &mut problems);
        let profile = one(vars, "profile", &mut problems);
        let repeated = one(vars, "path_repeated_slashes", &mut problems);
        let encoded = one(vars, "path_encoded_slashes", &mut problems);
        let file = folder.zip(name).map(|(folder, name)| rules_file(&folder, &name));
        let matching = parents
            .zip(profile)
            .zip(repeated.zip(encoded))
            .map(|((parents, profile), (repeated, encoded))| matching(parents, profile, repeated, encoded));
        let permissions_are_known = !matches!(vars.text("CUSTOM_PERMISSIONS_KEY"), Ok(None));
        problems.or(file.zip(matching).map(|(file, matching)| Self { file, matching, permissions_are_known }))
    }
}

pub(super) fn rules_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// What the variables say together; the profile decides about `//` where no variable does (K-10).
pub(super) fn matching(
    parents: MatchingName,
    profile: Profile,
    repeated_slashes: Option<RepeatedSlashesName>,
    encoded_slashes: EncodedSlashesName,
) -> Matching {
    Matching {
        parents: match parents {
            MatchingName::Segment => Parents::Endpoints,
            MatchingName::SegmentLongest => Parents::Longest,
            MatchingName::TrailingSlash => Parents::TrailingSlash,
        },
        paths: PathPolicy {
            repeated_slashes: match (repeated_slashes, profile) {
                (Some(RepeatedSlashesName::Refuse), _) | (None, Profile::Standard) => RepeatedSlashes::Refuse,
                (Some(RepeatedSlashesName::Merge), _) | (None, Profile::DropIn) => RepeatedSlashes::Merge,
            },
            encoded_slashes: match encoded_slashes {
                EncodedSlashesName::Refuse => EncodedSlashes::Refuse,
                EncodedSlashesName::BothReadings => EncodedSlashes::BothReadings,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_10_each_variable_says_what_it_says_and_the_profile_what_is_left() {
        let read = |pairs: &[(&str, &str)]| {
            RulesSettings::from_vars(&Vars::from_pairs(pairs.iter().copied())).unwrap().matching
        };
        assert_eq!(read(&[]), Matching::default());
        assert_eq!(read(&[("PROFILE", "drop-in")]), RepeatedSlashes::Merge.into());
        let refusing = [("PROFILE", "drop-in"), ("PATH_REPEATED_SLASHES", "refuse")];
        assert_eq!(read(&refusing), Matching::default());
        assert_eq!(read(&[("PATH_REPEATED_SLASHES", "merge")]), RepeatedSlashes::Merge.into());
        assert_eq!(read(&[("MATCHING", "trailing-slash")]).parents, Parents::TrailingSlash);
        assert_eq!(read(&[("MATCHING", "segment-longest")]).parents, Parents::Longest);
        let encoded = read(&[("PATH_ENCODED_SLASHES", "both-readings")]).paths.encoded_slashes;
        assert_eq!(encoded, EncodedSlashes::BothReadings);
        let wrong =
            [("MATCHING", "prefix"), ("PATH_ENCODED_SLASHES", "decode"), ("PATH_REPEATED_SLASHES", "keep")];
        let problems = RulesSettings::from_vars(&Vars::from_pairs(wrong)).unwrap_err().to_string();
        assert!(wrong.iter().all(|(name, _)| problems.contains(name)), "{problems}");
    }
}
