//! The system calls for which no safe wrapper is linked, each behind a function that takes and gives owned things. The only
//! place of this crate with `unsafe` in it but for the mapped memory of [`super::ring`].

#![expect(unsafe_code, reason = "system calls")]

use std::{
    fs::File,
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
    time::Duration,
};

use libc::{c_int, c_long, c_uint};
use tokio::io::{Interest, unix::AsyncFd};

/// The longest message either side takes.
pub(super) const LONGEST: usize = 16 << 10;
/// Descriptors that come with one message at most.
const MOST_DESCRIPTORS: usize = 4;

fn checked(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Two ends that keep messages apart, both closed by an `exec`.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for the two descriptors that are written to it, and they are nobody else's.
    unsafe {
        checked(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()).into())?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Space for the descriptors of a message, aligned as the kernel reads it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends a message and descriptors with it; waits for room unless `now`.
pub(super) fn send(socket: BorrowedFd<'_>, message: &[u8], with: &[BorrowedFd<'_>], now: bool) -> io::Result<()> {
    if with.len() > MOST_DESCRIPTORS || message.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut part = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let mut control = Control([0; 64]);
    let bytes = mem::size_of_val(with);
    // SAFETY: all that the header points to outlives the call; the control space holds four descriptors and their header.
    let sent = unsafe {
        let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if !with.is_empty() {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = libc::CMSG_SPACE(bytes as c_uint) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(bytes as c_uint) as _;
            for (i, one) in with.iter().enumerate() {
                libc::CMSG_DATA(first).cast::<c_int>().add(i).write_unaligned(one.as_raw_fd());
            }
        }
        let flags = libc::MSG_NOSIGNAL | if now { libc::MSG_DONTWAIT } else { 0 };
        libc::sendmsg(socket.as_raw_fd(), &raw const header, flags)
    };
    checked(sent as c_long).map(drop)
}

/// The next message, if one is there: its length, 0 once the other end is closed. Descriptors are taken only where `with` has
/// room for them; others that come are closed by the kernel.
pub(super) fn receive(socket: BorrowedFd<'_>, into: &mut [u8], with: Option<&mut Vec<OwnedFd>>) -> io::Result<usize> {
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut control = Control([0; 64]);
    // SAFETY: as in `send`; what the kernel writes into the control space is read by its own macros, and each descriptor in it
    // is new and nobody else's.
    unsafe {
        let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if with.is_some() {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len() as _;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        let got = checked(libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) as c_long)?;
        let mut came = Vec::new();
        let mut one = if with.is_some() { libc::CMSG_FIRSTHDR(&raw const header) } else { ptr::null_mut() };
        while !one.is_null() {
            if (*one).cmsg_level == libc::SOL_SOCKET && (*one).cmsg_type == libc::SCM_RIGHTS {
                let count = ((*one).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / mem::size_of::<c_int>();
                for i in 0..count {
                    came.push(OwnedFd::from_raw_fd(libc::CMSG_DATA(one).cast::<c_int>().add(i).read_unaligned()));
                }
            }
            one = libc::CMSG_NXTHDR(&raw const header, one);
        }
        if let Some(with) = with {
            with.extend(came);
        }
        if header.msg_flags & libc::MSG_TRUNC != 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than any"));
        }
        Ok(got as usize)
    }
}

/// Whether something can be read, or the other end is closed, within so long.
pub(super) fn readable(socket: BorrowedFd<'_>, within: Duration) -> io::Result<bool> {
    // Rounded up: a wait of less than a millisecond is none.
    let millis = c_int::try_from(within.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX);
    let mut one = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    match checked(unsafe { libc::poll(&raw mut one, 1, millis) }.into()) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says to the other end that nothing more comes.
pub(super) fn end(socket: BorrowedFd<'_>) {
    // SAFETY: takes a number.
    let _ = unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
}

/// Whether this descriptor is a socket of the kind that [`pair`] makes.
pub(super) fn is_ours(socket: BorrowedFd<'_>) -> bool {
    let (mut kind, mut length) = (0 as c_int, mem::size_of::<c_int>() as libc::socklen_t);
    // SAFETY: writes one number of the length that is said.
    let asked =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length) };
    asked == 0 && kind == libc::SOCK_SEQPACKET
}

