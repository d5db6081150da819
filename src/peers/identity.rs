//! Who a node is to others: a certificate of the installation's authority that carries its name, and
//! the check of whoever is at the other end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The authority's certificate within a directory of certificates.
pub const AUTHORITY_FILE: &str = "ca.pem";

/// What a node shows others, and by what it knows them. Read once, at the start.
#[derive(Clone)]
pub struct Credentials {
    name: String,
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used", path.display())]
pub struct Unusable {
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

impl Credentials {
    /// Those of the node of this name: `ca.pem`, `NAME.pem` and `NAME.key` in `directory`.
    pub fn read(directory: &Path, name: &str) -> Result<Self, Unusable> {
        let read = |file: &str| {
            let path = directory.join(file);
            std::fs::read(&path).map_err(|error| Unusable { path, source: error.into() })
        };
        let certificate = format!("{name}.pem");
        let credentials = Self {
            name: name.to_owned(),
            authority: read(AUTHORITY_FILE)?,
            certificate: read(&certificate)?,
            key: read(&format!("{name}.key"))?,
        };
        let path = directory.join(certificate);
        match credentials.of_server().and_then(|_| credentials.are_of_its_authority()) {
            Ok(()) if credentials.carry_its_name() => Ok(credentials),
            Ok(()) => Err(Unusable { path, source: format!("it is not of {name}").into() }),
            Err(source) => Err(Unusable { path, source }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Others will know it by this authority, now: better told here than by each of their handshakes.
    fn are_of_its_authority(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let chain = certificates(&self.certificate)?;
        let (own, between) = chain.split_first().ok_or("there is no certificate in it")?;
        let checked = self.verifier()?.verify_client_cert(own, between, UnixTime::now());
        match checked {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{AUTHORITY_FILE} does not vouch for it: {error}").into()),
        }
    }

    /// The check of whoever comes: a certificate of the authority, and nothing else.
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, Box<dyn Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.authority)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(default_provider());
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
    }

    fn carry_its_name(&self) -> bool {
        let certificates = certificates(&self.certificate);
        certificates.is_ok_and(|certificates| is_of(&certificates, &self.name))
    }

    /// How others are let in: with a certificate of the authority, and no other way.
    pub(crate) fn of_server(&self) -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::from_pem_slice(&self.key)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(self.verifier()?)
            .with_single_cert(certificates(&self.certificate)?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// How another is spoken to, who must have the certificate of this name.
    pub(crate) fn towards(&self, name: &str) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority))
            .identity(Identity::from_pem(&self.certificate, &self.key))
            .domain_name(name)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// Whether the certificates of a connection, which the authority has signed, are of the node of this
/// name.
pub(crate) fn is_of(certificates: &[CertificateDer<'_>], name: &str) -> bool {
    let Some(first) = certificates.first() else { return false };
    let Ok(certificate) = webpki::EndEntityCert::try_from(first) else { return false };
    let Ok(name) = ServerName::try_from(name) else { return false };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

/// Whether a certificate can carry this name: it is that of a host, in small letters.
pub fn may_be_certified(name: &str) -> bool {
    let is_small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().all(|byte| is_small(byte) || b"-.".contains(&byte))
        && DnsName::try_from(name).is_ok()
}
