//! What applications do with versions of objects.

use aws_sdk_s3::types::{BucketVersioningStatus, Delete, ObjectIdentifier, VersioningConfiguration};

use crate::tour::{Calls, Outcome, Tour, check, refused, same, same_bytes};

pub async fn run(tour: &mut Tour) {
    tour.step("every put is a version that is read by its id", by_id).await;
    tour.step("a delete leaves a marker, and removing the marker brings the object back", markers).await;
    tour.step("a bucket is deleted when its versions were deleted one by one", one_by_one).await;
}

async fn versioned(s3: &Calls) -> Result<String, Box<dyn std::error::Error>> {
    let bucket = s3.new_bucket().await?;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.0.put_bucket_versioning().bucket(&bucket).versioning_configuration(enabled).send().await?;
    let found = s3.0.get_bucket_versioning().bucket(&bucket).send().await?;
    same(found.status(), Some(&BucketVersioningStatus::Enabled))?;
    Ok(bucket)
}

async fn read(s3: &Calls, bucket: &str, version: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(s3.0.get_object().bucket(bucket).key("key").version_id(version).send().await?.body.collect().await?.to_vec())
}

async fn by_id(s3: Calls) -> Outcome {
    let bucket = versioned(&s3).await?;
    let first = s3.put(&bucket, "key", b"one").await?.version_id.ok_or("no version id")?;
    let second = s3.put(&bucket, "key", b"two").await?.version_id.ok_or("no version id")?;
    check(first != second, "one id for two versions")?;
    same_bytes(&s3.get(&bucket, "key").await?, b"two")?;
    same_bytes(&read(&s3, &bucket, &first).await?, b"one")?;
    let listed = s3.0.list_object_versions().bucket(&bucket).send().await?;
    let found: Vec<_> = listed.versions().iter().map(|found| (found.version_id(), found.is_latest())).collect();
    same(found, [(Some(second.as_str()), Some(true)), (Some(first.as_str()), Some(false))])?;
    let source = format!("{bucket}/key?versionId={first}");
    s3.0.copy_object().bucket(&bucket).key("key").copy_source(source).send().await?;
    same_bytes(&s3.get(&bucket, "key").await?, b"one")
}

async fn markers(s3: Calls) -> Outcome {
    let bucket = versioned(&s3).await?;
    let version = s3.put(&bucket, "key", b"one").await?.version_id.ok_or("no version id")?;
    let deleted = s3.0.delete_object().bucket(&bucket).key("key").send().await?;
    same(deleted.delete_marker(), Some(true))?;
    refused(Some("NoSuchKey"), 404, s3.0.get_object().bucket(&bucket).key("key").send().await)?;
    same_bytes(&read(&s3, &bucket, &version).await?, b"one")?;
    let listed = s3.0.list_object_versions().bucket(&bucket).send().await?;
    same(listed.delete_markers().iter().map(|found| found.version_id()).collect::<Vec<_>>(), [deleted.version_id()])?;
    s3.0.delete_object().bucket(&bucket).key("key").set_version_id(deleted.version_id).send().await?;
    same_bytes(&s3.get(&bucket, "key").await?, b"one")
}

async fn one_by_one(s3: Calls) -> Outcome {
    let (bucket, key) = (versioned(&s3).await?, "a b/ü");
    for body in ["one", "two", "three"] {
        s3.put(&bucket, key, body.as_bytes()).await?;
    }
    s3.0.delete_object().bucket(&bucket).key(key).send().await?;
    refused(Some("BucketNotEmpty"), 409, s3.0.delete_bucket().bucket(&bucket).send().await)?;
    let listed = s3.0.list_object_versions().bucket(&bucket).send().await?;
    let ids = listed
        .versions()
        .iter()
        .map(|found| found.version_id())
        .chain(listed.delete_markers().iter().map(|found| found.version_id()));
    let mut names = Delete::builder();
    for id in ids.flatten() {
        names = names.objects(ObjectIdentifier::builder().key(key).version_id(id).build()?);
    }
    let answer = s3.0.delete_objects().bucket(&bucket).delete(names.build()?).send().await?;
    same((answer.deleted().len(), answer.errors().len()), (4, 0))?;
    s3.0.delete_bucket().bucket(&bucket).send().await?;
    Ok(())
}
