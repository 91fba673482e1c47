use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

#[test]
fn only_a_listening_address_is_opened_all_the_time() {
    for (address, listens) in [
        ("vsock-listen:1000", true),
        ("vsock:2:1000", false),
        ("serial:/dev/ttyS1", false),
        ("virtio:tether", false),
        ("unix:/run/tether.sock", false),
    ] {
        let opener = AgentOpener::new(address.parse().unwrap());
        assert_eq!(opener.listens(), listens, "{address}");
    }
}

#[tokio::test]
async fn a_unix_channel_is_dialled_as_often_as_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut opener = AgentOpener::new(ChannelAddress::Unix(path.clone()));
    let absent = opener.open().await.map(|_| ()).unwrap_err();
    assert!(
        absent.to_string().starts_with("can't connect to "),
        "{absent}"
    );
    let listener = UnixListener::bind(&path).unwrap();
    for byte in [1, 2] {
        let Opened::Stream(mut stream) = opener.open().await.unwrap() else {
            panic!("nobody is turned away here");
        };
        stream.write_all(&[byte]).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), byte);
    }
}

#[tokio::test]
async fn a_virtio_port_that_is_not_there_is_named_in_the_error() {
    let mut opener = AgentOpener::new("virtio:no-such-port-anywhere".parse().unwrap());
    let error = opener.open().await.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no-such-port-anywhere"),
        "{error}"
    );
}
