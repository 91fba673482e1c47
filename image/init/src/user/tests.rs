use super::{User, resolve_in};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:www:/var/www:/bin/false\nbroken\n";
const GROUP: &str = "root:x:0:\nwww:x:34:\nlogs:x:4:www,other\naudio:x:29:www\n";

fn user(wanted: &str, groups: &[&str]) -> Result<User, String> {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    resolve_in(wanted, &groups, PASSWD, GROUP)
}

fn shown(user: &User) -> (u32, u32, &[u32], &str) {
    (user.uid, user.gid, &user.groups, &user.home)
}

#[test]
fn names_and_numbers_are_found_in_the_container_s_files() {
    for (wanted, expected) in [
        ("", (0, 0, &[][..], "/root")),
        ("www", (33, 34, &[4, 29][..], "/var/www")),
        ("33", (33, 34, &[4, 29][..], "/var/www")),
        ("www:logs", (33, 4, &[][..], "/var/www")),
        ("33:7", (33, 7, &[][..], "/var/www")),
        ("1000", (1000, 0, &[][..], "/")),
        ("1000:1001", (1000, 1001, &[][..], "/")),
    ] {
        assert_eq!(shown(&user(wanted, &[]).unwrap()), expected, "{wanted}");
    }
    let more = user("www", &["root", "77", "audio"]).unwrap();
    assert_eq!(more.groups, [0, 4, 29, 77]);
}

#[test]
fn who_is_not_there_is_told() {
    assert_eq!(
        user("nobody", &[]).unwrap_err(),
        "unable to find user nobody: no matching entries in passwd file"
    );
    assert_eq!(
        user("www:nobody", &[]).unwrap_err(),
        "unable to find group nobody: no matching entries in group file"
    );
    assert!(user("www", &["nobody"]).is_err());
}
