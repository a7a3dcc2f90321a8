//! What the process tells of itself: counters, the access log, and the log.
//!
//! Counters are written by one worker each and summed when somebody asks.

pub mod access;
pub mod carried;
pub mod counters;
pub mod logging;
