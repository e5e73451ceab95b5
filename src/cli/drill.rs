//! `drill run FILE`: an ordered list of scenarios, one after another.

use std::path::Path;
use std::sync::Arc;

use super::args::{DrillArgs, DrillCommand};
use super::run::{self, Assignment};
use super::texts;
use crate::journal::Exit;
use crate::steps::of_drill;

pub async fn drill(args: DrillArgs) -> Exit {
    let DrillCommand::Run { file, play: mut args } = args.command;
    if let Some(folder) = file.parent() {
        args.sources.drills = folder.to_owned();
    }
    let checked = match texts::load(&args.sources) {
        Ok(checked) => checked,
        Err(exit) => return exit,
    };
    let named = |place: &str| Path::new(place) == file;
    let Some(drill) = checked.catalog.drills.iter().find(|drill| named(&drill.place.file)) else {
        let known: Vec<&str> =
            checked.catalog.drills.iter().map(|drill| drill.place.file.as_str()).collect();
        eprintln!("error: no drill in {}: known are {}", file.display(), known.join(", "));
        return Exit::Nothing;
    };
    let chosen = match of_drill(drill, &checked.scenarios) {
        Ok(chosen) => chosen.into_iter().cloned().map(Arc::new).collect::<Vec<_>>(),
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
            return Exit::Authoring;
        }
    };
    let assignment = Assignment { jobs: Some(1), ..Assignment::of(chosen) };
    run::perform(args, checked, assignment).await
}
