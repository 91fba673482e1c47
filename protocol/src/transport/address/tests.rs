use super::*;

#[test]
fn an_agents_addresses_are_shown_as_they_are_read() {
    for text in [
        "vsock-listen:1000",
        "vsock:2:1000",
        "vsock:4:1",
        "serial:/dev/ttyS1",
        "virtio:tether",
        "virtio:org.example.tether.0",
        "unix:/run/tether.sock",
        "unix:/run/a:b",
    ] {
        let address: ChannelAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn a_coordinators_channels_are_shown_as_they_are_read() {
    for text in [
        "hybrid-vsock:/run/vm.vsock:1000",
        "hybrid-vsock:/run/a:b:1000",
        "chardev:/run/vm.serial",
        "unix:/run/tether.sock",
        "vsock:3",
    ] {
        let channel: CoordinatorChannel = text.parse().unwrap();
        assert_eq!(channel.to_string(), text);
    }
}

#[test]
fn what_is_no_agents_address_is_refused_with_the_form_to_write() {
    let long = format!("unix:/{}", "x".repeat(107));
    for text in [
        "",
        "vsock",
        "vsock:2",
        "vsock:2:1024",
        "vsock:2:+9",
        "vsock:0:9",
        "vsock:4294967295:9",
        "vsock-listen:0",
        "vsock-listen:1024",
        "vsock-listen:99999999999",
        "serial:ttyS1",
        "serial:",
        "virtio:",
        "virtio:a/b",
        "virtio:a b",
        "unix:relative",
        "unix:/nul\0",
        "tcp:1.2.3.4:5",
        &long,
    ] {
        let error = text.parse::<ChannelAddress>().unwrap_err().to_string();
        assert!(
            error.contains("write ") || error.contains("use "),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_coordinators_channel_is_refused() {
    for text in [
        "vsock:2",
        "vsock:1",
        "vsock:3:9",
        "hybrid-vsock:/run/vm.vsock",
        "hybrid-vsock:/run/vm.vsock:1024",
        "hybrid-vsock:vm.vsock:9",
        "chardev:",
        "serial:/dev/ttyS0",
    ] {
        assert!(text.parse::<CoordinatorChannel>().is_err(), "{text}");
    }
}
