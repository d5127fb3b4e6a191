//! The root access key of a data folder, as an AWS credentials file with the profile `zas`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use rand::Rng;
use rand::distr::{Alphanumeric, SampleString, slice::Choose};

use super::folder::Folder;
use crate::audit::note::generate_key;
use crate::config::{AccessKey, RingKey, Secret};
use crate::identity::generate_ring_key;

/// Its name in the data folder.
pub(super) const FILE: &str = "credentials";

/// Reads the key, or makes one at the first run.
pub(super) fn load_or_create(folder: &Folder, region: &str) -> anyhow::Result<AccessKey> {
    match std::fs::read_to_string(folder.path(FILE)) {
        Ok(text) => parse(&text)
            .with_context(|| format!("{} cannot be read; delete it to get a new key", folder.path(FILE).display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(folder, region),
        Err(error) => bail!("{}: {error}", folder.path(FILE).display()),
    }
}

/// The file of the key that signs audit checkpoints; made at the first run.
pub(super) fn audit_key(folder: &Folder) -> anyhow::Result<PathBuf> {
    const FILE: &str = "audit-key.pem";
    let path = folder.path(FILE);
    match path.exists() {
        true => Ok(path),
        false => folder.write_private(FILE, &generate_key()?),
    }
}

/// The file of the key that seals access keys; made at the first run.
pub(super) fn ring_key(folder: &Folder) -> anyhow::Result<RingKey> {
    const FILE: &str = "ring-key";
    let path = folder.path(FILE);
    if !path.exists() {
        folder.write_private(FILE, &generate_ring_key())?;
    }
    let secret = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(RingKey { id: "dev".to_owned(), secret: Some(Secret::new(secret.trim())), secret_file: None })
}

/// The files of the key that the registry is shown tokens of, private and public; made at the first run.
pub(super) fn store_key(folder: &Folder) -> anyhow::Result<(PathBuf, PathBuf)> {
    const FILES: (&str, &str) = ("store-key.pem", "store-key.pub");
    let (private, public) = (folder.path(FILES.0), folder.path(FILES.1));
    if !private.exists() {
        folder.write_private(FILES.0, &generate_key()?)?;
    }
    let pem = std::fs::read_to_string(&private).with_context(|| private.display().to_string())?;
    let key = crate::store::public_key(&pem).map_err(|error| anyhow::anyhow!(error.for_operator()))?;
    folder.write_private(FILES.1, &key)?;
    Ok((private, public))
}

fn create(folder: &Folder, region: &str) -> anyhow::Result<AccessKey> {
    let rng = rand::rng();
    let letters: Vec<char> = ('A'..='Z').chain('2'..='7').collect();
    let suffix: String = rng.sample_iter(Choose::new(&letters)?).take(16).collect();
    let id = format!("ZAS{suffix}");
    let secret = Alphanumeric.sample_string(&mut rand::rng(), 40);
    // Python's clients, boto3 and version 1 of the command line, presign by an older signature unless they are told otherwise.
    let text = format!(
        "[zas]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\nregion = {region}\n\
         s3 =\n    signature_version = s3v4\n"
    );
    folder.write_private(FILE, &text)?;
    Ok(AccessKey { id, secret: Some(Secret::new(secret)), secret_file: None })
}

fn parse(text: &str) -> anyhow::Result<AccessKey> {
    let value = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
            .with_context(|| format!("{name} is missing"))
    };
    let secret = Secret::new(value("aws_secret_access_key")?);
    Ok(AccessKey { id: value("aws_access_key_id")?, secret: Some(secret), secret_file: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let made = load_or_create(&folder, "us-east-1").unwrap();
        let read = load_or_create(&folder, "us-east-1").unwrap();
        assert_eq!(made.id, read.id);
        assert_eq!(made.secret.unwrap().expose(), read.secret.unwrap().expose());
    }

    #[test]
    fn a_broken_file_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write_private(FILE, "[zas]\naws_access_key_id = x\n").unwrap();
        let message = format!("{:#}", load_or_create(&folder, "us-east-1").unwrap_err());
        assert!(message.contains("aws_secret_access_key is missing"), "{message}");
    }
}
