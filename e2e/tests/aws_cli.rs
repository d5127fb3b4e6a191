//! The AWS command line against a running server: the commands that people type.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour, http_get},
    on_each_backend,
    tools::{Tool, require},
};

/// Above the 8 MB at which the command line uploads in parts, and not a multiple of its parts.
const BIG: usize = 30 * 1024 * 1024 + 17;

fn the_aws_command_line_works(server: &Endpoint) -> Result<()> {
    let Some(aws) = require(Tool::AwsCli, "the_aws_command_line_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    let s3 = |arguments: &[&str]| room.ok(&aws, &[&["s3"], arguments].concat());
    let mut tour = Tour::new("the AWS command line");

    tour.step("a made bucket is listed", || {
        s3(&["mb", "s3://cli-bucket"])?;
        ensure!(s3(&["ls"])?.contains(" cli-bucket\n"));
        Ok(())
    });
    tour.step("a small file comes back as it went up", || {
        room.write("small.txt", b"hello")?;
        s3(&["cp", "small.txt", "s3://cli-bucket/folder/small.txt"])?;
        s3(&["cp", "s3://cli-bucket/folder/small.txt", "back.txt"])?;
        ensure_same(&room.read("back.txt")?, b"hello")?;
        ensure!(
            room.ok(&aws, &["s3api", "head-object", "--bucket", "cli-bucket", "--key", "folder/small.txt"])?
                .contains("\"text/plain\"")
        );
        Ok(())
    });
    tour.step("a file of 30 MB goes up in parts and comes back whole", || {
        let bytes = pattern(BIG, 1);
        room.write("big.bin", &bytes)?;
        s3(&["cp", "big.bin", "s3://cli-bucket/big.bin"])?;
        let head = room.ok(&aws, &["s3api", "head-object", "--bucket", "cli-bucket", "--key", "big.bin"])?;
        ensure!(head.contains("-4\\\"\"") && head.contains(&BIG.to_string()), "not an upload of four parts: {head}");
        s3(&["cp", "s3://cli-bucket/big.bin", "big.back"])?;
        ensure_same(&room.read("big.back")?, &bytes)
    });
    tour.step("a stream is uploaded and downloaded", || {
        room.ok_with_input(&aws, &["s3", "cp", "-", "s3://cli-bucket/stream"], b"from a pipe")?;
        ensure_same(s3(&["cp", "s3://cli-bucket/stream", "-"])?.as_bytes(), b"from a pipe")
    });
    tour.step("a folder is listed as a folder", || {
        let told = s3(&["ls", "s3://cli-bucket/"])?;
        ensure!(told.contains("PRE folder/\n") && told.contains(" big.bin\n") && !told.contains("small.txt"), "{told}");
        let told = s3(&["ls", "--recursive", "--summarize", "s3://cli-bucket/"])?;
        ensure!(told.contains("folder/small.txt") && told.contains("Total Objects: 3"), "{told}");
        Ok(())
    });
    tour.step("sync copies a folder up, and then only what changed", || {
        for n in 0..12 {
            room.write(&format!("tree/{}/a file {n}.txt", n % 3), format!("content {n}").as_bytes())?;
        }
        ensure!(s3(&["sync", "tree", "s3://cli-bucket/tree"])?.matches("upload:").count() == 12);
        let again = s3(&["sync", "tree", "s3://cli-bucket/tree"])?;
        ensure!(again.trim().is_empty(), "{again}");
        room.write("tree/1/a file 1.txt", b"longer than it was before")?;
        ensure!(s3(&["sync", "tree", "s3://cli-bucket/tree"])?.matches("upload:").count() == 1);
        Ok(())
    });
    tour.step("sync copies a folder down, and removes what is gone", || {
        s3(&["sync", "s3://cli-bucket/tree", "down"])?;
        ensure_same(&room.read("down/1/a file 1.txt")?, b"longer than it was before")?;
        std::fs::remove_file(room.path("tree/2/a file 2.txt"))?;
        let told = s3(&["sync", "--delete", "tree", "s3://cli-bucket/tree"])?;
        ensure!(told.contains("delete:") && told.contains("a file 2.txt"), "{told}");
        room.refused(&aws, &["s3", "ls", "s3://cli-bucket/tree/2/a file 2.txt"], "")
    });
    tour.step("an object is moved, also above the size of a part", || {
        s3(&["mv", "s3://cli-bucket/big.bin", "s3://cli-bucket/moved/big.bin"])?;
        s3(&["cp", "s3://cli-bucket/moved/big.bin", "moved.back"])?;
        ensure_same(&room.read("moved.back")?, &pattern(BIG, 1))?;
        room.refused(&aws, &["s3", "cp", "s3://cli-bucket/big.bin", "none"], "404")
    });
    tour.step("a presigned URL opens the object to whoever has it", || {
        // Version 1 of the command line presigns with signature version 2 until it is told otherwise.
        room.write(".aws/config", b"[default]\ns3 =\n    signature_version = s3v4\n")?;
        let url = s3(&["presign", "s3://cli-bucket/folder/small.txt", "--expires-in", "300"])?;
        let (status, body) = http_get(url.trim())?;
        ensure!(status == 200, "{status}");
        ensure_same(&body, b"hello")?;
        let (status, _) = http_get(&format!("{}/cli-bucket/folder/small.txt", server.url))?;
        ensure!(status == 403, "without a signature: {status}");
        Ok(())
    });
    tour.step("a bucket with objects is removed only by force", || {
        room.refused(&aws, &["s3", "rb", "s3://cli-bucket"], "BucketNotEmpty")?;
        s3(&["rm", "--recursive", "--quiet", "s3://cli-bucket/tree"])?;
        ensure!(!s3(&["ls", "--recursive", "s3://cli-bucket"])?.contains("tree/"));
        s3(&["rb", "--force", "s3://cli-bucket"])?;
        room.refused(&aws, &["s3", "ls", "s3://cli-bucket"], "NoSuchBucket")
    });
    tour.finish()
}

on_each_backend!(the_aws_command_line_works);
