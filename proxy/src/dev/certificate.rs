//! The certificates of `--tls`: an authority of this data folder, which clients are told to trust, and a certificate that it has
//! signed for the addresses of this machine.
//!
//! The authority stays, so that a client trusts it once; the certificate is made again before it expires and whenever
//! `--listen` names a host that it does not have.
//! What does not live here: how a certificate is served (`listener/tls.rs`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::{Duration, OffsetDateTime};

use super::folder::Folder;
use crate::config::Tls;
use crate::listener;

const AUTHORITY: &str = "tls/ca.pem";
const AUTHORITY_KEY: &str = "tls/ca-key.pem";
const CERTIFICATE: &str = "tls/certificate.pem";
const KEY: &str = "tls/key.pem";

const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// Some clients refuse certificates that live longer than 398 days.
const CERTIFICATE_LIFE: Duration = Duration::days(397);
/// What has less left than this is made again: a run may take weeks.
const RENEW_BEFORE: Duration = Duration::days(60);
/// Clocks of other machines and containers may be behind.
const BACKDATED: Duration = Duration::days(1);

/// What is served, and what clients must trust.
pub(super) struct Certificates {
    /// The pair to serve.
    pub(super) tls: Tls,
    /// The certificate of the authority, PEM.
    pub(super) authority: PathBuf,
}

/// Reads what an earlier run has made, and makes again what is missing, broken, about to expire, or for other names.
pub(super) fn load_or_create(folder: &Folder, names: &[String]) -> anyhow::Result<Certificates> {
    load_or_create_at(folder, names, OffsetDateTime::now_utc())
}

fn load_or_create_at(folder: &Folder, names: &[String], now: OffsetDateTime) -> anyhow::Result<Certificates> {
    let authority = match Authority::load(folder, now) {
        Some(authority) => authority,
        None => Authority::create(folder, now).context("making a certificate authority")?,
    };
    let tls = Tls { certificate: folder.path(CERTIFICATE), key: folder.path(KEY) };
    if !fits(&tls, &authority.certificate, names, now) {
        authority.issue(folder, names, now).context("making a certificate")?;
    }
    Ok(Certificates { tls, authority: folder.path(AUTHORITY) })
}

/// What the certificate is for: this machine's loopback names, the host of `--listen` and the address that it stands for.
pub(super) fn names(listen: &str, bound: SocketAddr) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    // Nobody asks for `0.0.0.0` or `[::]`, and what is no host name cannot stand in a certificate.
    let is_unspecified = bound.ip().is_unspecified();
    for name in [host, bound.ip().to_string()] {
        if !is_unspecified && !names.contains(&name) && ServerName::try_from(name.as_str()).is_ok() {
            names.push(name);
        }
    }
    names
}

/// Who signs.
struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// The one of an earlier run, if it is whole and outlives what it would sign.
    fn load(folder: &Folder, now: OffsetDateTime) -> Option<Self> {
        let files = Tls { certificate: folder.path(AUTHORITY), key: folder.path(AUTHORITY_KEY) };
        listener::check_certificate(&files).ok()?;
        let certificate = CertificateDer::from_pem_file(&files.certificate).ok()?;
        let key = KeyPair::from_pem(&std::fs::read_to_string(&files.key).ok()?).ok()?;
        let end = listener::certificate_end(&certificate)?;
        let outlives = end > (now + CERTIFICATE_LIFE).unix_timestamp();
        outlives.then_some(Self { certificate, key })
    }

    fn create(folder: &Folder, now: OffsetDateTime) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = authority_parameters(&key)?;
        parameters.not_before = now - BACKDATED;
        parameters.not_after = now + AUTHORITY_LIFE;
        let made = parameters.self_signed(&key)?;
        folder.write_private(AUTHORITY_KEY, &key.serialize_pem())?;
        folder.write_public(AUTHORITY, &made.pem())?;
        Ok(Self { certificate: made.der().clone(), key })
    }

    /// Signs a certificate with a new key, and writes both.
    fn issue(&self, folder: &Folder, names: &[String], now: OffsetDateTime) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name.push(DnType::CommonName, "zas-proxy dev");
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        parameters.not_before = now - BACKDATED;
        parameters.not_after = now + CERTIFICATE_LIFE;
        let authority = authority_parameters(&self.key)?;
        let made = parameters.signed_by(&key, &Issuer::from_params(&authority, &self.key))?;
        folder.write_private(KEY, &key.serialize_pem())?;
        folder.write_public(CERTIFICATE, &made.pem())?;
        Ok(())
    }
}

