//! A worker process: started in a group of its own, talked to over pipes, and never left behind.
//!
//! Three threads serve each worker. One reads its messages, one keeps the end of its log, one waits for its end
//! and tells it after everything else. The group is signalled rather than the process, and only while the process
//! is not reaped: until then its number is nobody else's.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::exit::Exit;
use super::oom::OomKills;
use super::usage;
use crate::protocol::{CodecError, Job, LineReader, Message, Order, write_line};

/// How much of a worker's log is kept: its end, where the reason stands.
pub const LOG_BYTES: usize = 64 << 10;

/// What is heard of a worker.
#[derive(Debug)]
pub enum News {
    /// It said something.
    Said(Message),
    /// It is gone; nothing follows.
    Gone(Box<Exit>),
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    stdin: Option<ChildStdin>,
    group: Arc<Group>,
    watcher: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `command` and gives it `job`; `tell` hears of it from threads of its own.
    ///
    /// # Errors
    /// If the process, or a thread that serves it, cannot be started.
    pub fn start(
        command: &[OsString],
        job: &Job,
        tell: impl Fn(News) + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::other("the worker's command is empty"))?;
        let oom_kills = OomKills::so_far();
        let mut child = Command::new(program)
            .args(arguments)
            .process_group(0)
            // A worker is one job: what a step frees, the next step wants.
            .env("MIMALLOC_PURGE_DELAY", "-1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_child(&child);
        let group = Arc::new(Group { leader: pid, reaped: Mutex::new(false) });
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let watch = Watch { child, group: Arc::clone(&group), stdout, stderr, oom_kills };
        // From here on the group ends with this value, whatever fails.
        let mut worker = Self { stdin: None, group, watcher: None };
        worker.watcher = Some(thread::Builder::new().name("worker watch".to_owned()).spawn(move || {
            let exit = watch.until_gone(tell.clone());
            tell(News::Gone(Box::new(exit)));
        })?);
        if let Some(stdin) = &mut stdin {
            // A worker that died already cannot be written to: its exit says more than this error.
            let _ = write_line(stdin, job);
        }
        worker.stdin = stdin;
        Ok(worker)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.group.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// Tells it to write a checkpoint and leave.
    pub fn stop(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            // As above.
            let _ = write_line(stdin, &Order::Stop);
        }
    }

    /// Sends SIGTERM to its group.
    pub fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// Sends SIGKILL to its group.
    pub fn kill(&self) {
        self.group.signal(Signal::KILL);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        if let Some(watcher) = self.watcher.take() {
            // It panicked only if a sink did; the process is reaped either way or was never waited for.
            let _ = watcher.join();
        }
    }
}

/// A worker's process group, which its leader gave the number.
#[derive(Debug)]
struct Group {
    leader: Pid,
    reaped: Mutex<bool>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // It may have no process left, which is what signals are for.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    fn reap(&self, child: &mut Child) -> io::Result<std::process::ExitStatus> {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.wait();
        *reaped = true;
        status
    }
}

/// All that is needed to see a worker to its end.
struct Watch {
    child: Child,
    group: Arc<Group>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    oom_kills: OomKills,
}

impl Watch {
    fn until_gone(mut self, tell: impl Fn(News) + Send + 'static) -> Exit {
        let pid = self.child.id();
        let peak = Arc::new(AtomicU64::new(0));
        let listener = self.stdout.take().and_then(|stdout| {
            let (group, peak) = (Arc::clone(&self.group), Arc::clone(&peak));
            serve(move || listen(stdout, pid, &group, &peak, &tell))
        });
        let logger = self.stderr.take().and_then(|stderr| serve(move || tail(stderr, LOG_BYTES)));
        // Its end, but not yet reaped: so the group's number is still its own, and what it used still known.
        let gone = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = retry_on_intr(|| waitid(WaitId::Pid(self.group.leader), gone));
        self.group.signal(Signal::KILL);
        let (last_word, broken) = listener.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let log = logger.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let cpu = usage::cpu_times(pid);
        let status = self.group.reap(&mut self.child).ok();
        let told = match last_word {
            Some(Message::Finished { peak_rss_bytes, .. }) => peak_rss_bytes,
            _ => 0,
        };
        Exit {
            last_word,
            broken,
            status: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            out_of_memory: self.oom_kills.rose(OomKills::so_far()),
            log,
            peak_rss_bytes: Some(peak.load(Ordering::Relaxed).max(told)).filter(|bytes| *bytes > 0),
            user_cpu_s: cpu.map(|cpu| cpu.user_s),
            system_cpu_s: cpu.map(|cpu| cpu.system_s),
        }
    }
}

/// A thread for one of its pipes. Where the system has none to give, the pipe is closed and the worker ends by that.
fn serve<T: Send + 'static>(pipe: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    thread::Builder::new().name("worker pipe".to_owned()).spawn(pipe).ok()
}

/// Passes a worker's messages on. Returns the one that ended its job, or why there was none.
fn listen(
    stdout: ChildStdout,
    pid: u32,
    group: &Group,
    peak: &AtomicU64,
    tell: &impl Fn(News),
) -> (Option<Message>, Option<CodecError>) {
    let mut lines = LineReader::new(BufReader::new(stdout));
    loop {
        match lines.read::<Message>() {
            Ok(Some(message)) if message.ends_job() => return (Some(message), None),
            Ok(Some(message)) => {
                peak.fetch_max(usage::peak_rss_bytes(pid).unwrap_or(0), Ordering::Relaxed);
                tell(News::Said(message));
            }
            Ok(None) => return (None, None),
            Err(error) => {
                if matches!(error, CodecError::Malformed { .. } | CodecError::TooLong) {
                    group.signal(Signal::KILL);
                }
                return (None, Some(error));
            }
        }
    }
}

/// The last `most` bytes of a stream, as text.
fn tail(mut stream: impl Read, most: usize) -> String {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        kept.extend(chunk.iter().take(read));
        let excess = kept.len().saturating_sub(most);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}

#[cfg(test)]
mod tests;
