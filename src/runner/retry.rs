//! Which failed attempts are made again, and after how long.

use std::time::Duration;

use crate::protocol::Cause;

/// Wait before the first retry. Long enough for a full disk or a busy machine to get a chance, and short
/// enough that nobody notices it.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Each wait is this many times the one before: 1 s, 4 s, 16 s …
const GROWTH: u32 = 4;

/// No wait is longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What a kind of failure calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It would happen again: the trial is given up at once.
    GiveUp,
    /// It may have been bad luck: the trial is tried again as often as `run.retries` says.
    Retry,
    /// It would happen to every trial: the run stops, and the trial waits for the next.
    Halt,
}

impl Policy {
    /// The policy for failures of that cause.
    pub fn of(cause: Cause) -> Self {
        match cause {
            // The same settings need the same memory, and cannot be trained for the same reason.
            Cause::BadConfig | Cause::Oom => Self::GiveUp,
            Cause::Disk => Self::Halt,
            Cause::Timeout | Cause::Hung | Cause::Killed | Cause::Panic | Cause::Io | Cause::Exit => {
                Self::Retry
            }
        }
    }

    /// How long to wait after failure number `failures` (from 1); `None` if that was the last attempt.
    pub fn wait(self, failures: u32, retries: u32) -> Option<Duration> {
        match self {
            Self::Retry if failures <= retries => Some(backoff(failures)),
            _ => None,
        }
    }
}

fn backoff(failures: u32) -> Duration {
    let factor = GROWTH.saturating_pow(failures.saturating_sub(1));
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_fourfold_up_to_a_limit() {
        let waits: Vec<u64> = (1..=6).map(|n| Policy::Retry.wait(n, 99).unwrap().as_secs()).collect();
        assert_eq!(waits, [1, 4, 16, 64, 256, 300]);
        assert_eq!(Policy::Retry.wait(u32::MAX, u32::MAX), Some(LONGEST_WAIT));
    }

    #[test]
    fn retries_are_counted_beside_the_first_attempt() {
        assert!(Policy::Retry.wait(1, 0).is_none());
        assert!(Policy::Retry.wait(2, 2).is_some());
        assert!(Policy::Retry.wait(3, 2).is_none());
    }

    #[test]
    fn what_would_happen_again_is_not_tried_again() {
        for cause in Cause::ALL {
            let again = Policy::of(cause).wait(1, 9).is_some();
            let never = matches!(cause, Cause::BadConfig | Cause::Oom | Cause::Disk);
            assert_eq!(again, !never, "{}", cause.name());
        }
    }
}
