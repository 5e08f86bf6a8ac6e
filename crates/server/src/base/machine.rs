//! How much room the server has on its machine.

use std::{fs, path::Path};

/// 0 where the system does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Machine {
    pub(crate) disk_free: u64,
    pub(crate) disk_total: u64,
    /// What this process keeps in memory and the system can't take back: mapped files are not counted.
    pub(crate) memory: u64,
    pub(crate) memory_limit: u64,
}

impl Machine {
    /// As it is now; `data` lies on the disk that is asked about. Reads files: not for a thread that answers calls.
    pub(crate) fn look(data: &Path) -> Self {
        let disk = durable::room(data).unwrap_or_default();
        let (status, machine) = (read("/proc/self/status"), read("/proc/meminfo"));
        Self {
            disk_free: disk.free,
            disk_total: disk.total,
            memory: kib(&status, "RssAnon").saturating_add(kib(&status, "RssShmem")),
            memory_limit: group_limit(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
                .unwrap_or(u64::MAX)
                .min(kib(&machine, "MemTotal")),
        }
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The number of a line such as `MemTotal:  131072 kB`, in bytes.
fn kib(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB"));
    value.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default().saturating_mul(1024)
}

/// The least that the control group and those it lies in allow; `None`: there is no limit.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |folder: &Path| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse::<u64>().ok();
    root.join(own).ancestors().take_while(|folder| folder.starts_with(root)).filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_much_room_there_is() {
        let machine = Machine::look(Path::new("/"));
        assert!(machine.disk_total > 0 && machine.disk_free <= machine.disk_total, "{machine:?}");
        assert!(machine.memory > 0 && machine.memory < machine.memory_limit, "{machine:?}");
    }

    #[test]
    fn the_least_limit_of_the_groups_counts_and_none_is_none() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a/b");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(group_limit("0::/a/b\n", root.path()), None);
        fs::write(root.path().join("a/memory.max"), "1000\n").unwrap();
        fs::write(root.path().join("memory.max"), "5000\n").unwrap();
        assert_eq!(group_limit("1:name=x:/c\n0::/a/b\n", root.path()), Some(1000));
        assert_eq!(group_limit("", root.path()), None);
    }
}
