use super::*;

fn arguments(machine: &Machine) -> Vec<String> {
    let arguments = machine.arguments().unwrap();
    arguments
        .iter()
        .map(|argument| argument.to_str().unwrap().to_owned())
        .collect()
}

/// Returns the values of every `flag` in the order in which QEMU reads them.
fn values(machine: &Machine, flag: &str) -> Vec<String> {
    let arguments = arguments(machine);
    arguments
        .windows(2)
        .filter(|pair| pair[0] == flag)
        .map(|pair| pair[1].clone())
        .collect()
}

fn plain() -> Machine {
    Machine::new("vmlinux", "container.cpio")
}

fn nic(id: &str) -> Nic {
    Nic {
        id: id.to_owned(),
        mac: [2, 0, 0, 0, 0xab, 1],
        tap: 7,
    }
}

#[test]
fn a_plain_machine_is_emulated_confined_and_has_no_default_device() {
    let expected = "-nodefaults -no-user-config -display none \
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny \
        -machine q35,accel=tcg -cpu qemu64 -m 128 -bios qboot.rom -no-reboot \
        -kernel vmlinux -initrd container.cpio -append";
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.extend([KERNEL_OPTIONS, "-device", "virtio-rng-pci"]);
    assert_eq!(arguments(&plain()), expected);
}

#[test]
fn serial_lines_keep_their_order_and_ports_their_names() {
    let machine = plain()
        .serial(Stream::File("console.log".into()))
        .serial(Stream::Listen("tty.sock".into()))
        .port("tether.0", Stream::Connect("port.sock".into()));
    assert_eq!(
        values(&machine, "-chardev"),
        [
            "file,id=serial0,path=console.log",
            "socket,id=serial1,path=tty.sock,server=on,wait=off",
            "socket,id=port0,path=port.sock",
        ]
    );
    assert_eq!(
        values(&machine, "-serial"),
        ["chardev:serial0", "chardev:serial1"]
    );
    let devices = [
        "virtio-rng-pci",
        "virtio-serial-pci",
        "virtserialport,chardev=port0,name=tether.0",
    ];
    assert_eq!(values(&machine, "-device"), devices);
}

#[test]
fn a_nic_takes_an_open_tap_and_skips_the_boot_rom() {
    let machine = plain().nic(nic("eth-web"));
    assert_eq!(values(&machine, "-netdev"), ["tap,id=net-eth-web,fd=7"]);
    let device = "virtio-net-pci,id=eth-web,netdev=net-eth-web,mac=02:00:00:00:ab:01,romfile=";
    assert_eq!(values(&machine, "-device")[1], device);
}

#[test]
fn vsock_by_vhost_user_shares_the_memory() {
    let machine = plain().vsock(Vsock::VhostUser("v.sock".into()));
    assert_eq!(
        values(&machine, "-object"),
        ["memory-backend-memfd,id=ram,size=128M,share=on"]
    );
    assert_eq!(
        values(&machine, "-machine"),
        ["q35,accel=tcg,memory-backend=ram"]
    );
    assert_eq!(
        values(&machine, "-device")[1],
        "vhost-user-vsock-pci,chardev=vsock"
    );
}

#[test]
fn native_vsock_names_the_guest() {
    let machine = plain().vsock(Vsock::Native { cid: 42 });
    assert_eq!(values(&machine, "-object"), [""; 0]);
    assert_eq!(
        values(&machine, "-device")[1],
        "vhost-vsock-pci,guest-cid=42"
    );
}

#[test]
fn a_template_shares_its_memory_file_and_a_clone_does_not() {
    let template = plain().memory(Memory::Template("ram".into()));
    assert_eq!(
        values(&template, "-object"),
        ["memory-backend-file,id=ram,size=128M,mem-path=ram,share=on"]
    );
    let clone = plain().memory(Memory::Clone("ram".into())).incoming();
    assert_eq!(
        values(&clone, "-object"),
        ["memory-backend-file,id=ram,size=128M,mem-path=ram,share=off"]
    );
    assert_eq!(values(&clone, "-incoming"), ["defer"]);
}

#[test]
fn root_ports_wait_for_devices_that_come_later() {
    let machine = plain().root_ports(10);
    let devices = values(&machine, "-device");
    assert_eq!(devices.len(), 11);
    for (at, port) in [
        (
            1,
            "pcie-root-port,id=rp0,chassis=1,slot=1,multifunction=on,addr=0x8.0",
        ),
        (
            2,
            "pcie-root-port,id=rp1,chassis=2,slot=2,multifunction=on,addr=0x8.1",
        ),
        (
            9,
            "pcie-root-port,id=rp8,chassis=9,slot=9,multifunction=on,addr=0x9.0",
        ),
    ] {
        assert_eq!(devices[at], port);
    }
}

