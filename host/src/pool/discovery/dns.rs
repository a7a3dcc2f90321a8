//! Backends from DNS: A and AAAA records, or SRV records and the addresses of their targets (RFC 2782).
//!
//! The only place that knows hickory. Each question is asked by a resolver of its own, which caches nothing: how long an
//! answer holds is decided elsewhere, and the system's configuration is the one of that time.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::Answer;
use crate::config::{Address, Backend, DnsQuestion, DnsSource};

/// For one server's answer to one try…
const TIMEOUT: Duration = Duration::from_secs(2);
/// …of so many.
const TRIES: usize = 2;
/// For all of an answer, targets of services and retries over TCP included.
const OVERALL: Duration = Duration::from_secs(20);
/// After an answer of which a part is missing it is asked again, in seconds.
const SOON: u32 = 5;
/// Targets of services that are asked for at a time.
const AT_A_TIME: usize = 16;

/// Asks for the backends that a name stands for, again and again.
pub struct Asker {
    source: DnsSource,
    /// The addresses that each name had last, for when one kind of them cannot be found out.
    known: HashMap<Name, Addresses>,
}

/// The addresses of a name: of A records, and of AAAA records.
type Addresses = [Vec<IpAddr>; 2];

/// What became of one question.
enum Outcome<T> {
    /// Records, and the seconds that they hold.
    Records(T, u32),
    /// There are none; with whether there is such a name.
    Nothing(bool),
    /// It could not be found out.
    Failed(String),
}

/// The addresses of one name.
struct Resolved {
    addresses: Addresses,
    ttl: u32,
    missing: Option<String>,
}

impl Asker {
    /// Has not asked yet.
    pub fn new(source: DnsSource) -> Self {
        Self { source, known: HashMap::new() }
    }

    /// Asks once. What one part of the answer lacks is taken from the answer before, where that was good.
    ///
    /// # Errors
    /// The text says why there is no answer: no such name, no records, servers that fail or are silent.
    pub async fn ask(&mut self) -> Result<Answer, String> {
        let asked = tokio::time::timeout(OVERALL, self.ask_patiently());
        asked.await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn ask_patiently(&mut self) -> Result<Answer, String> {
        let resolver = self.resolver().await?;
        match self.source.question.clone() {
            DnsQuestion::Addresses(name, port) => {
                let name = parsed(&name)?;
                let Resolved { addresses, ttl, missing } = self.resolve(&resolver, &name).await?;
                let backends = addresses.iter().flatten().map(|ip| self.backend(None, *ip, port, self.source.weight));
                let ttl = Duration::from_secs(ttl.into());
                let answer = Answer { backends: backends.collect(), ttl, missing };
                self.known = HashMap::from([(name, addresses)]);
                Ok(answer)
            }
            DnsQuestion::Services(name) => {
                let name = parsed(&name)?;
                self.ask_for_services(&resolver, name).await
            }
        }
    }

    async fn ask_for_services(&mut self, resolver: &TokioResolver, name: Name) -> Result<Answer, String> {
        let (services, mut ttl) = match look_up(resolver, name, RecordType::SRV, service).await {
            Outcome::Records(services, ttl) => (services, ttl),
            Outcome::Nothing(exists) => return Err(nothing(exists, "no SRV records")),
            Outcome::Failed(error) => return Err(error),
        };
        // A target that is the root says that there is no such service.
        let services: Vec<SRV> = services.into_iter().filter(|service| !service.target.is_root()).collect();
        let first = services.iter().map(|service| service.priority).min().ok_or("there is no such service")?;
        let mut targets: BTreeMap<Name, Option<Addresses>> =
            services.iter().map(|service| (service.target.to_lowercase(), None)).collect();
        let names: Vec<Name> = targets.keys().cloned().collect();
        let resolved = stream::iter(names).map(|name| async {
            let resolved = self.resolve(resolver, &name).await;
            (name, resolved)
        });
        let resolved: Vec<_> = resolved.buffer_unordered(AT_A_TIME).collect().await;
        let mut problem = None;
        for (name, resolved) in resolved {
            let known = match resolved {
                Ok(Resolved { addresses, ttl: its, missing }) => {
                    ttl = ttl.min(its);
                    problem = problem.or(missing);
                    Some(addresses)
                }
                Err(error) => {
                    ttl = ttl.min(SOON);
                    problem = problem.or(Some(format!("{name}: {error}")));
                    self.known.get(&name).cloned()
                }
            };
            targets.insert(name, known);
        }
        let mut found: Vec<Backend> = Vec::new();
        for service in &services {
            let target = service.target.to_lowercase();
            for ip in targets.get(&target).into_iter().flatten().flatten().flatten() {
                let backend = self.backend(Some(&target), *ip, service.port, u32::from(service.weight.max(1)));
                found.push(Backend { backup: service.priority != first, ..backend });
            }
        }
        if found.is_empty() {
            return Err(problem.unwrap_or_else(|| "no target has an address".to_owned()));
        }
        // Servers shuffle records; and of one address in two records, the first choice counts.
        found.sort_by(|a, b| (a.backup, &a.id).cmp(&(b.backup, &b.id)));
        self.known = targets.into_iter().filter_map(|(name, addresses)| Some((name, addresses?))).collect();
        Ok(Answer { backends: found, ttl: Duration::from_secs(ttl.into()), missing: problem })
    }

    /// Both kinds of addresses. One that fails is no reason to do without the other, nor to drop what was known of it.
    async fn resolve(&self, resolver: &TokioResolver, name: &Name) -> Result<Resolved, String> {
        let v4 = look_up(resolver, name.clone(), RecordType::A, address);
        let v6 = look_up(resolver, name.clone(), RecordType::AAAA, address);
        let outcomes: [Outcome<Vec<IpAddr>>; 2] = futures_util::future::join(v4, v6).await.into();
        let (mut ttl, mut missing, mut exists) = (u32::MAX, None, false);
        let mut addresses = Addresses::default();
        for (kind, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Records(mut found, its) => {
                    found.sort_unstable();
                    found.dedup();
                    (addresses[kind], ttl) = (found, ttl.min(its));
                }
                Outcome::Nothing(its) => exists |= its,
                Outcome::Failed(error) => {
                    addresses[kind] = self.known.get(name).map(|known| known[kind].clone()).unwrap_or_default();
                    missing = Some(error);
                }
            }
        }
        match missing {
            _ if ttl != u32::MAX => {}
            Some(error) => return Err(error),
            None => return Err(nothing(exists, "it has no address")),
        }
        if missing.is_some() {
            ttl = ttl.min(SOON);
        }
        Ok(Resolved { addresses, ttl, missing })
    }

