//! How much of the machine others used: all processor time less this process's own.
//!
//! Both are Linux's counts (`proc(5)`), in the same clock ticks of usually 10 ms, so a second on two processors
//! is known to about one percent. Time that a hypervisor gave to other guests (`steal`) counts as used by
//! others. Elsewhere than on Linux nothing is known, which is `None` and not zero.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Share of the machine that others may use while it counts as quiet.
pub const QUIET_LOAD: f64 = 0.05;

/// Time over which the load is taken before anything is measured: a few dozen clock ticks.
const GLANCE: Duration = Duration::from_millis(400);

/// Waits until others leave the machine alone, `limit_s` at most; `tell` is called after every look. Returns the time
/// waited after a first look that found it quiet, seconds; 0 where nobody can tell.
pub fn wait(limit_s: f64, tell: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut waited = 0.0;
    while waited < limit_s {
        let Some(before) = Moment::now() else { return waited };
        sleep(GLANCE);
        tell();
        let load = Moment::now().and_then(|after| before.foreign_load(after));
        if load.is_none_or(|load| load <= QUIET_LOAD) {
            break;
        }
        waited = start.elapsed().as_secs_f64();
    }
    waited
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Ticks of all processors so far.
    total: u64,
    /// Of those, ticks that did any work.
    busy: u64,
    /// Of those, this process's, all threads together.
    own: u64,
}

impl Moment {
    /// Now; `None` where the system does not say.
    pub fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Share of the machine's processor time between this moment and a `later` one that others used, 0 to 1.
    /// `None` if no tick has passed.
    pub fn foreign_load(self, later: Self) -> Option<f64> {
        let passed = |of: fn(Self) -> u64| of(later).checked_sub(of(self)).map(|ticks| ticks as f64);
        let (total, busy, own) = (passed(|m| m.total)?, passed(|m| m.busy)?, passed(|m| m.own)?);
        // Threads are charged when they are looked at, so the own share may run a tick ahead of the whole.
        (total > 0.0).then(|| ((busy - own) / total).clamp(0.0, 1.0))
    }

    /// Reads the texts of `/proc/stat` and `/proc/self/stat`.
    fn parse(machine: &str, process: &str) -> Option<Self> {
        // cpu user nice system idle iowait irq softirq steal; guests are part of user and nice already.
        let ticks = machine.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> =
            ticks.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let &[user, nice, system, idle, iowait, irq, softirq, steal] = ticks.as_slice() else { return None };
        let busy = user + nice + system + irq + softirq + steal;
        // The second field is the program's name in brackets, which may hold blanks and brackets itself; user
        // and system time are fields 14 and 15, the 12th and 13th after it.
        let (_, fields) = process.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
        Some(Self { total: busy + idle + iowait, busy, own: fields.next()?? + fields.next()?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "cpu  33066 7 5520 190202 437 1 31 25 900 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n";
    const PROCESS: &str = "12 (a b) c) R 9 9 7 0 -1 41 100 0 0 0 120 30 5 6 20 0 1 0 114946 3133440 413\n";

    #[test]
    fn counts_are_those_of_proc() {
        let busy = 33066 + 7 + 5520 + 1 + 31 + 25;
        let expected = Moment { total: busy + 190_202 + 437, busy, own: 150 };
        assert_eq!(Moment::parse(MACHINE, PROCESS), Some(expected));
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        for (machine, process) in [("", PROCESS), ("cpu  1 2 x 4 5 6 7 8", PROCESS), (MACHINE, "12 (a) R 9")]
        {
            assert_eq!(Moment::parse(machine, process), None);
        }
    }

    #[test]
    fn foreign_load_is_what_is_busy_and_not_our_own() {
        let before = Moment { total: 1000, busy: 400, own: 100 };
        let load = |total, busy, own| before.foreign_load(Moment { total, busy, own });
        assert_eq!(load(1200, 540, 220), Some(0.1));
        assert_eq!(load(1200, 500, 201), Some(0.0));
        assert_eq!(load(1000, 400, 100), None);
        assert_eq!(load(900, 400, 100), None);
    }

    #[test]
    fn nobody_waits_longer_than_asked() {
        let (start, mut looks) = (Instant::now(), 0);
        let waited = wait(0.5, &mut || looks += 1);
        assert!(waited <= 1.5 && start.elapsed().as_secs_f64() < 3.0, "{waited}");
        assert_eq!(wait(0.0, &mut || looks += 10), 0.0);
        assert!(looks < 10);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn own_work_is_not_foreign() {
        let before = Moment::now().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 150 {
            std::hint::black_box(start);
        }
        let after = Moment::now().unwrap();
        assert!(after.own > before.own, "{before:?} {after:?}");
        assert!(before.foreign_load(after).is_some_and(|load| (0.0..=1.0).contains(&load)));
    }
}