#[test]
fn nics_may_begin_in_root_ports() {
    let machine = plain()
        .root_ports(2)
        .nic(nic("a"))
        .nic(nic("b"))
        .nics_in_ports();
    let devices = values(&machine, "-device");
    assert!(devices[3].ends_with(",bus=rp0") && devices[4].ends_with(",bus=rp1"));
}

#[test]
fn a_comma_in_a_path_is_doubled() {
    let machine = plain().serial(Stream::File("a,b".into()));
    assert_eq!(values(&machine, "-chardev"), ["file,id=serial0,path=a,,b"]);
}

#[test]
fn what_qemu_would_refuse_is_refused_with_a_remedy() {
    let refused = |machine: Machine| machine.arguments().unwrap_err();
    assert_eq!(
        refused(plain().memory_mib(8)),
        MachineError::Memory { mib: 8 }
    );
    assert_eq!(
        refused(plain().vsock(Vsock::Native { cid: 2 })),
        MachineError::Cid { cid: 2 }
    );
    assert_eq!(
        refused(plain().nic(nic("a,b"))),
        MachineError::Id {
            id: "a,b".to_owned()
        }
    );
    assert_eq!(
        refused(plain().nic(nic("a")).nic(nic("a"))),
        MachineError::Id { id: "a".to_owned() }
    );
    assert_eq!(
        refused(plain().root_ports(65)),
        MachineError::RootPort {
            port: 65,
            count: MOST_ROOT_PORTS
        }
    );
    let mut group = nic("a");
    group.mac[0] = 1;
    assert_eq!(
        refused(plain().nic(group)),
        MachineError::GroupMac {
            nic: "a".to_owned()
        }
    );
    let clone = plain()
        .memory(Memory::Clone("ram".into()))
        .vsock(Vsock::VhostUser("v".into()));
    assert_eq!(refused(clone), MachineError::PrivateMemory);
}

#[test]
fn kvm_is_used_only_when_it_is_asked_for() {
    assert_eq!(Accelerator::from_variable(None), Ok(Accelerator::Tcg));
    assert_eq!(
        Accelerator::from_variable(Some("kvm")),
        Ok(Accelerator::Kvm)
    );
    let odd = Accelerator::from_variable(Some("xen"))
        .unwrap_err()
        .to_string();
    assert!(
        odd.contains("VCH_ACCEL=xen") && odd.contains("`tcg`"),
        "{odd}"
    );
    let machine = plain().accelerator(Accelerator::Kvm);
    assert_eq!(values(&machine, "-machine"), ["q35,accel=kvm"]);
}

#[test]
fn disks_are_found_by_serial_and_may_be_inherited_as_open_files() {
    let disk = |serial: &str, path: &str, read_only| Disk {
        serial: serial.to_owned(),
        path: path.into(),
        read_only,
    };
    let machine = plain()
        .cpus(2)
        .descriptor(9)
        .disk(disk("image", "/a,b.squashfs", true))
        .disk(disk("upper", "/dev/fdset/9", false))
        .port("vch.process", Stream::Connected(5))
        .port("tether.0", Stream::Listening(6));
    assert_eq!(values(&machine, "-smp"), ["2"]);
    assert_eq!(values(&machine, "-add-fd"), ["fd=9,set=9"]);
    assert_eq!(
        values(&machine, "-blockdev"),
        [
            "driver=raw,node-name=image,read-only=on,file.driver=file,file.filename=/a,,b.squashfs,file.locking=off,discard=unmap",
            "driver=raw,node-name=upper,read-only=off,file.driver=file,file.filename=/dev/fdset/9,file.locking=auto,discard=unmap",
        ]
    );
    let devices = values(&machine, "-device");
    assert!(devices.contains(
        &"virtio-blk-pci,drive=upper,serial=upper,werror=report,rerror=report".to_owned()
    ));
    assert_eq!(
        values(&machine, "-chardev"),
        [
            "socket,id=port0,fd=5",
            "socket,id=port1,fd=6,server=on,wait=off"
        ]
    );
    let twice = plain()
        .disk(disk("a", "/x", true))
        .disk(disk("a", "/y", true));
    assert!(matches!(twice.arguments(), Err(MachineError::Id { .. })));
    let long = plain().disk(disk("a-serial-of-21-letters", "/x", true));
    assert!(matches!(long.arguments(), Err(MachineError::Id { .. })));
    assert_eq!(
        plain().cpus(0).arguments(),
        Err(MachineError::Processors { count: 0 })
    );
}
