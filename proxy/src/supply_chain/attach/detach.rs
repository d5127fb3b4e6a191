//! Removing what somebody has attached.

use super::on_record::{Change, OnRecord};
use crate::app::App;
use crate::audit::DELETE_MANIFEST;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::ReferrerRef;
use crate::supply_chain::artifact::{Artifact, Home};
use crate::supply_chain::collect::Listed;

/// The status of what was removed.
const ACCEPTED: u16 = 202;

/// Removes something that refers to an artifact, as it was listed. The permit is for one of the rights that its kinds need
/// ([`Kind::detach`](super::Kind::detach)); the others are asked of the policy here. It is out of sight when this returns.
///
/// # Errors
/// `AccessDenied`; `ManifestUnknown` where it is gone; `SlowDown`, `UpstreamUnavailable`, `IndexUnavailable`.
pub async fn detach(app: &App, permit: &Permit, artifact: &Artifact, listed: &Listed) -> Result<()> {
    for kind in &listed.kinds {
        if *permit.resource() != artifact.resource() {
            return Err(Error::internal(format!("{} is permitted, not {}", permit.resource(), artifact.resource())));
        }
        if permit.action() != kind.detach() {
            app.authority.authorize(permit.caller(), kind.detach(), artifact.resource()).await?;
        }
    }
    match &artifact.home {
        Home::Bucket { repository, .. } => {
            let record = permit.record().map(|record| record.digest(listed.digest));
            let named = match &listed.tag {
                Some(tag) => ReferrerRef::Tag(tag),
                None => ReferrerRef::Digest(&listed.digest),
            };
            app.index.condemn_referrer(repository, named, record.as_slice()).await?;
            app.referrers.delete_condemned().await;
            Ok(())
        }
        Home::Repository(name) => {
            let reference = listed.digest.to_string();
            let pushing = app.evidence.expect_deletion(app, name, std::slice::from_ref(&reference)).await?;
            let change = Change {
                operation: DELETE_MANIFEST,
                home: name,
                reference: Some(&reference),
                digest: listed.digest,
                size: listed.size,
                note: None,
            };
            let on_record = OnRecord::begin(app, permit, change).await?;
            let deleted = app.store.delete_manifest(name, &reference).await;
            let result =
                deleted.and_then(|was_there| if was_there { Ok(()) } else { Err(Code::ManifestUnknown.into()) });
            match &result {
                Ok(()) => {
                    if let Some(done) = on_record.outcome(ACCEPTED, None) {
                        app.journal.offer(done);
                    }
                    on_record.done();
                }
                // It may have been done all the same.
                Err(error) if error.code() == Code::UpstreamUnavailable => {}
                Err(error) => on_record.failed(error),
            }
            // Whatever became of it: the registry is asked.
            if let Some(pushing) = &pushing {
                pushing.ended();
            }
            result?;
            app.index.forget_manifest(name, &listed.digest).await
        }
    }
}
