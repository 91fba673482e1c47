//! Questions a second on loopback: `cargo run --release -p vch-dns --example load [GATEWAYS]`.
//!
//! 10,000 names, over as many gateways as are asked for (1 by default; 2,048 gateways are 4,096
//! sockets, and need `ulimit -n 8192`). Bounded in time and in what is under way; it says what
//! the server's threads cost a question, since client and server share the machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use vch_dns::{Config, Names, NetworkId, Policy, Server};

const NAMES: usize = 10_000;
const CLIENTS: usize = 2;
/// Questions that each client has under way.
const WINDOW: usize = 32;
const RUN: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let gateways: u16 = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let names = Arc::new(Names::new(Policy::default())?);
    let config = Config {
        port: 0,
        ..Config::default()
    };
    let server = Server::spawn(&config, &names)?;
    let since = Instant::now();
    let served: Vec<SocketAddr> = (1..=gateways)
        .map(|number| server.listen(NetworkId(number.into()), loopback(number)))
        .collect::<Result<_, _>>()?;
    println!("{gateways} gateways listened on in {:?}", since.elapsed());
    let since = Instant::now();
    for number in 0..NAMES {
        let network = NetworkId((number % usize::from(gateways) + 1) as u128);
        let address = Ipv4Addr::from(0x0a00_0000 + u32::try_from(number)?);
        names.publish(
            network,
            &format!("c{number}").parse()?,
            address.into(),
            None,
        );
    }
    println!("{NAMES} names published in {:?}", since.elapsed());

    let before = server_time()?;
    let answered: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let served = &served;
                    move || ask(served, client)
                })
            })
            .collect();
        let counts = clients.into_iter().map(|client| client.join());
        counts
            .map(|count| count.unwrap_or(Ok(0)))
            .sum::<anyhow::Result<usize>>()
    })?;
    let spent = server_time()? - before;
    println!(
        "{} answers a second; {:.2} microseconds of the server's threads each",
        answered as u64 / RUN.as_secs(),
        spent.as_secs_f64() * 1e6 / answered as f64
    );
    server.shutdown()?;
    Ok(())
}

fn loopback(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 2, high, low).into()
}

/// Asks until the time is over, a window at a time, one gateway after the other.
fn ask(served: &[SocketAddr], client: usize) -> anyhow::Result<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let until = Instant::now() + RUN;
    let (mut number, mut answered) = (client, 0);
    let mut buffer = [0; 512];
    while Instant::now() < until {
        for _ in 0..WINDOW {
            number = (number + 1) % NAMES;
            let at = served.get(number % served.len()).context("no gateway")?;
            socket.send_to(&question(number)?, at)?;
        }
        for _ in 0..WINDOW {
            let (length, _) = socket.recv_from(&mut buffer).context("a reply was lost")?;
            // One answer record: the count's low octet.
            anyhow::ensure!(length > 12 && buffer[7] == 1, "a name was not found");
            answered += 1;
        }
    }
    Ok(answered)
}

/// An address question for `c<number>`, RFC 1035, 4.1.
fn question(number: usize) -> anyhow::Result<Vec<u8>> {
    let label = format!("c{number}");
    let mut message = u16::try_from(number)?.to_be_bytes().to_vec();
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.push(u8::try_from(label.len())?);
    message.extend_from_slice(label.as_bytes());
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(message)
}

/// Returns the processor time that the threads `dns-*` have used so far (proc(5), schedstat:
/// nanoseconds).
fn server_time() -> anyhow::Result<Duration> {
    let mut spent = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("dns-") {
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            let field = text.split_whitespace().next().context("no schedstat")?;
            spent += field.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(spent))
}
