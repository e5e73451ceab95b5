//! The work of a run: steps done once by their receipts, proofs, and the question whether a finding still holds.
//!
//! Owns how often each is tried. A receipt is durable before the next step is done. Must not know states: `run` says what is to
//! be done when, and `action` how.

use super::action::ActionError;
use super::run::RunTask;
use super::spec::{Names, Proof, Step};
use crate::clock::{CellTime, rfc3339};
use crate::dcheck::results::sql::SqlError;
use crate::wire::StepReceipt;

/// Asks whether the finding still holds before the answer counts as unknown, and the plan stays.
const HOLDS_ATTEMPTS: usize = 6;
/// How the last part of the note begins from the first step until the effect is there.
const BEGINS: &str = "begins with step ";
/// What MySQL says of a statement that no repeat changes: access denied, unknown schema, table, column, routine or variable, an
/// ambiguous name, syntax, another number of columns or arguments, a value that does not fit its column, nothing in place
/// of a value.
const REFUSED_FOR_GOOD: [u16; 26] = [
    1044, 1045, 1048, 1049, 1051, 1052, 1054, 1064, 1109, 1136, 1142, 1143, 1146, 1149, 1193, 1210,
    1227, 1264, 1292, 1305, 1318, 1364, 1366, 1370, 1406, 1414,
];
impl RunTask {
    pub(super) async fn still_holds(&mut self) -> Result<bool, ActionError> {
        let Some(sql) = self.spec.holds_while.clone() else { return Ok(false) };
        let mut attempt = 0;
        loop {
            match self.shared.targets.still_holds(&sql, &self.names()).await {
                Err(_) if attempt + 1 < HOLDS_ATTEMPTS => self.pause(attempt).await,
                done => return done,
            }
            attempt += 1;
        }
    }

    pub(super) async fn act_all(&mut self, steps: &[Step], limit: CellTime) -> Result<(), String> {
        for step in steps {
            if self.run.steps.iter().any(|done| done.step == step.name) {
                continue;
            }
            let mut attempt = 0;
            self.begin_step(step).await?;
            let receipt = loop {
                match self.shared.targets.act(step, &self.names()).await {
                    Ok(receipt) => break receipt,
                    Err(error) if is_final(&error) => {
                        return Err(format!("step {}: {error}{}", step.name, way_out(&error)));
                    }
                    Err(error) if self.shared.clock.now() >= limit => {
                        return Err(format!("step {}: {error}", step.name));
                    }
                    Err(_) => self.pause(attempt).await,
                }
                attempt += 1;
            };
            let at = rfc3339(self.shared.clock.now().0);
            let done = StepReceipt { step: step.name.clone(), receipt: receipt.clone(), at };
            self.run.steps.push(done);
            self.shared.save(&mut self.run, Some((step.name.clone(), receipt)), false).await;
        }
        Ok(())
    }

    /// A kill switch stops what has not begun. So that a run has begun is durable before its first step is tried: after a crash
    /// between that step and its receipt the step is asked for again, under its own key, and the run goes on to where a person
    /// can revert it; without the mark nothing was tried, and it stops.
    async fn begin_step(&mut self, step: &Step) -> Result<(), String> {
        if let Some(why) = self.stopped() {
            return Err(why);
        }
        if self.is_untouched() {
            let was = self.run.note.clone();
            let said = if was.is_empty() { was.clone() } else { format!("{was}; ") };
            self.run.note = format!("{said}{BEGINS}{}", step.name);
            self.shared.save(&mut self.run, None, false).await;
            // It may have been thrown during the commit.
            if let Some(why) = self.stopped() {
                self.run.note = was;
                return Err(why);
            }
        }
        self.attempted = true;
        Ok(())
    }

    pub(super) async fn prove(&mut self, limit: CellTime) -> Result<(), String> {
        let (proofs, mut attempt) = (self.spec.proof.clone(), 0);
        loop {
            let error = match self.is_proved(&proofs).await {
                Ok(true) => return Ok(()),
                Ok(false) => "done, but the effect is not there".to_owned(),
                Err(error) if is_refused_sql(&error) => {
                    let way_out = way_out(&error);
                    return Err(format!("done, but the proof failed: {error}{way_out}"));
                }
                Err(error) => format!("done, but the proof failed: {error}"),
            };
            if self.shared.clock.now() >= limit {
                return Err(error);
            }
            self.pause(attempt).await;
            attempt += 1;
        }
    }

