//! Who listens on which loopback port, read from `/proc` (proc(5)); on systems without it nobody is known.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal};

use crate::fs;

/// The state `TCP_LISTEN` in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The ports that are handed to processes: two that start at once never get the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases(Arc<Mutex<BTreeSet<u16>>>);

/// A port that is one process's until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// Which one.
    pub(super) port: u16,
    leases: Leases,
}

impl Leases {
    /// A port that nobody uses.
    pub(super) fn lease(&self) -> std::io::Result<Lease> {
        loop {
            let port = free_port()?;
            let mut leased = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if leased.insert(port) {
                return Ok(Lease {
                    port,
                    leases: self.clone(),
                });
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leased = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner);
        leased.remove(&self.port);
    }
}

/// A port on loopback that was free a moment ago.
pub(super) fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}

/// The process that listens on a port, such as `python3 (process 4711)`.
pub(super) fn owner_of(port: u16) -> Option<String> {
    let inodes = inodes_on(port);
    processes().into_iter().find_map(|process| {
        if sockets_of(&process).is_disjoint(&inodes) {
            return None;
        }
        name_of(&process)
    })
}

/// Such as `python3 (process 4711)`.
fn name_of(process: &Path) -> Option<String> {
    let name = fs::read_to_string(&process.join("comm")).ok()?;
    let number = process.file_name()?.to_str()?;
    Some(format!("{} (process {number})", name.trim()))
}

fn directory_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Somebody else than the process `leader` who listens on a port that was given to `leader`, such as
/// `python3 (process 4711)`. None when it is `leader` itself, its group or a descendant, when nobody listens, and
/// when the system does not say who.
///
/// A port that was free a moment ago may be taken before `leader` gets to it. Somebody else is a process that ran
/// before `leader` was started, or one that another watcher started; anybody younger may work for it, as the
/// proxy of a container does.
pub(super) fn stranger_on(port: u16, leader: u32) -> Option<String> {
    let inodes = inodes_on(port);
    if inodes.is_empty() {
        return None;
    }
    let own = stat_of(&directory_of(leader))?;
    let (group, others): (Vec<PathBuf>, Vec<PathBuf>) = processes()
        .into_iter()
        .partition(|process| stat_of(process).is_some_and(|stat| stat.group == leader));
    // Nearly always it is in the group, which is read without looking at all sockets of the machine.
    let listens = |process: &PathBuf| !sockets_of(process).is_disjoint(&inodes);
    if group.iter().any(listens) {
        return None;
    }
    let mut strangers = Vec::new();
    for process in others.into_iter().filter(listens) {
        match relation(&process, leader, &own) {
            Relation::Descendant => return None,
            Relation::Stranger => strangers.push(process),
            Relation::Younger => {}
        }
    }
    strangers.iter().find_map(|process| name_of(process))
}

/// The address beyond this machine's own on which `leader`, its group or a descendant listens on a port. None when there is
/// none, and when the system does not say.
pub(super) fn exposed_on(port: u16, leader: u32) -> Option<IpAddr> {
    let open: Vec<Listener> = listeners()
        .into_iter()
        .filter(|listener| listener.address.port() == port)
        .filter(|listener| !listener.address.ip().is_loopback())
        .collect();
    // Nearly always there is none, which is known without looking at the processes.
    if open.is_empty() {
        return None;
    }
    let own = stat_of(&directory_of(leader))?;
    let is_own = |process: &PathBuf| {
        stat_of(process).is_some_and(|stat| stat.group == leader)
            || matches!(relation(process, leader, &own), Relation::Descendant)
    };
    let sockets: BTreeSet<u64> = processes()
        .into_iter()
        .filter(is_own)
        .flat_map(|process| sockets_of(&process))
        .collect();
    let listener = open
        .into_iter()
        .find(|listener| sockets.contains(&listener.inode))?;
    Some(listener.address.ip())
}

/// What a process outside a group is to the group's leader.
enum Relation {
    Descendant,
    Stranger,
    Younger,
}

fn relation(process: &Path, leader: u32, own: &Stat) -> Relation {
    let Some(mut stat) = stat_of(process) else {
        return Relation::Younger;
    };
    if stat.started < own.started {
        return Relation::Stranger;
    }
    // Bounded, because the numbers of processes that end are given to others while this walks up.
    for _ in 0..64 {
        let parent = directory_of(stat.parent);
        if stat.parent == leader {
            return Relation::Descendant;
        }
        if is_watcher(&parent) {
            return Relation::Stranger;
        }
        match stat_of(&parent) {
            Some(next) => stat = next,
            None => break,
        }
    }
    Relation::Younger
}

