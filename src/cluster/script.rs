//! The batch scripts that Slurm runs: short, and readable by whoever wonders what is in the queue.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Seconds between the warning and the end, where Slurm gives one.
const WARNING_S: u32 = 60;

/// What a task may have, as Slurm's own options say it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--time` of a task.
    pub time: Option<String>,
    /// `--cpus-per-task`.
    pub cpus: Option<usize>,
    /// `--mem` of a task.
    pub mem: Option<String>,
    /// `--gres`.
    pub gres: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// Tasks at a time.
    pub array_limit: Option<usize>,
    /// Further options, each as it stands behind `#SBATCH`.
    pub further: Vec<String>,
}

/// The script of the array.
pub(super) fn training(
    job: &Path,
    program: &Path,
    sweep: &str,
    (trials, tasks): (usize, usize),
    resources: &Resources,
) -> String {
    let limit = resources.array_limit.map(|limit| format!("%{limit}")).unwrap_or_default();
    let mut text = head(
        &format!("{trials} trials of the sweep {sweep} in {tasks} array tasks"),
        job,
        &format!("effsweep-{sweep}"),
        resources,
    );
    let _ = writeln!(text, "#SBATCH --array=0-{}{limit}", tasks.saturating_sub(1));
    let _ = writeln!(text, "#SBATCH --output={}", quoted(&job.join("logs/%a.out")));
    let _ = writeln!(text, "\nexec {} --task \"$SLURM_ARRAY_TASK_ID\"", command(program, job));
    text
}

/// The script of the job that measures, with a node to itself.
pub(super) fn measuring(job: &Path, program: &Path, sweep: &str, resources: &Resources) -> String {
    let mut text = head(
        &format!("throughput of the sweep {sweep}, alone on a node"),
        job,
        &format!("effsweep-{sweep}-measure"),
        resources,
    );
    let _ = writeln!(text, "#SBATCH --exclusive");
    let _ = writeln!(text, "#SBATCH --output={}", quoted(&job.join("logs/measure.out")));
    let _ = writeln!(text, "\nexec {} --measure", command(program, job));
    text
}

fn head(what: &str, job: &Path, name: &str, resources: &Resources) -> String {
    let mut text = format!(
        "#!/bin/bash\n# Written by effsweep {}: {what}.\n# `effsweep collect {}` brings the results home.\n",
        env!("CARGO_PKG_VERSION"),
        job.display(),
    );
    // The signal goes to this script, and so to the program that takes its place.
    let _ = write!(
        text,
        "#SBATCH --job-name={}\n#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:USR1@{WARNING_S}\n",
        quoted(Path::new(name)),
    );
    let Resources { partition, time, cpus, mem, gres, account, qos, array_limit: _, further } = resources;
    let cpus = cpus.map(|cpus| cpus.to_string());
    let options = [
        ("partition", partition),
        ("time", time),
        ("cpus-per-task", &cpus),
        ("mem", mem),
        ("gres", gres),
        ("account", account),
        ("qos", qos),
    ];
    for (option, value) in options {
        if let Some(value) = value {
            let _ = writeln!(text, "#SBATCH --{option}={value}");
        }
    }
    for option in further {
        let _ = writeln!(text, "#SBATCH {option}");
    }
    text
}

fn command(program: &Path, job: &Path) -> String {
    format!("{} work --job {}", shell(program), shell(job))
}

/// As an option's value behind `#SBATCH`.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains([' ', '#', '\'']) { format!("\"{}\"", text.replace('"', "\\\"")) } else { text }
}

/// As one word of a shell's.
fn shell(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_array_s_script_says_what_it_is() {
        let resources = Resources {
            partition: Some("p".to_owned()),
            time: Some("2:00:00".to_owned()),
            cpus: Some(4),
            array_limit: Some(8),
            further: vec!["--constraint=avx512".to_owned()],
            ..Resources::default()
        };
        let script =
            training(Path::new("/shared/q-1"), Path::new("/bin/eff sweep"), "q", (24, 12), &resources);
        insta::assert_snapshot!(script);
    }

    #[test]
    fn the_measuring_script_asks_for_a_node() {
        let script =
            measuring(Path::new("/it's here/q-1"), Path::new("/bin/effsweep"), "q", &Resources::default());
        insta::assert_snapshot!(script);
    }
}
