//! `new`, `lint` and `fmt`: features written, judged and put into form.

use clap::{Args, ValueEnum};

use super::args::{Format, Sources};
use super::texts;
use crate::author::{self, NewFrom};
use crate::journal::Exit;
use crate::steps::Language;

#[derive(Args, Debug)]
pub struct NewArgs {
    /// The loss point, by its id in the catalogue
    #[arg(value_name = "LOSS-POINT")]
    pub loss_point: String,
    #[command(flatten)]
    pub sources: Sources,
    /// Where to write it; default: where the features are. What is there already teaches how a loss is brought about
    #[arg(long, value_name = "DIR")]
    pub into: Option<std::path::PathBuf>,
    /// Write it in Chinese
    #[arg(long)]
    pub zh: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct LintArgs {
    #[command(flatten)]
    pub sources: Sources,
    /// Mend what can be mended safely, and tell the rest
    #[arg(long)]
    pub fix: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: LintFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    Text,
    Json,
    /// SARIF 2.1.0, which code hosts show beside the line
    Sarif,
}

#[derive(Args, Debug)]
pub struct FmtArgs {
    /// Where the features are
    #[arg(long, value_name = "DIR", default_value = "features")]
    pub features: std::path::PathBuf,
    /// Write nothing; exit 6 where a file is not in form
    #[arg(long)]
    pub check: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

pub fn new(args: &NewArgs) -> Exit {
    let checked = match texts::catalog(&args.sources) {
        Ok(checked) => checked,
        Err(exit) => return exit,
    };
    let (catalog, scenarios) = checked;
    let from = NewFrom { catalog: &catalog, scenarios: &scenarios, faults: &texts::fault };
    let language = if args.zh { Language::ZhCn } else { Language::En };
    let into = args.into.as_ref().unwrap_or(&args.sources.features);
    let drafted = from.draft(&args.loss_point, language, into);
    match drafted.and_then(|draft| draft.write().map(|()| draft)) {
        Ok(draft) if args.format == Format::Json => println!("{:#}", serde_json::json!(draft)),
        Ok(draft) => {
            println!("{}: an attack and its twin. Next:", draft.path.display());
            println!("  lossdrill run --loss-point {}", draft.loss_point);
        }
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    }
    Exit::Proved
}

pub fn lint(args: &LintArgs) -> Exit {
    let linting = author::lint(&texts::check_args(&args.sources), &texts::fault, args.fix);
    print!(
        "{}",
        match args.format {
            LintFormat::Text => linting.render_text(),
            LintFormat::Json => linting.render_json(),
            LintFormat::Sarif => linting.render_sarif(),
        }
    );
    texts::exit(linting.exit_code())
}

pub fn fmt(args: &FmtArgs) -> Exit {
    let formatting = author::fmt(&args.features, args.check);
    match args.format {
        Format::Text => print!("{}", formatting.render_text(args.check)),
        Format::Json => println!("{:#}", serde_json::json!(formatting)),
    }
    texts::exit(formatting.exit_code(args.check))
}
