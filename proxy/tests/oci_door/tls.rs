//! A registry behind TLS, with an authority of its own.

use super::*;

/// An authority: its certificate as PEM, and what signs with it.
fn authority() -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, rcgen::Issuer::new(params, key))
}

/// A registry over TLS that answers `OK` to everything, with a certificate for 127.0.0.1 that the issuer signed.
async fn secure_upstream(issuer: &rcgen::Issuer<'static, rcgen::KeyPair>) -> SocketAddr {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = socket.write_all(OK.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_registry_with_a_certificate_of_an_own_authority_is_trusted_where_that_is_configured_and_only_there() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (ours, issuer) = authority();
    let (other, _) = authority();
    let address = secure_upstream(&issuer).await;
    let unused = Upstream::start(OK).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, pem, trusted) in [("ours.pem", &ours, true), ("other.pem", &other, false)] {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        let sidecar = Sidecar::with(&unused, |config| {
            config.store.url = format!("https://{address}");
            config.store.ca_file = Some(file);
        })
        .await;
        let forwarded = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        assert_eq!(status(&forwarded), if trusted { 200 } else { 503 }, "{name}: {forwarded}");
        assert_eq!(sidecar.app.store.ping().await.is_ok(), trusted, "{name}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let (certificate, _) = authority();
    for (content, why) in [
        (None, "cannot be read"),
        (Some(String::new()), "no certificate"),
        (Some(format!("{certificate}{key}")), "something else than certificates"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://nobody@127.0.0.1:1/none");
        config.store.url = "https://127.0.0.1:1".to_owned();
        config.store.ca_file = Some(file.clone());
        let error = App::new(config, Vec::new()).unwrap_err().for_log().to_string();
        assert!(error.contains("store.ca_file") && error.contains(why), "{error}");
    }
}
