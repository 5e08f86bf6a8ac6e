//! Pictures as they are encoded, taken out of a stream.

use std::io;

use super::tables::Codec;

/// What one PES packet holds: mostly one picture, as it is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Coded {
    /// Nothing where only times were asked for.
    pub(crate) data: Vec<u8>,
    /// On one line of time that begins at the first packet, at 90 kHz.
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    /// Some of it is missing.
    pub(crate) damaged: bool,
    /// Whole pictures are missing before it.
    pub(crate) gap: bool,
    /// The clock started again: how much time lies before it nobody can know.
    pub(crate) restart: bool,
}

/// What comes out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The pictures that follow are of this codec.
    Codec(Codec),
    Coded(Coded),
}

/// Where a stream's pictures come from, one after another.
pub(crate) trait Pictures {
    /// The next event; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Event>>;
    /// The shortest step from one stamped packet to the next, at 90 kHz.
    fn usual(&self) -> i64;
    /// Streams of pictures beside the one that is taken, for people.
    fn left_out(&self) -> Vec<String>;
}

/// Streams of one file that are named.
pub(super) const MOST_NAMED: usize = 16;
