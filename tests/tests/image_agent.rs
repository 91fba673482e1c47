//! The container image's own agent, on every channel that a VM can have: it comes up and speaks first, or answers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use lab::{Lab, Need, Vm, eventually_some, paths, prerequisites};

const SOON: Duration = Duration::from_secs(10);

/// The first byte that comes, after `first` was written.
fn first_byte(path: &Path, first: &[u8]) -> std::io::Result<u8> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(first)?;
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn runs_as_one_process(vm: &mut Vm) {
    let pids = eventually_some(SOON, "the agent runs", || {
        vm.succeed("pidof tether-net").ok()
    });
    assert_eq!(
        pids.map(|pids| pids.split_whitespace().count()).ok(),
        Some(1)
    );
    assert!(
        !vm.console().contains("tether-net ended"),
        "{}",
        vm.console()
    );
}

#[test]
fn the_agent_speaks_on_a_virtserialport_and_on_a_serial_line() {
    prerequisites::check(&[Need::Agent]).unwrap();
    let lab = Lab::of_vms("streams").unwrap();
    let image = paths::container_image().unwrap();
    let (port, line) = (lab.path("port"), lab.path("line"));
    let virtio = lab
        .vm("virtio")
        .image(&image)
        .kernel_option("tether.channel=virtio:tether.0");
    let serial = lab
        .vm("serial")
        .image(&image)
        .kernel_option("tether.channel=serial:/dev/ttyS1");
    let mut virtio = virtio.port("tether.0", &port).start().unwrap();
    let mut serial = serial.serial(&line).start().unwrap();
    println!(
        "ready after {:?} and {:?}",
        virtio.ready().unwrap(),
        serial.ready().unwrap()
    );
    for (vm, path) in [(&mut virtio, &port), (&mut serial, &line)] {
        first_byte(path, b"").unwrap();
        runs_as_one_process(vm);
    }
}

#[test]
fn the_agent_answers_on_hybrid_vsock() {
    prerequisites::check(&[Need::Agent, Need::VhostDeviceVsock]).unwrap();
    let lab = Lab::of_vms("hybrid").unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    let image = paths::container_image().unwrap();
    let vm = lab
        .vm("one")
        .image(&image)
        .kernel_option("tether.channel=vsock-listen:1023");
    let mut vm = vm.vsock(&vsock, 3).boot().unwrap();
    let answered = || first_byte(&vsock.path(3), b"CONNECT 1023\n").ok();
    assert_eq!(
        eventually_some(SOON, "the agent accepts", answered).unwrap(),
        b'O',
        "OK <port>"
    );
    runs_as_one_process(&mut vm);
}
