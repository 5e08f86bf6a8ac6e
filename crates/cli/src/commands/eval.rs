//! `sightline eval` and `sightline appearance`: what the library of evaluations finds, printed.

use auditor::failure::Exit;
use eval::{Appearance, Eval, EvalError};

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
};

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
        let mut failure = library(error.reason(), &error);
        failure.exit = exit;
        failure.hint = error.hint().map(str::to_owned);
        failure
    }
}
