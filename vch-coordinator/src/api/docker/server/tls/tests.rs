use super::{Certificates, warnings};
use crate::config::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// A certificate that is its own authority, good until the end of a year.
fn write(folder: &Path, year: i32) -> TlsFiles {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["vch".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    let files = TlsFiles {
        ca: folder.join("ca.pem"),
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    fs::write(&files.ca, certificate.pem()).unwrap();
    fs::write(&files.cert, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    files
}

#[test]
fn what_an_operator_should_know_of_the_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), 2030);
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
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), 2030);
    let certificates = Certificates::read(&files).unwrap();
    let before = std::sync::Arc::as_ptr(certificates.acceptor().config());
    fs::write(&files.cert, "nothing").unwrap();
    assert!(certificates.reload().is_err());
    assert_eq!(
        std::sync::Arc::as_ptr(certificates.acceptor().config()),
        before
    );
    write(folder.path(), 2031);
    certificates.reload().unwrap();
    assert_ne!(
        std::sync::Arc::as_ptr(certificates.acceptor().config()),
        before
    );
}
