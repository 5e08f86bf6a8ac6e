use std::{collections::BTreeMap, fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use types::{Class, Colour, Description};
use vision::{VisionOptions, describe};

use super::{
    error::{EvalError, Outcome, failed},
    input::{Note, box_rows, note_missing, redacted_crops},
    models::load_vision,
};

#[derive(Debug, Args)]
pub struct Colours {
    /// Table with the columns image,x,y,w,h,upper,lower (or video,frame,... in place of image), pixel boxes
    #[arg(long, value_name = "CSV")]
    boxes: PathBuf,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    boxes: usize,
    upper: Part,
    lower: Part,
}

#[derive(Debug, Default, Serialize)]
struct Part {
    labelled: usize,
    /// Of the labelled; "unknown" counts as wrong.
    accuracy: f64,
    /// Of those that were named at all.
    accuracy_named: f64,
    named: usize,
    /// Truth to what was said to how often; "unknown" is a thing to say.
    confusion: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Part {
    fn add(&mut self, truth: &str, said: Option<Colour>) {
        self.labelled += 1;
        self.named += usize::from(said.is_some());
        let said = said.map_or("unknown", Colour::as_str);
        *self.confusion.entry(truth.to_owned()).or_default().entry(said.to_owned()).or_default() += 1;
    }

    fn finish(&mut self) {
        let right: usize = self.confusion.iter().filter_map(|(truth, said)| said.get(truth)).sum();
        let share = |of: usize| if of == 0 { 0.0 } else { right as f64 / of as f64 };
        (self.accuracy, self.accuracy_named) = (share(self.labelled), share(self.named));
    }
}

impl Colours {
    pub(super) fn run(&self, note: Note<'_>) -> Outcome<Answer> {
        let rows = box_rows(&self.boxes)?;
        let labels: Vec<(Option<Colour>, Option<Colour>)> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| Ok((label(row.upper.as_deref(), i + 1)?, label(row.lower.as_deref(), i + 1)?)))
            .collect::<Outcome<_>>()?;
        let mut vision = load_vision(&VisionOptions::default())?;
        let crops = redacted_crops(&rows, &mut vision, Class::Person)?;
        note_missing(&crops, note);
        let (mut upper, mut lower) = (Part::default(), Part::default());
        for ((above, below), crop) in labels.into_iter().zip(&crops) {
            let told = match crop {
                Some(cut) => {
                    let seen = vision.embedder.see(&cut.crop).map_err(failed)?;
                    describe(&cut.crop, &seen, Class::Person, &[], cut.light.as_ref())
                }
                None => Description::default(),
            };
            for (part, truth, said) in [(&mut upper, above, told.upper), (&mut lower, below, told.lower)] {
                if let Some(truth) = truth {
                    part.add(truth.as_str(), said.map(|d| d.word));
                }
            }
        }
        upper.finish();
        lower.finish();
        Ok(Answer { boxes: rows.len(), upper, lower })
    }
}

/// What a row says its clothing is; `None` where it does not say.
fn label(text: Option<&str>, row: usize) -> Outcome<Option<Colour>> {
    let word = text.unwrap_or_default().trim().to_lowercase();
    match word.as_str() {
        "" | "unknown" => Ok(None),
        "gray" => Ok(Some(Colour::Grey)),
        word => word.parse().map(Some).map_err(|e: types::UnknownWord| {
            EvalError::new("boxes", format!("row {row}: {e}")).with_hint("leave a label empty where no colour fits")
        }),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in [("upper", &self.upper), ("lower", &self.lower)] {
            let Part { labelled, accuracy, accuracy_named, named, confusion } = part;
            writeln!(f, "{name}: {accuracy:.3} of {labelled} right; {accuracy_named:.3} of the {named} that were named")?;
            for (truth, said) in confusion {
                let said: Vec<String> = said.iter().map(|(word, n)| format!("{word} {n}")).collect();
                writeln!(f, "  {truth}: {}", said.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_word_of_the_vocabulary_or_says_nothing() {
        assert_eq!(label(Some(" Gray"), 1).unwrap(), Some(Colour::Grey));
        assert_eq!(label(Some("navy-blue"), 7).unwrap_err().to_string().split(':').next(), Some("row 7"));
        assert!([None, Some(""), Some("unknown")].into_iter().all(|text| label(text, 1).unwrap().is_none()));
    }

    #[test]
    fn unknown_is_wrong_but_not_named() {
        let mut part = Part::default();
        for said in [Some(Colour::Red), Some(Colour::Pink), None, Some(Colour::Red)] {
            part.add("red", said);
        }
        part.finish();
        assert_eq!((part.labelled, part.named), (4, 3));
        assert!((part.accuracy - 0.5).abs() < 1e-9 && (part.accuracy_named - 2.0 / 3.0).abs() < 1e-9);
    }
}
