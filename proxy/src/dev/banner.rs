//! What a newcomer reads when everything runs.

use std::net::SocketAddr;

use super::folder::Folder;
use crate::config::AccessKey;

/// The endpoint, the key, and lines to paste.
pub(super) fn text(address: SocketAddr, key: &AccessKey, folder: &Folder, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let endpoint = format!("{scheme}://{address}");
    let credentials = folder.path("credentials");
    let credentials = credentials.display();
    let id = &key.id;
    let trust = if tls {
        format!("\nexport AWS_CA_BUNDLE='{}'", folder.path("tls/certificate.pem").display())
    } else {
        String::new()
    };
    let certificate = folder.path("tls/certificate.pem");
    let plain = if tls { format!("--ca-file '{}'", certificate.display()) } else { "--plain-http".to_owned() };
    format!(
        "
Ready: S3 and OCI at {endpoint}
Access key {id}; its secret stands in {credentials} (profile zas).

Paste this, then try S3:

export AWS_SHARED_CREDENTIALS_FILE='{credentials}' AWS_PROFILE=zas AWS_ENDPOINT_URL={endpoint}{trust}
aws s3 mb s3://first
echo hello | aws s3 cp - s3://first/hello.txt
aws s3 ls s3://first

and OCI:

aws configure get aws_secret_access_key | oras login {plain} -u {id} --password-stdin {address}
echo hello > hello.txt && oras push {plain} {address}/team/hello:v1 hello.txt
oras pull {plain} {address}/team/hello:v1

Ctrl-C stops everything.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn the_banner_names_the_endpoint_and_the_key_but_not_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let key =
            AccessKey { id: "ZASKEY".into(), secret: Some(Secret::new("hunter2-hunter2-hunter2")), secret_file: None };
        let text = text("127.0.0.1:9800".parse().unwrap(), &key, &folder, false);
        assert!(text.contains("http://127.0.0.1:9800") && text.contains("ZASKEY"));
        assert!(!text.contains("hunter2"));
    }
}
