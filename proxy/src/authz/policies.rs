//! [`Policies`]: the policies as this replica knows them, and how sure it is that they are the latest.
//!
//! A snapshot is read whole from the index and swapped in whole. It is replaced when a change is told, and asked after at intervals
//! in case a notice was lost. What does not live here: the rules (crate `zas-policy`) and the documents (`index`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use zas_policy::{Kind, Policy, PolicySet, PolicySetBuilder, Role, Target};

use crate::bucket_configuration::{Cors, Document, Lifecycle, OwnershipControls, PublicAccessBlock};
use crate::config::Authorization;
use crate::error::{Code, Error, Result};
use crate::index::notify::{Feed, POLICIES};
use crate::index::{ConfigurationKind, DocumentKind, Index, KnownConfiguration, PolicyData, PolicyDocument};
use crate::telemetry::names;

/// The pause before a snapshot that could not be read is asked for again.
const RETRY: Duration = Duration::from_millis(500);

/// The policies of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policies {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    born: Instant,
    /// Milliseconds after `born`, plus one, at which the snapshot was last known to be the latest; 0: never.
    confirmed: AtomicU64,
    /// One at a time: of two that read, the one that began earlier must not put an older snapshot in the place of a later one.
    refreshing: Mutex<()>,
    config: Authorization,
}

#[derive(Debug, Default)]
struct Snapshot {
    /// The number of changes that it includes.
    revision: i64,
    set: Arc<PolicySet>,
    /// Buckets' rules for pages of other origins: here, because everybody who asks for a page's sake needs them.
    cors: HashMap<String, Arc<Cors>>,
    /// Buckets in which access control lists count: here, so that nobody asks for lists anywhere else.
    with_lists: HashSet<String>,
    /// When buckets' objects expire: answers tell it.
    lifecycles: HashMap<String, Arc<Lifecycle>>,
}

