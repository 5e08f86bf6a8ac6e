//! Which system calls a decoder may make, as a program for seccomp.
//!
//! A list of what is refused, not of what is allowed: what a decoder needs differs from one version of its libraries to the
//! next, and a list that is too short ends cameras. What no decoder ever asks for ends the process, so that it is in the log;
//! what a library may try and do without is refused with an error.

use std::io;

use libc::{c_long, sock_filter};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// The process ends with SIGSYS.
    End,
    Refuse(i32),
    /// As if it had been done.
    Pretend,
    /// The parent does it.
    Leave,
}

/// When the verdict is given; otherwise the call is allowed.
#[derive(Debug, Clone, Copy)]
enum When {
    Always,
    /// `argument & mask` is one of these.
    Is(u32, u32, &'static [u32]),
    /// `argument & mask` is none of these.
    IsNot(u32, u32, &'static [u32]),
    /// The argument, which is 64 bits wide, is not 0.
    Given(u32),
    /// The argument is neither 0 nor this process.
    Another(u32),
    /// The argument is not this process.
    NotSelf(u32),
}

type Rule = (c_long, Verdict, &'static [When]);

const EPERM: Verdict = Verdict::Refuse(libc::EPERM);
const ANY: &[When] = &[When::Always];
/// Sending that opens a connection on the way.
const FAST_OPEN: u32 = 0x2000_0000;
const FULL: u32 = u32::MAX;
const KIND: u32 = 0xf;

/// What nothing that decodes has a use for.
const NEVER: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
];

/// What a library may try, and what changes something outside: Landlock of Linux 6.1 knows neither modes, owners and times of
/// files nor cutting them by name.
const REFUSED: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_truncate,
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_inotify_init1,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    libc::SYS_seccomp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_ioprio_set,
    libc::SYS_memfd_secret,
    libc::SYS_vmsplice,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    libc::SYS_tkill,
];

/// Linux 6.6; the same number on every machine.
const SYS_FCHMODAT2: c_long = 452;
/// Numbers from here on are of kernels that nobody has looked at.
const UNKNOWN: c_long = 463;

/// Old names of the same, which newer machines don't have.
#[cfg(target_arch = "x86_64")]
const OLD: &[Rule] = &[
    (libc::SYS_fork, Verdict::End, ANY),
    (libc::SYS_vfork, Verdict::End, ANY),
    (libc::SYS_kexec_file_load, Verdict::End, ANY),
    (libc::SYS_ioperm, Verdict::End, ANY),
    (libc::SYS_iopl, Verdict::End, ANY),
    (libc::SYS_modify_ldt, EPERM, ANY),
    (libc::SYS_chmod, EPERM, ANY),
    (libc::SYS_chown, EPERM, ANY),
    (libc::SYS_lchown, EPERM, ANY),
    (libc::SYS_utime, EPERM, ANY),
    (libc::SYS_utimes, EPERM, ANY),
    (libc::SYS_futimesat, EPERM, ANY),
    (libc::SYS_inotify_init, EPERM, ANY),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Rule] = &[];

/// What depends on what is asked.
const SOME: &[Rule] = &[
    // Threads yes, processes no.
    (libc::SYS_clone, Verdict::End, &[When::IsNot(0, libc::CLONE_THREAD as u32, &[libc::CLONE_THREAD as u32])]),
    // Its arguments can't be looked at; libraries then take the other.
    (libc::SYS_clone3, Verdict::Refuse(libc::ENOSYS), ANY),
    (libc::SYS_tgkill, Verdict::End, &[When::NotSelf(0)]),
    (libc::SYS_prlimit64, EPERM, &[When::Another(0)]),
    (libc::SYS_setpriority, EPERM, &[When::IsNot(0, FULL, &[0]), When::IsNot(1, FULL, &[0])]),
    (libc::SYS_sched_setaffinity, EPERM, &[When::IsNot(0, FULL, &[0])]),
    (libc::SYS_sched_setparam, EPERM, &[When::IsNot(0, FULL, &[0])]),
    (libc::SYS_sched_setscheduler, EPERM, &[When::IsNot(0, FULL, &[0])]),
    // GLib does it for each thread, by a number that can't be told from another process's.
    (libc::SYS_sched_setattr, Verdict::Pretend, ANY),
    // Who gets a signal when a descriptor is ready, and locks that others would wait for.
    (
        libc::SYS_fcntl,
        EPERM,
        &[When::Is(
            1,
            FULL,
            &[
                libc::F_SETOWN as u32,
                F_SETSIG,
                F_SETOWN_EX,
                libc::F_SETLEASE as u32,
                libc::F_NOTIFY as u32,
                libc::F_SETLK as u32,
                libc::F_SETLKW as u32,
                libc::F_OFD_SETLK as u32,
                libc::F_OFD_SETLKW as u32,
            ],
        )],
    ),
    (libc::SYS_ioctl, EPERM, &[When::Is(1, FULL, &[FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX])]),
    // Not one of datagrams: those can be sent anywhere.
    (
        libc::SYS_socketpair,
        EPERM,
        &[When::IsNot(0, FULL, &[libc::AF_UNIX as u32]), When::IsNot(1, KIND, &[libc::SOCK_STREAM as u32])],
    ),
    (libc::SYS_sendto, EPERM, &[When::Given(4), When::Is(3, FAST_OPEN, &[FAST_OPEN])]),
    (libc::SYS_sendmsg, EPERM, &[When::Is(2, FAST_OPEN, &[FAST_OPEN])]),
    (libc::SYS_sendmmsg, EPERM, &[When::Is(3, FAST_OPEN, &[FAST_OPEN])]),
];

const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;

/// For a camera: TCP, and connected by the parent, wherever the decoder would like to go.
const CAMERA: &[Rule] = &[
    (
        libc::SYS_socket,
        EPERM,
        &[
            When::IsNot(0, FULL, &[libc::AF_INET as u32]),
            When::IsNot(1, KIND, &[libc::SOCK_STREAM as u32]),
            When::IsNot(2, FULL, &[0, libc::IPPROTO_TCP as u32]),
        ],
    ),
    (libc::SYS_connect, Verdict::Leave, ANY),
];

const FILE: &[Rule] = &[(libc::SYS_socket, EPERM, ANY), (libc::SYS_connect, EPERM, ANY)];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

// Of `struct seccomp_data`.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// For this process. `connects` for one that reads a camera.
pub(super) fn program(connects: bool) -> io::Result<Vec<sock_filter>> {
    let me = std::process::id();
    let mut program = vec![
        say(LOAD, ARCH_AT),
        jump(EQUAL, ARCH, 1, 0),
        verdict(Verdict::End),
        say(LOAD, NUMBER_AT),
        // Also the other way to call a 64-bit kernel, whose numbers have a bit of their own.
        jump(AT_LEAST, UNKNOWN as u32, 0, 1),
        verdict(Verdict::Refuse(libc::ENOSYS)),
    ];
    let fixed = NEVER.iter().map(|n| (*n, Verdict::End, ANY)).chain(REFUSED.iter().map(|n| (*n, EPERM, ANY)));
    let rest = OLD.iter().chain(SOME).chain(if connects { CAMERA } else { FILE }).copied();
    for (number, then, when) in fixed.chain(rest) {
        let body = body(then, when, me);
        let number = u32::try_from(number).map_err(io::Error::other)?;
        program.push(jump(EQUAL, number, 0, u8::try_from(body.len()).map_err(io::Error::other)?));
        program.extend(body);
    }
    program.push(verdict(Verdict::Allow));
    Ok(program)
}

/// Ends in a verdict whichever way it goes.
fn body(then: Verdict, when: &[When], me: u32) -> Vec<sock_filter> {
    let mut body = Vec::new();
    for one in when {
        match *one {
            When::Always => {
                body.push(verdict(then));
                return body;
            }
            When::Is(argument, mask, values) => {
                body.extend(masked(argument, mask));
                for value in values {
                    body.extend([jump(EQUAL, *value, 0, 1), verdict(then)]);
                }
            }
            When::IsNot(argument, mask, values) => {
                body.extend(masked(argument, mask));
                body.extend(unless(then, values));
            }
            When::Given(argument) => {
                for half in [low(argument), high(argument)] {
                    body.push(say(LOAD, half));
                    body.extend(unless(then, &[0]));
                }
            }
            When::Another(argument) => {
                body.push(say(LOAD, low(argument)));
                body.extend(unless(then, &[0, me]));
            }
            When::NotSelf(argument) => {
                body.push(say(LOAD, low(argument)));
                body.extend(unless(then, &[me]));
            }
        }
    }
    body.push(verdict(Verdict::Allow));
    body
}

/// The verdict unless what was loaded is one of these.
fn unless(then: Verdict, values: &[u32]) -> Vec<sock_filter> {
    let mut body = Vec::new();
    for (i, value) in values.iter().enumerate() {
        // Over the rest of them, and over the verdict.
        body.push(jump(EQUAL, *value, (values.len() - i) as u8, 0));
    }
    body.push(verdict(then));
    body
}

fn masked(argument: u32, mask: u32) -> Vec<sock_filter> {
    let load = say(LOAD, low(argument));
    if mask == FULL { vec![load] } else { vec![load, say(AND, mask)] }
}

const fn low(argument: u32) -> u32 {
    ARGUMENTS_AT + 8 * argument + if cfg!(target_endian = "big") { 4 } else { 0 }
}

const fn high(argument: u32) -> u32 {
    ARGUMENTS_AT + 8 * argument + if cfg!(target_endian = "big") { 0 } else { 4 }
}

const fn say(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code, jt: then, jf: otherwise, k }
}