    /// A backend at an address. Its id is that address, behind the service's target if it has one.
    fn backend(&self, target: Option<&Name>, ip: IpAddr, port: u16, weight: u32) -> Backend {
        let address = SocketAddr::new(ip, port);
        let id = match target {
            Some(target) => format!("{}:{port}@{ip}", target.to_string().trim_end_matches('.')),
            None => address.to_string(),
        };
        Backend {
            id: id.into(),
            address: Address::Socket(address),
            weight,
            backup: false,
            draining: false,
            max_requests: None,
            labels: self.source.labels.clone(),
        }
    }

    async fn resolver(&self) -> Result<TokioResolver, String> {
        if self.source.resolvers.is_empty() {
            // It reads files.
            let read = tokio::task::spawn_blocking(|| {
                let mut builder = TokioResolver::builder_tokio()?;
                builder.options_mut().cache_size = 0;
                builder.build()
            });
            let read = read.await.map_err(|error| error.to_string())?;
            return read.map_err(|error| format!("the system's configuration: {error}"));
        }
        let servers = self.source.resolvers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut options = ResolverOpts::default();
        (options.timeout, options.attempts, options.cache_size) = (TIMEOUT, TRIES, 0);
        options.use_hosts_file = ResolveHosts::Never;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.with_options(options).build().map_err(|error| error.to_string())
    }
}

/// A name as it was configured. One with a dot is whole: of the system's domains to search in, each kind of record might
/// be found in another.
fn parsed(name: &str) -> Result<Name, String> {
    let mut parsed = Name::from_ascii(name).map_err(|error| error.to_string())?;
    if name.contains('.') {
        parsed.set_fqdn(true);
    }
    Ok(parsed)
}

/// One question. `read` takes the records that are meant; others, such as those of aliases on the way, count for how
/// long it all holds.
async fn look_up<T>(
    resolver: &TokioResolver,
    name: Name,
    kind: RecordType,
    read: impl Fn(&RData) -> Option<T>,
) -> Outcome<Vec<T>> {
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records: Vec<T> = found.answers().iter().filter_map(|record| read(&record.data)).collect();
            let ttl = found.answers().iter().map(|record| record.ttl).min();
            match ttl.filter(|_| !records.is_empty()) {
                Some(ttl) => Outcome::Records(records, ttl),
                None => Outcome::Nothing(true),
            }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(found))) => match found.response_code {
            ResponseCode::NXDomain => Outcome::Nothing(false),
            ResponseCode::NoError => Outcome::Nothing(true),
            code => Outcome::Failed(format!("the name server says: {code}")),
        },
        Err(NetError::Dns(DnsError::ResponseCode(code))) => Outcome::Failed(format!("the name server says: {code}")),
        Err(NetError::Timeout) => Outcome::Failed("no name server answers".to_owned()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

fn service(data: &RData) -> Option<SRV> {
    match data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    }
}

fn nothing(exists: bool, otherwise: &str) -> String {
    if exists { otherwise.to_owned() } else { "there is no such name".to_owned() }
}
