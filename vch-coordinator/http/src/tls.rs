//! Mutual TLS for the Docker API on TCP: only clients with a certificate of a configured authority are served.

mod expiry;

use parking_lot::RwLock;
use std::{
    error::Error,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem, pem::PemObject,
        },
        server::{VerifierBuilderError, WebPkiClientVerifier},
    },
};

/// The PEM files for mutual TLS, as configured in `docker_endpoint.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The path of the file with the certificates of the authority that signs the clients' certificates.
    pub ca: PathBuf,
    /// The path of the file with the server's certificate, followed by the intermediate certificates up to its
    /// authority.
    pub cert: PathBuf,
    /// The path of the file with the private key of the server's certificate.
    pub key: PathBuf,
    /// The path of the file with the authority's lists of revoked certificates (RFC 5280, 5); `None` if no client's
    /// certificate is revoked.
    pub crl: Option<PathBuf>,
}

/// The reason why TLS can't be set up. Messages name the keys of `docker_endpoint.tls`, the only part of the
/// configuration with such files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or has no item of the expected kind.
    #[error("`docker_endpoint.tls.{field}` cannot be {}: write a PEM file, as `vchctl certs` makes it", path.display())]
    File {
        /// The key of `docker_endpoint.tls` that names the file: `ca`, `cert` or `key`.
        field: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the PEM parser.
        #[source]
        source: pem::Error,
    },
    /// A certificate in the file of the authority that signs the clients' certificates (`ca`) is invalid.
    #[error("`docker_endpoint.tls.ca` cannot be {}: write the certificate of the clients' authority", path.display())]
    Authority {
        /// The path of the authority's file.
        path: PathBuf,
        /// The reason why the certificate is invalid.
        #[source]
        source: rustls::Error,
    },
    /// No client could be verified by the certificates of the authority that signs the clients' certificates (`ca`).
    #[error("`docker_endpoint.tls.ca` cannot be {}: it lets no client in", path.display())]
    Verifier {
        /// The path of the authority's file.
        path: PathBuf,
        /// The error of the client verifier.
        #[source]
        source: VerifierBuilderError,
    },
    /// The authority's file of revocation lists (`crl`) can't be read, has no list, or has an invalid one.
    #[error("`docker_endpoint.tls.crl` cannot be {}: write the authority's list of revoked certificates, in PEM", path.display())]
    Revoked {
        /// The path of the file of revocation lists.
        path: PathBuf,
        /// The reason why the file can't be used.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server's certificate or its key is invalid, or they do not belong together.
    #[error("`docker_endpoint.tls.cert` and `key` cannot be {} and {}: write a certificate and its own key", cert.display(), key.display())]
    Own {
        /// The path of the certificate.
        cert: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// The error of the certificate or the key.
        #[source]
        source: rustls::Error,
    },
}

/// How long before its expiry a certificate is warned about.
const WARNED: Duration = Duration::from_secs(30 * 86_400);

/// The certificates of the Docker API's TLS server: its own, with the key, and those of the authority, with the
/// revocation lists, by which it verifies clients. They can be reloaded from their files; clones share them, so that a
/// reload applies to all clones.
#[derive(Clone)]
pub struct Certificates {
    files: TlsFiles,
    acceptor: Arc<RwLock<TlsAcceptor>>,
}

impl Certificates {
    /// Reads the certificates, the key and the revocation lists from their files. Logs warnings about a key that other
    /// users may read, and about certificates that have expired or expire within 30 days.
    ///
    /// # Errors
    /// Returns [`TlsError`] for the first file that is missing or invalid.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let acceptor = acceptor(files)?;
        let certificates = Self {
            files: files.clone(),
            acceptor: Arc::new(RwLock::new(acceptor)),
        };
        certificates.warn();
        Ok(certificates)
    }

    /// Reads the same files again, for all connections from now on; open connections continue. Logs the same warnings
    /// as [`Certificates::read`].
    ///
    /// # Errors
    /// Returns [`TlsError`] for the first file that is missing or invalid. The previous certificates then stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let acceptor = acceptor(&self.files)?;
        *self.acceptor.write() = acceptor;
        self.warn();
        Ok(())
    }

    /// Returns the TLS acceptor for a new connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let acceptor = self.acceptor.read();
        acceptor.clone()
    }

    /// Logs warnings about the files.
    pub(crate) fn warn(&self) {
        for warning in warnings(&self.files, SystemTime::now()) {
            tracing::warn!("{warning}");
        }
    }
}

/// Returns warnings about a key that other users may read, and about certificates that expire soon
/// or have expired.
fn warnings(files: &TlsFiles, now: SystemTime) -> Vec<String> {
    let mut warnings = Vec::new();
    let mode = std::fs::metadata(&files.key).map(|file| file.permissions().mode());
    if let Some(mode) = mode.ok().filter(|mode| mode & 0o077 != 0) {
        warnings.push(format!(
            "others than root may open the key {} (mode {:04o}): make new certificates by `vchctl certs`, or chmod it to 0600",
            files.key.display(),
            mode & 0o7777
        ));
    }
    for (field, path) in [("ca", &files.ca), ("cert", &files.cert)] {
        let certificates = certificates(field, path).unwrap_or_default();
        let ends = certificates.iter().filter_map(|one| expiry::ends(one));
        let Some(end) = ends.min() else {
            continue;
        };
        let shown = path.display();
        let remedy = "make new certificates by `vchctl certs`, then `vchctl reload`";
        match end.duration_since(now) {
            Err(_) => warnings.push(format!(
                "the certificate {shown} has ended, clients refuse it: {remedy}"
            )),
            Ok(left) if left < WARNED => warnings.push(format!(
                "the certificate {shown} ends in {} days: {remedy}",
                left.as_secs() / 86_400
            )),
            Ok(_) => {}
        }
    }
    warnings
}

/// Returns an acceptor that admits clients with an unrevoked certificate of the authority, by TLS
/// 1.2 or 1.3.
///
/// # Errors
/// Returns the [`TlsError`] of the first file that is missing or not usable.
fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", &files.ca)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Authority {
                path: files.ca.clone(),
                source,
            })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.with_crls(revoked(files.crl.as_deref())?).build();
    let verifier = verifier.map_err(|source| match (source, &files.crl) {
        (source @ VerifierBuilderError::InvalidCrl(_), Some(path)) => {
            unusable_list(path, source.into())
        }
        (source, _) => TlsError::Verifier {
            path: files.ca.clone(),
            source,
        },
    })?;
    let chain = certificates("cert", &files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        field: "key",
        path: files.key.clone(),
        source,
    })?;
    let own = |source| TlsError::Own {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(own)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(own)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Reads the lists of revoked certificates. If there is one, each issuer below the authority also
/// needs a list.
///
/// # Errors
/// Returns [`TlsError::Revoked`] if the file cannot be read or contains no list.
fn revoked(path: Option<&Path>) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let lists = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    let lists: Vec<_> = lists.map_err(|source| unusable_list(path, source.into()))?;
    if lists.is_empty() {
        return Err(unusable_list(path, pem::Error::NoItemsFound.into()));
    }
    Ok(lists)
}

fn unusable_list(path: &Path, source: Box<dyn Error + Send + Sync>) -> TlsError {
    let path = path.to_owned();
    TlsError::Revoked { path, source }
}

fn certificates(
    field: &'static str,
    path: &PathBuf,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        field,
        path: path.clone(),
        source,
    };
    let all = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let all: Result<Vec<_>, _> = all.collect();
    let all = all.map_err(failed)?;
    if all.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
