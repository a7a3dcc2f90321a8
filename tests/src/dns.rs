//! A name server of which the test writes the answers, on UDP and TCP of one port of loopback.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// What a name server does with the question for one name and type.
#[derive(Debug, Clone)]
enum Zone {
    Records(Vec<RData>),
    Fails(ResponseCode),
    Silent,
}

/// A name server that answers until it is dropped. What nobody set is no such name.
pub struct NameServer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    zones: Mutex<HashMap<(String, RecordType), Zone>>,
    ttl: Mutex<u32>,
    questions: AtomicUsize,
    over_tcp: AtomicUsize,
    truncates: AtomicBool,
    stopped: AtomicBool,
}

impl NameServer {
    /// Knows no name; the TTL of records is 0.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let (udp, tcp) = sockets();
        udp.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let shared = Arc::new(Shared {
            address: udp.local_addr().expect("a bound socket has an address"),
            zones: Mutex::default(),
            ttl: Mutex::new(0),
            questions: AtomicUsize::new(0),
            over_tcp: AtomicUsize::new(0),
            truncates: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let threads = vec![
            std::thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.serve_udp(&udp)
            }),
            std::thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.serve_tcp(&tcp)
            }),
        ];
        Self { shared, threads }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// `resolver = […]`, for `discover`.
    #[must_use]
    pub fn resolver(&self) -> String {
        format!("resolver = ['{}']", self.address())
    }

    /// These are the addresses of a name now; empty: it has none.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().expect("an IP address")).collect();
        let v4 = addresses.iter().filter_map(|ip| match ip {
            IpAddr::V4(ip) => Some(RData::A(A::from(*ip))),
            IpAddr::V6(_) => None,
        });
        let v6 = addresses.iter().filter_map(|ip| match ip {
            IpAddr::V6(ip) => Some(RData::AAAA(AAAA::from(*ip))),
            IpAddr::V4(_) => None,
        });
        let mut zones = lock(&self.shared.zones);
        zones.insert((name.to_owned(), RecordType::A), Zone::Records(v4.collect()));
        zones.insert((name.to_owned(), RecordType::AAAA), Zone::Records(v6.collect()));
    }

    /// These are the services of a name now: priority, weight, port, target.
    pub fn set_services(&self, name: &str, services: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| {
            let target = Name::from_ascii(target).expect("a name");
            RData::SRV(SRV::new(*priority, *weight, *port, target))
        };
        let records = services.iter().map(record).collect();
        lock(&self.shared.zones).insert((name.to_owned(), RecordType::SRV), Zone::Records(records));
    }

    /// Every question for a name, of whatever type, is answered with this error.
    pub fn fail(&self, name: &str, code: ResponseCode) {
        self.set_all(name, &Zone::Fails(code));
    }

    /// Questions for a name of this type are answered with this error.
    pub fn fail_for(&self, name: &str, kind: RecordType, code: ResponseCode) {
        lock(&self.shared.zones).insert((name.to_owned(), kind), Zone::Fails(code));
    }

    /// Questions for a name are not answered at all.
    pub fn silence(&self, name: &str) {
        self.set_all(name, &Zone::Silent);
    }

    fn set_all(&self, name: &str, zone: &Zone) {
        let mut zones = lock(&self.shared.zones);
        for kind in [RecordType::A, RecordType::AAAA, RecordType::SRV] {
            zones.insert((name.to_owned(), kind), zone.clone());
        }
    }

    /// The TTL of records from now on, in seconds.
    pub fn set_ttl(&self, seconds: u32) {
        *lock(&self.shared.ttl) = seconds;
    }

    /// Answers over UDP are cut off from now on: whoever wants them asks over TCP.
    pub fn truncate(&self) {
        self.shared.truncates.store(true, Ordering::SeqCst);
    }

    /// Questions so far.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.shared.questions.load(Ordering::SeqCst)
    }

    /// Questions over TCP so far.
    #[must_use]
    pub fn over_tcp(&self) -> usize {
        self.shared.over_tcp.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.shared.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.stopped.load(Ordering::SeqCst) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(mut answer) = self.answer(&buffer[..length]) {
                if self.truncates.load(Ordering::SeqCst) {
                    answer.answers.clear();
                    answer.metadata.truncation = true;
                }
                let _ = socket.send_to(&answer.to_vec().expect("an answer"), from);
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                if stream.read_exact(&mut question).is_err() {
                    break;
                }
                self.over_tcp.fetch_add(1, Ordering::SeqCst);
                let Some(answer) = self.answer(&question) else { continue };
                let answer = answer.to_vec().expect("an answer");
                let length = u16::try_from(answer.len()).expect("a short answer");
                if stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat()).is_err() {
                    break;
                }
            }
        }
    }

    /// None: it keeps silent.
    fn answer(&self, question: &[u8]) -> Option<Message> {
        let question = Message::from_vec(question).ok()?;
        self.questions.fetch_add(1, Ordering::SeqCst);
        let query = question.queries.first()?.clone();
        let name = query.name().to_lowercase().to_string();
        let zones = lock(&self.zones);
        let key = (name.trim_end_matches('.').to_owned(), query.query_type());
        let is_known = zones.keys().any(|(known, _)| *known == key.0);
        let zone = zones.get(&key).cloned();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match zone {
            Some(Zone::Records(records)) => {
                let ttl = *lock(&self.ttl);
                answer.add_answers(records.into_iter().map(|data| Record::from_rdata(query.name().clone(), ttl, data)));
            }
            Some(Zone::Fails(code)) => answer.metadata.response_code = code,
            Some(Zone::Silent) => return None,
            None if is_known => {}
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        Some(answer)
    }
}

/// Sockets of both kinds on one free port.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = tcp.local_addr().expect("a listener has an address");
        if let Ok(udp) = UdpSocket::bind(address) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
