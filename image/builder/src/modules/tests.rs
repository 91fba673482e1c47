use super::*;

/// Returns an ELF object for x86-64 with a `.modinfo` section, as small as the format allows.
fn module(modinfo: &[u8]) -> Vec<u8> {
    const HEADER: u64 = 64;
    const SECTION_HEADER: u16 = 64;
    let names = b"\0.modinfo\0.shstrtab\0";
    let info_at = HEADER;
    let names_at = info_at + modinfo.len() as u64;
    let table_at = names_at + names.len() as u64;
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend(1_u16.to_le_bytes());
    out.extend(62_u16.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend([0; 16]);
    out.extend(table_at.to_le_bytes());
    out.extend([0; 4]);
    for half in [64, 0, 0, SECTION_HEADER, 3, 2] {
        out.extend(half.to_le_bytes());
    }
    out.extend_from_slice(modinfo);
    out.extend_from_slice(names);
    out.extend([0; SECTION_HEADER as usize]);
    for (name, kind, at, size) in [
        (1_u32, 1_u32, info_at, modinfo.len()),
        (10, 3, names_at, names.len()),
    ] {
        out.extend(name.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend([0; 16]);
        out.extend(at.to_le_bytes());
        out.extend((size as u64).to_le_bytes());
        out.extend([0; 8]);
        out.extend(1_u64.to_le_bytes());
        out.extend([0; 8]);
    }
    out
}

fn tree(modules: &[(&str, &str)]) -> (tempfile::TempDir, ModuleTree) {
    let dir = tempfile::tempdir().unwrap();
    let kernel = dir.path().join("kernel/drivers");
    fs::create_dir_all(&kernel).unwrap();
    for (name, needs) in modules {
        let info = format!("license=GPL\0depends={needs}\0retpoline=Y\0");
        fs::write(kernel.join(format!("{name}.ko")), module(info.as_bytes())).unwrap();
    }
    fs::write(dir.path().join("modules.builtin"), "kernel/lib/crc32.ko\n").unwrap();
    let tree = ModuleTree::read(dir.path()).unwrap();
    (dir, tree)
}

fn names(modules: &[Module]) -> Vec<&str> {
    modules.iter().map(|module| module.name.as_str()).collect()
}

#[test]
fn every_module_comes_after_what_it_needs_and_once_only() {
    let (_dir, tree) = tree(&[
        ("virtio-net", "net_failover,virtio,virtio_ring"),
        ("virtio", "virtio_ring"),
        ("virtio_ring", ""),
        ("net_failover", "failover,crc32"),
        ("failover", ""),
    ]);
    let order = tree.closure(&["virtio_net", "virtio"]).unwrap();
    assert_eq!(
        names(&order),
        [
            "failover",
            "net_failover",
            "virtio_ring",
            "virtio",
            "virtio_net"
        ]
    );
}

#[test]
fn a_built_in_module_is_left_out() {
    let (_dir, tree) = tree(&[]);
    assert_eq!(tree.closure(&["crc32"]).unwrap(), []);
}

#[test]
fn a_module_that_is_not_there_is_named_with_who_wants_it() {
    let (_dir, tree) = tree(&[("virtio", "virtio_ring")]);
    let error = tree.closure(&["virtio"]).unwrap_err().to_string();
    assert!(
        error.contains("`virtio_ring`") && error.contains("wanted by virtio"),
        "{error}"
    );
}

#[test]
fn modules_that_need_one_another_are_an_error_and_no_endless_walk() {
    let (_dir, tree) = tree(&[("a", "b"), ("b", "a")]);
    assert!(matches!(
        tree.closure(&["a"]),
        Err(ModulesError::Cycle { .. })
    ));
}

#[test]
fn a_file_that_is_no_module_is_named() {
    let (dir, _) = tree(&[]);
    fs::write(dir.path().join("kernel/drivers/bad.ko"), b"not ELF").unwrap();
    let tree = ModuleTree::read(dir.path()).unwrap();
    let error = tree.closure(&["bad"]).unwrap_err().to_string();
    assert!(error.contains("bad.ko"), "{error}");
}

#[test]
fn a_disk_of_modules_has_an_index_of_names_aliases_and_needs() {
    let dir = tempfile::tempdir().unwrap();
    for (at, info) in [
        (
            "net/bridge/bridge",
            "depends=stp,llc\0alias=rtnl-link-bridge\0softdep=pre: br-helper crc32 sum missing post: later\0",
        ),
        ("net/802/stp", "depends=llc\0"),
        ("net/llc/llc", "depends=\0alias=net-pf-26\0alias=a b\0"),
        ("net/bridge/br-helper", "depends=\0"),
        ("crypto/sum_generic", "depends=\0alias=sum\0"),
        ("net/vmw_vsock/vsock", "alias=net-pf-40\0"),
        (
            "drivers/vhost/vhost_vsock",
            "depends=vsock\0alias=vhost-vsock\0",
        ),
    ] {
        let path = dir.path().join(format!("kernel/{at}.ko"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, module(info.as_bytes())).unwrap();
    }
    fs::write(dir.path().join("modules.builtin"), "kernel/lib/crc32.ko\n").unwrap();
    let tree = ModuleTree::read(dir.path()).unwrap();
    let modules = tree.all_but(&["net/vmw_vsock"]).unwrap();
    let expected = "module br_helper\nmodule bridge llc stp br_helper sum_generic\nmodule llc\nmodule stp llc\n\
                    module sum_generic\nalias rtnl-link-bridge bridge\nalias net-pf-26 llc\nalias sum sum_generic\n";
    assert_eq!(index(&modules), expected);
}