fn verdict(what: Verdict) -> sock_filter {
    let code = match what {
        Verdict::Allow => libc::SECCOMP_RET_ALLOW,
        Verdict::End => libc::SECCOMP_RET_KILL_PROCESS,
        Verdict::Refuse(error) => libc::SECCOMP_RET_ERRNO | (error.unsigned_abs() & libc::SECCOMP_RET_DATA),
        Verdict::Pretend => libc::SECCOMP_RET_ERRNO,
        Verdict::Leave => libc::SECCOMP_RET_USER_NOTIF,
    };
    say(RETURN, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would say of a call, as it reads the program.
    fn said(program: &[sock_filter], number: c_long, arguments: [u64; 6]) -> u32 {
        let mut data = vec![];
        data.extend((number as u32).to_ne_bytes());
        data.extend(ARCH.to_ne_bytes());
        data.extend(0u64.to_ne_bytes());
        arguments.iter().for_each(|a| data.extend(a.to_ne_bytes()));
        let (mut at, mut loaded) = (0, 0u32);
        loop {
            let line = program[at];
            at += 1;
            match line.code {
                LOAD => loaded = u32::from_ne_bytes(data[line.k as usize..][..4].try_into().unwrap()),
                AND => loaded &= line.k,
                EQUAL => at += usize::from(if loaded == line.k { line.jt } else { line.jf }),
                AT_LEAST => at += usize::from(if loaded >= line.k { line.jt } else { line.jf }),
                RETURN => return line.k,
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn each_rule_says_what_it_is_to_say_and_jumps_end_inside_the_program() {
        let me = u64::from(std::process::id());
        let (allow, end) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS);
        let refused = |error: i32| libc::SECCOMP_RET_ERRNO | error as u32;
        let thread = u64::from(libc::CLONE_THREAD as u32 | libc::CLONE_VM as u32);
        let inet = libc::AF_INET as u64;
        let stream = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as u64;
        for (connects, number, arguments, want) in [
            (true, libc::SYS_read, [0; 6], allow),
            (true, libc::SYS_openat, [0; 6], allow),
            (true, libc::SYS_execve, [1; 6], end),
            (true, libc::SYS_fanotify_init, [1; 6], end),
            (true, libc::SYS_flock, [1; 6], refused(libc::EPERM)),
            (true, libc::SYS_clone, [thread, 0, 0, 0, 0, 0], allow),
            (true, libc::SYS_clone, [17, 0, 0, 0, 0, 0], end),
            (true, libc::SYS_clone3, [0; 6], refused(libc::ENOSYS)),
            (true, libc::SYS_tgkill, [me, me, 6, 0, 0, 0], allow),
            (true, libc::SYS_tgkill, [1, 1, 6, 0, 0, 0], end),
            (true, libc::SYS_prlimit64, [0; 6], allow),
            (true, libc::SYS_prlimit64, [me, 0, 0, 0, 0, 0], allow),
            (true, libc::SYS_prlimit64, [1, 0, 0, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_sched_setattr, [1; 6], refused(0)),
            (true, libc::SYS_fcntl, [3, libc::F_GETFL as u64, 0, 0, 0, 0], allow),
            (true, libc::SYS_fcntl, [3, libc::F_SETOWN as u64, 1, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_fcntl, [3, libc::F_OFD_SETLKW as u64, 1, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_socket, [inet, stream, 0, 0, 0, 0], allow),
            (true, libc::SYS_socket, [inet, stream, 6, 0, 0, 0], allow),
            (true, libc::SYS_socket, [inet, stream, 262, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_socket, [inet, libc::SOCK_DGRAM as u64, 0, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_socket, [libc::AF_UNIX as u64, stream, 0, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_socket, [libc::AF_NETLINK as u64, 3, 0, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_connect, [3; 6], libc::SECCOMP_RET_USER_NOTIF),
            (false, libc::SYS_socket, [inet, stream, 0, 0, 0, 0], refused(libc::EPERM)),
            (false, libc::SYS_connect, [3; 6], refused(libc::EPERM)),
            (false, libc::SYS_socketpair, [1, stream, 0, 0, 0, 0], allow),
            (false, libc::SYS_socketpair, [1, libc::SOCK_DGRAM as u64, 0, 0, 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_sendto, [3, 4, 5, 0, 0, 0], allow),
            (true, libc::SYS_sendto, [3, 4, 5, 0, 1 << 40, 16], refused(libc::EPERM)),
            (true, libc::SYS_sendto, [3, 4, 5, FAST_OPEN.into(), 0, 0], refused(libc::EPERM)),
            (true, libc::SYS_sendmsg, [3, 4, 0x4000, 0, 0, 0], allow),
            (true, libc::SYS_sendmsg, [3, 4, 0x4000 | u64::from(FAST_OPEN), 0, 0, 0], refused(libc::EPERM)),
            (true, 5000, [0; 6], refused(libc::ENOSYS)),
            (true, 0x4000_0000, [0; 6], refused(libc::ENOSYS)),
        ] {
            let program = program(connects).unwrap();
            assert_eq!(said(&program, number, arguments), want, "{number} {arguments:?} {connects}");
        }
        for number in 0..600 {
            said(&program(true).unwrap(), number, [0; 6]);
        }
    }
}
