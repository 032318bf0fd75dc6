//! Which machine this is: what a throughput is worth nothing without.

use std::fs;
use std::thread::available_parallelism;

use crate::analysis::interval::mean;
use crate::kernels::instruction_set;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Its name in the network.
    pub hostname: String,
    /// The processor's model name.
    pub cpu: String,
    /// Logical processors, whether or not this process may use all of them.
    pub logical_cpus: usize,
    /// Main memory, bytes; absent where the system does not say.
    pub memory_bytes: Option<u64>,
    /// Operating system and its release.
    pub os: String,
    /// Instruction set architecture, as Rust names it.
    pub arch: &'static str,
    /// Widest vector instructions.
    pub simd: &'static str,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let uname = rustix::system::uname();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            cpu: cpu_model(&cpuinfo).unwrap_or_else(|| "unknown".to_owned()),
            logical_cpus: logical_cpus(&cpuinfo)
                .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
            memory_bytes: memory_bytes(&meminfo),
            os: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            arch: std::env::consts::ARCH,
            simd: instruction_set(),
        }
    }

    /// Sixteen hexadecimal digits that are the same for machines whose throughputs may be compared: of the
    /// processor, the number of logical ones, memory in whole GiB and architecture. A new name or kernel
    /// does not make a new machine.
    pub fn fingerprint(&self) -> String {
        // Kernels keep some memory to themselves, more or less of it, so that the exact number changes.
        let memory_gib = self.memory_bytes.map(|bytes| (bytes as f64 / f64::from(1 << 30)).round());
        let mut hasher = blake3::Hasher::new_derive_key("effsweep machine fingerprint 1");
        for part in [&self.cpu, &self.logical_cpus.to_string(), &format!("{memory_gib:?}"), self.arch] {
            hasher.update(part.as_bytes()).update(b"\n");
        }
        hasher.finalize().to_hex().chars().take(16).collect()
    }
}

/// Mean clock of the processors now, MHz; `None` where the system does not say.
pub fn clock_mhz() -> Option<f64> {
    clock_of(&fs::read_to_string("/proc/cpuinfo").ok()?)
}

fn clock_of(cpuinfo: &str) -> Option<f64> {
    let clocks: Vec<f64> = values(cpuinfo, "cpu MHz").filter_map(|clock| clock.parse().ok()).collect();
    mean(&clocks).filter(|clock| *clock > 0.0)
}

/// The values of a field in a text of `name : value` lines.
fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then_some(value.trim())
    })
}

/// The model name of `/proc/cpuinfo`; on ARM, which has none there, maker and part.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let first = |name| values(cpuinfo, name).next();
    let part = || Some(format!("implementer {} part {}", first("CPU implementer")?, first("CPU part")?));
    first("model name").map(str::to_owned).or_else(part)
}

fn logical_cpus(cpuinfo: &str) -> Option<usize> {
    Some(values(cpuinfo, "processor").count()).filter(|count| *count > 0)
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = values(meminfo, "MemTotal").next()?.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPYC: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n\n\
                        processor\t: 1\nmodel name\t: AMD EPYC\n";
    const GRAVITON: &str = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";

    fn machine() -> Machine {
        Machine {
            hostname: "one".to_owned(),
            cpu: "AMD EPYC".to_owned(),
            logical_cpus: 2,
            memory_bytes: Some(24 << 30),
            os: "Linux 6.1".to_owned(),
            arch: "x86_64",
            simd: "avx2",
        }
    }

    #[test]
    fn processors_are_read_from_cpuinfo() {
        assert_eq!((cpu_model(EPYC).as_deref(), logical_cpus(EPYC)), (Some("AMD EPYC"), Some(2)));
        assert_eq!(cpu_model(GRAVITON).as_deref(), Some("implementer 0x41 part 0xd0c"));
        assert_eq!((cpu_model(""), logical_cpus("")), (None, None));
    }

    #[test]
    fn clocks_are_averaged() {
        assert_eq!(clock_of("cpu MHz\t\t: 2000.0\ncpu MHz : 3000.000\n"), Some(2500.0));
        assert_eq!(clock_of(EPYC), None);
    }

    #[test]
    fn memory_is_read_from_meminfo() {
        assert_eq!(memory_bytes("MemTotal:       24583292 kB\nMemFree: 1 kB\n"), Some(24_583_292 * 1024));
        assert_eq!(memory_bytes("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_fingerprint_is_the_machines_and_not_its_names() {
        let renamed = Machine { hostname: "two".to_owned(), os: "Linux 7.0".to_owned(), ..machine() };
        let reserved = Machine { memory_bytes: Some((24 << 30) - (200 << 20)), ..machine() };
        assert_eq!(renamed.fingerprint(), machine().fingerprint());
        assert_eq!(reserved.fingerprint(), machine().fingerprint());
        for other in [
            Machine { cpu: "AMD EPYC 2".to_owned(), ..machine() },
            Machine { logical_cpus: 4, ..machine() },
            Machine { memory_bytes: Some(32 << 30), ..machine() },
            Machine { memory_bytes: None, ..machine() },
            Machine { arch: "aarch64", ..machine() },
        ] {
            assert_ne!(other.fingerprint(), machine().fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_version() {
        assert_eq!(machine().fingerprint(), "18e7204c3fac39d8");
    }

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = Machine::this();
        println!("{machine:?} {}", machine.fingerprint());
        assert!(machine.logical_cpus > 0 && !machine.hostname.is_empty() && !machine.os.is_empty());
        assert_eq!(Machine::this().fingerprint(), machine.fingerprint());
    }
}
