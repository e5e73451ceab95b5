//! `Fault`: the behaviour behind a spec. A closed set, so that the compiler lists what a new layer
//! must answer.

use super::app::AppFault;
use super::broker::BrokerFault;
use super::calls::CallsFault;
use super::change_log::ChangeLogFault;
use super::data::DataFault;
use super::failover::FailoverFault;
use super::kafka::KafkaFault;
use super::leader::LeaderFault;
use super::liar::LiarFault;
use super::limit::LimitFault;
use super::link::LinkFault;
use super::mysql::MysqlFault;
use super::offsets::OffsetsFault;
use super::process::ProcessFault;
use super::replica::ReplicaFault;
use super::rules::RulesFault;
use super::server::ServerFault;
use super::storm::StormFault;
use super::{FaultError, FaultSpec, Ground, Need, Params, failover};

pub(super) enum Fault {
    App(AppFault),
    Link(LinkFault),
    Liar(LiarFault),
    Mysql(MysqlFault),
    Kafka(KafkaFault),
    Process(ProcessFault),
    Rules(RulesFault),
    Data(DataFault),
    Server(ServerFault),
    ChangeLog(ChangeLogFault),
    Broker(BrokerFault),
    Offsets(OffsetsFault),
    Storm(StormFault),
    Leader(LeaderFault),
    Replica(ReplicaFault),
    Failover(FailoverFault),
    Limit(LimitFault),
    Calls(CallsFault),
}

impl Fault {
    /// Ready to strike; nothing is touched. Errors where the ground lacks what it needs.
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<Fault, FaultError> {
        Ok(match spec.needs {
            Need::Switches => Fault::App(AppFault::new(spec, params, ground)?),
            Need::Link(name) => Fault::Link(LinkFault::new(spec, params, ground, name)?),
            Need::Orders(name) => Fault::Liar(LiarFault::new(spec, ground, name)?),
            Need::Statements(name) => Fault::Mysql(MysqlFault::new(spec, params, ground, name)?),
            Need::Records(name) => Fault::Kafka(KafkaFault::new(spec, params, ground, name)?),
            Need::Process(name) => Fault::Process(ProcessFault::new(spec, params, ground, name)?),
            Need::Rules => Fault::Rules(RulesFault::new(spec, params, ground)?),
            Need::Books => Fault::Data(DataFault::new(spec, params, ground)?),
            Need::Server => Fault::Server(ServerFault::new(spec, params, ground)?),
            Need::ChangeLog(way) => Fault::ChangeLog(ChangeLogFault::new(spec, ground, way)?),
            Need::Broker => Fault::Broker(BrokerFault::new(spec, params, ground)?),
            Need::Replica if spec.what_happened() == failover::WHAT => {
                Fault::Failover(FailoverFault::new(spec, ground)?)
            }
            Need::Replica => Fault::Replica(ReplicaFault::new(spec, params, ground)?),
            Need::Cluster => Fault::Leader(LeaderFault::new(spec, ground)?),
            Need::Group => Fault::Storm(StormFault::new(spec, params, ground)?),
            Need::Offsets(name) => Fault::Offsets(OffsetsFault::new(spec, params, ground, name)?),
            Need::Limits(name) => Fault::Limit(LimitFault::new(spec, params, ground, name)?),
            Need::Calls(name) => Fault::Calls(CallsFault::new(spec, params, ground, name)?),
        })
    }

    /// Strikes and reads back that it is in place; again changes nothing.
    pub async fn inject(&mut self) -> Result<String, FaultError> {
        match self {
            Fault::App(fault) => fault.inject().await,
            Fault::Link(fault) => fault.inject().await,
            Fault::Liar(fault) => fault.inject().await,
            Fault::Mysql(fault) => fault.inject().await,
            Fault::Kafka(fault) => fault.inject().await,
            Fault::Process(fault) => fault.inject().await,
            Fault::Rules(fault) => fault.inject().await,
            Fault::Data(fault) => fault.inject().await,
            Fault::Server(fault) => fault.inject().await,
            Fault::ChangeLog(fault) => fault.inject().await,
            Fault::Broker(fault) => fault.inject().await,
            Fault::Offsets(fault) => fault.inject().await,
            Fault::Storm(fault) => fault.inject().await,
            Fault::Leader(fault) => fault.inject().await,
            Fault::Replica(fault) => fault.inject().await,
            Fault::Failover(fault) => fault.inject().await,
            Fault::Limit(fault) => fault.inject().await,
            Fault::Calls(fault) => fault.inject().await,
        }
    }

