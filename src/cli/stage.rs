//! `stage up | status | down`.

use super::args::{Format, StageArgs, StageCommand};
use super::run;
use crate::config::Settings;
use crate::journal::Exit;
use crate::stage::{Provider, warm};

/// MySQL servers that a warm stage keeps ready: one for each cell of a default run, and one ahead.
const MYSQL_AHEAD: usize = 5;

pub async fn stage(args: StageArgs) -> Exit {
    match args.command {
        StageCommand::Up { provider, config } => up(provider, config).await,
        StageCommand::Status { format } => match warm::status() {
            Some(warm) if format == Format::Json => match serde_json::to_string_pretty(&warm) {
                Ok(text) => told(&text),
                Err(error) => failed(&error),
            },
            Some(warm) => told(&warm.to_string()),
            None => {
                if format == Format::Json {
                    println!("null");
                } else {
                    println!("no warm stage is up: `lossdrill stage up` brings one up");
                }
                Exit::Nothing
            }
        },
        StageCommand::Down => match warm::down().await {
            Ok(true) => told("the warm stage is down"),
            Ok(false) => told("no warm stage was up"),
            Err(error) => failed(&error),
        },
        StageCommand::Hold => unreachable!("`main` serves it"),
    }
}

async fn up(provider: Option<String>, config: Option<std::path::PathBuf>) -> Exit {
    let settings = match Settings::load(config.as_deref()) {
        Ok(settings) => settings,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
            return Exit::Usage;
        }
    };
    if let Some(up) = warm::status() {
        let has = up.facts.first().map_or("", |facts| facts.provider.as_str());
        return match provider.as_deref() {
            None | Some("auto") => told(&format!("up already: {up}")),
            Some(wanted) if wanted == has => told(&format!("up already: {up}")),
            Some(_) => failed(&format!("a stage by {has} is up: `lossdrill stage down` first")),
        };
    }
    if let Err(error) = provider.as_deref().unwrap_or("auto").parse::<Provider>() {
        eprintln!("error: {error}");
        return Exit::Usage;
    }
    let schema_sql = match run::schema().await {
        Ok(schema_sql) => schema_sql,
        Err(error) => return failed(&error),
    };
    let spec = warm::HoldSpec {
        provider: provider.unwrap_or_else(|| "auto".to_owned()),
        mysql_image: settings.stage.mysql.image,
        kafka_image: settings.stage.kafka.image,
        schema_sql,
        mysql_ahead: MYSQL_AHEAD,
    };
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return failed(&error),
    };
    match warm::up(&own, &spec).await {
        Ok(warm) => told(&warm.to_string()),
        Err(error) => failed(&error),
    }
}

pub(super) fn told(text: &str) -> Exit {
    println!("{text}");
    Exit::Proved
}

pub(super) fn failed(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Inconclusive
}
