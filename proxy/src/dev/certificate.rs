//! A self-signed certificate for `--tls`.

use anyhow::Context;

use super::folder::Folder;
use crate::config::Tls;

/// Reads the pair, or makes one at the first run, for `localhost` and the loopback addresses.
pub(super) fn load_or_create(folder: &Folder) -> anyhow::Result<Tls> {
    let tls = Tls { certificate: folder.path("tls/certificate.pem"), key: folder.path("tls/key.pem") };
    if tls.certificate.exists() && tls.key.exists() {
        return Ok(tls);
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let made = rcgen::generate_simple_self_signed(names).context("making a certificate")?;
    folder.write_private("tls/key.pem", &made.signing_key.serialize_pem())?;
    folder.write_private("tls/certificate.pem", &made.cert.pem())?;
    Ok(tls)
}
