//! Whether the kernel killed somebody for want of memory.
//!
//! A process killed so looks like any other that got SIGKILL. The kernel counts such kills, of this control group
//! and of the whole machine; a count that rose while a worker lived is as close to the truth as one gets. With
//! several workers, one kill may be held against another worker that somebody else killed in the same minutes.

use std::fs;

/// Kills counted so far; `None` where the system does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OomKills {
    control_group: Option<u64>,
    machine: Option<u64>,
}

impl OomKills {
    pub(super) fn so_far() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let events = read("/proc/self/cgroup")
            .as_deref()
            .and_then(control_group)
            .and_then(|group| read(&format!("/sys/fs/cgroup{}/memory.events", group.trim_end_matches('/'))));
        Self {
            control_group: events.as_deref().and_then(oom_kill),
            machine: read("/proc/vmstat").as_deref().and_then(oom_kill),
        }
    }

    /// Whether there were more of them later.
    pub(super) fn rose(self, later: Self) -> bool {
        let rose = |before: Option<u64>, after: Option<u64>| before.zip(after).is_some_and(|(a, b)| b > a);
        rose(self.control_group, later.control_group) || rose(self.machine, later.machine)
    }
}

/// The group's path in the unified hierarchy (`cgroups(7)`).
pub(super) fn control_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

fn oom_kill(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_both_files() {
        assert_eq!(oom_kill("low 0\noom 2\noom_kill 1\noom_group_kill 9\n"), Some(1));
        assert_eq!(oom_kill("nr_free_pages 5\noom_kill 37\n"), Some(37));
        assert_eq!(oom_kill("oom 2\n"), None);
        assert_eq!(control_group("1:name=systemd:/x\n0::/user.slice/a\n"), Some("/user.slice/a"));
    }

    #[test]
    fn an_unknown_count_never_rose() {
        let of = |control_group, machine| OomKills { control_group, machine };
        assert!(of(Some(1), None).rose(of(Some(2), None)));
        assert!(of(None, Some(1)).rose(of(Some(7), Some(2))));
        assert!(!of(None, Some(1)).rose(of(Some(7), Some(1))));
    }
}
