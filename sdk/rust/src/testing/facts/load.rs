//! The numbers of the pool, and the functions of [`load`](crate::load).

#![allow(missing_docs)] // named and documented as the items of the contract

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static LOAD: RefCell<Load> = RefCell::new(Load::default());
}

/// The numbers of the pool, by index: see [`load`](crate::load) for each item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    pub in_flight: Vec<u32>,
    pub latency_us: Vec<Option<u32>>,
    pub failures: Vec<u32>,
    pub metrics: BTreeMap<(u32, String), f64>,
    /// The next turn.
    pub turn: u64,
}

/// Sets the numbers of the pool.
pub fn set_load(load: Load) {
    LOAD.set(load);
}

/// Reads or changes the numbers of the pool.
pub fn with_load<T>(change: impl FnOnce(&mut Load) -> T) -> T {
    LOAD.with_borrow_mut(change)
}

pub fn in_flight(backend: u32) -> u32 {
    LOAD.with_borrow(|load| load.in_flight.get(backend as usize).copied().unwrap_or(0))
}

pub fn in_flight_all() -> Vec<u32> {
    LOAD.with_borrow(|load| load.in_flight.clone())
}

pub fn in_flight_total() -> u32 {
    LOAD.with_borrow(|load| load.in_flight.iter().sum())
}

pub fn latency_us(backend: u32) -> Option<u32> {
    LOAD.with_borrow(|load| load.latency_us.get(backend as usize).copied().flatten())
}

pub fn failures(backend: u32) -> u32 {
    LOAD.with_borrow(|load| load.failures.get(backend as usize).copied().unwrap_or(0))
}

pub fn metric(backend: u32, name: &str) -> Option<f64> {
    LOAD.with_borrow(|load| load.metrics.get(&(backend, name.to_owned())).copied())
}

pub fn turn() -> u64 {
    LOAD.with_borrow_mut(|load| {
        let turn = load.turn;
        load.turn += 1;
        turn
    })
}