impl Policies {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(config: &Authorization) -> Self {
        let snapshot = Snapshot { set: PolicySet::builder().build(), ..Snapshot::default() };
        let shared = Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            born: Instant::now(),
            confirmed: AtomicU64::new(0),
            refreshing: Mutex::new(()),
            config: config.clone(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The policies to decide by.
    ///
    /// # Errors
    /// `PoliciesUnavailable` where a change may have been missed for longer than the configuration allows.
    pub fn current(&self) -> Result<Arc<PolicySet>> {
        if self.age() > self.shared.config.stale_after {
            return Err(Code::PoliciesUnavailable.into());
        }
        Ok(self.latest())
    }

    /// The policies as they were last known, however long ago.
    #[must_use]
    pub fn latest(&self) -> Arc<PolicySet> {
        self.shared.snapshot.load().set.clone()
    }

    /// A bucket's rules for pages of other origins; none where what is known may be too old.
    #[must_use]
    pub fn cors(&self, bucket: &str) -> Option<Arc<Cors>> {
        if self.age() > self.shared.config.stale_after {
            return None;
        }
        self.shared.snapshot.load().cors.get(bucket).cloned()
    }

    /// Whether access control lists may count in a bucket, as this replica last knew.
    #[must_use]
    pub fn has_lists(&self, bucket: &str) -> bool {
        self.shared.snapshot.load().with_lists.contains(bucket)
    }

    /// When a bucket's objects expire; none where it has no rules, or where what is known may be too old.
    #[must_use]
    pub fn lifecycle(&self, bucket: &str) -> Option<Arc<Lifecycle>> {
        if self.age() > self.shared.config.stale_after {
            return None;
        }
        self.shared.snapshot.load().lifecycles.get(bucket).cloned()
    }

    /// How long ago it was certain that no change was missed.
    #[must_use]
    pub fn age(&self) -> Duration {
        match self.shared.confirmed.load(Ordering::Acquire) {
            0 => Duration::MAX,
            at => self.shared.born.elapsed().saturating_sub(Duration::from_millis(at - 1)),
        }
    }

    /// Keeps the policies the latest until `stop`: reads them when a change is told, and asks at intervals.
    pub async fn run(&self, index: &Index, feed: &Feed, stop: CancellationToken) {
        let mut notices = feed.subscribe();
        loop {
            let pause = match self.refresh(index).await {
                Ok(()) => self.shared.config.poll_interval,
                Err(error) => {
                    tracing::warn!("the policies could not be read: {}", error.for_log());
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = notices.told_of(POLICIES) => {}
            }
        }
    }

    /// Makes sure that the snapshot is the latest; reads it anew only where it is not.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn refresh(&self, index: &Index) -> Result<()> {
        let _turn = self.shared.refreshing.lock().await;
        let asked = Instant::now();
        let known = self.shared.snapshot.load().revision;
        if index.policy_revision().await? != known {
            let data = index.policy_data().await?;
            let revision = data.revision;
            tracing::info!(revision, documents = data.documents.len(), "policies were read");
            // Very many take so long that other requests would wait for it.
            let snapshot = tokio::task::spawn_blocking(move || compile(&data)).await.map_err(Error::internal)?;
            self.shared.snapshot.store(Arc::new(snapshot));
            metrics::gauge!(names::POLICY_REVISION).set(approximate(revision));
        }
        let millis = asked.saturating_duration_since(self.shared.born).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.shared.confirmed.fetch_max(millis.saturating_add(1), Ordering::AcqRel);
        Ok(())
    }
}

/// Metrics are floating-point numbers.
fn approximate(revision: i64) -> f64 {
    i32::try_from(revision).map_or(f64::MAX, f64::from)
}

fn compile(data: &PolicyData) -> Snapshot {
    let mut builder = PolicySet::builder();
    for document in &data.documents {
        builder = match document.kind {
            DocumentKind::Policy => builder.policy(read(Kind::Identity, &document.name, document)),
            DocumentKind::Bucket => {
                let policy = read(Kind::Bucket, &format!("bucket/{}", document.name), document);
                builder.bucket(&document.name, policy)
            }
            DocumentKind::Role => {
                let trust = read(Kind::Trust, &format!("role/{}", document.name), document);
                let max_session = document.max_session.and_then(|seconds| u32::try_from(seconds).ok());
                builder.role(&document.name, Role { trust, max_session: max_session.unwrap_or_default() })
            }
        };
    }
    for attachment in &data.attachments {
        let name = attachment.target.clone();
        let target = match attachment.target_kind.as_str() {
            "user" => Target::User(name),
            "role" => Target::Role(name),
            "group" => Target::Group(name),
            other => {
                tracing::error!("a policy is attached to a {other:?}, which this version does not know");
                continue;
            }
        };
        builder = builder.attach(&attachment.policy, target);
    }
    let (builder, cors) = configured(builder, &data.configurations);
    let with_lists = with_lists(&data.configurations);
    let lifecycles = lifecycles(&data.configurations);
    Snapshot { revision: data.revision, set: builder.build(), cors, with_lists, lifecycles }
}

/// When buckets' objects expire.
fn lifecycles(configurations: &[KnownConfiguration]) -> HashMap<String, Arc<Lifecycle>> {
    let known = configurations.iter().filter(|known| known.kind == ConfigurationKind::Lifecycle);
    let read = known.filter_map(|KnownConfiguration { bucket, document, .. }| {
        Some((bucket.clone(), Arc::new(document_of::<Lifecycle>(bucket, document)?)))
    });
    read.collect()
}

/// What buckets are configured with. A block that this version cannot read blocks; rules that it cannot read allow nothing.
fn configured(
    mut builder: PolicySetBuilder,
    configurations: &[KnownConfiguration],
) -> (PolicySetBuilder, HashMap<String, Arc<Cors>>) {
    let mut cors = HashMap::new();
    for KnownConfiguration { bucket, kind, document } in configurations {
        match kind {
            ConfigurationKind::Cors => {
                if let Some(rules) = document_of::<Cors>(bucket, document) {
                    cors.insert(bucket.clone(), Arc::new(rules));
                }
            }
            ConfigurationKind::PublicAccessBlock => {
                let block = document_of::<PublicAccessBlock>(bucket, document).unwrap_or(PublicAccessBlock::ALL);
                if block.restrict_public_buckets {
                    builder = builder.restrict(bucket);
                }
            }
            ConfigurationKind::Tagging
            | ConfigurationKind::OwnershipControls
            | ConfigurationKind::Encryption
            | ConfigurationKind::Notification
            | ConfigurationKind::Lifecycle => {}
        }
    }
    (builder, cors)
}

/// Buckets whose ownership lets access control lists count; one that this version cannot read does not.
fn with_lists(configurations: &[KnownConfiguration]) -> HashSet<String> {
    let owned = configurations.iter().filter(|known| known.kind == ConfigurationKind::OwnershipControls);
    let with_lists = owned.filter(|known| {
        let controls = document_of::<OwnershipControls>(&known.bucket, &known.document);
        controls.is_some_and(|controls| controls.ownership().has_lists())
    });
    with_lists.map(|known| known.bucket.clone()).collect()
}

fn document_of<D: Document>(bucket: &str, document: &str) -> Option<D> {
    serde_json::from_str(document)
        .inspect_err(|error| {
            tracing::error!(bucket, kind = D::KIND.as_str(), %error, "a stored configuration cannot be read");
        })
        .ok()
}

/// A document that this version cannot read denies everything that it was about: what it would have denied is not known. Of a bucket's
/// policy that names rights which are no longer its own, the rest stands.
fn read(kind: Kind, name: &str, document: &PolicyDocument) -> Policy {
    let text = &document.document;
    Policy::parse(kind, name, text).or_else(|error| {
        let read = Policy::parse_stored(kind, name, text);
        match &read {
            Ok(_) => tracing::warn!(policy = name, %error, "a stored policy names what it cannot give or take: that is passed over"),
            Err(error) => tracing::error!(policy = name, %error, "a stored policy cannot be read: it denies everything"),
        }
        read
    })
    .unwrap_or_else(|_| Policy::deny_all(name))
}

#[cfg(test)]
mod tests {
    use zas_policy::{Action, Empty, Identity, Principal, Request, Resource};

