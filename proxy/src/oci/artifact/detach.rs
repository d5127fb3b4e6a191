//! Removing what refers to an object. An object itself is deleted by S3.

use http::{Response, StatusCode};
use zas_policy::{Action, Resource};

use super::super::name::Reference;
use super::done;
use super::visit::{KEYS, Visit};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::gateway::Body;
use crate::index::{Referrer, ReferrerRef};
use crate::supply_chain::referrer::{Kind, ReferrerTag};

/// Answers a DELETE: the referrer is out of sight when this returns, and deleted at the registry now or by the next round.
pub(super) async fn delete(visit: &Visit<'_>, reference: &Reference) -> Result<Response<Body>> {
    let index = &visit.app.index;
    let digest: Option<Digest> = match reference {
        Reference::Digest(digest) => digest.as_str().parse().ok(),
        Reference::Tag(_) => None,
    };
    let named = match (reference, &digest) {
        (Reference::Digest(_), Some(digest)) => ReferrerRef::Digest(digest),
        (Reference::Digest(_), None) => return Err(visit.nothing(Code::ManifestUnknown).await),
        (Reference::Tag(tag), _) => match ReferrerTag::parse(tag) {
            Some(ReferrerTag::One { .. }) => ReferrerRef::Tag(tag),
            Some(ReferrerTag::List(_)) | None => return Err(Code::PutByS3.into()),
        },
    };
    let Some(referrer) = index.referrer(visit.folder.bucket(), named).await? else {
        return Err(refusal(visit, digest.as_ref()).await);
    };
    let permit = match permitted(visit, &referrer).await {
        // That it is there is told to those who may see it.
        Err(error) if error.code() == Code::AccessDenied && !visit.may_read_referrers(&referrer.root).await? => {
            return Err(Code::ManifestUnknown.into());
        }
        permit => permit?,
    };
    let record = permit.record().map(|record| record.digest(referrer.digest));
    index.condemn_referrer(&referrer.repository, named, record.as_slice()).await?;
    visit.app.referrers.delete_condemned().await;
    Ok(done(StatusCode::ACCEPTED))
}

async fn permitted(visit: &Visit<'_>, referrer: &Referrer) -> Result<Permit> {
    let (index, folder) = (&visit.app.index, &visit.folder);
    let actions: Vec<Action> = referrer.kinds.iter().map(|kind| Kind::parse(kind).detach()).collect();
    let keys = index.artifact_keys(folder.bucket(), folder.prefix(), &referrer.root, KEYS).await?.keys;
    if let Some(permit) = visit.permit_on(&actions, &keys).await? {
        return Ok(permit);
    }
    // The object is gone, or elsewhere: then it is a matter of the bucket.
    let mut first = None;
    for action in actions {
        let permit = visit.permit(action, Resource::bucket(folder.bucket())).await?;
        first = first.or(Some(permit));
    }
    match first {
        Some(permit) => Ok(permit),
        None => visit.permit(Kind::Other.detach(), Resource::bucket(folder.bucket())).await,
    }
}

/// A manifest of an object is there, and not to be deleted here.
async fn refusal(visit: &Visit<'_>, digest: Option<&Digest>) -> crate::error::Error {
    let (index, folder) = (&visit.app.index, &visit.folder);
    let found = match digest {
        Some(digest) => index.artifact_keys(folder.bucket(), folder.prefix(), digest, KEYS).await,
        None => Ok(Default::default()),
    };
    match found {
        Err(error) => error,
        Ok(found) => match visit.permit_read(&found.keys, |_| digest.copied()).await {
            Err(error) => error,
            Ok(Some(_)) => Code::PutByS3.into(),
            Ok(None) => visit.nothing(Code::ManifestUnknown).await,
        },
    }
}
