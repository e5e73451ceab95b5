//! From the command line to running tasks, and the way to a clean end.
//!
//! The console answers first; then the results database is met (again and again until it is there),
//! then the readers start where the checkpoint says. Configuration mistakes end the process before
//! anything listens.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::beginnings::sources;
use super::channels::{Channels, open_alerts, told_before};
use super::core::{Core, Inboxes, SourceState};
use super::ends::Patience;
use super::fitting;
use super::lookups::Lookups;
use super::options::RunOptions;
use super::parts::Parts;
use super::plan_orders::halts_of;
use super::record::{Checkpoint, Pending, judged, judged_keys};
use super::recording::{Head, Recorder, restored};
use super::resume;
use super::rollout;
use crate::clock::{CellTime, Clock};
use crate::dcheck::alerts::{
    Alerting, Channel, ChannelSpec, Delivery, Ladder, Producer, Routes, Way, fingerprint,
    wire_alert,
};
use crate::dcheck::console::{Console, Order, People, Plans, Tasks, serve};
use crate::dcheck::engine::{Engine, RuleSet};
use crate::dcheck::log;
use crate::dcheck::plans::spec::PlanSpec;
use crate::dcheck::plans::{Executor, Halts, Known, Planner, RunsState, Shared, Targets};
use crate::dcheck::results::sql::{SqlClient, View};
use crate::dcheck::results::sweep::SWEEP_SEQ;
use crate::dcheck::results::{Store, Stored, Writer};
use crate::dcheck::sources::binlog::{BinlogReader, BinlogSettings, LogEndPoll};
use crate::dcheck::sources::kafka::{KafkaReader, KafkaSettings, Place as KafkaPlace};
use crate::dcheck::sources::{BINLOG, FromSource, Position, RECONNECT_FIRST, backed_off};
use crate::wire::AlertState;

/// Transactions and messages between the readers and the core: enough to keep it busy, little to
/// lose.
const INBOX: usize = 1_024;
/// Posts and calls of one process to one host.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Why the process cannot run; each line is one mistake.
#[derive(Debug)]
pub struct Mistakes(pub Vec<String>);

impl<E: std::error::Error> From<E> for Mistakes {
    fn from(error: E) -> Mistakes {
        Mistakes(vec![error.to_string()])
    }
}

/// `dcheck run`: until SIGTERM or SIGINT.
pub async fn run(options: RunOptions) -> Result<(), Mistakes> {
    let known = Known { targets: options.target_names(), ..Known::default() };
    let (rules, specs) = super::load(&options.files, &known)?;
    let alerting = super::alerting(&options.files)?;
    let channels = Channels::of(&options, &alerting)?;
    let people = match &options.people {
        Some(file) => People::load(file).map_err(Mistakes)?,
        None => People::default(),
    };
    let schema = options.schema().map_err(|why| Mistakes(vec![why]))?;
    if matches!(options.binlog_from, Some(Position::Offset(_))) {
        return Err(Mistakes(vec!["--binlog-from is FILE:POS, like binlog.000002:157".into()]));
    }
    let clock = super::clock(options.drill_clock)?;
    let (store, sql) = (Store::new(&options.sql)?, Arc::new(SqlClient::new(&options.sql)?));
    let lookups = match &options.lookups {
        Some(url) => Arc::new(SqlClient::new(url)?),
        None => Arc::clone(&sql),
    };
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let address = options.listen;
        Mistakes(vec![format!("cannot listen on {address}: {error}; choose another --listen")])
    })?;
    let stop = Arc::new(Notify::new());
    stop_on_signal(Arc::clone(&stop))?;
    let (orders, orders_inbox) = mpsc::channel(INBOX);
    let console = Console::new(clock.clone(), options.drill_clock, orders);
    tokio::spawn(serve(listener, Arc::clone(&console)));
    reload_on_signal(Arc::clone(&console))?;
    let start = Start {
        options,
        schema,
        rules,
        specs,
        clock,
        sql,
        lookups,
        console,
        alerting,
        channels,
        people,
    };
    let (store, stored) = tokio::select! {
        opened = open(store, &start.console) => opened,
        () = stop.notified() => return Ok(()),
    };
    let goes_on = stored.checkpoint.is_some();
    let unfit = fitting::at_start(&start.options, &start.schema, &start.rules, goes_on).await?;
    let (mut core, inboxes) = start.assemble(store, stored, orders_inbox, stop)?;
    core.resume(unfit);
    core.run(inboxes).await;
    Ok(())
}

pub(super) fn stop_on_signal(stop: Arc<Notify>) -> Result<(), Mistakes> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stop.notify_one();
    });
    Ok(())
}

/// SIGHUP reads the rule files again, as `POST /rules/reload` does.
fn reload_on_signal(console: Arc<Console>) -> Result<(), Mistakes> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(Err(mistakes)) = console.reload().await {
                let all = mistakes.join("\n");
                log::warn("rules", &format!("rules refused, those in force stay:\n{all}"));
            }
        }
    });
    Ok(())
}

