use super::{Certificates, TlsError, TlsFiles, warnings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Writes a certificate that is its own authority and valid until the end of `year`.
fn write(dir: &Path, year: i32) -> TlsFiles {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["vch".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    let files = TlsFiles {
        ca: dir.join("ca.pem"),
        cert: dir.join("cert.pem"),
        key: dir.join("key.pem"),
        crl: None,
    };
    fs::write(&files.ca, certificate.pem()).unwrap();
    fs::write(&files.cert, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    files
}

#[test]
fn what_an_operator_should_know_of_the_files_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let files = write(dir.path(), 2030);
    // 2030-12-31.
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_924_905_600);
    let days = |count: u64| Duration::from_secs(count * 86_400);
    assert_eq!(warnings(&files, end - days(31)), Vec::<String>::new());
    let soon = warnings(&files, end - days(10));
    assert_eq!(soon.len(), 2, "of both: {soon:?}");
    assert!(
        soon[0].contains("ca.pem") && soon[0].contains("ends in 10 days"),
        "{soon:?}"
    );
    let late = warnings(&files, end + days(1));
    assert!(
        late[1].contains("cert.pem") && late[1].contains("has ended"),
        "{late:?}"
    );
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
    let open = warnings(&files, end - days(31));
    assert!(open[0].contains("mode 0640"), "{open:?}");
}

#[test]
fn certificates_that_cannot_be_read_again_stay_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let files = write(dir.path(), 2030);
    let certificates = Certificates::read(&files).unwrap();
    let before = Arc::as_ptr(certificates.acceptor().config());
    fs::write(&files.cert, "nothing").unwrap();
    assert!(certificates.reload().is_err());
    assert_eq!(Arc::as_ptr(certificates.acceptor().config()), before);
    write(dir.path(), 2031);
    certificates.reload().unwrap();
    assert_ne!(Arc::as_ptr(certificates.acceptor().config()), before);
}

/// An authority, and in `dir` the certificate of an endpoint that reads the authority's revocation
/// list.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    files: TlsFiles,
}

impl Authority {
    fn in_dir(dir: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let authority = Self {
            issuer: Issuer::new(params, key),
            certificate: own.der().clone(),
            files: TlsFiles {
                ca: dir.join("ca.pem"),
                cert: dir.join("cert.pem"),
                key: dir.join("key.pem"),
                crl: Some(dir.join("crl.pem")),
            },
        };
        let (certificate, key) = authority.signed(1, ExtendedKeyUsagePurpose::ServerAuth);
        fs::write(&authority.files.ca, own.pem()).unwrap();
        fs::write(&authority.files.cert, certificate).unwrap();
        fs::write(&authority.files.key, key).unwrap();
        fs::set_permissions(&authority.files.key, fs::Permissions::from_mode(0o600)).unwrap();
        authority
    }

    /// Returns a certificate and its key, in PEM.
    fn signed(&self, number: u64, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec!["vch".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(number));
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self, number: u64) -> TlsConnector {
        let (certificate, key) = self.signed(number, ExtendedKeyUsagePurpose::ClientAuth);
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        TlsConnector::from(Arc::new(config))
    }

    /// Writes the revocation list with these certificate numbers.
    fn revoke(&self, numbers: &[u64]) {
        let revoked = numbers.iter().map(|number| RevokedCertParams {
            serial_number: SerialNumber::from(*number),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            // An overdue list still counts.
            next_update: date_time_ymd(2024, 2, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        fs::write(self.files.crl.as_ref().unwrap(), list.pem().unwrap()).unwrap();
    }
}

/// Returns whether a client is admitted.
async fn lets_in(certificates: &Certificates, client: &TlsConnector) -> bool {
    let (near, far) = tokio::io::duplex(64 << 10);
    let name = "vch".try_into().unwrap();
    let (accepted, _connected) = tokio::join!(
        certificates.acceptor().accept(far),
        client.connect(name, near)
    );
    accepted.is_ok()
}

#[tokio::test]
async fn a_client_whose_certificate_is_revoked_is_refused_once_the_list_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::in_dir(dir.path());
    let (one, other) = (authority.client(2), authority.client(3));
    let missing = Certificates::read(&authority.files).err().unwrap();
    assert!(matches!(missing, TlsError::Revoked { .. }), "{missing}");
    authority.revoke(&[]);
    let certificates = Certificates::read(&authority.files).unwrap();
    assert!(lets_in(&certificates, &one).await && lets_in(&certificates, &other).await);
    authority.revoke(&[2]);
    certificates.reload().unwrap();
    assert!(!lets_in(&certificates, &one).await);
    assert!(lets_in(&certificates, &other).await);
    for nonsense in [
        "",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    ] {
        fs::write(authority.files.crl.as_ref().unwrap(), nonsense).unwrap();
        let error = certificates.reload().unwrap_err();
        assert!(
            error.to_string().contains("docker_endpoint.tls.crl"),
            "{error}"
        );
    }
    assert!(
        !lets_in(&certificates, &one).await,
        "the list stays as it was"
    );
}
