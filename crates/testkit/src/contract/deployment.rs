//! Laws of [`DeploymentStore`].

use std::sync::Arc;

use credentials::store::DeploymentStore;

use super::{Storage, all_at_once};

async fn open<S: Storage<Store: DeploymentStore>>(storage: &S) -> Arc<dyn DeploymentStore> {
    storage.open().await
}

pub async fn the_first_proposal_stays<S: Storage<Store: DeploymentStore>>(storage: &S) {
    let (store, replica) = (open(storage).await, open(storage).await);
    assert_eq!(store.agree("pepper", b"first").await.unwrap(), b"first");
    for proposal in [b"other".as_slice(), b"", b"first", &[0; 100]] {
        assert_eq!(store.agree("pepper", proposal).await.unwrap(), b"first");
        assert_eq!(replica.agree("pepper", proposal).await.unwrap(), b"first");
    }
}

pub async fn of_concurrent_proposals_all_callers_get_one<S: Storage<Store: DeploymentStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    for round in 0..3 {
        let name = format!("round {round}");
        let answers = all_at_once(|caller| {
            let (store, name) = (Arc::clone(&replicas[caller % 2]), name.clone());
            async move { store.agree(&name, format!("proposal of {caller}").as_bytes()).await.unwrap() }
        })
        .await;
        assert!(answers[0].starts_with(b"proposal of "));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(replicas[1].agree(&name, b"late").await.unwrap(), answers[0]);
    }
}

pub async fn names_are_independent<S: Storage<Store: DeploymentStore>>(storage: &S) {
    let store = open(storage).await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let large = vec![0xff; 100_000];
    let values: [(&str, &[u8]); 8] = [
        ("pepper", b"1"),
        ("Pepper", b"2"),
        ("", b"3"),
        ("$set", b"4"),
        ("a.b", b""),
        ("è", &all_bytes),
        ("a\u{0}b", &large),
        ("{\"$ne\":1}", b"5"),
    ];
    for (name, value) in values {
        assert_eq!(store.agree(name, value).await.unwrap(), value, "{name:?}");
    }
    for (name, value) in values {
        assert_eq!(store.agree(name, b"late").await.unwrap(), value, "{name:?}");
    }
}

pub async fn an_agreement_outlives_a_restart<S: Storage<Store: DeploymentStore>>(storage: &S) {
    open(storage).await.agree("pepper", b"first").await.unwrap();
    assert_eq!(open(storage).await.agree("pepper", b"second").await.unwrap(), b"first");
}
