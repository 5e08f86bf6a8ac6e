//! The contact sheet: redacted crops in a grid, each with camera, time and score under it.
//!
//! It shows what the gated `GetCrop` call returned and nothing else; there is no way to put an unredacted picture in.

use std::{fs, path::Path};

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use image::{Rgb, RgbImage, imageops};

use crate::failure::{Failure, Outcome};

const GLYPH: u32 = 8;
const LINE: u32 = 11;
const MARGIN: u32 = 16;
/// What a crop may fill; stored crops of people are at most 128 x 256.
const PICTURE: (u32, u32) = (240, 256);
const CELL: (u32, u32) = (PICTURE.0 + MARGIN, PICTURE.1 + 4 * LINE + MARGIN);
const HEADER: u32 = 2 * MARGIN + 2 * GLYPH + LINE;
const COLUMNS: u32 = 5;
/// Letters a line of a cell holds.
const LETTERS: usize = (PICTURE.0 / GLYPH) as usize;

const PAPER: Rgb<u8> = Rgb([250, 250, 248]);
const INK: Rgb<u8> = Rgb([24, 28, 36]);
const FAINT: Rgb<u8> = Rgb([120, 126, 136]);
const HOLE: Rgb<u8> = Rgb([226, 228, 232]);

/// One possible sighting.
pub(crate) struct Cell {
    pub(crate) jpeg: Vec<u8>,
    /// Of the hit.
    pub(crate) rank: u32,
    pub(crate) camera: String,
    pub(crate) time: String,
    pub(crate) score: f32,
}

/// Refuses a path that can't be written before anything is asked of the server.
pub(crate) fn check_path(file: &Path) -> Outcome {
    if file.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) {
        return Err(Failure::usage(format!("the contact sheet is a PNG picture, {} is named otherwise", file.display()))
            .hint("name it something.png"));
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(
            Failure::usage(format!("there is no folder {} for the contact sheet", folder.display())).hint("make it first")
        );
    }
    Ok(())
}

/// Written beside and renamed, so that a failure leaves no half of a picture.
pub(crate) fn write(file: &Path, case: &str, cells: &[Cell]) -> Outcome {
    let doing = || format!("write the contact sheet {}", file.display());
    let part = file.with_extension("png.part");
    let saved = draw(case, cells).save_with_format(&part, image::ImageFormat::Png);
    saved.map_err(|e| {
        let _ = fs::remove_file(&part);
        Failure::because("sheet", doing(), &e).hint("is there room, and may you write there?")
    })?;
    durable::publish(&part, file).map_err(|e| Failure::because("sheet", doing(), &e))
}

fn draw(case: &str, cells: &[Cell]) -> RgbImage {
    let count = cells.len() as u32;
    let columns = count.clamp(2, COLUMNS);
    let rows = count.div_ceil(columns).max(1);
    let height = if cells.is_empty() { HEADER + 3 * LINE } else { HEADER + rows * CELL.1 };
    let header = format!("possible sightings, case {case}");
    let width = (columns * CELL.0 + MARGIN).max(2 * MARGIN + 2 * GLYPH * header.chars().count() as u32);
    let mut sheet = RgbImage::from_pixel(width, height, PAPER);
    text(&mut sheet, MARGIN, MARGIN, 2, INK, &header);
    text(&mut sheet, MARGIN, MARGIN + 2 * GLYPH + 6, 1, FAINT, "Possible, never certain. Faces and heads are erased.");
    if cells.is_empty() {
        text(&mut sheet, MARGIN, HEADER, 1, INK, "no possible sighting");
    }
    for (i, cell) in (0u32..).zip(cells) {
        draw_cell(&mut sheet, MARGIN + (i % columns) * CELL.0, HEADER + (i / columns) * CELL.1, cell);
    }
    sheet
}

fn draw_cell(sheet: &mut RgbImage, x: u32, y: u32, cell: &Cell) {
    for (dx, dy) in (0..PICTURE.1).flat_map(|dy| (0..PICTURE.0).map(move |dx| (dx, dy))) {
        sheet.put_pixel(x + dx, y + dy, HOLE);
    }
    match image::load_from_memory_with_format(&cell.jpeg, image::ImageFormat::Jpeg) {
        Ok(crop) => {
            let crop = fit(&crop.to_rgb8());
            let (dx, dy) = ((PICTURE.0 - crop.width()) / 2, (PICTURE.1 - crop.height()) / 2);
            imageops::replace(sheet, &crop, i64::from(x + dx), i64::from(y + dy));
        }
        Err(_) => text(sheet, x + GLYPH, y + PICTURE.1 / 2, 1, FAINT, "no crop"),
    }
    let (time, known) = cell.time.split_once(" ±").unwrap_or((&cell.time, ""));
    let known = if known.is_empty() { String::new() } else { format!("known to ±{known}") };
    let head = format!("#{} score {:.2}", cell.rank, cell.score);
    for (line, (colour, words)) in (0u32..).zip([(INK, head.as_str()), (INK, &cell.camera), (INK, time), (FAINT, &known)]) {
        text(sheet, x, y + PICTURE.1 + 5 + line * LINE, 1, colour, &short(words));
    }
}

