//! rclone against a running server: copy, check, sync, and the features of S3 that it leans on.

use anyhow::{Result, ensure};
use zas_e2e::{
    clients::{Room, ensure_same, pattern},
    harness::{Endpoint, Tour},
    on_each_backend,
    tools::{Tool, require},
};

/// Three parts of rclone's smallest size, the last one short.
const BIG: usize = 11 * 1024 * 1024 + 3;

fn configuration(server: &Endpoint) -> String {
    format!(
        "[zas]\ntype = s3\nprovider = Other\nendpoint = {}\naccess_key_id = {}\nsecret_access_key = {}\nregion = us-east-1\n\
         upload_cutoff = 5Mi\nchunk_size = 5Mi\n",
        server.url, server.access_key, server.secret_key
    )
}

fn rclone_works(server: &Endpoint) -> Result<()> {
    let Some(rclone) = require(Tool::Rclone, "rclone_works")? else { return Ok(()) };
    let room = Room::new(server)?;
    room.write("rclone.conf", configuration(server).as_bytes())?;
    let with_config = |arguments: &[&str]| {
        [&["--config", "rclone.conf", "--retries", "1", "--low-level-retries", "1"], arguments]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |arguments: &[&str]| {
        let arguments = with_config(arguments);
        room.ok(&rclone, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let names = ["plain.txt", "deep/er/file", "sp ace/ü€.txt", "plus+percent%20.txt", "empty"];
    let mut tour = Tour::new("rclone");

    tour.step("a folder is copied up with all kinds of names, and checks out", || {
        for (n, name) in names.iter().enumerate() {
            room.write(&format!("source/{name}"), &pattern(1000 * n, 7))?;
        }
        room.write("source/empty", b"")?;
        room.write("source/big.bin", &pattern(BIG, 8))?;
        run(&["mkdir", "zas:rclone-bucket"])?;
        run(&["copy", "source", "zas:rclone-bucket/tree"])?;
        run(&["check", "source", "zas:rclone-bucket/tree"])?;
        // By content too: the object of parts has no MD5 for an ETag.
        run(&["check", "--download", "source", "zas:rclone-bucket/tree"])?;
        Ok(())
    });
    tour.step("a listing shows every file, by folder and all at once", || {
        let told = run(&["lsf", "zas:rclone-bucket/tree"])?;
        ensure!(told == "big.bin\ndeep/\nempty\nplain.txt\nplus+percent%20.txt\nsp ace/\n", "{told}");
        let told = run(&["lsf", "--recursive", "--files-only", "zas:rclone-bucket/tree"])?;
        ensure!(told.lines().count() == names.len() + 1, "{told}");
        Ok(())
    });
    tour.step("what did not change is not copied again", || {
        let arguments = with_config(&["copy", "--dry-run", "source", "zas:rclone-bucket/tree"]);
        let finished = room.run(&rclone, &arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        ensure!(finished.status.success() && !finished.stderr.contains("Skipped copy"), "{}", finished.stderr);
        Ok(())
    });
    tour.step("a folder comes back as it went up, times included", || {
        run(&["copy", "zas:rclone-bucket/tree", "back"])?;
        ensure_same(&room.read("back/big.bin")?, &pattern(BIG, 8))?;
        let modified = |path: &str| std::fs::metadata(room.path(path)).and_then(|found| found.modified());
        let (source, back) = (modified("source/plain.txt")?, modified("back/plain.txt")?);
        ensure!(source == back, "{source:?} became {back:?}");
        Ok(())
    });
    tour.step("sync removes what is gone", || {
        std::fs::remove_file(room.path("source/plain.txt"))?;
        run(&["sync", "source", "zas:rclone-bucket/tree"])?;
        let told = run(&["lsf", "zas:rclone-bucket/tree"])?;
        ensure!(!told.contains("plain.txt"), "{told}");
        Ok(())
    });
    tour.step("objects are copied and moved within the server", || {
        run(&["copyto", "zas:rclone-bucket/tree/big.bin", "zas:rclone-bucket/copy.bin"])?;
        run(&["moveto", "zas:rclone-bucket/copy.bin", "zas:rclone-bucket/moved.bin"])?;
        run(&["copyto", "zas:rclone-bucket/moved.bin", "moved.bin"])?;
        ensure_same(&room.read("moved.bin")?, &pattern(BIG, 8))?;
        ensure!(run(&["lsf", "--files-only", "zas:rclone-bucket"])? == "moved.bin\n");
        Ok(())
    });
    tour.step("a piece of an object is read", || {
        room.write("text", b"0123456789")?;
        run(&["copyto", "text", "zas:rclone-bucket/text"])?;
        ensure!(run(&["cat", "--offset", "3", "--count", "4", "zas:rclone-bucket/text"])? == "3456");
        Ok(())
    });
    tour.step("a stream of unknown length is uploaded", || {
        let bytes = pattern(BIG, 9);
        let arguments = with_config(&["rcat", "zas:rclone-bucket/stream"]);
        room.ok_with_input(&rclone, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), &bytes)?;
        run(&["copyto", "zas:rclone-bucket/stream", "stream"])?;
        ensure_same(&room.read("stream")?, &bytes)
    });
    tour.step("a changed time is kept without a new upload", || {
        run(&["touch", "--timestamp", "2021-02-03T04:05:06", "zas:rclone-bucket/text"])?;
        let told = run(&["lsf", "--format", "tp", "--time-format", "RFC3339", "--files-only", "zas:rclone-bucket"])?;
        ensure!(told.contains("2021-02-03T04:05:06"), "{told}");
        ensure!(run(&["cat", "zas:rclone-bucket/text"])? == "0123456789");
        Ok(())
    });
    tour.step("a purge leaves nothing", || {
        run(&["purge", "zas:rclone-bucket"])?;
        ensure!(!run(&["lsf", "zas:"])?.contains("rclone-bucket"));
        Ok(())
    });
    tour.finish()
}

on_each_backend!(rclone_works);