/// All but the dates; the same for the same key, so that a later run signs in the name that stands in the certificate.
fn authority_parameters(key: &KeyPair) -> anyhow::Result<CertificateParams> {
    let digest = short_digest(key.public_key_raw());
    let mut parameters = CertificateParams::new(Vec::new())?;
    // A name of its own for each: whoever keeps several in one trust store can tell them apart.
    parameters.distinguished_name.push(DnType::CommonName, format!("zas-proxy dev authority {digest}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn short_digest(bytes: &[u8]) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes);
    hex::encode(digest.as_ref().get(..4).unwrap_or_default())
}

/// Whether a client that trusts the authority takes the pair for each of the names, now and for a while yet.
fn fits(tls: &Tls, authority: &CertificateDer<'static>, names: &[String], now: OffsetDateTime) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(&tls.certificate) else { return false };
    listener::check_certificate(tls).is_ok()
        && [now, now + RENEW_BEFORE].iter().all(|at| is_trusted(&certificate, authority, names, *at))
}

fn is_trusted(
    certificate: &CertificateDer<'_>,
    authority: &CertificateDer<'static>,
    names: &[String],
    at: OffsetDateTime,
) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(authority.clone()).is_err() {
        return false;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    names.iter().all(|name| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| verifier.verify_server_cert(certificate, &[], &name, &[], at).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        folder: Folder,
        _dir: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { folder: Folder::open(dir.path()).unwrap(), _dir: dir }
        }

        fn read(&self, file: &str) -> String {
            std::fs::read_to_string(self.folder.path(file)).unwrap()
        }

        fn start(&self, listen: &str, in_days: i64) {
            let bound = listen.parse().unwrap_or_else(|_| "192.0.2.7:9800".parse().unwrap());
            load_or_create_at(&self.folder, &names(listen, bound), today(in_days)).unwrap();
        }

        fn is_trusted_for(&self, name: &str, in_days: i64) -> bool {
            let certificate = CertificateDer::from_pem_file(self.folder.path(CERTIFICATE)).unwrap();
            let authority = CertificateDer::from_pem_file(self.folder.path(AUTHORITY)).unwrap();
            is_trusted(&certificate, &authority, &[name.to_owned()], today(in_days))
        }
    }

    fn today(in_days: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap() + Duration::days(in_days)
    }

    #[test]
    fn who_trusts_the_authority_trusts_the_loopback_names_and_no_others() {
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(world.is_trusted_for(name, 0), "{name}");
        }
        assert!(!world.is_trusted_for("192.0.2.7", 0) && !world.is_trusted_for("example.com", 0));
    }

    #[test]
    fn both_stay_from_run_to_run() {
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        let files = [AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY].map(|file| world.read(file));
        world.start("0.0.0.0:9800", 300);
        assert_eq!(files, [AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY].map(|file| world.read(file)));
    }

    #[test]
    fn another_host_to_listen_on_gets_a_certificate_of_the_same_authority() {
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        let authority = world.read(AUTHORITY);
        world.start("Build-Host.example:9800", 0);
        for name in ["build-host.example", "192.0.2.7", "localhost"] {
            assert!(world.is_trusted_for(name, 0), "{name}");
        }
        world.start("[2001:db8::5]:9800", 0);
        assert!(world.is_trusted_for("2001:db8::5", 0));
        assert_eq!(world.read(AUTHORITY), authority);
    }

    #[test]
    fn a_certificate_that_is_about_to_expire_is_replaced_and_the_authority_stays() {
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        let (authority, certificate) = (world.read(AUTHORITY), world.read(CERTIFICATE));
        world.start("127.0.0.1:9800", 350);
        assert_eq!(world.read(AUTHORITY), authority);
        assert_ne!(world.read(CERTIFICATE), certificate);
        assert!(world.is_trusted_for("localhost", 350 + 390) && !world.is_trusted_for("localhost", 350 + 400));
    }

    #[test]
    fn an_authority_that_would_not_outlive_a_certificate_is_replaced() {
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        let authority = world.read(AUTHORITY);
        world.start("127.0.0.1:9800", 3300);
        assert_ne!(world.read(AUTHORITY), authority);
        assert!(world.is_trusted_for("localhost", 3300));
    }

    #[test]
    fn a_folder_with_a_self_signed_pair_gets_an_authority_and_a_certificate_of_it() {
        let world = World::new();
        let old = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        world.folder.write_private(KEY, &old.signing_key.serialize_pem()).unwrap();
        world.folder.write_private(CERTIFICATE, &old.cert.pem()).unwrap();
        world.start("127.0.0.1:9800", 0);
        assert_ne!(world.read(CERTIFICATE), old.cert.pem());
        assert!(world.is_trusted_for("127.0.0.1", 0));
    }

    #[test]
    fn what_a_crash_left_half_written_is_made_again() {
        for broken in [AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY] {
            let world = World::new();
            world.start("127.0.0.1:9800", 0);
            world.folder.write_private(broken, "").unwrap();
            world.start("127.0.0.1:9800", 0);
            assert!(world.is_trusted_for("localhost", 0), "{broken}");
            let pair =
                |certificate, key| Tls { certificate: world.folder.path(certificate), key: world.folder.path(key) };
            listener::check_certificate(&pair(CERTIFICATE, KEY)).unwrap();
            listener::check_certificate(&pair(AUTHORITY, AUTHORITY_KEY)).unwrap();
        }
    }

    #[test]
    fn only_the_owner_reads_the_keys_and_everybody_the_certificates() {
        use std::os::unix::fs::PermissionsExt;
        let world = World::new();
        world.start("127.0.0.1:9800", 0);
        for (file, mode) in [(AUTHORITY, 0o644), (CERTIFICATE, 0o644), (AUTHORITY_KEY, 0o600), (KEY, 0o600)] {
            let found = std::fs::metadata(world.folder.path(file)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{file}");
        }
    }
}
