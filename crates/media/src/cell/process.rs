//! A decoder's process as its parent sees it: started, listened to, ended.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use super::{
    count,
    message::{Ask, Came, Say, receive, send},
    sys,
};
use crate::{Death, MediaError};

/// What a decoder is called in a list of processes, and its one argument.
pub(super) const PROGRAM: &str = "sightline";
pub(super) const WORD: &str = "decode";
/// How long one that closed its end may take to be gone.
const ENDING: Duration = Duration::from_secs(5);

/// One decoder. It ends with this.
#[derive(Debug)]
pub(super) struct Cell {
    child: Child,
    control: OwnedFd,
    /// How it ended.
    status: Option<ExitStatus>,
}

/// What a decoder let hear.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, on the stack")]
pub(super) enum Heard {
    Said(Say),
    Nothing,
    /// It is gone, or it talks nonsense.
    Gone(Death),
}

impl Cell {
    /// In this environment and no other.
    pub(super) fn spawn(environment: Vec<(OsString, OsString)>) -> io::Result<Self> {
        let (control, theirs) = sys::pair()?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(PROGRAM).arg(WORD).env_clear().envs(environment).current_dir("/");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = by_the_starter(command)?;
        count::started();
        Ok(Self { child, control, status: None })
    }

    /// One that is gone already, with its end of the connection.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn nobody() -> io::Result<(Self, OwnedFd)> {
        let (control, theirs) = sys::pair()?;
        let child = Command::new("/bin/true").stdin(Stdio::null()).spawn()?;
        count::started();
        Ok((Self { child, control, status: None }, theirs))
    }

    pub(super) fn control(&self) -> &OwnedFd {
        &self.control
    }

    pub(super) fn ask(&self, ask: &Ask, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.control.as_fd(), ask, with, true)
    }

    pub(super) fn hear(&mut self, within: Duration) -> Heard {
        match receive(&self.control, within, false) {
            Ok(Came::Message(said, _)) => Heard::Said(said),
            Ok(Came::Nothing) => Heard::Nothing,
            Ok(Came::Closed) => Heard::Gone(self.ended()),
            Err(_) => Heard::Gone(Death::Lied),
        }
    }

    /// Ends it if need be, and says, counts and logs why. `why` is known where we end it.
    pub(super) fn died(&mut self, input: &str, at: Duration, why: Option<Death>) -> MediaError {
        let how = match why {
            Some(why) => {
                self.kill();
                why
            }
            None => self.ended(),
        };
        count::died(how);
        tracing::warn!(input, after_s = at.as_secs_f64(), reason = %how, "a decoder died");
        MediaError::Died { input: input.to_owned(), at, how }
    }

    /// How it ended by itself, once it is gone.
    fn ended(&mut self) -> Death {
        let until = Instant::now() + ENDING;
        while self.status.is_none() && Instant::now() < until {
            self.status = self.child.try_wait().ok().flatten();
            if self.status.is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        match self.status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => Death::Signal(signal),
                (None, code) => Death::Exit(code.unwrap_or_default()),
            },
            // It closed its end and lives on.
            None => {
                self.kill();
                Death::Hung
            }
        }
    }

    /// Lets it say goodbye, for so long.
    pub(super) fn goodbye(&mut self, within: Duration) {
        sys::end(self.control.as_fd());
        let until = Instant::now() + within;
        while self.status.is_none() && Instant::now() < until {
            // Ready once its end is closed, or with what nobody wants to know any more.
            match receive::<Say>(&self.control, Duration::from_millis(10), false) {
                Ok(Came::Closed) | Err(_) => std::thread::sleep(Duration::from_millis(1)),
                Ok(_) => {}
            }
            self.status = self.child.try_wait().ok().flatten();
        }
    }

    fn kill(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.kill();
        count::ended();
    }
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a process from a thread that never ends: the kernel ends a decoder together with the thread that started it.
fn by_the_starter(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<io::Result<mpsc::Sender<Order>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts decoders is gone");
    let starter = STARTER.get_or_init(|| {
        let (orders, take) = mpsc::channel::<Order>();
        let run = move || {
            for (mut command, answer) in take {
                let _ = answer.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("decoder-starter".to_owned()).spawn(run)?;
        Ok(orders)
    });
    let starter = starter.as_ref().map_err(|e| io::Error::new(e.kind(), e.to_string()))?;
    let (answer, answered) = mpsc::channel();
    starter.send((command, answer)).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}
