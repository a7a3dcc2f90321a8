//! The pools that a router chooses between, and the functions of [`pools`](crate::pools).

#![allow(missing_docs)] // named and documented as the items of the contract

use std::cell::RefCell;

thread_local! {
    static POOLS: RefCell<Vec<PoolNumbers>> = const { RefCell::new(Vec::new()) };
}

/// Numbers of one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolNumbers {
    pub ready: u32,
    pub in_flight: u32,
}

/// Sets the numbers of the pools, in the order of `configure`.
pub fn set_pools(pools: Vec<PoolNumbers>) {
    POOLS.set(pools);
}

pub fn ready(pool: u32) -> u32 {
    numbers(pool).ready
}

pub fn in_flight(pool: u32) -> u32 {
    numbers(pool).in_flight
}

fn numbers(pool: u32) -> PoolNumbers {
    POOLS.with_borrow(|pools| pools.get(pool as usize).copied().unwrap_or_default())
}
