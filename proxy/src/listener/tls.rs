//! TLS: the server's settings, and a certificate that changes without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use super::events;
use super::validity;
use crate::config::Tls;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(1);

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{field}: {path} cannot be read: {source}")]
    Unreadable {
        /// The key of the configuration that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate file holds no certificate.
    #[error("listen.tls.certificate: {path} holds no PEM certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds no key.
    #[error("listen.tls.key: {path} holds no PEM private key")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key cannot be used, or do not belong together.
    #[error("listen.tls: the certificate {certificate} and the key {key} cannot be used together: {source}")]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The server's settings cannot be made.
    #[error("listen.tls: TLS cannot be set up: {0}")]
    Settings(rustls::Error),
}

/// The two files' bytes.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate in use, and where it comes from.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Tls,
    current: ArcSwap<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Certificates {
    /// Loads the pair once; it must be good.
    pub(super) fn load(files: &Tls) -> Result<Arc<Self>, CertificateError> {
        let pair = read(files)?;
        let key = parse(files, &pair)?;
        note_expiry(&key);
        Ok(Arc::new(Self { files: files.clone(), current: ArcSwap::from_pointee(key) }))
    }

    /// Looks at the files until told to stop. A pair that cannot be used is reported once, and the old one stays.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = read(&self.files).ok();
        let mut unreadable = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            let files = self.files.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || read(&files)).await else { continue };
            match found {
                Err(error) if unreadable => tracing::debug!("{error}"),
                Err(error) => {
                    unreadable = true;
                    keep_old(&error);
                }
                Ok(pair) if seen.as_ref() == Some(&pair) => unreadable = false,
                Ok(pair) => {
                    unreadable = false;
                    self.change_to(&pair);
                    seen = Some(pair);
                }
            }
        }
    }

    fn change_to(&self, pair: &Pair) {
        match parse(&self.files, pair) {
            Ok(key) => {
                note_expiry(&key);
                self.current.store(Arc::new(key));
                events::certificate_reloaded("ok");
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
            }
            Err(error) => keep_old(&error),
        }
    }
}

/// Whether the files can be read, hold a certificate and a key, and belong together.
/// # Errors
/// What is wrong with which file.
pub fn check_certificate(files: &Tls) -> Result<(), CertificateError> {
    parse(files, &read(files)?).map(drop)
}

fn keep_old(error: &CertificateError) {
    events::certificate_reloaded("error");
    tracing::error!("the old certificate stays in use: {error}");
}

fn note_expiry(key: &CertifiedKey) {
    if let Some(seconds) = key.cert.first().and_then(|leaf| validity::not_after(leaf)) {
        events::certificate_expiry(seconds);
    }
}

fn read(files: &Tls) -> Result<Pair, CertificateError> {
    let read = |field, path: &PathBuf| {
        std::fs::read(path).map_err(|source| CertificateError::Unreadable { field, path: path.clone(), source })
    };
    let certificate = read("listen.tls.certificate", &files.certificate)?;
    Ok(Pair { certificate, key: read("listen.tls.key", &files.key)? })
}

fn parse(files: &Tls, pair: &Pair) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pair.certificate).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: files.certificate.clone() });
    }
    let key =
        PrivateKeyDer::from_pem_slice(&pair.key).map_err(|_| CertificateError::NoKey { path: files.key.clone() })?;
    let unusable =
        |source| CertificateError::Unusable { certificate: files.certificate.clone(), key: files.key.clone(), source };
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(unusable)
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, and tickets that need no memory of ours.
pub(super) fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(CertificateError::Settings)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(CertificateError::Settings)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