    /// The effect is there no more: by the proofs of that, else by those of the effect, of which one fails now.
    pub(super) async fn prove_gone(&mut self, limit: CellTime) -> Result<(), String> {
        let (proofs, wanted) = match self.spec.revert_proof.is_empty() {
            true => (self.spec.proof.clone(), false),
            false => (self.spec.revert_proof.clone(), true),
        };
        let mut attempt = 0;
        while !proofs.is_empty() {
            let error = match self.is_proved(&proofs).await {
                Ok(proved) if proved == wanted => break,
                Ok(_) => "done, but the effect is still there".to_owned(),
                Err(error) if is_refused_sql(&error) => {
                    let way_out = way_out(&error);
                    return Err(format!("done, but the proof failed: {error}{way_out}"));
                }
                Err(error) => format!("done, but the proof failed: {error}"),
            };
            if self.shared.clock.now() >= limit {
                return Err(error);
            }
            self.pause(attempt).await;
            attempt += 1;
        }
        Ok(())
    }

    async fn is_proved(&self, proofs: &[Proof]) -> Result<bool, ActionError> {
        let names = self.names();
        for proof in proofs {
            if !self.shared.targets.is_proved(proof, &names).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn names(&self) -> Names {
        Names {
            scope: self.run.scope.first().map(|scope| scope.id.clone()).unwrap_or_default(),
            run: self.run.run_id.clone(),
            plan: self.run.plan.clone(),
            alert: self.run.alert.clone(),
            rule: self.run.rule.clone(),
            now_ms: self.shared.clock.now().0.to_string(),
        }
    }
}

/// A refusal that a repeat would not change.
fn is_final(error: &ActionError) -> bool {
    match error {
        ActionError::Target(_) => true,
        ActionError::Refused { status, .. } => {
            (400..500).contains(status) && ![408, 409, 425, 429].contains(status)
        }
        error => is_refused_sql(error),
    }
}

/// A statement that the server refuses for good. What it refuses for now (a deadlock, a read-only replica, a connection too many)
/// is none, and so is what other rows may change.
fn is_refused_sql(error: &ActionError) -> bool {
    let refused = |error: &mysql_async::Error| {
        let code = match error {
            mysql_async::Error::Server(error) => error.code,
            _ => return false,
        };
        REFUSED_FOR_GOOD.contains(&code)
    };
    match error {
        ActionError::Sql(SqlError::Sql(error) | SqlError::NoReceipts(error)) => refused(error),
        ActionError::Sql(SqlError::Url(..) | SqlError::TooMany) => true,
        _ => false,
    }
}

fn way_out(error: &ActionError) -> &'static str {
    match is_refused_sql(error) {
        true => "; it is refused for good: mend the plan's statement, or what its user may do",
        false => "",
    }
}

/// True where the first step was tried, or was about to be.
pub(super) fn is_begun(note: &str) -> bool {
    without_begin(note) != note
}

/// What a note says beside that.
pub(super) fn without_begin(note: &str) -> &str {
    if note.starts_with(BEGINS) {
        return "";
    }
    note.rfind(&format!("; {BEGINS}")).map_or(note, |at| &note[..at])
}

#[cfg(test)]
mod tests {
    use mysql_async::{Error, ServerError};

    use super::*;

    fn server(code: u16) -> Error {
        Error::Server(ServerError { code, message: "no".into(), state: "HY000".into() })
    }

    #[test]
    fn a_statement_that_is_refused_for_good_is_not_tried_again() {
        let io = || Error::Io(std::io::Error::other("reset").into());
        for (error, is_last) in [
            (SqlError::Sql(server(1064)), true),
            (SqlError::Sql(server(1054)), true),
            (SqlError::Sql(server(1146)), true),
            (SqlError::Sql(server(1142)), true),
            (SqlError::Sql(server(1045)), true),
            (SqlError::NoReceipts(server(1142)), true),
            (SqlError::TooMany, true),
            // A deadlock, a lock that is waited for, a primary that became a replica, too many connections, a server that ends.
            (SqlError::Sql(server(1213)), false),
            (SqlError::Sql(server(1205)), false),
            (SqlError::Sql(server(1290)), false),
            (SqlError::Sql(server(1040)), false),
            (SqlError::Sql(server(1053)), false),
            (SqlError::Sql(io()), false),
            (SqlError::Slow(3_000), false),
        ] {
            let error = ActionError::Sql(error);
            assert_eq!(is_final(&error), is_last, "{error}");
            assert_eq!(way_out(&error).is_empty(), !is_last, "{error}");
        }
        // A page that is not there yet may come: only a step is refused by it.
        let refused =
            ActionError::Refused { method: "GET", place: "p".into(), status: 404, text: "".into() };
        assert!(is_final(&refused) && !is_refused_sql(&refused));
    }

    #[test]
    fn that_a_run_has_begun_stands_in_its_note_beside_what_people_said() {
        for (note, is_marked, rest) in [
            ("", false, ""),
            ("begins with step stop", true, ""),
            ("approved by anna: yes", false, "approved by anna: yes"),
            ("approved by anna: yes; begins with step stop", true, "approved by anna: yes"),
        ] {
            assert_eq!((is_begun(note), without_begin(note)), (is_marked, rest), "{note}");
        }
    }
}
