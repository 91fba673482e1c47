//! Mutual TLS: who may talk to the Docker API holds a certificate of the VCH's own authority.

use crate::config::TlsFiles;
use std::{path::PathBuf, sync::Arc};
use thiserror::Error;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
        server::{VerifierBuilderError, WebPkiClientVerifier},
    },
};

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file can't be read, or holds nothing of the kind.
    #[error("`docker_endpoint.tls.{field}` cannot be {}: write a PEM file, as `vchctl certs` makes it", path.display())]
    File {
        /// Which one.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The authority's certificates can't be used.
    #[error("`docker_endpoint.tls.ca` cannot be {}: write the certificate of the clients' authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// Nobody could be let in.
    #[error("`docker_endpoint.tls.ca` cannot be {}: it lets nobody in", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
    /// Certificate and key can't be used, or not together.
    #[error("`docker_endpoint.tls.cert` and `key` cannot be {} and {}: write a certificate and its own key", cert.display(), key.display())]
    Own {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Lets in whoever shows a certificate of the authority, by TLS 1.2 or 1.3.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
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
    let verifier = verifier.build().map_err(|source| TlsError::Verifier {
        path: files.ca.clone(),
        source,
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
