use std::{fs, path::PathBuf};

use clap::Args;
use clap_complete::Shell;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

/// One page a command, such as sightline-archive-add.1, made from the same words as --help.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where they go; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        let failed = |e: std::io::Error| {
            Failure::because("unwritable", format!("write man pages to {}", self.out.display()), &e)
                .hint("name a folder that you may write to: `--out DIR`")
        };
        fs::create_dir_all(&self.out).map_err(failed)?;
        clap_mangen::generate_to((ctx.tree)(), &self.out).map_err(failed)?;
        let names = fs::read_dir(&self.out).map_err(failed)?.filter_map(|e| e.ok()?.file_name().into_string().ok());
        let mut pages: Vec<String> = names.filter(|n| n.starts_with("sightline") && n.ends_with(".1")).collect();
        pages.sort();
        let answer = serde_json::json!({ "out": self.out, "pages": pages });
        ctx.printer.answer(&answer, || format!("{} pages in {}", pages.len(), self.out.display()));
        Ok(())
    }
}

/// The script on stdout; `sightline completions bash > /usr/share/bash-completion/completions/sightline`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Whose
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut (ctx.tree)(), "sightline", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let answer = serde_json::json!({ "shell": self.shell.to_string(), "script": script });
        ctx.printer.answer(&answer, || script);
        Ok(())
    }
}
