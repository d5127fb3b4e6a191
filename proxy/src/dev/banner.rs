//! What a newcomer reads when everything runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::config::AccessKey;

/// The endpoint, the key, and lines to paste; `issuer`: who vouches for people. `authority`: with TLS, the certificate that clients must trust.
pub(super) fn text(
    address: SocketAddr,
    key: &AccessKey,
    credentials: &Path,
    authority: Option<&Path>,
    issuer: Option<&str>,
) -> String {
    let endpoint = endpoint(address, authority.is_some());
    let address = for_clients(address);
    let credentials = credentials.display();
    let id = &key.id;
    let people = issuer.map(|issuer| people(issuer, &endpoint)).unwrap_or_default();
    let (trust, flag, others) = match authority.map(Path::display) {
        None => (String::new(), "--plain-http".to_owned(), String::new()),
        Some(authority) => (
            format!(" AWS_CA_BUNDLE='{authority}'"),
            format!("--ca-file '{authority}'"),
            format!(
                "
Other clients trust the certificate by: curl --cacert '{authority}'; rclone --ca-cert '{authority}';
crane, helm and most others by SSL_CERT_FILE='{authority}' in their environment.
"
            ),
        ),
    };
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

aws configure get aws_secret_access_key | oras login {flag} -u {id} --password-stdin {address}
echo hello > hello.txt && oras push {flag} {address}/team/hello:v1 hello.txt
oras pull {flag} {address}/team/hello:v1
{others}{people}
Ctrl-C stops everything.
"
    )
}

/// The URL that clients on this machine use.
pub(super) fn endpoint(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", for_clients(address))
}

/// How the people of the Keycloak log in.
fn people(issuer: &str, endpoint: &str) -> String {
    format!(
        "
and people (alice, bob and ci; each one's password is the name):

token=$(curl -s {issuer}/protocol/openid-connect/token -d client_id=zas-cli -d grant_type=password \\
  -d username=alice -d password=alice | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')
curl -H \"authorization: Bearer $token\" {endpoint}/-/api/v1/whoami
"
    )
}

/// Where a client on this machine reaches a server that listens at `address`. All addresses are no address to connect to;
/// `[::]` takes IPv4 as well. Not `localhost`, for which OCI clients leave out TLS.
fn for_clients(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn banner(address: &str, authority: Option<&str>) -> String {
        let key =
            AccessKey { id: "ZASKEY".into(), secret: Some(Secret::new("hunter2-hunter2-hunter2")), secret_file: None };
        text(
            address.parse().unwrap(),
            &key,
            Path::new("/data/credentials"),
            authority.map(Path::new),
            Some("http://kc/realms/zas"),
        )
    }

    #[test]
    fn the_banner_names_the_endpoint_and_the_key_but_not_the_secret() {
        let text = banner("127.0.0.1:9800", None);
        assert!(text.contains("AWS_ENDPOINT_URL=http://127.0.0.1:9800\n") && text.contains("ZASKEY"), "{text}");
        assert!(text.contains("--plain-http") && !text.contains("CA_BUNDLE") && !text.contains("SSL_CERT"), "{text}");
        assert!(text.contains("http://kc/realms/zas/protocol/openid-connect/token"), "{text}");
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn with_tls_the_banner_says_what_makes_each_client_trust_it() {
        let text = banner("127.0.0.1:9800", Some("/data/tls/ca.pem"));
        for part in [
            "AWS_ENDPOINT_URL=https://127.0.0.1:9800 AWS_CA_BUNDLE='/data/tls/ca.pem'\n",
            "oras login --ca-file '/data/tls/ca.pem' ",
            "oras push --ca-file '/data/tls/ca.pem' ",
            "oras pull --ca-file '/data/tls/ca.pem' ",
            "curl --cacert '/data/tls/ca.pem'",
            "SSL_CERT_FILE='/data/tls/ca.pem'",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("--plain-http"));
    }

    #[test]
    fn a_server_on_all_addresses_is_named_by_one_that_clients_can_use() {
        for (listen, shown) in [
            ("0.0.0.0:9800", "http://127.0.0.1:9800"),
            ("[::]:9800", "http://127.0.0.1:9800"),
            ("[::1]:9800", "http://[::1]:9800"),
            ("192.0.2.7:9800", "http://192.0.2.7:9800"),
        ] {
            let text = banner(listen, None);
            assert!(text.contains(&format!("AWS_ENDPOINT_URL={shown}\n")) && !text.contains("0.0.0.0"), "{text}");
        }
    }
}
