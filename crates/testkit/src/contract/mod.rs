//! The contract suite: one async function per law of the ports in `credentials`, run against every store. Written
//! against the traits only; a law that one store cannot keep is a wrong law or a wrong store.

pub mod audit;
pub mod clients;
pub mod deployment;
pub mod key_ring;
pub mod keys;
pub mod outage;
pub mod replacement;
pub mod replay;
pub mod revocations;
pub mod secrets;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use common::Timestamp;
use credentials::audit::AuditLog;
use credentials::client::ClientStore;
use credentials::key::{KeyDirectory, KeyRingStore};
use credentials::replay::ReplayGuard;
use credentials::revocation::RevocationStore;
use credentials::secret::SecretStore;
use credentials::store::DeploymentStore;

/// Callers at the same moment in laws about concurrency.
pub const CALLERS: usize = 64;

/// Everything a deployment keeps.
pub trait Store:
    ClientStore
    + SecretStore
    + ReplayGuard
    + RevocationStore
    + KeyDirectory
    + KeyRingStore
    + DeploymentStore
    + AuditLog
    + 'static
{
}

impl<T> Store for T where
    T: ClientStore
        + SecretStore
        + ReplayGuard
        + RevocationStore
        + KeyDirectory
        + KeyRingStore
        + DeploymentStore
        + AuditLog
        + 'static
{
}

/// Storage of one test: empty when made, gone when dropped.
#[async_trait]
pub trait Storage: Send + Sync {
    /// The store under test: it implements the ports whose laws are run.
    type Store: Send + Sync + 'static;

    /// Opens a store on this storage. Two that are open at once stand for two replicas; one opened after the other
    /// was dropped stands for a restart.
    async fn open(&self) -> Arc<Self::Store>;

    /// The time by which the storage judges what has ended.
    fn now(&self) -> Timestamp;
}

