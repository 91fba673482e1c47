use super::*;

const MARKS: &[&str] = &["lock"];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn refused(path: &Path) -> String {
    let error = provide(path, MARKS, "vch.state_dir").unwrap_err();
    error.to_string()
}

#[test]
fn a_new_directory_and_its_parents_are_its_owners_alone() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("a/b");
    provide(&path, MARKS, "vch.state_dir").unwrap();
    assert_eq!([mode(&path), mode(&above.path().join("a"))], [0o700; 2]);
    provide(&path, MARKS, "vch.state_dir").unwrap();
}

#[test]
fn an_open_directory_of_ours_is_closed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("state");
    fs::create_dir(&path).unwrap();
    set(&path, 0o755);
    provide(&path, MARKS, "vch.state_dir").unwrap();
    assert_eq!(mode(&path), 0o700, "an empty one");
    // A file system of its own.
    fs::create_dir(path.join("lost+found")).unwrap();
    set(&path, 0o755);
    provide(&path, MARKS, "vch.state_dir").unwrap();
    assert_eq!(mode(&path), 0o700);
    fs::write(path.join("lock"), "").unwrap();
    set(&path, 0o777);
    provide(&path, MARKS, "vch.state_dir").unwrap();
    assert_eq!(mode(&path), 0o700, "one that a coordinator has used");
}

#[test]
fn a_directory_that_others_use_is_not_shut() {
    let above = tempfile::tempdir().unwrap();
    set(above.path(), 0o755);
    fs::write(above.path().join("of-others"), "").unwrap();
    let told = refused(above.path());
    assert!(
        told.contains("vch.state_dir") && told.contains("chmod 0700"),
        "{told}"
    );
    assert_eq!(mode(above.path()), 0o755);
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let above = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(above.path(), Some(65_534), None).expect("these tests need root");
    let told = refused(above.path());
    assert!(told.contains("belongs to user 65534"), "{told}");
}

#[test]
fn a_file_in_its_stead_is_told() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("state");
    fs::write(&path, "").unwrap();
    assert!(refused(&path).contains("is not a directory"));
}

#[test]
fn what_lies_below_is_closed_but_for_exceptions_sockets_and_links() {
    let above = tempfile::tempdir().unwrap();
    let at = |name: &str| above.path().join(name);
    fs::create_dir_all(at("containers/c")).unwrap();
    fs::create_dir_all(at("images/blobs")).unwrap();
    fs::write(at("containers/c/upper.ext4"), "").unwrap();
    fs::write(at("images/blobs/b"), "").unwrap();
    fs::write(at("program"), "").unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), at("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let open = ["containers", "containers/c", "images", "images/blobs"];
    for name in open {
        set(&at(name), 0o755);
    }
    for name in ["containers/c/upper.ext4", "images/blobs/b", "socket"] {
        set(&at(name), 0o666);
    }
    set(&at("program"), 0o755);
    set(outside.path(), 0o644);

    repair_below(above.path(), &["images"]);
    assert_eq!(mode(&at("containers")), 0o700);
    assert_eq!(mode(&at("containers/c")), 0o700);
    assert_eq!(mode(&at("containers/c/upper.ext4")), 0o600);
    assert_eq!(mode(&at("program")), 0o700);
    assert_eq!(mode(&at("images/blobs")), 0o755);
    assert_eq!(mode(&at("images/blobs/b")), 0o666);
    assert_eq!(mode(&at("socket")), 0o666);
    assert_eq!(mode(outside.path()), 0o644, "a link is not followed");
}