/// As large as the picture's place allows, never above the crop's own size.
fn fit(crop: &RgbImage) -> RgbImage {
    let scale = (f64::from(PICTURE.0) / f64::from(crop.width())).min(f64::from(PICTURE.1) / f64::from(crop.height()));
    if scale >= 1.0 {
        return crop.clone();
    }
    let side = |n: u32| ((f64::from(n) * scale) as u32).max(1);
    imageops::thumbnail(crop, side(crop.width()), side(crop.height()))
}

fn short(words: &str) -> String {
    if words.chars().count() <= LETTERS { words.to_owned() } else { words.chars().take(LETTERS - 2).collect::<String>() + ".." }
}

/// What the font lacks is drawn as '?'; what lies outside the sheet is not drawn.
fn text(sheet: &mut RgbImage, x: u32, y: u32, scale: u32, colour: Rgb<u8>, words: &str) {
    for (i, letter) in (0u32..).zip(words.chars()) {
        let glyph =
            BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter)).or_else(|| BASIC_FONTS.get('?')).unwrap_or_default();
        for (row, bits) in (0u32..).zip(glyph) {
            for column in (0..GLYPH).filter(|c| bits & (1 << c) != 0) {
                for (dx, dy) in (0..scale * scale).map(|n| (n % scale, n / scale)) {
                    let (px, py) = (x + (i * GLYPH + column) * scale + dx, y + row * scale + dy);
                    if px < sheet.width() && py < sheet.height() {
                        sheet.put_pixel(px, py, colour);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(width: u32, height: u32) -> Cell {
        let mut jpeg = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(width, height, Rgb([200, 20, 20])).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        Cell {
            jpeg: jpeg.into_inner(),
            rank: 1,
            camera: "north-gate".into(),
            time: "2026-03-01T08:30:00Z ±1 s".into(),
            score: 0.5,
        }
    }

    fn is_red(p: &Rgb<u8>) -> bool {
        p[0] > 150 && p[1] < 80
    }

    #[test]
    fn every_crop_lands_in_its_own_cell() {
        let sheet = draw("k1", &(0..7).map(|_| cell(64, 128)).collect::<Vec<_>>());
        assert_eq!(sheet.dimensions(), (5 * CELL.0 + MARGIN, HEADER + 2 * CELL.1));
        for i in 0..7 {
            let centre = (MARGIN + (i % 5) * CELL.0 + PICTURE.0 / 2, HEADER + (i / 5) * CELL.1 + PICTURE.1 / 2);
            assert!(is_red(sheet.get_pixel(centre.0, centre.1)), "cell {i}");
        }
    }

    #[test]
    fn no_hit_makes_a_sheet_that_says_so() {
        let (none, header_only) = (draw("k1", &[]), RgbImage::from_pixel(10, 10, PAPER));
        let dark = |y: u32| (0..none.width()).any(|x| none.get_pixel(x, y) == &INK);
        assert!((HEADER..none.height()).any(dark), "nothing is written under the header");
        assert!(!header_only.pixels().any(|p| p == &INK));
    }

    #[test]
    fn a_crop_of_any_size_or_none_at_all_breaks_nothing() {
        let broken = Cell { jpeg: b"not a picture".to_vec(), ..cell(1, 1) };
        let sheet = draw("k", &[cell(1, 1), cell(2000, 3), cell(3, 2000), broken]);
        assert!(sheet.pixels().any(is_red));
    }

    #[test]
    fn a_sheet_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.png");
        write(&file, "k1", &[cell(64, 128)]).unwrap();
        assert!(image::open(&file).is_ok());
        assert!(write(&dir.path().join("missing/a.png"), "k1", &[]).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_a_sheet_is_refused_before_the_search() {
        for bad in ["sheet.jpg", "sheet", "/nowhere/at/all/sheet.png"] {
            assert_eq!(check_path(Path::new(bad)).unwrap_err().exit as u8, 2, "{bad}");
        }
        assert!(check_path(Path::new("sheet.png")).is_ok());
    }
}
