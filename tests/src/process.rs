//! What the system tells of a process: its memory, its time, and how often its threads ran. Linux's `/proc` only. It
//! follows no children.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use crate::host::Host;

/// `/proc` counts in ticks of 1/100 s on every Linux that Rust runs on.
const MILLISECONDS_PER_TICK: u64 = 10;

/// User and system time of all threads of the process so far.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * MILLISECONDS_PER_TICK))
}

impl Host {
    /// Processor time that it spent so far.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        processor_time(u32::try_from(self.pid().as_raw_nonzero().get()).unwrap_or_default())
            .expect("the process is there")
    }

    /// Processor time that its threads of names beginning with `name` spent so far.
    #[must_use]
    pub fn thread_time(&self, name: &str) -> Duration {
        let tasks = fs::read_dir(self.proc_path("task")).into_iter().flatten().flatten();
        let of_name = tasks
            .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|found| found.starts_with(name)));
        // In nanoseconds, first of three numbers.
        let spent = of_name.filter_map(|task| {
            let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
            times.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        status_number(&self.proc("status"), "VmRSS:").expect("VmRSS") * 1024
    }

    /// Open descriptors.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc_path("fd")).into_iter().flatten().count()
    }

    /// Open ends of pipes.
    #[must_use]
    pub fn pipes(&self) -> usize {
        let open = fs::read_dir(self.proc_path("fd")).into_iter().flatten().flatten();
        // One that is closed meanwhile leads nowhere.
        open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"))).count()
    }

    /// Lets it have so many descriptors and no more. Those that are open stay.
    pub fn limit_descriptors(&self, limit: u64) {
        // The hard limit is the one that it has of us.
        let limits = Rlimit { current: Some(limit), ..getrlimit(Resource::Nofile) };
        prlimit(Some(self.pid()), Resource::Nofile, limits).expect("the limit of a child can be changed");
    }

    /// How many pieces its address space is mapped in.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.proc("maps").lines().count()
    }

    /// Context switches of all its threads so far, voluntary or not: each wakeup is one at least.
    #[must_use]
    pub fn switches(&self) -> usize {
        let tasks = fs::read_dir(self.proc_path("task")).into_iter().flatten().flatten();
        let counts = tasks.map(|task| {
            // A thread may end meanwhile.
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let keys = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            keys.into_iter().filter_map(|key| status_number(&status, key)).sum::<usize>()
        });
        counts.sum()
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(self.proc_path(file)).unwrap_or_default()
    }

    fn proc_path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid().as_raw_nonzero())
    }
}

/// The number of a line such as `VmRSS:   1234 kB`.
fn status_number(status: &str, key: &str) -> Option<usize> {
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
