//! `sightline eval` and `sightline appearance`: what the library of evaluations finds, printed.

use crate::{
    context::Context,
    failure::{Exit, Failure, Outcome, library},
};
use eval::{Appearance, Eval, EvalError};

pub(crate) fn measure(eval: &Eval, ctx: &Context) -> Outcome {
    let answer = eval.run(&|remark| ctx.printer.note(remark))?;
    ctx.printer.answer(&answer, || answer.to_string());
    Ok(())
}

pub(crate) fn learn(appearance: &Appearance, ctx: &Context) -> Outcome {
    let learned = appearance.run()?;
    ctx.printer.answer(&learned, || learned.to_string());
    Ok(())
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::Failed };
        Self { exit, hint: error.hint().map(str::to_owned), ..library(error.reason(), &error) }
    }
}
