//! The end-to-end tests, one binary: configuration in, bytes in, bytes out. Each module is a story.

#[path = "e2e/admin.rs"]
mod admin;
#[path = "e2e/admission.rs"]
mod admission;
#[path = "e2e/affinity.rs"]
mod affinity;
#[path = "e2e/bad_input.rs"]
mod bad_input;
#[path = "e2e/balancers.rs"]
mod balancers;
#[path = "e2e/balancing.rs"]
mod balancing;
#[path = "e2e/capacity.rs"]
mod capacity;
#[path = "e2e/chains.rs"]
mod chains;
#[path = "e2e/changing_pools.rs"]
mod changing_pools;
#[path = "e2e/clients.rs"]
mod clients;
#[path = "e2e/code_cache.rs"]
mod code_cache;
#[path = "e2e/descriptors.rs"]
mod descriptors;
#[path = "e2e/discovery.rs"]
mod discovery;
#[path = "e2e/examples.rs"]
mod examples;
#[path = "e2e/failover.rs"]
mod failover;
#[path = "e2e/failures.rs"]
mod failures;
#[path = "e2e/feedback.rs"]
mod feedback;
#[path = "e2e/harness.rs"]
mod harness;
#[path = "e2e/hashing.rs"]
mod hashing;
#[path = "e2e/headers.rs"]
mod headers;
#[path = "e2e/health.rs"]
mod health;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/house.rs"]
mod house;
#[path = "e2e/http.rs"]
mod http;
#[path = "e2e/http2.rs"]
mod http2;
#[path = "e2e/http2_backends.rs"]
mod http2_backends;
#[path = "e2e/inspect.rs"]
mod inspect;
#[path = "e2e/languages.rs"]
mod languages;
#[path = "e2e/large_pools.rs"]
mod large_pools;
#[path = "e2e/lifecycle.rs"]
mod lifecycle;
#[path = "e2e/limits.rs"]
mod limits;
#[path = "e2e/metrics.rs"]
mod metrics;
#[path = "e2e/observers.rs"]
mod observers;
#[path = "e2e/outliers.rs"]
mod outliers;
#[path = "e2e/own_answers.rs"]
mod own_answers;
#[path = "e2e/pages.rs"]
mod pages;
#[path = "e2e/paths.rs"]
mod paths;
#[path = "e2e/plugin_bench.rs"]
mod plugin_bench;
#[path = "e2e/plugin_test.rs"]
mod plugin_test;
#[path = "e2e/plugins.rs"]
mod plugins;
#[path = "e2e/precedence.rs"]
mod precedence;
#[path = "e2e/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "e2e/quiet.rs"]
mod quiet;
#[path = "e2e/rate_limits.rs"]
mod rate_limits;
#[path = "e2e/recovery.rs"]
mod recovery;
#[path = "e2e/redirects.rs"]
mod redirects;
#[path = "e2e/reload.rs"]
mod reload;
#[path = "e2e/retries.rs"]
mod retries;
#[path = "e2e/routers.rs"]
mod routers;
#[path = "e2e/routes.rs"]
mod routes;
#[path = "e2e/rules.rs"]
mod rules;
#[path = "e2e/shapers.rs"]
mod shapers;
#[path = "e2e/simulate.rs"]
mod simulate;
#[path = "e2e/smuggling.rs"]
mod smuggling;
#[path = "e2e/start_errors.rs"]
mod start_errors;
#[path = "e2e/streaming.rs"]
mod streaming;
#[path = "e2e/swap.rs"]
mod swap;
#[path = "e2e/tcp.rs"]
mod tcp;
#[path = "e2e/tls.rs"]
mod tls;
#[path = "e2e/transparent.rs"]
mod transparent;
#[path = "e2e/tunnels.rs"]
mod tunnels;
#[path = "e2e/udp.rs"]
mod udp;
#[path = "e2e/unix.rs"]
mod unix;
#[path = "e2e/upgrade.rs"]
mod upgrade;
#[path = "e2e/websocket_streams.rs"]
mod websocket_streams;