async fn open(mut store: Store, console: &Console) -> (Store, Stored) {
    let mut pause = RECONNECT_FIRST;
    loop {
        match store.open().await {
            Ok(stored) => return (store, stored),
            Err(error) => console.view().starting_why = error.to_string(),
        }
        tokio::time::sleep(pause).await;
        pause = backed_off(pause);
    }
}

struct Start {
    options: RunOptions,
    schema: String,
    rules: Arc<RuleSet>,
    specs: Vec<Arc<PlanSpec>>,
    clock: Clock,
    sql: Arc<SqlClient>,
    lookups: Arc<SqlClient>,
    console: Arc<Console>,
    alerting: Alerting,
    channels: Channels,
    people: People,
}

impl Start {
    fn assemble(
        mut self,
        store: Store,
        stored: Stored,
        orders: mpsc::Receiver<Order>,
        stop: Arc<Notify>,
    ) -> Result<(Core, Inboxes), Mistakes> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true)
            .build()?;
        let mut checkpoint = resume::checkpoint(stored.checkpoint.as_deref())?;
        if let Some(checkpoint) = &mut checkpoint {
            let groups = stored.groups.iter().map(|body| serde_json::from_str(body));
            let rows = groups.collect::<Result<_, _>>()?;
            checkpoint.engine.groups = checkpoint.services.take_rows(rows)?;
        }
        let unsent: BTreeSet<u64> = stored.unsent.iter().map(|message| message.seq).collect();
        let writer = Writer::start(store, unsent, self.clock.clone());
        let (parts, signs) = Parts::new(self.clock.clone());
        let deliver = |routes: &Arc<Routes>| {
            Delivery::start(routes.clone(), self.clock.clone(), writer.clone())
        };
        let routes = self.channels.routes(&http, &parts, self.alerting.ladder);
        let now = self.clock.now();
        let (router, told) = told_before(self.alerting.policy.clone(), &stored, now);
        routes.remember(&told);
        let to_events = ChannelSpec::WebhookV4 { url: self.options.plan_events.clone() };
        let events = Way::new(Channel::new(to_events, http.clone()), None);
        let events = Routes::new(events, None, Ladder::default());
        let (alerts, events) = (deliver(&routes), deliver(&Arc::new(events)));
        let numbers = Arc::new(AtomicU64::new(stored.last_seq));
        let (ended, ended_inbox) = mpsc::channel(INBOX);
        let (urls, sql) = (self.options.target_urls(), Arc::clone(&self.sql));
        let kafka = Producer::new(&self.options.kafka, "dcheck-plans");
        let topic_prefix = self.options.topic_prefix.clone();
        let targets = Arc::new(Targets { http, urls, sql, kafka, topic_prefix });
        let halts = Arc::new(Halts::new(halts_of(&stored)));
        let specs = self.specs.iter().map(|spec| (spec.id.clone(), Arc::clone(spec)));
        let shared = Arc::new(Shared {
            targets: Arc::clone(&targets),
            writer: writer.clone(),
            events: events.clone(),
            clock: self.clock.clone(),
            numbers: Arc::clone(&numbers),
            state: Arc::new(RunsState::default()),
            ended,
            halts: Arc::clone(&halts),
            turns: Arc::default(),
            specs: specs.collect(),
        });
        let (runs, mut executor) = (Arc::clone(&shared.state), Executor::new(shared));
        executor.restore(&stored.runs);
        let (news, sources_inbox) = mpsc::channel(INBOX);
        tokio::spawn(parts.clone().check(routes, targets, Arc::clone(&runs)));
        let (unread, signs_due) = (news.clone(), parts.clone());
        let unread = move || (unread.max_capacity() - unread.capacity()) as u64 + signs_due.due();
        let planner =
            Planner::new(self.specs.clone(), &stored.runs, &stored.triggers, halts.clone());
        self.console.attach(Tasks {
            writer: writer.clone(),
            deliveries: vec![Arc::clone(&alerts.state), Arc::clone(&events.state)],
            runs,
            plans: Plans {
                specs: self.specs.clone(),
                halts: Arc::clone(&halts),
                counts: planner.counting(),
                topic_prefix: self.options.topic_prefix.clone(),
            },
            unread: Box::new(unread),
            people: std::mem::take(&mut self.people),
            numbers: Arc::clone(&numbers),
            reload: fitting::reload(&self.options, &self.schema),
        });
        let (rollouts, rules, ended) = rollout::restored(checkpoint.as_ref(), &self.rules);
        self.rules = rules;
        let engine = self.engine(&stored, checkpoint.as_ref());
        let head = Head::of(&self.rules, self.source_names(), judged_keys(&stored), &checkpoint);
        let recorder = Recorder::start(self.options.record.as_deref(), head)?;
        self.show(&stored, checkpoint.as_ref());
        let sources = sources(&self.options, self.source_names(), &engine, checkpoint.as_ref());
        self.spawn_readers(&sources, &news);
        let (back, back_inbox) = mpsc::channel(INBOX);
        let per_second = self.options.lookups_per_second;
        let lookups = Lookups::new(self.lookups, self.options.target_urls(), per_second)?;
        let mut core = Core {
            planner,
            engine,
            executor,
            console: self.console,
            writer,
            numbers,
            lookups,
            recorder,
            view: View::default(),
            parts,
            rollouts,
            services: super::services::restored(&self.options, checkpoint.as_ref())?,
            diffs_shown: 0,
            back,
            kept: self.options.results,
            sources,
            pending: Pending::default(),
            in_flight: None,
            outgoing: stored.unsent.into_iter().collect::<VecDeque<_>>(),
            open_alerts: open_alerts(&stored.verdicts)
                .map(|(print, (start, _))| (print, start))
                .collect(),
            mid_transaction: false,
            activity: 0,
            last_tick: self.clock.now(),
            patience: Patience::default(),
            undecodable_limit: self.options.undecodable_limit,
            next_quiet_commit_us: 0,
            clock: self.clock,
            router,
            alerts,
            events,
        };
        core.note_ended_orders(ended);
        core.tell_halts(&halts.list());
        let (sources, back, ended) = (sources_inbox, back_inbox, ended_inbox);
        Ok((core, Inboxes { sources, orders, back, ended, signs, stop }))
    }

    fn engine(&self, stored: &Stored, checkpoint: Option<&Checkpoint>) -> Engine {
        let names = self.source_names();
        let judged = HashSet::from_iter(judged_keys(stored));
        let before = checkpoint.map(|checkpoint| &checkpoint.engine);
        restored(&self.rules, &names, judged, before)
    }

    fn source_names(&self) -> Vec<String> {
        let mut names = vec![BINLOG.to_owned()];
        names.extend(self.partitions().iter().map(|(t, p)| KafkaSettings::source(t, *p)));
        names
    }

    fn partitions(&self) -> Vec<(String, i32)> {
        let topics = self.options.topics.iter();
        topics.flat_map(|t| (0..self.options.partitions).map(|p| (t.clone(), p))).collect()
    }

    fn spawn_readers(
        &self,
        sources: &BTreeMap<String, SourceState>,
        news: &mpsc::Sender<FromSource>,
    ) {
        let binlog = &sources[BINLOG];
        let settings = BinlogSettings {
            url: self.options.cdc.clone(),
            schema: self.schema.clone(),
            group: self.options.group.clone(),
            start: self.options.start,
            from: binlog.position.clone().or_else(|| self.options.binlog_from.clone()),
            dating: binlog.dating,
            clock: self.clock.clone(),
        };
        tokio::spawn(BinlogReader::new(settings, news.clone()).run());
        let (url, clock) = (self.options.sql.clone(), self.clock.clone());
        tokio::spawn(LogEndPoll { url, clock, inbox: news.clone() }.run());
        let mut from: BTreeMap<String, KafkaPlace> = self
            .options
            .kafka_from
            .iter()
            .map(|(source, next)| {
                (source.clone(), KafkaPlace { next: *next, ..Default::default() })
            })
            .collect();
        for (name, state) in sources {
            if let Some(Position::Offset(next)) = state.position {
                let (topic_id, dating) = (state.topic_id.clone(), state.dating);
                from.insert(name.clone(), KafkaPlace { next, topic_id, dating });
            }
        }
        let settings = KafkaSettings {
            brokers: self.options.kafka.clone(),
            group: self.options.group.clone(),
            prefix: self.options.topic_prefix.clone(),
            partitions: self.partitions(),
            start: self.options.start,
            dead_letters: self.options.dead_letter_topic.clone(),
            from,
        };
        tokio::spawn(KafkaReader::new(settings, self.clock.clone(), news.clone()).run());
    }

    /// What was known before the restart, for the lists of the console.
    fn show(&self, stored: &Stored, checkpoint: Option<&Checkpoint>) {
        let mut starts = HashMap::new();
        let mut view = self.console.view();
        view.rules = Arc::clone(&self.rules);
        if let Some(checkpoint) = checkpoint {
            view.rollouts = checkpoint.rollouts.clone();
            view.settled = checkpoint.engine.settled;
            view.checkpoint = checkpoint.engine.checkpoint;
        }
        // Read on by number; sweeps number apart.
        view.keep_judged(stored.verdicts.iter().filter(|row| row.seq < SWEEP_SEQ).map(judged));
        for row in stored.verdicts.iter().filter(|row| row.alerting) {
            let print = fingerprint(&row.rule, &row.subject, &row.occurrence);
            let start = *starts.entry(print.clone()).or_insert(CellTime(row.at_ms));
            let state = if row.resolved { AlertState::Resolved } else { AlertState::Firing };
            view.keep_alert(wire_alert(row, start, state));
            if row.resolved {
                starts.remove(&print);
            }
        }
    }
}