/// Closes every descriptor from this number on.
pub(super) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before anything owns one of them.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Sets a limit for good.
pub(super) fn limit(what: u32, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: reads one structure.
    checked(unsafe { libc::setrlimit(what as _, &raw const limit) }.into()).map(drop)
}

/// What a process may never get back by an `exec`.
pub(super) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}

/// Installs a filter over this thread's system calls and all that come of it. The descriptor tells of the calls that it leaves
/// to somebody else.
pub(super) fn install(program: &[libc::sock_filter], tells: bool) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let flags: c_long = if tells { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as c_long } else { 0 };
    // SAFETY: the kernel copies the program; the descriptor that it gives is new.
    unsafe {
        let given = libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program);
        let given = checked(given)?;
        Ok(if tells { Some(OwnedFd::from_raw_fd(given as c_int)) } else { None })
    }
}

/// A call that a filter left to us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    id: u64,
    /// Its first argument: for `connect`, the descriptor.
    pub(crate) first: u64,
}

#[repr(C)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    source: u32,
    new: u32,
    new_flags: u32,
}

// `_IOWR('!', 0..3, ...)`, see linux/seccomp.h.
const RECEIVE: libc::c_ulong = 0xC050_2100;
const ANSWER: libc::c_ulong = 0xC018_2101;
const ADD_FD: libc::c_ulong = 0x4018_2103;
/// In the place of the descriptor of this number.
const SET_FD: u32 = 1;

/// The call that waits.
pub(crate) fn waiting(listener: BorrowedFd<'_>) -> io::Result<Call> {
    // SAFETY: the kernel wants it zeroed and fills it; it has the layout of `struct seccomp_notif`.
    unsafe {
        let mut call: Notification = MaybeUninit::zeroed().assume_init();
        checked(libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut call).into())?;
        Ok(Call { id: call.id, first: call.arguments[0] })
    }
}

/// Puts `ours` in the place of the caller's descriptor, and answers that all went well.
pub(crate) fn put(listener: BorrowedFd<'_>, call: Call, ours: impl AsFd) -> io::Result<()> {
    let add = AddFd {
        id: call.id,
        flags: SET_FD,
        source: ours.as_fd().as_raw_fd() as u32,
        new: call.first as u32,
        new_flags: libc::O_CLOEXEC as u32,
    };
    // SAFETY: it has the layout of `struct seccomp_notif_addfd`.
    checked(unsafe { libc::ioctl(listener.as_raw_fd(), ADD_FD as _, &raw const add) }.into())?;
    answer(listener, call, 0)
}

/// Answers with this error number.
pub(crate) fn answer(listener: BorrowedFd<'_>, call: Call, error: i32) -> io::Result<()> {
    let mut said = Answer { id: call.id, value: 0, error: -error, flags: 0 };
    // SAFETY: it has the layout of `struct seccomp_notif_resp`.
    checked(unsafe { libc::ioctl(listener.as_raw_fd(), ANSWER as _, &raw mut said) }.into()).map(drop)
}

/// Standard input as this process owns it.
///
/// Nothing else may read it: called once, where a decoder begins.
pub(super) fn standard_input() -> OwnedFd {
    // SAFETY: see above.
    unsafe { OwnedFd::from_raw_fd(0) }
}

/// A file that no name leads to.
pub(crate) fn memory(name: &str) -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    Ok(File::from(rustix::fs::memfd_create(name, flags)?))
}

/// Ends this process at once, with nothing of its libraries run any more.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: takes a number.
    unsafe { libc::_exit(code) }
}

/// Whether a call waits for an answer now.
///
/// # Errors
/// Nobody is left who could make one.
pub(crate) fn call_waits(listener: BorrowedFd<'_>) -> io::Result<bool> {
    let mut one = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    checked(unsafe { libc::poll(&raw mut one, 1, 0) }.into())?;
    match one.revents {
        0 => Ok(false),
        events if events & libc::POLLIN != 0 => Ok(true),
        _ => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// Tells when a call waits.
pub(crate) fn watched(listener: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the number of an owned descriptor stays the same, and it is open as long as it is owned.
    unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }.map_err(Into::into)
}
