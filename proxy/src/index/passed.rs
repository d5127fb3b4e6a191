//! [`PassedPolicies`]: which verification policies an artifact passes by the verdicts that are kept, for policies of access that ask for it.
//!
//! When a verdict counts is told in `migrations/0021_verdicts.sql`; how one comes about in `supply_chain/verification`.

use time::OffsetDateTime;

use super::{Index, SbomScope};
use crate::digest::Digest;
use crate::error::Result;

/// Indexes whose verdicts an artifact has besides its own.
const PARENTS: i64 = 32;

/// The verification policies that an artifact has passed, by their names, in order and each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PassedPolicies {
    /// Those of which a verdict counts.
    pub current: Vec<String>,
    /// Those of which none counts any more: the policy was changed, or whom we believe, its time is over, or something that it rests on
    /// was removed.
    pub lapsed: Vec<String>,
}

/// By the artifact first, each verdict by its key: without the fence, a plan that was made before there were statistics reads the whole
/// table. What is said of an index is said of each of its manifests.
const PASSED: &str = "
    WITH scope AS (SELECT id FROM sbom_scopes WHERE kind = $1 AND name = $2),
    parents AS (
        SELECT s.digest FROM evidence_children c JOIN scope ON c.scope_id = scope.id JOIN evidence_subjects s ON s.id = c.parent_id
        WHERE c.child = $3 ORDER BY s.id DESC LIMIT $5
    ),
    family AS (SELECT $3 AS digest UNION SELECT digest FROM parents)
    SELECT v.policy, bool_or(
        COALESCE(p.digest = v.policy_digest, false) AND v.trust_revision = t.revision AND NOT v.is_withdrawn
        AND COALESCE(v.valid_until > $4, true)
    ) AS counts
    FROM scope CROSS JOIN family CROSS JOIN LATERAL (
        SELECT * FROM verdicts WHERE verdicts.scope_id = scope.id AND verdicts.subject = family.digest AND passed OFFSET 0
    ) AS v
    LEFT JOIN verification_policies AS p ON p.name = v.policy CROSS JOIN trust_revision AS t
    GROUP BY v.policy ORDER BY v.policy";

impl Index {
    /// The verification policies that an artifact passes: by verdicts that count at `now`, which are of this very text of the policy, made
    /// with whom we believe now, and rest on nothing that was removed; its own, and those of the indexes that list it. What was attached
    /// since takes nothing away, for it makes no verdict worse. In one round trip.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn passed_policies(
        &self,
        scope: &SbomScope,
        subject: &Digest,
        now: OffsetDateTime,
    ) -> Result<PassedPolicies> {
        let rows: Vec<(String, bool)> = self
            .fetch_all(|| {
                sqlx::query_as(PASSED)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(subject.as_bytes().as_slice())
                    .bind(now)
                    .bind(PARENTS)
            })
            .await?;
        let mut passed = PassedPolicies::default();
        for (policy, counts) in rows {
            if counts { passed.current.push(policy) } else { passed.lapsed.push(policy) }
        }
        Ok(passed)
    }
}
