use std::{error::Error, fmt};

/// An error and its causes on one line, joined by colons.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        #[source]
        cause: Option<Box<Failed>>,
    }

    #[test]
    fn an_error_is_followed_by_each_of_its_causes() {
        let failed = |text, cause| Failed { text, cause };
        let error = failed("store it", Some(Box::new(failed("write a file", Some(Box::new(failed("no space", None)))))));
        assert_eq!(Chain(&error).to_string(), "store it: write a file: no space");
        assert_eq!(Chain(&failed("alone", None)).to_string(), "alone");
    }
}
