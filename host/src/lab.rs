//! Plugins without traffic: the same components in the same sandboxes as on a worker, with made-up tables, clients and time.
//!
//! [`subject`] is what is looked at, [`world`] what it is put into, [`conformance`] whether it keeps the contract,
//! [`spread`] how it spreads,
//! [`simulation`] what becomes of a pool under it. It does no I/O but to read components, knows no sockets, and
//! all chance and time in it come from a seed.

pub mod conformance;
pub mod simulation;
pub mod spread;
pub mod subject;
pub mod world;
