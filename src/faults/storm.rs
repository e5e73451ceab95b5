//! A rebalance storm: a member joins the reconciler's consumer group and leaves it, again and again.
//!
//! Each time all members must stop, tell what they want, and be given their partitions anew. Proved by the group's
//! generation, which the broker writes into its own log. The built-in reconciler takes its partitions without a group:
//! it must not feel it. Not covered: the shop, which keeps no group either; brokers that are given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{DescribeGroupsRequest, JoinGroupRequest, LeaveGroupRequest};
use kafka_protocol::protocol::StrBytes;
use rdkafka::Message;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::broker::Broker;
use super::kafka_log;
use super::orders::{ASK_LIMIT, Asker, CLIENT, refused};
use super::params::{Param, Params, Scale};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};

const EVERY: &str = "every";
/// So many generations are no chance.
const CLIMB: i32 = 3;
/// At the longest pause that many come in 15 s; this bounds a starved machine.
const CLIMB_LIMIT: Duration = Duration::from_secs(40);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// What a member that has died is kept for.
const SESSION_MS: i32 = 2_000;
/// The last versions before tagged fields, and before a member must ask twice.
const JOIN: i16 = 3;
const LEAVE: i16 = 3;
const DESCRIBE: i16 = 4;
/// Where the broker writes down each generation, and how it marks it there.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
const GROUP_RECORD: i16 = 2;
/// From here on its texts are compact.
const COMPACT_RECORD: i16 = 4;
/// A member that agrees to whatever the others use.
const ASSIGNORS: [&str; 4] = ["range", "roundrobin", "cooperative-sticky", "sticky"];
/// A subscription to no topic: version 0, no topic, no data.
const SUBSCRIPTION: &[u8] = &[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

pub(super) fn spec() -> FaultSpec {
    let scale = Scale::Span { default_ms: 200, min_ms: 20, max_ms: 5_000 };
    let doc = "somebody joins the reconciler's consumer group and leaves it, again and again";
    FaultSpec {
        id: "kafka.group.rebalancing".to_owned(),
        doc: doc.to_owned(),
        layer: Layer::Kafka,
        params: vec![Param { name: EVERY, doc: "so long after each time, real time", scale }],
        needs: Need::Group,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    }
}

pub(super) struct StormFault {
    spec: &'static FaultSpec,
    broker: Broker,
    every: Duration,
    /// The group's generation before it was touched.
    before: Option<i32>,
    storm: Option<Storm>,
}

/// Ends when it is told to, after the member of the moment has left.
struct Storm {
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Storm {
    fn over(broker: Broker, every: Duration) -> Storm {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let task = tokio::spawn(async move {
            while !told.load(Ordering::Acquire) {
                // What fails is tried again, and a group that never changes is seen by the proof.
                let _ = join_and_leave(&broker).await;
                sleep(every).await;
            }
        });
        Storm { over, task }
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::Release);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

async fn join_and_leave(broker: &Broker) -> Result<(), String> {
    let mut asker = Asker::coordinator(broker.at, &broker.group).await?;
    let group = || StrBytes::from(broker.group.clone()).into();
    let protocol = |name: &'static str| {
        let metadata = Bytes::from_static(SUBSCRIPTION);
        JoinGroupRequestProtocol::default().with_name(name.into()).with_metadata(metadata)
    };
    let join = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(SESSION_MS)
        .with_protocol_type("consumer".into())
        .with_protocols(ASSIGNORS.map(protocol).into());
    let joined = asker.ask(&join, JOIN).await?;
    refused("join the group", joined.error_code)?;
    let member = MemberIdentity::default().with_member_id(joined.member_id);
    let leave = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member]);
    refused("leave the group", asker.ask(&leave, LEAVE).await?.error_code)
}

