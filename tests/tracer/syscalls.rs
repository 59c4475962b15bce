//! Which system calls change a file, and what their arguments name.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// What a call's arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Writes to the descriptor in argument 0.
    Write,
    /// Concerns the descriptor in argument 0 and is no write.
    Descriptor,
    /// Names a path in this argument, relative to the descriptor in the one before it (if any).
    Path(usize),
    /// Names two paths: like the above, for both.
    TwoPaths(usize, usize),
    /// Opens a path (argument 1, relative to 0) with flags (argument 2): counted only when it may create.
    Open,
    /// Sends on a socket: never counted, part of the trace.
    Send,
}

/// One call that is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// As in the manual.
    pub(crate) name: &'static str,
    /// What its arguments are.
    pub(crate) shape: Shape,
}

/// The call with this number, if it is watched.
pub(crate) fn call(number: i64) -> Option<Call> {
    #[cfg(target_arch = "x86_64")]
    let old = match number {
        libc::SYS_rename => Some(("rename", Shape::TwoPaths(0, 1))),
        libc::SYS_link => Some(("link", Shape::TwoPaths(0, 1))),
        libc::SYS_unlink => Some(("unlink", Shape::Path(0))),
        libc::SYS_mkdir => Some(("mkdir", Shape::Path(0))),
        libc::SYS_rmdir => Some(("rmdir", Shape::Path(0))),
        libc::SYS_symlink => Some(("symlink", Shape::TwoPaths(0, 1))),
        libc::SYS_renameat => Some(("renameat", Shape::TwoPaths(1, 3))),
        _ => None,
    };
    #[cfg(not(target_arch = "x86_64"))]
    let old = None;
    let (name, shape) = old.or(match number {
        libc::SYS_write => Some(("write", Shape::Write)),
        libc::SYS_pwrite64 => Some(("pwrite64", Shape::Write)),
        libc::SYS_writev => Some(("writev", Shape::Write)),
        libc::SYS_pwritev => Some(("pwritev", Shape::Write)),
        libc::SYS_fsync => Some(("fsync", Shape::Descriptor)),
        libc::SYS_fdatasync => Some(("fdatasync", Shape::Descriptor)),
        libc::SYS_ftruncate => Some(("ftruncate", Shape::Descriptor)),
        libc::SYS_copy_file_range => Some(("copy_file_range", Shape::Descriptor)),
        libc::SYS_renameat2 => Some(("renameat2", Shape::TwoPaths(1, 3))),
        libc::SYS_linkat => Some(("linkat", Shape::TwoPaths(1, 3))),
        libc::SYS_unlinkat => Some(("unlinkat", Shape::Path(1))),
        libc::SYS_mkdirat => Some(("mkdirat", Shape::Path(1))),
        libc::SYS_symlinkat => Some(("symlinkat", Shape::TwoPaths(0, 2))),
        libc::SYS_openat => Some(("openat", Shape::Open)),
        libc::SYS_sendto => Some(("sendto", Shape::Send)),
        libc::SYS_sendmsg => Some(("sendmsg", Shape::Send)),
        _ => None,
    })?;
    Some(Call { name, shape })
}

/// The registers that matter at a stop in a system call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registers {
    /// The number of the call.
    pub(crate) number: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
    /// What came back (at the exit only); −4095 to −1 is an error number.
    pub(crate) result: i64,
}

/// Reads the registers of a stopped thread.
pub(crate) fn registers(thread: Pid) -> nix::Result<Registers> {
    let raw = ptrace::getregs(thread)?;
    #[cfg(target_arch = "x86_64")]
    let registers = Registers {
        number: raw.orig_rax.cast_signed(),
        arguments: [raw.rdi, raw.rsi, raw.rdx, raw.r10, raw.r8, raw.r9],
        result: raw.rax.cast_signed(),
    };
    #[cfg(target_arch = "aarch64")]
    let registers = Registers {
        number: raw.regs[8].cast_signed(),
        arguments: [
            raw.regs[0],
            raw.regs[1],
            raw.regs[2],
            raw.regs[3],
            raw.regs[4],
            raw.regs[5],
        ],
        result: raw.regs[0].cast_signed(),
    };
    Ok(registers)
}

/// A descriptor's number out of a register (an `int` in the low half).
pub(crate) fn descriptor(register: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "an `int` is the low half")]
    {
        register as i32
    }
}

/// What a descriptor of the process is: a path, `unix:[…]`, `socket:[…]`, `pipe:[…]`, `anon_inode:…`.
pub(crate) fn target(process: Pid, descriptor: i32) -> String {
    let path = std::fs::read_link(format!("/proc/{process}/fd/{descriptor}"))
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    // Control connections are Unix sockets; the proxy's traffic is not.
    if let Some(inode) = path
        .strip_prefix("socket:[")
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let table =
            std::fs::read_to_string(format!("/proc/{process}/net/unix")).unwrap_or_default();
        if table
            .lines()
            .any(|line| line.split_whitespace().nth(6) == Some(inode))
        {
            return format!("unix:[{inode}]");
        }
    }
    path
}

/// The absolute path in argument `index`; `based` = the argument before it is a directory's descriptor.
pub(crate) fn path(process: Pid, registers: &Registers, index: usize, based: bool) -> String {
    let text = string(process, registers.arguments[index]);
    let path = Path::new(&text);
    if path.is_absolute() {
        return text;
    }
    let base = index
        .checked_sub(1)
        .filter(|_| based)
        .map(|before| descriptor(registers.arguments[before]))
        .filter(|directory| *directory != libc::AT_FDCWD);
    let directory = match base {
        Some(directory) => PathBuf::from(target(process, directory)),
        None => std::fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default(),
    };
    directory.join(path).display().to_string()
}

/// A string in the memory of the process, at most 4 KiB.
fn string(process: Pid, address: u64) -> String {
    let Ok(memory) = File::open(format!("/proc/{process}/mem")) else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let mut byte = [0; 64];
    while bytes.len() < 4096 {
        // A page may end in the middle of a block, so a short read is fine.
        let Ok(length @ 1..) = memory.read_at(&mut byte, address + bytes.len() as u64) else {
            break;
        };
        if let Some(end) = byte[..length].iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&byte[..end]);
            break;
        }
        bytes.extend_from_slice(&byte[..length]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