    /// What a probe saw of it; none while a fault that waits for traffic was not met.
    pub async fn bites(&mut self) -> Result<Option<String>, FaultError> {
        match self {
            Fault::App(fault) => fault.bites().await,
            Fault::Link(fault) => fault.bites().await.map(Some),
            Fault::Liar(fault) => fault.bites().await,
            Fault::Mysql(fault) => fault.bites().await,
            Fault::Kafka(fault) => fault.bites().await,
            Fault::Process(fault) => fault.bites().await.map(Some),
            Fault::Rules(fault) => fault.bites().await.map(Some),
            Fault::Data(fault) => fault.bites().await.map(Some),
            Fault::Server(fault) => fault.bites().await.map(Some),
            Fault::ChangeLog(fault) => fault.bites().await.map(Some),
            Fault::Broker(fault) => fault.bites().await.map(Some),
            Fault::Offsets(fault) => fault.bites().await.map(Some),
            Fault::Storm(fault) => fault.bites().await.map(Some),
            Fault::Leader(fault) => fault.bites().await.map(Some),
            Fault::Replica(fault) => fault.bites().await.map(Some),
            Fault::Failover(fault) => fault.bites().await.map(Some),
            Fault::Limit(fault) => fault.bites().await.map(Some),
            Fault::Calls(fault) => fault.bites().await.map(Some),
        }
    }

    /// Undoes it; again, and after half an inject, is fine.
    pub async fn heal(&mut self) -> Result<(), FaultError> {
        match self {
            Fault::App(fault) => fault.heal().await,
            Fault::Link(fault) => fault.heal().await,
            Fault::Liar(fault) => fault.heal().await,
            Fault::Mysql(fault) => fault.heal().await,
            Fault::Kafka(fault) => fault.heal().await,
            Fault::Process(fault) => fault.heal().await,
            Fault::Rules(fault) => fault.heal().await,
            Fault::Data(fault) => fault.heal().await,
            Fault::Server(fault) => fault.heal().await,
            Fault::ChangeLog(fault) => fault.heal().await,
            Fault::Broker(fault) => fault.heal().await,
            Fault::Offsets(fault) => fault.heal().await,
            Fault::Storm(fault) => fault.heal().await,
            Fault::Leader(fault) => fault.heal().await,
            Fault::Replica(fault) => fault.heal().await,
            Fault::Failover(fault) => fault.heal().await,
            Fault::Limit(fault) => fault.heal().await,
            Fault::Calls(fault) => fault.heal().await,
        }
    }

    /// What a probe saw of its absence.
    pub async fn healed(&mut self) -> Result<String, FaultError> {
        match self {
            Fault::App(fault) => fault.healed().await,
            Fault::Link(fault) => fault.healed().await,
            Fault::Liar(fault) => fault.healed().await,
            Fault::Mysql(fault) => fault.healed().await,
            Fault::Kafka(fault) => fault.healed().await,
            Fault::Process(fault) => fault.healed().await,
            Fault::Rules(fault) => fault.healed().await,
            Fault::Data(fault) => fault.healed().await,
            Fault::Server(fault) => fault.healed().await,
            Fault::ChangeLog(fault) => fault.healed().await,
            Fault::Broker(fault) => fault.healed().await,
            Fault::Offsets(fault) => fault.healed().await,
            Fault::Storm(fault) => fault.healed().await,
            Fault::Leader(fault) => fault.healed().await,
            Fault::Replica(fault) => fault.healed().await,
            Fault::Failover(fault) => fault.healed().await,
            Fault::Limit(fault) => fault.healed().await,
            Fault::Calls(fault) => fault.healed().await,
        }
    }
}
