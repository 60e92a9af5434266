//! Other processes, as the tools `ps` and `lsof` tell of them.
//!
//! The environment of the system's own programs is not shown, so a process counts also when its
//! parent does.

use std::collections::BTreeMap;
use std::process::Command;

fn lines(program: &str, args: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).output().expect("a tool of the system");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The processes with this pair in their environment, and what they have started.
pub(super) fn with_variable(pair: &str) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    let mut found = Vec::new();
    for line in lines("ps", &["-axww", "-E", "-o", "pid=,ppid=,stat=,command="]) {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
        let (Some(pid), Some(parent)) = (number(words.next()), number(words.next())) else {
            continue;
        };
        if words.next().is_some_and(|state| !state.starts_with('Z')) {
            parents.insert(pid, parent);
            if words.any(|word| word == pair) {
                found.push(pid);
            }
        }
    }
    let mut looked_at = 0;
    while looked_at < found.len() {
        let parent = found[looked_at];
        let children = parents.iter().filter(|(_, other)| **other == parent).map(|(pid, _)| *pid);
        let new: Vec<u32> = children.filter(|pid| !found.contains(pid)).collect();
        found.extend(new);
        looked_at += 1;
    }
    found
}

/// What `ps` says of a process.
fn field(pid: u32, field: &str) -> String {
    lines("ps", &["-o", &format!("{field}="), "-p", &pid.to_string()]).concat()
}

pub(super) fn is_stopped(pid: u32) -> bool {
    field(pid, "stat").trim_start().starts_with('T')
}

pub(crate) fn open_files(pid: u32) -> usize {
    let listed = lines("lsof", &["-n", "-P", "-F", "f", "-p", &pid.to_string()]);
    listed.iter().filter(|line| line.starts_with('f')).count()
}

pub(crate) fn threads(pid: u32) -> usize {
    lines("ps", &["-M", "-p", &pid.to_string()]).len().saturating_sub(1)
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    field(pid, "rss").trim().parse().expect("a figure")
}
