//! Makes what nodes know each other by: an authority of the installation's own, and a certificate for
//! each node. For a cluster that has no authority yet; whoever has one signs the same files with that.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::identity::{AUTHORITY_FILE, may_be_certified};

/// The authority's key, beside its certificate. No node needs it.
pub const AUTHORITY_KEY_FILE: &str = "ca.key";

/// Why some could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    #[error("{0} cannot be the name of a node: small letters, digits, hyphens and dots can")]
    Name(String),
    #[error("{0} is there already; remove it to make another")]
    There(String),
    #[error("the authority cannot be read or kept")]
    File(#[from] io::Error),
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

/// Makes a certificate and a key for each name, in `directory`, signed by the authority there, which
/// is made where there is none. Says which files are new.
pub fn make(directory: &Path, names: &[String]) -> Result<Vec<String>, NotMade> {
    if let Some(name) = names.iter().find(|name| !may_be_certified(name)) {
        return Err(NotMade::Name(name.clone()));
    }
    std::fs::create_dir_all(directory)?;
    let mut made = Vec::new();
    let authority = authority(directory, &mut made)?;
    for name in names {
        let file = format!("{name}.pem");
        if directory.join(&file).exists() {
            return Err(NotMade::There(file));
        }
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(vec![name.clone()])?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name.as_str());
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, &authority)?;
        keep(directory, &format!("{name}.key"), &key.serialize_pem(), 0o600, &mut made)?;
        keep(directory, &file, &certificate.pem(), 0o644, &mut made)?;
    }
    Ok(made)
}

/// Who signs: whoever has the key that lies there, under the name that all authorities made here have.
fn authority(
    directory: &Path,
    made: &mut Vec<String>,
) -> Result<Issuer<'static, KeyPair>, NotMade> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Emporium nodes");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if directory.join(AUTHORITY_FILE).exists() {
        let key = std::fs::read_to_string(directory.join(AUTHORITY_KEY_FILE))?;
        return Ok(Issuer::new(parameters, KeyPair::from_pem(&key)?));
    }
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    keep(directory, AUTHORITY_KEY_FILE, &key.serialize_pem(), 0o600, made)?;
    keep(directory, AUTHORITY_FILE, &certificate.pem(), 0o644, made)?;
    Ok(Issuer::new(parameters, key))
}

fn keep(
    directory: &Path,
    name: &str,
    text: &str,
    mode: u32,
    made: &mut Vec<String>,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let path = directory.join(name);
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    made.push(name.to_owned());
    Ok(())
}