impl StormFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<StormFault, FaultError> {
        let (broker, every) = (ground.broker(spec)?, params.duration(EVERY));
        Ok(StormFault { spec, broker, every, before: None, storm: None })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        if self.before.is_none() {
            self.before = Some(self.generation().await.map_err(failed)?);
        }
        if self.storm.is_none() {
            self.storm = Some(Storm::over(self.broker.clone(), self.every));
        }
        Ok(format!("a member joins `{}` every {} ms", self.broker.group, self.every.as_millis()))
    }

    /// The group's generation as the broker wrote it down last; 0 where nobody has ever joined.
    async fn generation(&self) -> Result<i32, String> {
        let (at, group) = (self.broker.at.to_string(), self.broker.group.clone());
        let mut last = 0;
        let look = move || {
            kafka_log::each(&at, OFFSETS_TOPIC, Instant::now().into_std() + ASK_LIMIT, |record| {
                let (key, value) = (record.key().unwrap_or_default(), record.payload());
                last = written(key, value.unwrap_or_default(), &group).unwrap_or(last);
            })?;
            Ok::<_, rdkafka::error::KafkaError>(last)
        };
        let looked = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?;
        looked.map_err(|error| format!("the groups' log cannot be read: {error}"))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let (start, before) = (Instant::now(), self.before.unwrap_or_default());
        loop {
            let now = self.generation().await.map_err(no_bite)?;
            if now >= before + CLIMB {
                return Ok(format!(
                    "`{}` went from generation {before} to {now}",
                    self.broker.group
                ));
            }
            if start.elapsed() > CLIMB_LIMIT {
                return Err(no_bite(format!("generation {before} only became {now}")));
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(storm) = self.storm.take() {
            storm.end().await;
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        let start = Instant::now();
        loop {
            let (state, ours) = self.members().await.map_err(unproved)?;
            if ours == 0 {
                return Ok(format!("`{}` is {state}, without us", self.broker.group));
            }
            if start.elapsed() > ASK_LIMIT {
                return Err(unproved(format!("{ours} of ours are members still")));
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    /// How the group stands, and how many of its members are ours.
    async fn members(&self) -> Result<(String, usize), String> {
        let mut asker = Asker::coordinator(self.broker.at, &self.broker.group).await?;
        let group = StrBytes::from(self.broker.group.clone()).into();
        let request = DescribeGroupsRequest::default().with_groups(vec![group]);
        let told = asker.ask(&request, DESCRIBE).await?;
        let group = told.groups.into_iter().next().ok_or("no word of the group")?;
        let ours = group.members.iter().filter(|member| member.client_id.as_str() == CLIENT);
        Ok((group.group_state.to_string(), ours.count()))
    }
}

/// The generation that a record of the broker's own log tells of `group`.
fn written(mut key: &[u8], mut value: &[u8], group: &str) -> Option<i32> {
    if key.try_get_i16().ok()? != GROUP_RECORD {
        return None;
    }
    let length = usize::try_from(key.try_get_i16().ok()?).ok()?;
    if key.get(..length)? != group.as_bytes() {
        return None;
    }
    let kind = match value.try_get_i16().ok()? {
        // The length of a compact text is one more, and one byte where it is short.
        version if version >= COMPACT_RECORD => {
            usize::from(value.try_get_u8().ok()?).checked_sub(1)?
        }
        _ => usize::try_from(value.try_get_i16().ok()?).ok()?,
    };
    value.get(kind..)?.try_get_i32().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_read_from_the_brokers_own_log() {
        let key = |kind: u8| [&[0, kind, 0, 2][..], b"g1"].concat();
        let plain = [&[0, 3, 0, 8][..], b"consumer", &[0, 0, 0, 7, 0, 0]].concat();
        let compact = [&[0, 4, 9][..], b"consumer", &[0, 0, 0, 9, 0, 0]].concat();
        for (key, value, group, generation) in [
            (key(2), &plain, "g1", Some(7)),
            (key(2), &compact, "g1", Some(9)),
            (key(2), &plain, "g", None),
            (key(1), &plain, "g1", None),
            (key(2), &Vec::new(), "g1", None),
            (vec![0, 2, 0x7f, 0xff], &plain, "g1", None),
        ] {
            assert_eq!(written(&key, value, group), generation, "{key:?} {group}");
        }
    }
}
