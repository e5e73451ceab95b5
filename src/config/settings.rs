//! `lossdrill.yaml` as data, with defaults that make the file unnecessary.
//!
//! Shapes only: which provider `auto` means, and how a foreign reconciler is driven, is decided by `stage` and
//! `probe`. Not covered: `platform.kind: mapped` beyond its kind and the map's own text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{JsonPath, Mapping, Percent, Span};

/// Who runs a scenario, and when (`@tier:gate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// On every change, within minutes.
    #[default]
    Gate,
    /// Every night, with drawn seeds.
    Nightly,
    /// With people.
    Drill,
}

impl Tier {
    pub const ALL: [Tier; 3] = [Tier::Gate, Tier::Nightly, Tier::Drill];

    pub fn name(self) -> &'static str {
        match self {
            Tier::Gate => "gate",
            Tier::Nightly => "nightly",
            Tier::Drill => "drill",
        }
    }
}

/// Everything that `lossdrill.yaml` may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settings {
    pub stage: StageSettings,
    pub cells: Cells,
    pub system_under_test: SystemUnderTest,
    pub platform: Platform,
    pub policy: Policy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageSettings {
    pub mysql: ServerSettings,
    pub kafka: ServerSettings,
    pub guard: Guard,
}

/// What a drill may touch of given servers; everything else is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// As they stand in the URLs.
    pub hosts: Vec<String>,
    pub schemas: Vec<String>,
    /// The first is the one that is used.
    pub topic_prefixes: Vec<String>,
    /// Hosts that are neither loopback nor private may be touched too.
    pub allow_remote: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerSettings {
    /// For `docker`.
    pub image: String,
    pub provider: Provider,
    /// For `external`: `mysql://root@db.test:3306`, or Kafka's bootstrap list.
    pub url: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Docker when an engine answers, else local binaries, else a clear error.
    #[default]
    Auto,
    Docker,
    Local,
    External,
}

impl Provider {
    pub const ALL: [(&'static str, Provider); 4] = [
        ("auto", Provider::Auto),
        ("docker", Provider::Docker),
        ("local", Provider::Local),
        ("external", Provider::External),
    ];
}

/// How many scenarios at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cells {
    /// As many as the machine carries.
    #[default]
    Auto,
    Exactly(u16),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SystemUnderTest {
    pub kind: SystemKind,
    /// For `container`.
    pub image: Option<String>,
    pub command: Vec<String>,
    pub ready: Option<String>,
    pub alerts: Option<Feed>,
    pub plans: Option<Feed>,
    pub watermark: Option<Feed>,
    pub clock: Option<Call>,
    /// Our rule ids -> theirs.
    pub rules: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemKind {
    /// The project's own `dcheck`.
    #[default]
    Builtin,
    Process,
    Container,
    External,
}

/// Where observations come from, and how their fields are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feed {
    pub from: FeedFrom,
    pub format: FeedFormat,
    pub url: Option<String>,
    pub topic: Option<String>,
    pub query: Option<String>,
    /// Where the single messages are in one post, record or answer; all of it where it is not said.
    pub items: Option<JsonPath>,
    /// Our field -> where it is in theirs.
    pub map: Mapping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedFrom {
    Webhook,
    Kafka,
    Sql,
    Poll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedFormat {
    AlertmanagerV4,
    Json,
}

/// An HTTP call that advances a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    pub method: String,
    pub url: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformKind {
    /// The practice shop.
    #[default]
    Builtin,
    Mapped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Platform {
    pub kind: PlatformKind,
    /// True keeps marks out of a user's topics (`marks: none`).
    pub no_marks: bool,
}

/// What a gate demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    pub tiers: Vec<Tier>,
    /// Priority (`p0`) -> share of its loss points that must be proved.
    pub coverage: BTreeMap<String, Percent>,
    pub budget: Span,
    pub seed: u64,
    /// Where a cell's calendar starts, Unix ms.
    pub epoch_ms: i64,
}

impl Default for StageSettings {
    fn default() -> StageSettings {
        StageSettings {
            mysql: ServerSettings::of_image("mysql:9.7"),
            kafka: ServerSettings::of_image("apache/kafka:4.4.0"),
            guard: Guard::default(),
        }
    }
}

impl ServerSettings {
    fn of_image(image: &str) -> ServerSettings {
        ServerSettings { image: image.to_owned(), provider: Provider::Auto, url: None }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            tiers: vec![Tier::Gate],
            coverage: BTreeMap::from([(
                "p0".to_owned(),
                Percent(rust_decimal::Decimal::ONE_HUNDRED),
            )]),
            budget: Span::from_secs(30 * 60),
            seed: 20_260_101,
            // 2026-01-05T10:00:00+08:00, a Monday morning: no weekend rule, no month's end.
            epoch_ms: 1_767_578_400_000,
        }
    }
}
