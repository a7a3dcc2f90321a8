//! The facts of the running thread, and the functions that read them in place of the host's.

pub mod load;
pub mod log;
pub mod pools;
pub mod request;
pub mod response;
pub mod table;

/// Makes the thread's facts those of a host that has just started: no load, an empty table.
pub fn reset() {
    load::set_load(load::Load::default());
    table::clear();
    pools::set_pools(Vec::new());
    super::clock::reset();
}
