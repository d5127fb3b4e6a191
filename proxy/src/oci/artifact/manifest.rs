//! Manifests of objects, by key and by digest; and of what refers to them.

use super::super::name::{ContentDigest, Reference};
use super::visit::{KEYS, Visit, as_repository};
use super::{document, referrers};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::gateway::Body;
use crate::index::{Referrer, ReferrerRef};
use crate::supply_chain::referrer::ReferrerTag;
use http::Response;

/// The media type of an object's manifest.
pub(super) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How often an object is looked at whose digest has to be found first: it may be replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// Answers a GET or a HEAD.
pub(super) async fn get(visit: &Visit<'_>, reference: &Reference) -> Result<Response<Body>> {
    match reference {
        Reference::Digest(digest) => by_digest(visit, digest).await,
        Reference::Tag(tag) => match ReferrerTag::parse(tag) {
            None => by_key(visit, tag).await,
            Some(ReferrerTag::List(subject)) => referrers::list_by_tag(visit, &subject).await,
            Some(ReferrerTag::One { .. }) => {
                let referrer = visit.app.index.referrer(visit.folder.bucket(), ReferrerRef::Tag(tag)).await?;
                of_referrer(visit, referrer).await
            }
        },
    }
}

/// Who may not read the key is told so, whether there is an object or not: as by S3.
async fn by_key(visit: &Visit<'_>, tag: &str) -> Result<Response<Body>> {
    let (bucket, key) = (visit.folder.bucket(), visit.folder.key(tag));
    for _ in 0..ATTEMPTS {
        let permit = visit.permit_key(&key).await?;
        let artifact = visit.app.index.artifact(bucket, &key).await.map_err(as_repository)?;
        match artifact.manifest {
            Some(manifest) => {
                let digest = Digest::of(manifest.as_bytes());
                if !permit.gated().is_for(Some(&digest)) {
                    continue;
                }
                visit.record(&permit, 200, Some(&digest)).await?;
                return document(manifest, IMAGE_MANIFEST, Some(&digest));
            }
            None => visit.app.digester.find(artifact.object_id).await?,
        }
    }
    Err(Error::from(Code::DigestPending).detail("the object was replaced each time its digest was found"))
}

async fn by_digest(visit: &Visit<'_>, digest: &ContentDigest) -> Result<Response<Body>> {
    let Ok(digest) = digest.as_str().parse::<Digest>() else {
        return Err(visit.nothing(Code::ManifestUnknown).await);
    };
    let (index, bucket) = (&visit.app.index, visit.folder.bucket());
    let found = index.artifact_keys(bucket, visit.folder.prefix(), &digest, KEYS).await?;
    if let (Some(permit), Some(manifest)) = (visit.permit_read(&found.keys, |_| Some(digest)).await?, found.manifest) {
        if Digest::of(manifest.as_bytes()) != digest {
            return Err(Error::internal(format!("the manifest of {digest} has other bytes")));
        }
        visit.record(&permit, 200, Some(&digest)).await?;
        return document(manifest, IMAGE_MANIFEST, Some(&digest));
    }
    of_referrer(visit, index.referrer(bucket, ReferrerRef::Digest(&digest)).await?).await
}

async fn of_referrer(visit: &Visit<'_>, referrer: Option<Referrer>) -> Result<Response<Body>> {
    let Some(referrer) = referrer else { return Err(visit.nothing(Code::ManifestUnknown).await) };
    let Some(permit) = visit.permit_referrers(&[referrer.root]).await? else {
        return Err(visit.nothing(Code::ManifestUnknown).await);
    };
    let manifest = visit.app.store.get_manifest(&referrer.repository, &referrer.digest.to_string()).await?;
    let manifest = manifest.ok_or_else(|| {
        Error::internal(format!("{} is in the index and not in {}", referrer.digest, referrer.repository))
    })?;
    visit.record(&permit, 200, Some(&referrer.digest)).await?;
    document(manifest.bytes, &referrer.media_type, Some(&referrer.digest))
}