/// Runs `call` once for each of [`CALLERS`] callers, all released at the same moment, and returns their answers in
/// the order of the callers.
pub(crate) async fn all_at_once<T, F>(call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(CALLERS));
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (gate, call) = (Arc::clone(&gate), call(caller));
            tokio::spawn(async move {
                gate.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(CALLERS);
    for task in tasks {
        answers.push(task.await.expect("a caller does not panic"));
    }
    answers
}

/// Expands into one test per law: `store_contract!(on_sqlite, Directory::new());`. The second argument makes a fresh
/// [`Storage`] and may await. A store of some ports only names their areas:
/// `store_contract!(on_redis, Server::start().await; replay);`.
#[macro_export]
macro_rules! store_contract {
    ($module:ident, $storage:expr) => {
        $crate::store_contract!($module, $storage;
            clients, replacement, secrets, replay, revocations, keys, key_ring, deployment, audit);
    };
    ($module:ident, $storage:expr; $($area:ident),+) => {
        mod $module {
            #[allow(unused_imports, reason = "the storage may be made from full paths only")]
            use super::*;

            $( $crate::store_contract! { @laws $area $storage } )+
        }
    };
    (@laws clients $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            clients: every_field_comes_back_equal,
            clients: an_unknown_id_is_none,
            clients: a_taken_id_is_a_duplicate_and_changes_nothing,
            clients: of_concurrent_inserts_of_one_id_one_succeeds,
            clients: concurrent_inserts_of_different_ids_all_succeed,
            clients: ids_that_differ_in_case_are_different_clients,
            clients: pages_are_complete_and_in_byte_order,
            clients: a_page_may_start_after_an_id_that_is_gone,
            clients: an_empty_store_has_one_empty_page,
            clients: a_deleted_client_is_gone_and_its_id_free,
            clients: of_concurrent_deletes_one_removes,
            clients: only_the_expected_version_is_deleted,
            clients: a_filter_leaves_out_exactly_what_it_does_not_match,
            clients: a_login_is_noted_beside_the_version,
            clients: the_use_of_a_key_is_noted_beside_the_version,
            clients: t_reg_10_an_acknowledged_client_outlives_a_restart,
            clients: another_replica_sees_each_acknowledged_write,
            clients: ping_answers,
        }
    };
    (@laws replacement $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            replacement: every_field_can_be_replaced,
            replacement: an_unexpected_version_changes_nothing,
            replacement: an_unknown_client_is_missing_and_stays_so,
            replacement: only_the_named_client_changes,
            replacement: t_reg_06_of_concurrent_replacements_one_wins_whole,
            replacement: t_reg_06_no_update_is_lost,
            replacement: a_replacement_outlives_a_restart,
        }
    };
    (@laws secrets $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            secrets: secrets_come_back_oldest_first_and_equal,
            secrets: a_client_without_secrets_has_none,
            secrets: deleting_forgets_all_of_one_client_only,
            secrets: what_has_ended_is_forgotten_and_nothing_else,
            secrets: concurrently_added_secrets_are_all_kept,
            secrets: secrets_outlive_a_restart,
            secrets: a_rotation_ends_the_others_and_not_later_than_they_would,
            secrets: a_rotation_forgets_what_has_ended_and_keeps_to_the_most,
            secrets: t_reg_06_of_concurrent_rotations_the_last_ones_secret_stays,
            secrets: t_reg_06_concurrent_removals_spare_the_last_live_secret,
            secrets: one_secret_is_removed_once_and_the_others_stay,
            secrets: an_imported_hash_is_upgraded_by_one_and_keeps_its_times,
            secrets: it_is_known_whether_an_imported_hash_is_left,
            secrets: the_use_of_a_secret_is_noted,
        }
    };
    (@laws replay $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            replay: t_clm_12_the_second_use_is_not_the_first,
            replay: t_clm_13_of_concurrent_uses_one_is_first,
            replay: t_clm_14_a_use_outlives_a_restart,
            replay: t_clm_16_a_live_use_is_kept_however_many_others_arrive,
            replay: t_clm_18_the_jti_of_another_client_is_another_use,
            replay: t_clm_19_uses_around_their_end_stay_used,
            replay: ends_at_the_edges_of_time_are_kept,
        }
    };
    (@laws revocations $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            revocations: revocations_come_back_equal,
            revocations: revoking_again_changes_nothing,
            revocations: the_latest_of_a_client_stays,
            revocations: of_concurrent_revocations_of_a_client_the_latest_stays,
            revocations: c_7009_09_a_watch_tells_what_any_replica_revokes,
            revocations: a_watch_misses_nothing_of_many_at_once,
            revocations: a_quiet_watch_says_so,
            revocations: revocations_outlive_a_restart,
            revocations: what_has_not_ended_is_kept_however_many_others_arrive,
        }
    };
    (@laws keys $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            keys: keys_come_back_equal_and_in_order,
            keys: publishing_again_replaces,
            keys: an_empty_directory_is_empty,
            keys: replicas_publish_at_once_and_see_all,
            keys: keys_outlive_a_restart,
            keys: only_keys_that_were_not_seen_since_are_forgotten,
            keys: a_key_that_is_seen_in_the_same_moment_stays,
            keys: a_withdrawn_key_is_gone_and_the_others_stay,
        }
    };
    (@laws deployment $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            deployment: the_first_proposal_stays,
            deployment: of_concurrent_proposals_all_callers_get_one,
            deployment: names_are_independent,
            deployment: an_agreement_outlives_a_restart,
        }
    };
    (@laws audit $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            audit: events_come_back_equal_and_newest_first,
            audit: pages_are_complete,
            audit: a_filter_leaves_out_exactly_the_other_events,
            audit: appending_again_changes_nothing,
            audit: r_22_an_announced_event_says_so_until_it_is_settled,
            audit: replicas_append_at_once_and_see_all,
            audit: events_outlive_a_restart,
        }
    };
    (@laws key_ring $storage:expr) => {
        $crate::store_contract! { @tests $storage;
            key_ring: an_unwritten_ring_is_empty_and_has_version_zero,
            key_ring: a_ring_comes_back_equal_under_the_next_version,
            key_ring: an_unexpected_version_replaces_no_ring,
            key_ring: of_concurrent_first_rings_one_is_kept,
            key_ring: of_concurrent_changes_one_wins_each_round,
            key_ring: a_ring_outlives_a_restart,
        }
    };
    (@tests $storage:expr; $($area:ident: $law:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let storage = $storage;
                $crate::contract::$area::$law(&storage).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A law that the macro does not name would never run.
    #[test]
    fn the_macro_names_every_law() {
        let areas = [
            ("audit", include_str!("audit.rs")),
            ("clients", include_str!("clients.rs")),
            ("deployment", include_str!("deployment.rs")),
            ("key_ring", include_str!("key_ring.rs")),
            ("keys", include_str!("keys.rs")),
            ("replacement", include_str!("replacement.rs")),
            ("replay", include_str!("replay.rs")),
            ("revocations", include_str!("revocations.rs")),
            ("secrets", include_str!("secrets.rs")),
        ];
        let suite = include_str!("mod.rs");
        let mut laws = 0;
        for (area, source) in areas {
            for line in source.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let law = line.split(['<', '(']).next().unwrap();
                assert!(suite.contains(&format!("{area}: {law},")), "{area}: {law} is missing");
                laws += 1;
            }
        }
        assert!(laws > 40, "{laws} laws found");
    }
}
