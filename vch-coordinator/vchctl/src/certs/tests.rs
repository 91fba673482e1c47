use super::*;
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

fn certs(dir: &Path, address: &str) -> Certs {
    Certs {
        dir: dir.to_owned(),
        addresses: vec![address.to_owned()],
        port: 2376,
    }
}

#[test]
fn what_is_written_is_as_secret_as_it_must_be_and_is_not_written_again() {
    let tempdir = tempfile::tempdir().unwrap();
    let dir = tempdir.path().join("tls");
    let told = make(&certs(&dir, "198.51.100.2")).unwrap();
    let shown = dir.display();
    for line in [
        "export DOCKER_HOST=tcp://198.51.100.2:2376".to_owned(),
        "export DOCKER_TLS_VERIFY=1".to_owned(),
        format!("export DOCKER_CERT_PATH={shown}/client"),
        format!(
            "#   tls = {{ ca = \"{shown}/server/ca.pem\", cert = \"{shown}/server/cert.pem\", key = \"{shown}/server/key.pem\" }}"
        ),
    ] {
        assert!(told.lines().any(|one| one == line), "{line} in {told}");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut modes = BTreeMap::new();
    for part in ["ca", "server", "client"] {
        assert_eq!(mode(&dir.join(part)), 0o700);
        for file in fs::read_dir(dir.join(part)).unwrap() {
            let file = file.unwrap();
            let name = format!("{part}/{}", file.file_name().to_string_lossy());
            modes.insert(name, mode(&file.path()));
        }
    }
    let expected = [
        ("ca/cert.pem", 0o644),
        ("ca/key.pem", 0o600),
        ("client/ca.pem", 0o644),
        ("client/cert.pem", 0o644),
        ("client/key.pem", 0o600),
        ("server/ca.pem", 0o644),
        ("server/cert.pem", 0o644),
        ("server/key.pem", 0o600),
    ];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(modes, BTreeMap::from(expected));

    let key = fs::read(dir.join("ca/key.pem")).unwrap();
    let refused = make(&certs(&dir, "198.51.100.2")).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "{shown}/ca is there already: remove it, or write another --dir; nothing was written"
        )
    );
    assert_eq!(fs::read(dir.join("ca/key.pem")).unwrap(), key);
}

#[test]
fn an_address_of_ipv6_stands_in_brackets() {
    let tempdir = tempfile::tempdir().unwrap();
    let told = make(&certs(tempdir.path(), "2001:db8::2")).unwrap();
    assert!(
        told.contains("DOCKER_HOST=tcp://[2001:db8::2]:2376\n"),
        "{told}"
    );
}
