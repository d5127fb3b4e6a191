//! [`PassedPolicies`]: which verification policies an artifact passes by the verdicts that are kept, for policies of access that ask for it.
//!
//! When a verdict counts is told in `migrations/0028_verdicts.sql`; how one comes about in `supply_chain/verification`.

use super::{AsOf, Index, SbomScope};
use crate::digest::Digest;
use crate::error::Result;

/// Indexes whose verdicts an artifact has where it has none of its own.
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
/// table. What is said of an index is said of each of its manifests of which nothing is said itself, and not while that index may be
/// on its way out.
const PASSED: &str = "
    WITH scope AS (SELECT id FROM sbom_scopes WHERE kind = $1 AND name = $2),
    parents AS (
        SELECT s.digest FROM evidence_children c JOIN scope ON c.scope_id = scope.id JOIN evidence_subjects s ON s.id = c.parent_id
        WHERE c.child = $3 AND NOT EXISTS (
            SELECT FROM evidence_pushes p
            WHERE $1 = 'repository' AND p.repository = $2 AND p.is_deletion AND p.reference = 'sha256:' || encode(s.digest, 'hex')
              AND (p.told_at > COALESCE(s.looked_at, '-infinity') OR p.due_at > now())
        )
        ORDER BY s.id DESC LIMIT $5
    ),
    family AS (SELECT 0 AS generation, $3 AS digest UNION ALL SELECT 1, digest FROM parents),
    said AS (
        SELECT family.generation, v.policy, v.passed, v.counts
        FROM scope CROSS JOIN family CROSS JOIN LATERAL (
            SELECT verdicts.policy, verdicts.passed, verdicts.passed AND verdict_counts(verdicts, $6, $4) AS counts FROM verdicts
            WHERE verdicts.scope_id = scope.id AND verdicts.subject = family.digest AND verdicts.key = $7 OFFSET 0
        ) AS v
    ),
    nearest AS (SELECT policy, min(generation) AS generation FROM said GROUP BY policy)
    SELECT policy, bool_or(counts) FROM said JOIN nearest USING (policy, generation)
    WHERE passed GROUP BY policy ORDER BY policy";

impl Index {
    /// The verification policies that an artifact passes: by verdicts that count, which are of this very text of the policy, made with
    /// whom we believe now and by the roots of this replica, and rest on nothing that was removed. Of each policy its own verdict is the
    /// word, whatever that is; where it has none, those of the indexes that list it. An object is one by its `key`: the same bytes
    /// under another key may be out of a policy's scope. In a repository the key is empty. What was attached since takes nothing away,
    /// for it makes no verdict worse. In one round trip.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn passed_policies(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        as_of: AsOf,
    ) -> Result<PassedPolicies> {
        let rows: Vec<(String, bool)> = self
            .fetch_all(|| {
                sqlx::query_as(PASSED)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(subject.as_bytes().as_slice())
                    .bind(as_of.now)
                    .bind(PARENTS)
                    .bind(as_of.setup.as_bytes().as_slice())
                    .bind(key)
            })
            .await?;
        let mut passed = PassedPolicies::default();
        for (policy, counts) in rows {
            if counts { passed.current.push(policy) } else { passed.lapsed.push(policy) }
        }
        Ok(passed)
    }
}