    use super::*;
    use crate::index::{Attachment, NewBucket, NewDocument, Quota};
    use crate::postgres::testing;

    /// Longer than anything takes on a slow machine.
    const LONG: Duration = Duration::from_secs(30);

    const DOCUMENT: &str =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

    fn new<'a>(name: &'a str, document: &'a str) -> NewDocument<'a> {
        NewDocument {
            kind: DocumentKind::Policy,
            name,
            document,
            description: "",
            max_session: None,
            expected: None,
            by: "test",
            audit: &[],
        }
    }

    fn bucket(name: &str) -> NewBucket<'_> {
        NewBucket {
            name,
            region: "us-east-1",
            owner: "root",
            store: "main",
            prefix: "s3",
            shards: 4,
            quota: Quota::default(),
            object_lock: false,
            audit: &[],
        }
    }

    #[tokio::test]
    async fn what_was_never_read_is_not_decided_by() {
        let policies = Policies::new(&Authorization::default());
        assert_eq!(policies.current().unwrap_err().code(), Code::PoliciesUnavailable);
    }

    #[tokio::test]
    async fn a_change_arrives_in_the_next_snapshot_and_then_grows_stale() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let policies = Policies::new(&Authorization { stale_after: Duration::ZERO, ..Authorization::default() });
        index.put_policy_document(new("p", DOCUMENT)).await.unwrap();
        policies.refresh(&index).await.unwrap();
        assert!(policies.latest().policy("p").is_some());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(policies.current().unwrap_err().code(), Code::PoliciesUnavailable);
    }

