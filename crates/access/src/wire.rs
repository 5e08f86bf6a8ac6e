//! Length-prefixed bytes, big-endian: every value has exactly one encoding, and nothing can run into its neighbour.

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(domain: &[u8]) -> Self {
        Self(domain.to_vec())
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        // Texts are bounded far below 4 GiB where they enter; a longer one would not decode again.
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn list<'a>(&mut self, items: impl ExactSizeIterator<Item = &'a str>) {
        self.u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
        items.for_each(|item| self.text(item));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes from the front; `None` when there is not enough or it is not what it should be.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(domain: &[u8], bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(domain).map(Self)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_be_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.u32()? as usize;
        std::str::from_utf8(self.take(len)?).ok()
    }

    pub(crate) fn list(&mut self) -> Option<Vec<&'a str>> {
        // No capacity from the wire: a list can't claim more memory than its bytes.
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
