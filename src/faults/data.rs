//! Faults in the data: somebody mends the shop's books by hand, past the shop and all that it checks.
//!
//! Old values are kept before a row is touched, and put back by value. Proved by another connection that reads the row.
//! Not covered: what is wrong in messages (`kafka.record.…`), and what sentences say (forged and late callbacks).

mod amount;
mod hands;
mod row;

use self::amount::{AmountFault, EDITS};
use self::row::RowFault;
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Param, Params};

const AMOUNT: &str = "bill-amount";

fn spec(id: String, doc: &str, params: Vec<Param>) -> FaultSpec {
    FaultSpec {
        id,
        doc: doc.to_owned(),
        layer: Layer::Data,
        params,
        needs: Need::Books,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    }
}

pub(super) fn specs() -> impl Iterator<Item = FaultSpec> {
    let amounts =
        EDITS.iter().map(|(what, doc)| spec(format!("data.{AMOUNT}.{what}"), doc, vec![]));
    let rows = hands::HANDS.iter();
    amounts.chain(rows.map(|hand| spec(format!("data.{}", hand.name), hand.doc, hand.params())))
}

pub(super) enum DataFault {
    Amount(AmountFault),
    Row(&'static FaultSpec, RowFault),
}

impl DataFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<DataFault, FaultError> {
        let is_hand = |hand: &&hands::Hand| spec.id.strip_prefix("data.") == Some(hand.name);
        Ok(match hands::HANDS.iter().find(is_hand) {
            Some(hand) => {
                DataFault::Row(spec, RowFault::new(hand, hand.text(params), ground.books(spec)?))
            }
            None => DataFault::Amount(AmountFault::new(spec, ground)?),
        })
    }

    fn id(&self) -> String {
        match self {
            DataFault::Amount(fault) => fault.spec.id.clone(),
            DataFault::Row(spec, _) => spec.id.clone(),
        }
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let done = match self {
            DataFault::Amount(fault) => fault.inject().await,
            DataFault::Row(_, fault) => fault.inject().await,
        };
        done.map_err(|reason| FaultError::Inject { fault: self.id(), reason })
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match self {
            DataFault::Amount(fault) => fault.bites().await,
            DataFault::Row(_, fault) => fault.bites().await,
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.id(), reason })
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let done = match self {
            DataFault::Amount(fault) => fault.heal().await,
            DataFault::Row(_, fault) => fault.heal().await,
        };
        done.map_err(|reason| FaultError::Heal { fault: self.id(), reason })
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match self {
            DataFault::Amount(fault) => fault.healed().await,
            DataFault::Row(_, fault) => fault.healed().await,
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.id(), reason })
    }
}
