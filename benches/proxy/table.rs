//! Figures of all rounds: medians, their spread, what each adds to direct, and ours beside the others'.

use serde_json::{Map, Value, json};

use super::row::{Row, Show, quantile};

/// Rounds lie apart this far (half of them, by the median): the machine was not quiet.
const SPREAD_WIDE: f64 = 0.3;

/// The figures of one contender in one row: one list a round.
pub struct Series {
    pub contender: &'static str,
    pub rounds: Vec<Vec<f64>>,
}

impl Series {
    fn of(&self, column: usize) -> Vec<f64> {
        self.rounds.iter().map(|figures| figures[column]).collect()
    }

    fn median(&self, column: usize) -> f64 {
        quantile(self.of(column), 0.5)
    }

    /// Half of the rounds lie within this share of the median.
    fn spread(&self, column: usize) -> f64 {
        let of = |q| quantile(self.of(column), q);
        (of(0.75) - of(0.25)) / of(0.5).abs().max(f64::MIN_POSITIVE)
    }
}

/// Is one of the figures too uncertain to stand for itself?
pub fn is_wide(row: &Row, all: &[Series]) -> bool {
    let wide = |series: &Series| {
        let spreads = (0..row.columns.len()).map(|column| series.spread(column));
        spreads.filter(|spread| *spread > SPREAD_WIDE).count() > 0
    };
    all.iter().any(wide)
}

/// A figure as its column shows it.
fn shown(show: Show, figure: f64, direct: Option<f64>) -> f64 {
    match (show, direct) {
        (Show::Added, Some(direct)) => figure - direct,
        (Show::Share, Some(direct)) => figure / direct,
        _ => figure,
    }
}

/// What a figure costs beside another's; below 1 it is ahead.
fn cost(show: Show, ours: f64, other: f64) -> Option<f64> {
    let cost = if show == Show::Share { other / ours } else { ours / other };
    (cost.is_finite() && cost >= 0.0).then_some(cost)
}

fn number(figure: f64) -> String {
    match figure.abs() {
        _ if figure.is_infinite() => "never".to_owned(),
        size if size >= 1000.0 => {
            let (thousands, rest) = (figure as i64 / 1000, (figure as i64 % 1000).abs());
            format!("{thousands},{rest:03}")
        }
        size if size >= 10.0 => format!("{figure:.0}"),
        _ => format!("{figure:.2}"),
    }
}

fn cell(show: Show, figure: f64, direct: Option<f64>) -> String {
    let text = number(shown(show, figure, direct));
    match (show, direct) {
        (Show::Added, Some(_)) if !text.starts_with('-') => format!("+{text}"),
        (Show::Share, Some(_)) => format!("×{text}"),
        _ => text,
    }
}

/// Names of the columns of the whole table.
pub fn head(contenders: &[&str]) -> String {
    let mut line = format!("{:56}", "");
    for name in contenders {
        line += &format!("{name:>11}");
    }
    line + "   ours costs, HAProxy or Toxiproxy being 1"
}

/// The lines of one row: a line for each of its columns.
pub fn lines(row: &Row, contenders: &[&str], all: &[Series]) -> Vec<String> {
    let median = |name: &str, column| {
        all.iter().find(|series| series.contender == name).map(|series| series.median(column))
    };
    let line = |(place, column): (usize, &super::row::Column)| {
        let title = if place == 0 { row.title } else { "" };
        let direct = median("direct", place);
        let mut line = format!("{title:40.40} {:15}", column.name);
        for name in contenders {
            let direct = direct.filter(|_| *name != "direct");
            let text = median(name, place).map(|figure| cell(column.show, figure, direct));
            line += &format!("{:>11}", text.unwrap_or_default());
        }
        for other in ["HAProxy", "Toxiproxy"] {
            let of = |name| Some(shown(column.show, median(name, place)?, direct));
            let cost = of("ours").zip(of(other)).and_then(|(o, t)| cost(column.show, o, t));
            line += &format!("{:>9}", cost.map(number).unwrap_or_default());
        }
        let wide: Vec<_> = (all.iter())
            .filter(|series| series.spread(place) > SPREAD_WIDE)
            .map(|series| format!("{} ±{:.0}%", series.contender, series.spread(place) * 50.0))
            .collect();
        if !wide.is_empty() {
            line += &format!("   wide: {}", wide.join(", "));
        }
        line
    };
    row.columns.iter().enumerate().map(line).collect()
}

/// A row for programs: every round of everyone.
pub fn json(row: &Row, all: &[Series]) -> Value {
    let mut columns = Map::new();
    for (place, column) in row.columns.iter().enumerate() {
        let series = all.iter().map(|series| {
            let rounds = series.of(place);
            (series.contender.to_owned(), json!({"median": series.median(place), "rounds": rounds}))
        });
        columns.insert(column.name.to_owned(), Value::Object(series.collect()));
    }
    json!({"row": row.id, "title": row.title, "columns": columns})
}
