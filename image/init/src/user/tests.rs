use super::{MAX_FILE, User, UserError, read, resolve_in};
use nix::{sys::stat::Mode, unistd::mkfifo};
use std::{fs, os::unix::fs::symlink, path::Path};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:www:/var/www:/bin/false\nbroken\n";
const GROUP: &str = "root:x:0:\nwww:x:34:\nlogs:x:4:www,other\naudio:x:29:www\n";

fn user(wanted: &str, groups: &[&str]) -> Result<User, UserError> {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    resolve_in(wanted, &groups, PASSWD, GROUP)
}

fn summary(user: &User) -> (u32, u32, &[u32], &str) {
    (user.uid, user.gid, &user.groups, &user.home)
}

#[test]
fn names_and_numbers_are_found_in_the_container_s_files() {
    for (wanted, expected) in [
        ("", (0, 0, &[0][..], "/root")),
        ("www", (33, 34, &[4, 29, 34][..], "/var/www")),
        ("33", (33, 34, &[4, 29, 34][..], "/var/www")),
        ("www:logs", (33, 4, &[4][..], "/var/www")),
        ("33:7", (33, 7, &[7][..], "/var/www")),
        ("1000", (1000, 0, &[0][..], "/")),
        ("1000:1001", (1000, 1001, &[1001][..], "/")),
    ] {
        assert_eq!(summary(&user(wanted, &[]).unwrap()), expected, "{wanted}");
    }
    let more = user("www", &["root", "77", "audio"]).unwrap();
    assert_eq!(more.groups, [0, 4, 29, 34, 77]);
}

#[test]
fn who_is_not_there_is_told() {
    assert_eq!(
        user("nobody", &[]).unwrap_err().to_string(),
        "unable to find user nobody: no matching entries in passwd file"
    );
    assert_eq!(
        user("www:nobody", &[]).unwrap_err().to_string(),
        "unable to find group nobody: no matching entries in group file"
    );
    assert_eq!(
        user("www", &["nobody"]).unwrap_err().to_string(),
        "Unable to find group nobody: no matching entries in group file"
    );
    for wanted in ["-5", "2147483648", "0:-1"] {
        let refused = user(wanted, &[]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "uids and gids must be in range 0-2147483647"
        );
    }
}

#[test]
fn only_a_regular_file_of_a_sensible_length_is_read() {
    let lab = std::env::temp_dir().join(format!("container-init-user-{}", std::process::id()));
    fs::create_dir_all(&lab).unwrap();
    let at = |name: &str| lab.join(name);
    fs::write(at("file"), b"root:x:0:0::/:\n\xff").unwrap();
    fs::create_dir(at("folder")).unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("pipe", at("to-pipe")).unwrap();
    symlink("file", at("to-file")).unwrap();
    let long = fs::File::create(at("long")).unwrap();
    long.set_len(MAX_FILE + 1).unwrap();
    let tried = [
        "file", "to-file", "folder", "pipe", "to-pipe", "loop", "long", "missing",
    ];
    let read: Vec<bool> = tried.map(|name| read(&at(name)).is_ok()).to_vec();
    let device = super::read(Path::new("/dev/zero")).is_ok();
    fs::remove_dir_all(&lab).unwrap();
    assert_eq!(read, [true, true, false, false, false, false, false, false]);
    assert!(!device, "a device has no end");
}
