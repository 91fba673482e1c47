use super::*;

/// Packages as Debian lays them out, with nothing in them that needs a download.
fn packages(dir: &Path) {
    let modules = dir.join("kernel/lib/modules/6.1");
    fs::create_dir_all(modules.join("kernel")).unwrap();
    fs::create_dir_all(dir.join("kernel/boot")).unwrap();
    fs::create_dir_all(dir.join("busybox/bin")).unwrap();
    let wanted = CONTAINER_MODULES.iter().chain(HOST_MODULES);
    let built_in: String = wanted.map(|name| format!("kernel/{name}.ko\n")).collect();
    fs::write(modules.join("modules.builtin"), built_in).unwrap();
    fs::write(dir.join("kernel/boot/vmlinuz-6.1"), b"no bzImage").unwrap();
    fs::write(dir.join("vmlinux"), b"kernel").unwrap();
    let busybox = dir.join("busybox/bin/busybox");
    fs::write(&busybox, "#!/bin/sh\necho busybox\necho sh\necho ping\n").unwrap();
    fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_write_nothing() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    packages(one.path());
    packages(other.path());
    let recipe = Recipe::new("container");
    let first = recipe.build(one.path()).unwrap();
    let elsewhere = recipe.build(other.path()).unwrap();
    assert!(first.changed);
    assert_eq!(
        fs::read(&first.initramfs).unwrap(),
        fs::read(&elsewhere.initramfs).unwrap()
    );
    assert!(!recipe.build(one.path()).unwrap().changed);
}

#[test]
fn a_changed_file_changes_the_image() {
    let dir = tempfile::tempdir().unwrap();
    packages(dir.path());
    let agent = dir.path().join("agent");
    fs::write(&agent, b"one").unwrap();
    let recipe = Recipe::new("container")
        .agent(&agent)
        .add(&agent, "/opt/tool");
    let before = fs::read(recipe.build(dir.path()).unwrap().initramfs).unwrap();
    fs::write(&agent, b"two").unwrap();
    let image = recipe.build(dir.path()).unwrap();
    assert!(image.changed);
    assert_ne!(fs::read(image.initramfs).unwrap(), before);
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    packages(dir.path());
    let error = Recipe::new("container")
        .agent("/no/agent")
        .build(dir.path())
        .unwrap_err();
    assert!(error.to_string().contains("/no/agent"), "{error}");
}

#[test]
fn an_image_name_that_is_a_path_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", "../x", "a b"] {
        let error = Recipe::new(name).build(dir.path()).unwrap_err();
        assert!(matches!(error, BootstrapError::Name { .. }), "{error}");
    }
}
