//! What spreadsheets do to a table: how they write its characters and its cells, and what they take for a formula.

use std::borrow::Cow;

/// Bytes of a table; 5,000 cameras have a tenth of it.
pub(super) const LARGEST: u64 = 16 * 1024 * 1024;

/// The characters of a file: UTF-8, or UTF-16 with its mark, as "Unicode text" is saved. `None`: neither.
pub(super) fn characters(bytes: Vec<u8>) -> Option<String> {
    let wide = |from: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| from(*pair)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
    };
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    }
}

/// A table and what stands between its cells.
pub(super) struct Table<'a> {
    pub(super) text: &'a str,
    pub(super) delimiter: u8,
    /// Lines before it.
    pub(super) before: u64,
}

impl<'a> Table<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let line = |text: &'a str| text.split(['\r', '\n']).next().unwrap_or_default();
        // A line for the spreadsheet alone: sep=;
        if let Some(delimiter) = line(text).strip_prefix("sep=").and_then(|sep| sep.bytes().next()) {
            let rest = text[line(text).len()..].trim_start_matches('\r');
            return Self { text: rest.strip_prefix('\n').unwrap_or(rest), delimiter, before: 1 };
        }
        let names = line(text.trim_start());
        let delimiter = [b';', b'\t'].into_iter().find(|d| names.contains(char::from(*d))).unwrap_or(b',');
        Self { text, delimiter, before: 0 }
    }
}

/// Counts the lines of a table as an editor shows them, whatever ends them, from the beginning on.
pub(super) struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(table: &Table<'a>) -> Self {
        Self { text: table.text, counted: 0, line: table.before + 1 }
    }

    /// Of what begins at this byte, or after the line ends there; not before the one that was asked for last.
    pub(super) fn at(&mut self, byte: usize) -> u64 {
        let rest = self.text.get(byte..).unwrap_or_default();
        let begins = self.text.len() - rest.trim_start_matches(['\r', '\n']).len();
        let bytes = self.text.as_bytes();
        let ends = |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        self.line += (self.counted..begins).filter(ends).count() as u64;
        self.counted = self.counted.max(begins);
        self.line
    }
}

/// With an apostrophe before what a spreadsheet would run; [`as_meant`] takes it away again.
pub(super) fn as_text(cell: &str) -> Cow<'_, str> {
    if is_formula(cell) { format!("'{cell}").into() } else { cell.into() }
}

/// Without the apostrophe that [`as_text`] puts before a cell.
pub(super) fn as_meant(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_of_spreadsheets_are_read_and_no_other() {
        let text = "id;title\nquay-2;Käufer\n";
        let wide = |to: fn(u16) -> [u8; 2], mark: [u8; 2]| [mark.to_vec(), text.encode_utf16().flat_map(to).collect()].concat();
        let little = wide(u16::to_le_bytes, [0xFF, 0xFE]);
        for bytes in [text.as_bytes().to_vec(), little.clone(), wide(u16::to_be_bytes, [0xFE, 0xFF])] {
            assert_eq!(characters(bytes).as_deref(), Some(text));
        }
        // Cut in the middle of a character, half of a pair of surrogates, and Windows-1252.
        for bytes in [little[..little.len() - 1].to_vec(), vec![0xFF, 0xFE, 0x00, 0xD8], b"K\xe4ufer".to_vec()] {
            assert_eq!(characters(bytes), None);
        }
        assert_eq!(characters(vec![0xFF, 0xFE]).as_deref(), Some(""));
    }

    #[test]
    fn what_stands_between_cells_is_read_from_the_line_of_names() {
        for (text, delimiter, before) in [
            ("id,title\na;b,c\n", b',', 0),
            ("\u{feff}id;title\n", b';', 0),
            ("id\ttitle\r\n", b'\t', 0),
            ("id,password\ra,x;y\r", b',', 0),
            ("\r\nid;title\r\n", b';', 0),
            ("sep=;\r\nid;title\r\n", b';', 1),
            ("sep=|\nid|title\n", b'|', 1),
        ] {
            let table = Table::of(text);
            assert_eq!((table.delimiter, table.before), (delimiter, before), "{text:?}");
            assert!(table.text.trim_start().starts_with("id"), "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_shows_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["id", "a", "", "\"b", "c\"", "d"].join(end);
            let table = Table::of(&text);
            let mut lines = Lines::of(&table);
            // A reader may stop before the line feed that ends a row.
            let after = |what: &str| text.find(what).unwrap() + what.len() + end.len() - 1;
            let at = [after("id"), after("a"), after("c\"")].map(|byte| lines.at(byte));
            assert_eq!(at, [2, 4, 6], "{end:?}");
        }
    }

    #[test]
    fn a_formula_is_written_as_text_and_comes_back_as_it_was() {
        for title in ["=cmd|' /C calc'!A0", "+1", "-quay", "@SUM(A1)", "'=1", "''=1"] {
            assert!(as_text(title).starts_with('\''), "{title}");
            assert_eq!(as_meant(&as_text(title)), title);
        }
        for title in ["quay 2", "'the' quay", "", "'"] {
            assert_eq!((as_text(title).as_ref(), as_meant(title)), (title, title));
        }
    }
}
