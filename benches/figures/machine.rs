//! What the figures were measured on, as Linux tells it.

use std::path::Path;

/// In one line: processors, memory, system, program.
pub fn describe() -> String {
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib: u64 = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_gib = memory_kib as f64 / f64::from(1 << 20);
    format!("{cores} cores of {model}, {memory_gib:.0} GiB, Linux {}", kernel.trim())
}

/// What this process holds in memory, bytes.
pub fn resident_bytes() -> u64 {
    resident_bytes_of(Path::new("/proc/self/status"))
}

/// The same of the process whose status this is.
pub fn resident_bytes_of(status: &Path) -> u64 {
    let status = status.to_str().expect("text");
    let text = field(status, "VmRSS").expect("Linux tells what a process holds");
    let kib: u64 = text.trim_end_matches(" kB").parse().expect("a number of kB");
    kib << 10
}

/// The processor time that a process has used so far, in the program and in the system for it.
pub fn processor_seconds(pid: u32) -> f64 {
    let file = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(file).expect("Linux tells what a process used");
    // The name of the program may hold anything, and ends with the last parenthesis.
    let (_, fields) = text.rsplit_once(')').expect("the name of the program");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number of ticks")).sum::<f64>() / 100.0
}

/// The kind of file system that holds a path.
pub fn file_system(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let holding = mounts.lines().filter_map(mount).filter(|(point, _)| path.starts_with(point));
    holding.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}
