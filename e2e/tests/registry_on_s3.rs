//! The reference registry with its S3 storage driver on a running server: images are pushed into it and pulled out of it.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, ReferenceRegistry, Tour},
    image::Image,
    on_each_backend,
    tools::{Tool, require},
};

/// Above the 10 MiB that the driver collects for a part, and not a multiple of it.
const BIG: usize = 21 * 1024 * 1024 + 29;

const TEST: &str = "a_registry_keeps_images_in_s3";

fn a_registry_keeps_images_in_s3(server: &Endpoint) -> Result<()> {
    let (Some(aws), Some(crane)) = (require(Tool::AwsCli, TEST)?, require(Tool::Crane, TEST)?) else { return Ok(()) };
    let room = Room::new(server)?;
    let s3 = |arguments: &[&str]| room.ok(&aws, &[&["s3"], arguments].concat());
    s3(&["mb", "s3://registry-bucket"])?;
    let Some(registry) = ReferenceRegistry::start_on_s3(TEST, server, "registry-bucket")? else { return Ok(()) };
    let image = Image::make(&room, "layout", &pattern(BIG, 51))?;
    let at = |name: &str| format!("{}/{name}", registry.endpoint().authority());
    let run = |arguments: &[&str]| room.ok(&crane, &[&["--insecure"], arguments].concat());
    let blob = |digest: &str| {
        let hex = digest.trim_start_matches("sha256:");
        format!(
            "s3://registry-bucket/registry/docker/registry/v2/blobs/sha256/{}/{hex}/data",
            hex.get(..2).unwrap_or(hex)
        )
    };
    let mut tour = Tour::new("the registry on S3");

    tour.step("an image is pushed, and lies in the bucket", || {
        run(&["push", "layout", &at("app:v1")])?;
        ensure!(run(&["digest", &at("app:v1")])?.trim() == image.digest);
        s3(&["cp", &blob(&image.layer), "layer"])?;
        ensure_same(&room.read("layer")?, &Image::blob(&image.layout, &image.layer)?)
    });
    tour.step("it is pulled with the bytes that it was pushed with", || {
        run(&["validate", "--remote", &at("app:v1")])?;
        run(&["pull", "--format", "oci", &at("app:v1"), "pulled"])?;
        for digest in [&image.digest, &image.layer] {
            ensure_same(&Image::blob(&room.path("pulled"), digest)?, &Image::blob(&image.layout, digest)?)?;
        }
        Ok(())
    });
    tour.step("a layer is mounted into another repository, and tags are listed", || {
        run(&["copy", &at("app:v1"), &at("other/app:v2")])?;
        run(&["tag", &at("other/app:v2"), "latest"])?;
        let tags = run(&["ls", &at("other/app")])?;
        ensure!(tags.lines().collect::<Vec<_>>() == ["latest", "v2"], "{tags}");
        let repositories = run(&["catalog", registry.endpoint().authority()])?;
        ensure!(repositories.lines().collect::<Vec<_>>() == ["app", "other/app"], "{repositories}");
        Ok(())
    });
    tour.step("a deleted image is gone", || {
        run(&["delete", &at(&format!("app@{}", image.digest))])?;
        room.refused(&crane, &["--insecure", "manifest", &at("app:v1")], "MANIFEST_UNKNOWN")
    });
    tour.step("no upload is left behind", || {
        let told = room.ok(&aws, &["s3api", "list-multipart-uploads", "--bucket", "registry-bucket"])?;
        ensure!(!told.contains("UploadId"), "{told}");
        let told = s3(&["ls", "--recursive", "s3://registry-bucket/"])?;
        ensure!(!told.contains("/_uploads/"), "{told}");
        Ok(())
    });
    tour.finish()
}

on_each_backend!(a_registry_keeps_images_in_s3);
