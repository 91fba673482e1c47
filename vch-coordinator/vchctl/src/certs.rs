//! `vchctl certs`: creates an authority for the VCH, and certificates for the server and the
//! clients of its Docker API.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use thiserror::Error;

/// How many years a certificate is valid. The operator of a VCH may keep it that long.
const YEARS: i32 = 10;
/// The mean length of a year of the Gregorian calendar, in seconds.
const YEAR: u64 = 31_556_952;
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const DIR_MODE: u32 = 0o700;

/// The arguments of `vchctl certs`.
#[derive(clap::Args)]
pub struct Certs {
    /// The directory to write to: creates `ca`, `server` and `client` in it
    #[arg(long)]
    pub dir: PathBuf,
    /// An address or name by which clients reach the VCH, as in `docker_endpoint.address` (may be
    /// repeated; the printed commands use the first)
    #[arg(long = "address", required = true)]
    pub addresses: Vec<String>,
    /// The port in the printed commands, as in `docker_endpoint.port`
    #[arg(long, default_value_t = 2376)]
    pub port: u16,
}

/// Why certificates could not be created.
#[derive(Debug, Error)]
pub enum CertsError {
    /// A directory that would be written exists already; nothing was written.
    #[error("{} is there already: remove it, or write another --dir; nothing was written", .0.display())]
    Exists(PathBuf),
    /// A file or directory cannot be written.
    #[error("cannot write {}: write a --dir in a folder that can be written", path.display())]
    Write {
        /// The path of the file or directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be created.
    #[error("no certificate for {addresses}: write an IP address or a host name as --address")]
    Certificate {
        /// The addresses and names of the certificate, separated by commas.
        addresses: String,
        /// The error of creating the certificate.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// Creates the certificates, and returns instructions for configuring the coordinator and the
/// clients.
///
/// # Errors
/// If an error is returned, no existing file has been changed:
/// - [`CertsError::Exists`] if one of the directories exists already.
/// - [`CertsError::Write`] if a file or directory cannot be written.
/// - [`CertsError::Certificate`] if an address is neither an IP address nor a host name.
pub fn make(certs: &Certs) -> Result<String, CertsError> {
    let dir = std::path::absolute(&certs.dir).map_err(|source| CertsError::Write {
        path: certs.dir.clone(),
        source,
    })?;
    let subdirs = ["ca", "server", "client"].map(|name| dir.join(name));
    if let Some(there) = subdirs.iter().find(|subdir| subdir.exists()) {
        return Err(CertsError::Exists(there.clone()));
    }
    let failed = |source| CertsError::Certificate {
        addresses: certs.addresses.join(", "),
        source,
    };
    let [ca, server, client] = pairs(&certs.addresses).map_err(failed)?;
    let [of_ca, of_server, of_client] = &subdirs;
    write_all(&dir, of_ca, &ca, None)?;
    write_all(&dir, of_server, &server, Some(&ca))?;
    write_all(&dir, of_client, &client, Some(&ca))?;
    Ok(told(&dir, &certs.addresses, certs.port))
}

fn pairs(addresses: &[String]) -> Result<[Pair; 3], rcgen::Error> {
    let authority = KeyPair::generate()?;
    let mut of_ca = params("VCH authority", &[])?;
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    of_ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = Pair {
        certificate: of_ca.self_signed(&authority)?.pem(),
        key: authority.serialize_pem(),
    };
    let issuer = Issuer::new(of_ca, authority);
    let signed = |name, addresses: &[String], purpose| {
        let key = KeyPair::generate()?;
        let mut params = params(name, addresses)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        Ok::<_, rcgen::Error>(Pair {
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
        })
    };
    let server = signed("VCH", addresses, ExtendedKeyUsagePurpose::ServerAuth)?;
    let client = signed("VCH client", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
    Ok([ca, server, client])
}

fn params(name: &str, addresses: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(addresses)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let year = 1970 + now.map_or(0, |since| since.as_secs() / YEAR);
    let year = i32::try_from(year).unwrap_or(1970);
    // The clock of a client may be behind by days.
    params.not_before = date_time_ymd(year - 1, 12, 1);
    params.not_after = date_time_ymd(year + YEARS, 12, 31);
    Ok(params)
}

/// Writes `cert.pem` and `key.pem`, and `ca.pem` if `ca` is given: the file names that the docker
/// CLI expects.
fn write_all(dir: &Path, subdir: &Path, pair: &Pair, ca: Option<&Pair>) -> Result<(), CertsError> {
    for path in [dir, subdir] {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(path);
        made.map_err(|source| CertsError::Write {
            path: path.to_owned(),
            source,
        })?;
    }
    if let Some(ca) = ca {
        write(&subdir.join("ca.pem"), &ca.certificate, PUBLIC)?;
    }
    write(&subdir.join("cert.pem"), &pair.certificate, PUBLIC)?;
    write(&subdir.join("key.pem"), &pair.key, SECRET)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| CertsError::Write {
        path: path.to_owned(),
        source,
    })
}

fn told(dir: &Path, addresses: &[String], port: u16) -> String {
    let address = addresses.first().map(String::as_str).unwrap_or_default();
    let host = match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]"),
        _ => address.to_owned(),
    };
    let at = |subdir: &str, file: &str| dir.join(subdir).join(file).display().to_string();
    format!(
        "# In the coordinator's vch.toml, under [docker_endpoint]:
#   tls = {{ ca = {:?}, cert = {:?}, key = {:?} }}
# For clients; copy {} to where they are, and keep {} to yourself:
export DOCKER_HOST=tcp://{host}:{port}
export DOCKER_TLS_VERIFY=1
export DOCKER_CERT_PATH={}
",
        at("server", "ca.pem"),
        at("server", "cert.pem"),
        at("server", "key.pem"),
        dir.join("client").display(),
        at("ca", "key.pem"),
        dir.join("client").display(),
    )
}

#[cfg(test)]
mod tests;
