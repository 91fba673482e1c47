//! A fake upstream server on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Ttl};
use domain::rdata::A;

use super::support::own_address;

/// The messages that the server sends back for a query, any number.
type Behaviour = dyn Fn(&Message<Vec<u8>>, bool) -> Vec<Vec<u8>> + Send + Sync;

/// A fake upstream server, which runs until it is dropped.
pub struct Upstream {
    pub at: SocketAddr,
    /// The source and the ID of every query by UDP, as they arrive.
    pub asked: Mutex<Receiver<(SocketAddr, u16)>>,
    queries: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Upstream {
    /// Starts a server that answers each query with the messages that `behave` returns; `behave`
    /// gets the query and whether it came by TCP.
    pub fn new(
        behave: impl Fn(&Message<Vec<u8>>, bool) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let udp = UdpSocket::bind((own_address(), 0)).unwrap();
        let at = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(at).unwrap();
        let behave: Arc<Behaviour> = Arc::new(behave);
        let queries = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (tell, asked) = channel();
        let by_udp = {
            let (behave, queries, ended) = (behave.clone(), queries.clone(), ended.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok((length, peer)) = udp.recv_from(&mut buffer)
                    && !ended.load(Ordering::SeqCst)
                {
                    let query = Message::from_octets(buffer[..length].to_vec()).unwrap();
                    queries.fetch_add(1, Ordering::SeqCst);
                    let _nobody_looks = tell.send((peer, query.header().id()));
                    for reply in behave(&query, false) {
                        udp.send_to(&reply, peer).unwrap();
                    }
                }
            })
        };
        let by_tcp = {
            let (queries, ended) = (queries.clone(), ended.clone());
            std::thread::spawn(move || {
                while let Ok((mut stream, _)) = tcp.accept()
                    && !ended.load(Ordering::SeqCst)
                {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).unwrap();
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut query).unwrap();
                    let query = Message::from_octets(query).unwrap();
                    queries.fetch_add(1, Ordering::SeqCst);
                    for reply in behave(&query, true) {
                        let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
                        stream.write_all(&[&length, &reply[..]].concat()).unwrap();
                    }
                }
            })
        };
        Self {
            at,
            asked: Mutex::new(asked),
            queries,
            ended,
            threads: vec![by_udp, by_tcp],
        }
    }

    /// Starts a server that has this address for every name.
    pub fn knowing(address: [u8; 4]) -> Self {
        Self::new(move |query, _| vec![address_of(query, &[address])])
    }

    /// Starts a server that receives queries and answers none.
    pub fn unresponsive() -> Self {
        Self::new(|_, _| Vec::new())
    }

    /// Starts a server that answers every query with this code.
    pub fn saying(rcode: Rcode) -> Self {
        Self::new(move |query, _| vec![empty(query, rcode, false)])
    }

    /// Returns how often the server was asked.
    pub fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let knock = UdpSocket::bind("127.0.0.1:0").unwrap();
        knock.send_to(&[], self.at).unwrap();
        drop(std::net::TcpStream::connect(self.at).unwrap());
        for thread in self.threads.drain(..) {
            let joined = thread.join();
            assert!(joined.is_ok() || std::thread::panicking());
        }
    }
}

/// Returns an answer with these addresses.
pub fn address_of(query: &Message<Vec<u8>>, addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut answers = MessageBuilder::new_vec()
        .start_answer(query, Rcode::NOERROR)
        .unwrap();
    let question = query.sole_question().unwrap();
    for address in addresses {
        let data = A::new(Ipv4Addr::from(*address));
        let record = (question.qname(), Ttl::from_secs(60), data);
        answers.push(record).unwrap();
    }
    answers.finish()
}

/// Returns an answer without records.
pub fn empty(query: &Message<Vec<u8>>, rcode: Rcode, tc: bool) -> Vec<u8> {
    let mut answers = MessageBuilder::new_vec()
        .start_answer(query, rcode)
        .unwrap();
    answers.header_mut().set_tc(tc);
    answers.finish()
}
