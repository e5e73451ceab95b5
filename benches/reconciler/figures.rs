//! Figures of all rounds: medians, how far the rounds lie apart, ratios within one run, and the limit that each ratio has.

/// What was measured of one contender, a figure a round. Less is better.
pub struct Series {
    pub name: String,
    pub unit: &'static str,
    pub rounds: Vec<f64>,
}

/// One contender's figures as shares of another's, round by round: what the machine does to both falls out.
pub struct Ratio {
    pub of: &'static str,
    pub to: &'static str,
    /// At most this.
    pub limit: f64,
    /// Whose figure the limit is.
    pub named: &'static str,
}

/// All that a row has to say.
#[derive(Default)]
pub struct Report {
    pub series: Vec<Series>,
    pub ratios: Vec<Ratio>,
    /// What bounds it, by what was measured.
    pub bound: String,
    /// Results that must be so on any machine, and are not.
    pub wrong: Vec<String>,
}

impl Report {
    pub fn put(&mut self, name: &str, unit: &'static str, figure: f64) {
        match self.series.iter_mut().find(|series| series.name == name && series.unit == unit) {
            Some(series) => series.rounds.push(figure),
            None => {
                let name = name.to_owned();
                self.series.push(Series { name, unit, rounds: vec![figure] });
            }
        }
    }

    fn rounds(&self, name: &str) -> &[f64] {
        let found = self.series.iter().find(|series| series.name == name);
        found.map_or(&[], |series| &series.rounds)
    }

    pub fn median(&self, name: &str) -> f64 {
        quantile(self.rounds(name).to_vec(), 0.5)
    }

    /// Median of the ratios of each round, and half of the spread between their quartiles.
    pub fn ratio(&self, ratio: &Ratio) -> (f64, f64) {
        let pairs = self.rounds(ratio.of).iter().zip(self.rounds(ratio.to));
        let ratios: Vec<f64> = pairs.map(|(of, to)| of / to).collect();
        (quantile(ratios.clone(), 0.5), spread(&ratios))
    }

    /// Every figure is one, and every ratio has both sides.
    pub fn mistakes(&self) -> Vec<String> {
        let bad = |series: &&Series| series.rounds.iter().any(|figure| !figure.is_finite());
        let bad = self.series.iter().filter(bad);
        let told = bad.map(|series| format!("{}: {:?}", series.name, series.rounds));
        let lacks = |ratio: &&Ratio| !self.ratio(ratio).0.is_finite();
        let lacks = self.ratios.iter().filter(lacks);
        let lacking = lacks.map(|ratio| format!("no ratio of {} to {}", ratio.of, ratio.to));
        self.wrong.iter().cloned().chain(told).chain(lacking).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        let of_series = self.series.iter().map(|series| {
            let (median, unit) = (quantile(series.rounds.clone(), 0.5), series.unit);
            let apart = spread(&series.rounds) * 100.0;
            format!("  {:44} {:>12} {unit:12} ±{apart:.0} %", series.name, number(median))
        });
        let of_ratios = self.ratios.iter().map(|ratio| {
            let (median, apart) = self.ratio(ratio);
            let word = if median <= ratio.limit { "within" } else { "ABOVE" };
            let (of, to, limit, named) = (ratio.of, ratio.to, number(ratio.limit), ratio.named);
            let apart = apart * 100.0;
            format!("  {of} ÷ {to}: {} ±{apart:.0} %, {word} {limit} ({named})", number(median))
        });
        let bound = (!self.bound.is_empty()).then(|| format!("  bounded by {}", self.bound));
        let wrong = self.wrong.iter().map(|wrong| format!("  WRONG: {wrong}"));
        of_series.chain(of_ratios).chain(bound).chain(wrong).collect()
    }

    pub fn json(&self, row: &str) -> serde_json::Value {
        let series = self.series.iter().map(|series| {
            let median = quantile(series.rounds.clone(), 0.5);
            serde_json::json!({"name": series.name, "unit": series.unit, "median": median, "rounds": series.rounds})
        });
        let ratios = self.ratios.iter().map(|ratio| {
            let (median, spread) = self.ratio(ratio);
            serde_json::json!({"of": ratio.of, "to": ratio.to, "median": median, "spread": spread,
                "limit": ratio.limit, "named": ratio.named, "within": median <= ratio.limit})
        });
        serde_json::json!({"row": row, "series": series.collect::<Vec<_>>(),
            "ratios": ratios.collect::<Vec<_>>(), "bounded_by": self.bound, "wrong": self.wrong})
    }
}

/// The value below which a share `q` of `values` lies; no number where there are none.
pub fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * q).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Half of the rounds lie within this share of the median.
fn spread(rounds: &[f64]) -> f64 {
    let of = |q| quantile(rounds.to_vec(), q);
    (of(0.75) - of(0.25)) / 2.0 / of(0.5).abs().max(f64::MIN_POSITIVE)
}

pub fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1e6 => {
            let whole = figure as i64;
            let (millions, rest) = (whole / 1_000_000, whole.abs() % 1_000_000);
            format!("{millions},{:03},{:03}", rest / 1000, rest % 1000)
        }
        size if size >= 1000.0 => {
            let whole = figure as i64;
            format!("{},{:03}", whole / 1000, whole.abs() % 1000)
        }
        size if size >= 10.0 => format!("{figure:.0}"),
        _ => format!("{figure:.2}"),
    }
}

/// The largest of `parts`, then all of them: `the store (12 of 20 µs: reading 3, the store 12, …)`.
pub fn largest(parts: &[(&str, f64)], unit: &str) -> String {
    let total: f64 = parts.iter().map(|(_, part)| part.max(0.0)).sum();
    let of_all = parts.iter().map(|(name, part)| format!("{name} {}", number(part.max(0.0))));
    let of_all: Vec<String> = of_all.collect();
    let most = parts.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let (name, part) = most.copied().unwrap_or(("nothing", 0.0));
    format!("{name}: {} of {} {unit} ({})", number(part), number(total), of_all.join(", "))
}
