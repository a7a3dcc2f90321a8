//! Plugins without traffic: the same components in the same sandboxes as on a worker, with made-up tables, clients and time.
//!
//! [`subject`] is what is looked at, [`world`] what it is put into, and [`clients`] who comes there; [`conformance`] is whether it
//! keeps the contract, [`mod@bench`] what it costs, [`spread`] how it spreads, [`simulation`] what becomes of a pool under it. It
//! does no I/O but to read components, knows no sockets, and all chance and time in it come from a seed.

pub mod bench;
pub mod clients;
pub mod conformance;
pub mod simulation;
pub mod spread;
pub mod subject;
pub mod world;
