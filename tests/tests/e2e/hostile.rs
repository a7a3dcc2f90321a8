//! A plugin is a stranger: components that do their worst to one pool, under load over all workers. No request fails,
//! the pool beside it notices nothing, the process stays, and metrics and log say what happened.

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/arena.rs"]
mod arena;
#[path = "hostile/breakers.rs"]
mod breakers;
#[path = "hostile/changes.rs"]
mod changes;
#[path = "hostile/decisions.rs"]
mod decisions;
#[path = "hostile/memory.rs"]
mod memory;
#[path = "hostile/recovery.rs"]
mod recovery;
#[path = "hostile/refused.rs"]
mod refused;
