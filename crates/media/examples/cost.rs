//! What a cell costs: the same input read by the same reader in this process and through a decoder's process, in turn.
//!
//! ```sh
//! cost file FILE 5|all [ROUNDS]      # to its end
//! cost start FILE [ROUNDS]           # its first picture alone
//! cost live URL SECONDS [ROUNDS]     # a camera, such as `rtsp_server` is
//! ```
//!
//! Each line is a round: wall time, processor time of all processes of ours (not of the camera), how long the first picture
//! took. At the end the medians, how the cell compares, and what one more reader holds in memory while it reads.

#[cfg(debug_assertions)]
#[path = "cost/measured.rs"]
mod measured;

#[cfg(debug_assertions)]
#[expect(clippy::print_stderr, reason = "an example talks")]
fn main() -> std::process::ExitCode {
    media::become_decoder_if_asked();
    match measured::run(std::env::args().skip(1)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Releases have no reader that decodes in its own process.
#[cfg(not(debug_assertions))]
fn main() {}
