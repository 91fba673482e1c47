//! vsock between host and guests and between siblings, as `vhost-device-vsock` carries it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use lab::{Lab, Need, Vm, eventually, paths, prerequisites};

const SOON: Duration = Duration::from_secs(10);
const NEEDS: &[Need] = &[Need::VhostDeviceVsock, Need::Probe];

/// Starts `vsock-probe echo` in the guest; its lines go to `/run/echo`.
fn listen(vm: &mut Vm, port: u32) {
    let begin = format!("vsock-probe echo {port} >/run/echo 2>&1 </dev/null &");
    assert_eq!(vm.run(&begin).map(|output| output.status).ok(), Some(0));
    let listens = || {
        vm.run("grep -q listening /run/echo")
            .is_ok_and(|output| output.status == 0)
    };
    assert!(eventually(SOON, "the guest listens", listens).is_ok());
}

#[test]
fn the_host_reaches_a_port_of_the_guest_and_the_guest_a_listener_of_the_host() {
    prerequisites::check(NEEDS).unwrap();
    let lab = Lab::of_vms("vsock").unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    let mut vm = lab
        .vm("one")
        .image(&paths::probing_image().unwrap())
        .vsock(&vsock, 3)
        .boot()
        .unwrap();

    listen(&mut vm, 1000);
    let stream = UnixStream::connect(vsock.path(3)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"CONNECT 1000\n").unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("OK "), "{line:?}");
    stream.get_mut().write_all(b"there and back\n").unwrap();
    line.clear();
    stream.read_line(&mut line).unwrap();
    assert_eq!(line, "there and back\n");
    assert!(
        vm.succeed("cat /run/echo").unwrap().contains("peer 2 "),
        "the peer is the host"
    );

    let listener = UnixListener::bind(format!("{}_7000", vsock.path(3).display())).unwrap();
    vm.succeed("echo from the guest | vsock-probe connect 2 7000 2>&1 | head -n 1 >/run/answer &")
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut text = [0; 15];
    stream.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"from the guest\n");
    stream.write_all(b"to the guest\n").unwrap();
    // Not closed yet: vhost-device-vsock may drop what is on its way when the host closes.
    eventually(SOON, "the answer is in the guest", || {
        vm.succeed("cat /run/answer").unwrap() == "to the guest\n"
    })
    .unwrap();
}

#[test]
fn a_guest_s_unprivileged_process_gets_no_port_of_the_agent_s_and_no_listener() {
    prerequisites::check(NEEDS).unwrap();
    let lab = Lab::of_vms("unprivileged").unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    let mut vm = lab
        .vm("one")
        .image(&paths::probing_image().unwrap())
        .vsock(&vsock, 3)
        .boot()
        .unwrap();
    assert_eq!(
        vm.run("su user -c 'vsock-probe bind 1000'").unwrap().stdout,
        "EACCES\n"
    );
    assert_eq!(vm.run("vsock-probe bind 1000").unwrap().status, 0);
    let refused = vm.run("su user -c 'vsock-probe connect 2 7000'").unwrap();
    assert_eq!(refused.status, 1, "nobody listens on the host");
    // vhost-device-vsock drops the request; the host kernel's own device resets the connection.
    assert!(
        ["ETIMEDOUT\n", "ECONNRESET\n"].contains(&refused.stdout.as_str()),
        "{refused:?}"
    );
}

#[test]
fn a_guest_reaches_its_sibling_which_sees_who_it_is() {
    prerequisites::check(NEEDS).unwrap();
    let lab = Lab::of_vms("siblings").unwrap();
    let vsock = lab.vsock(&[3, 4]).unwrap();
    let image = paths::probing_image().unwrap();
    let mut three = lab
        .vm("three")
        .image(&image)
        .vsock(&vsock, 3)
        .start()
        .unwrap();
    let mut four = lab
        .vm("four")
        .image(&image)
        .vsock(&vsock, 4)
        .start()
        .unwrap();
    three.ready().unwrap();
    four.ready().unwrap();
    listen(&mut three, 1024);
    let reaches = || {
        let output = four
            .run("echo across | timeout 2 vsock-probe sibling 3 1024 1000")
            .unwrap();
        println!("{output:?}");
        output.stdout == "across\n"
    };
    eventually(Duration::from_secs(30), "the sibling answers", reaches).unwrap();
    assert!(
        three
            .succeed("cat /run/echo")
            .unwrap()
            .contains("peer 4 1000")
    );
}
