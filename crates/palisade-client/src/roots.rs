use std::sync::Arc;

use palisade_core::Problems;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The certificates that servers are trusted by.
#[derive(Clone)]
pub(crate) struct Roots {
    /// Whether those of the system are among them.
    pub(crate) system: bool,
    pub(crate) added: Vec<Vec<u8>>,
}

/// The trust of a client in servers.
pub(crate) struct Trust {
    pub(crate) tls: Arc<ClientConfig>,
    /// Whether there is a root certificate, without which no server is trusted.
    pub(crate) has_roots: bool,
}

impl Roots {
    /// Reads the certificates; `None` after a problem without which there is no TLS at all.
    pub(crate) fn trust(&self, problems: &mut Problems) -> Option<Trust> {
        const FIELD: &str = "add_root_certificates";
        let mut store = RootCertStore::empty();
        for pem in &self.added {
            let mut found = 0;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                found += 1;
                if !certificate.is_ok_and(|certificate| store.add(certificate).is_ok()) {
                    problems.push(FIELD, "hold something that is no certificate");
                }
            }
            if found == 0 {
                problems.push(FIELD, "hold no certificate in PEM");
            }
        }
        if self.system {
            // Stores of systems hold certificates that nobody can parse; those that can be parsed serve.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let has_roots = !store.is_empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| problems.push("tls", "has no version that is available"))
            .ok()?;
        Some(Trust {
            tls: Arc::new(config.with_root_certificates(store).with_no_client_auth()),
            has_roots,
        })
    }
}
