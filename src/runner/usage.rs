//! What another process has used, from `/proc` (`proc(5)`); `None` where there is no such thing.
//!
//! Processor time is still to be had of a process that has ended and is not reaped, the largest size is not.

use std::fs;

/// Ticks a second in which Linux tells processor time to programs, on every architecture.
const TICKS_PER_S: f64 = 100.0;

/// Processor time, all threads together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CpuTimes {
    /// In user mode, seconds.
    pub user_s: f64,
    /// In the kernel, seconds.
    pub system_s: f64,
}

pub(super) fn cpu_times(pid: u32) -> Option<CpuTimes> {
    times_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Largest resident size so far, bytes.
pub(super) fn peak_rss_bytes(pid: u32) -> Option<u64> {
    peak_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn times_of(stat: &str) -> Option<CpuTimes> {
    // Fields 14 and 15; the second one is a name in brackets that may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut seconds =
        fields.split_whitespace().skip(11).map(|ticks| Some(ticks.parse::<f64>().ok()? / TICKS_PER_S));
    Some(CpuTimes { user_s: seconds.next()??, system_s: seconds.next()?? })
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_fields_14_and_15() {
        let stat = "12 (a b) c) R 9 9 7 0 -1 41 100 0 0 0 120 30 5 6 20 0 1 0 114946 3133440 413\n";
        assert_eq!(times_of(stat), Some(CpuTimes { user_s: 1.2, system_s: 0.3 }));
        assert_eq!(times_of("12 (a) R 9"), None);
    }

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t   2048 kB\n"), Some(2 << 20));
        assert_eq!(peak_of("Name: zombie\n"), None);
    }
}
