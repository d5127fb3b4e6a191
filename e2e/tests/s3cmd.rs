//! s3cmd against a running server: the commands that people type.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour, http_get},
    on_each_backend,
    tools::{Tool, require},
};

/// Above the 15 MB at which s3cmd uploads in parts, and not a multiple of its parts.
const BIG: usize = 16 * 1024 * 1024 + 19;

/// What `s3cmd --configure` asks for: everything else has its default.
fn configuration(server: &Endpoint) -> String {
    let address = server.authority();
    let tls = if server.is_tls() { "True" } else { "False" };
    format!(
        "[default]\naccess_key = {}\nsecret_key = {}\nhost_base = {address}\nhost_bucket = {address}\nuse_https = {tls}\n",
        server.access_key, server.secret_key
    )
}

fn s3cmd_works(server: &Endpoint) -> Result<()> {
    let Some(s3cmd) = require(Tool::S3cmd, "s3cmd_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    room.write(".s3cfg", configuration(server).as_bytes())?;
    let run = |arguments: &[&str]| room.ok(&s3cmd, &[&["--no-progress"], arguments].concat());
    let refused = |arguments: &[&str], told: &str| room.refused(&s3cmd, arguments, told);
    let mut tour = Tour::new("s3cmd");

    tour.step("a made bucket is listed, and described", || {
        run(&["mb", "s3://s3cmd-bucket"])?;
        ensure!(run(&["ls"])?.contains(" s3://s3cmd-bucket\n"));
        let told = run(&["info", "s3://s3cmd-bucket"])?;
        ensure!(told.contains("us-east-1") && told.contains("BucketOwner") && told.contains("FULL_CONTROL"), "{told}");
        Ok(())
    });
    tour.step("a small file comes back as it went up, whatever its name", || {
        room.write("small.txt", b"hello")?;
        for name in ["small.txt", "a folder/ü+%.txt", "q?x=1&y=2"] {
            let object = format!("s3://s3cmd-bucket/{name}");
            run(&["put", "small.txt", &object])?;
            run(&["get", "--force", &object, "back.txt"])?;
            ensure_same(&room.read("back.txt")?, b"hello")?;
        }
        let told = run(&["ls", "--recursive", "s3://s3cmd-bucket"])?;
        ensure!(told.contains("s3://s3cmd-bucket/a folder/ü+%.txt\n") && told.lines().count() == 3, "{told}");
        let told = run(&["ls", "s3://s3cmd-bucket"])?;
        ensure!(told.contains("DIR  s3://s3cmd-bucket/a folder/\n"), "{told}");
        Ok(())
    });
    tour.step("a big file goes up in parts and comes back whole", || {
        let bytes = pattern(BIG, 31);
        room.write("big.bin", &bytes)?;
        run(&["put", "big.bin", "s3://s3cmd-bucket/big.bin"])?;
        run(&["get", "s3://s3cmd-bucket/big.bin", "big.back"])?;
        ensure_same(&room.read("big.back")?, &bytes)?;
        let told = run(&["info", "s3://s3cmd-bucket/big.bin"])?;
        ensure!(told.contains(&format!("File size: {BIG}")) && told.contains("x-amz-meta-s3cmd-attrs"), "{told}");
        // Nothing but the heading is left of the upload.
        ensure!(run(&["multipart", "s3://s3cmd-bucket"])?.lines().count() == 2);
        Ok(())
    });
    tour.step("a download that broke off goes on where it was", || {
        let bytes = pattern(BIG, 31);
        room.write("big.part", bytes.get(..1_000_000).unwrap_or_default())?;
        run(&["get", "--continue", "s3://s3cmd-bucket/big.bin", "big.part"])?;
        ensure_same(&room.read("big.part")?, &bytes)
    });
    tour.step("sync copies up what changed, removes what is gone, and copies down", || {
        for n in 0..6 {
            room.write(&format!("tree/{}/a file {n}.txt", n % 2), format!("content {n}").as_bytes())?;
        }
        ensure!(run(&["sync", "tree/", "s3://s3cmd-bucket/tree/"])?.matches("upload:").count() == 6);
        ensure!(!run(&["sync", "tree/", "s3://s3cmd-bucket/tree/"])?.contains("upload:"));
        std::fs::remove_file(room.path("tree/1/a file 1.txt"))?;
        let told = run(&["sync", "--delete-removed", "tree/", "s3://s3cmd-bucket/tree/"])?;
        ensure!(told.contains("delete: 's3://s3cmd-bucket/tree/1/a file 1.txt'"), "{told}");
        std::fs::create_dir(room.path("down"))?;
        ensure!(run(&["sync", "s3://s3cmd-bucket/tree/", "down/"])?.matches("download:").count() == 5);
        ensure_same(&room.read("down/0/a file 4.txt")?, b"content 4")
    });
    tour.step("objects are copied, moved and given other metadata within the server", || {
        run(&["cp", "s3://s3cmd-bucket/big.bin", "s3://s3cmd-bucket/copied"])?;
        run(&["mv", "s3://s3cmd-bucket/copied", "s3://s3cmd-bucket/moved"])?;
        run(&["modify", "--add-header=x-amz-meta-colour:blue", "s3://s3cmd-bucket/moved"])?;
        ensure!(run(&["info", "s3://s3cmd-bucket/moved"])?.contains("x-amz-meta-colour: blue"));
        run(&["get", "s3://s3cmd-bucket/moved", "moved.back"])?;
        ensure_same(&room.read("moved.back")?, &pattern(BIG, 31))?;
        refused(&["get", "s3://s3cmd-bucket/copied", "none"], "does not exist")
    });
    tour.step("tags are kept until they are removed", || {
        run(&["settagging", "s3://s3cmd-bucket/small.txt", "team=one&cost=2"])?;
        let told = run(&["gettagging", "s3://s3cmd-bucket/small.txt"])?;
        ensure!(told.contains("team:\tone") && told.contains("cost:\t2"), "{told}");
        run(&["deltagging", "s3://s3cmd-bucket/small.txt"])?;
        ensure!(!run(&["gettagging", "s3://s3cmd-bucket/small.txt"])?.contains("team:"));
        Ok(())
    });
    tour.step("a policy opens a folder, and an ACL nothing where ACLs are off", || {
        let public = |name: &str| Ok::<_, anyhow::Error>(http_get(&format!("{}/s3cmd-bucket/{name}", server.url))?.0);
        let statement = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::s3cmd-bucket/tree/*"}"#;
        room.write("policy", format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#).as_bytes())?;
        run(&["setpolicy", "policy", "s3://s3cmd-bucket"])?;
        ensure!(public("tree/0/a%20file%204.txt")? == 200 && public("small.txt")? == 403);
        run(&["delpolicy", "s3://s3cmd-bucket"])?;
        ensure!(public("tree/0/a%20file%204.txt")? == 403);
        refused(&["setacl", "--acl-public", "s3://s3cmd-bucket/small.txt"], "AccessControlListNotSupported")?;
        run(&["setacl", "--acl-private", "s3://s3cmd-bucket/small.txt"])?;
        Ok(())
    });
    tour.step("objects are counted, and all deleted before their bucket", || {
        ensure!(run(&["du", "s3://s3cmd-bucket"])?.contains(" 10 objects "));
        refused(&["rb", "s3://s3cmd-bucket"], "BucketNotEmpty")?;
        run(&["del", "s3://s3cmd-bucket/moved"])?;
        run(&["del", "--recursive", "--force", "s3://s3cmd-bucket/"])?;
        run(&["rb", "s3://s3cmd-bucket"])?;
        refused(&["ls", "s3://s3cmd-bucket"], "NoSuchBucket")
    });
    tour.finish()
}

on_each_backend!(s3cmd_works);
