use super::Socket;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_dead_client_of_tcp_is_looked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let socket = Socket::tcp(accepted.unwrap().0).unwrap();
    let kind = &*socket.0;
    assert!(getsockopt(kind, sockopt::KeepAlive).unwrap());
    assert_eq!(getsockopt(kind, sockopt::TcpKeepIdle).unwrap(), 15);
    assert_eq!(getsockopt(kind, sockopt::TcpKeepInterval).unwrap(), 15);
    assert_eq!(getsockopt(kind, sockopt::TcpKeepCount).unwrap(), 9);
    assert_eq!(getsockopt(kind, sockopt::TcpUserTimeout).unwrap(), 150_000);
    drop(client.unwrap());
}