    #[tokio::test]
    async fn a_stored_document_that_cannot_be_read_denies_everything() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let policies = Policies::new(&Authorization::default());
        index.put_policy_document(new("broken", "{}")).await.unwrap();
        policies.refresh(&index).await.unwrap();
        let set = policies.current().unwrap();
        assert_eq!(set.policy("broken").map(Policy::len), Some(1));
    }

    #[tokio::test]
    async fn of_a_stored_bucket_policy_the_rights_that_it_cannot_give_are_passed_over() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let policies = Policies::new(&Authorization::default());
        let old = r#"{"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "admin:PutQuota"], "Resource": "b/*"},
            {"Effect": "Allow", "Principal": "*", "Action": "admin:*", "Resource": "b"}]}"#;
        index.create_bucket(bucket("b")).await.unwrap();
        index.put_policy_document(NewDocument { kind: DocumentKind::Bucket, ..new("b", old) }).await.unwrap();
        policies.refresh(&index).await.unwrap();
        let set = policies.current().unwrap();
        let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
        let may = |action, resource| {
            let (principal, resource) = (&alice, &resource);
            set.decide(&Request { principal, action, resource, context: &Empty, narrowed_by: &[] }).is_allowed()
        };
        assert!(may(Action::GetObject, Resource::object("b", "k")));
        assert!(!may(Action::PutQuota, Resource::bucket("b")));
        assert!(!may(Action::GetSigningRules, Resource::bucket("b")));
    }

    #[test]
    fn a_stored_configuration_that_cannot_be_read_lets_in_nobody_who_is_not_known() {
        let broken = |kind| KnownConfiguration { bucket: "b".into(), kind, document: "7".into() };
        let public =
            r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "b/*"}}"#;
        let builder = PolicySet::builder().bucket("b", Policy::parse(Kind::Bucket, "bucket/b", public).unwrap());
        let all = [broken(ConfigurationKind::Cors), broken(ConfigurationKind::PublicAccessBlock)];
        let (builder, cors) = configured(builder, &all);
        assert!(cors.is_empty());
        let resource = Resource::object("b", "key");
        let request = Request {
            principal: &Principal::Anonymous,
            action: Action::GetObject,
            resource: &resource,
            context: &Empty,
            narrowed_by: &[],
        };
        assert!(!builder.build().decide(&request).is_allowed());
    }

    /// Grants and withdraws by turns, as another replica does; how long the quickest grant took from its commit to the decision, and
    /// the quickest withdrawal. The quickest, for the machine may be busy with something else.
    async fn quickest(index: &Index, policies: &Policies, rounds: usize) -> [Duration; 2] {
        let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
        let resource = Resource::object("bucket", "key");
        let may = || {
            let (principal, resource) = (&alice, &resource);
            let request = Request { principal, action: Action::GetObject, resource, context: &Empty, narrowed_by: &[] };
            policies.latest().decide(&request).is_allowed()
        };
        index.put_policy_document(new("told", DOCUMENT)).await.unwrap();
        let attachment = Attachment { policy: "told".into(), target_kind: "user".into(), target: "alice".into() };
        let mut quickest = [Duration::MAX; 2];
        for round in 0..rounds {
            let grants = round % 2 == 0;
            if grants {
                index.attach_policy(&attachment, "test", &[]).await.unwrap();
            } else {
                index.detach_policy(&attachment, "test", &[]).await.unwrap();
            }
            let committed = Instant::now();
            while may() != grants && committed.elapsed() < LONG {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(may(), grants, "round {round}");
            quickest[round % 2] = quickest[round % 2].min(committed.elapsed());
        }
        quickest
    }

    #[tokio::test]
    async fn a_change_of_another_replica_is_decided_by_within_a_second_without_asking() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let never = Duration::from_secs(3600);
        let policies = Policies::new(&Authorization { poll_interval: never, stale_after: never });
        let (feed, stop) = (Feed::new(), CancellationToken::new());
        let running = {
            let (policies, index, feed, stop) = (policies.clone(), index.clone(), feed.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::join!(feed.run(&index, stop.clone()), policies.run(&index, &feed, stop.clone()));
            })
        };
        let begun = Instant::now();
        while feed.age() == Duration::MAX && begun.elapsed() < LONG {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let quickest = quickest(&index, &policies, 8).await;
        assert!(quickest.iter().all(|took| *took < Duration::from_secs(1)), "{quickest:?}");
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn a_change_whose_notice_was_lost_is_found_by_asking() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let config = Authorization::default();
        assert_eq!(config.poll_interval, Duration::from_secs(1));
        // Nobody passes notices on.
        let (policies, feed, stop) = (Policies::new(&config), Feed::new(), CancellationToken::new());
        let running = {
            let (policies, index, stop) = (policies.clone(), index.clone(), stop.clone());
            tokio::spawn(async move { policies.run(&index, &feed, stop).await })
        };
        let quickest = quickest(&index, &policies, 4).await;
        assert!(quickest.iter().all(|took| *took < config.poll_interval * 2), "{quickest:?}");
        stop.cancel();
        running.await.unwrap();
    }
}