/// Whether a process is a watcher of squad, by the words with which [`super::process::Launcher`] starts it.
fn is_watcher(process: &Path) -> bool {
    fs::read(&process.join("cmdline")).is_ok_and(|words| words == b"squad\0local\0watch\0")
}

/// The ports that the processes of a group listen on, ascending.
pub(super) fn ports_of_group(group: u32) -> Vec<u16> {
    let sockets: BTreeSet<u64> = processes()
        .into_iter()
        .filter(|process| stat_of(process).is_some_and(|stat| stat.group == group))
        .flat_map(|process| sockets_of(&process))
        .collect();
    let mut ports: Vec<u16> = listeners()
        .into_iter()
        .filter(|listener| sockets.contains(&listener.inode))
        .map(|listener| listener.address.port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// When a process was started, in ticks since the system was; with the number it names one process.
pub(super) fn started_at(pid: u32) -> Option<u64> {
    Some(stat_of(&directory_of(pid))?.started)
}

/// Kills a process group with SIGKILL. One that is gone is fine.
pub(super) fn kill_group(group: u32) {
    if let Some(group) = i32::try_from(group).ok().filter(|group| *group > 1)
        && let Some(group) = Pid::from_raw(group)
    {
        _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Bytes that this process holds in memory (`VmRSS` of proc(5)).
pub(super) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The sockets that listen on a port.
fn inodes_on(port: u16) -> BTreeSet<u64> {
    listeners()
        .into_iter()
        .filter(|listener| listener.address.port() == port)
        .map(|listener| listener.inode)
        .collect()
}

/// A TCP socket that listens.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    address: SocketAddr,
    inode: u64,
}

/// All listening TCP sockets.
fn listeners() -> Vec<Listener> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(Path::new(path)).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(listener_of)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What a line of `/proc/net/tcp` or `/proc/net/tcp6` says, if it is of a listening socket.
fn listener_of(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTENING {
        return None;
    }
    let (address, port) = fields.get(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener {
        address: SocketAddr::new(address_of(address)?, port),
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// An address as the kernel writes it: words of eight digits, each in this machine's own order of bytes.
fn address_of(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match digits.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (number, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(number * 8)?);
            }
            Some(IpAddr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The directories of all processes.
pub(super) fn processes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect()
}

/// The inodes of a process's open sockets.
fn sockets_of(process: &Path) -> BTreeSet<u64> {
    let Ok(entries) = std::fs::read_dir(process.join("fd")) else {
        return BTreeSet::new();
    };
    entries
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.ok()?.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            inode.parse().ok()
        })
        .collect()
}

/// What is needed of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    group: u32,
    started: u64,
}

fn stat_of(process: &Path) -> Option<Stat> {
    parse_stat(&fs::read_to_string(&process.join("stat")).ok()?)
}

/// The name in parentheses may hold anything, so the fields are counted from its end.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_count() {
        let line = "   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 48213 1 0000000000000000 100 0 0 10 0";
        let of = |address: &str| {
            Some(Listener {
                address: address.parse().unwrap(),
                inode: 48_213,
            })
        };
        assert_eq!(listener_of(line), of("127.0.0.1:20001"));
        for (digits, address) in [
            ("00000000:4E21", "0.0.0.0:20001"),
            ("00000000000000000000000000000000:4E21", "[::]:20001"),
            ("00000000000000000000000001000000:4E21", "[::1]:20001"),
            ("0000000000000000FFFF00000100007F:4E21", "127.0.0.1:20001"),
        ] {
            let line = line.replace("0100007F:4E21", digits);
            assert_eq!(listener_of(&line), of(address));
        }
        assert_eq!(listener_of(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(listener_of("garbage"), None);
    }

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let text = "42 (a) b (c) S 1 40 40 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1";
        assert_eq!(
            parse_stat(text),
            Some(Stat {
                parent: 1,
                group: 40,
                started: 12_345
            })
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_owner_of_a_taken_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = owner_of(port).unwrap();
        assert!(
            owner.ends_with(&format!("(process {})", std::process::id())),
            "{owner}"
        );
        drop(listener);
        assert_eq!(owner_of(port), None);
    }
}
