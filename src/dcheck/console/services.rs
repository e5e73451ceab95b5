//! Services over HTTP and as metrics: how well they are, and what is done about those on which others depend.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::http::Console;
use super::metrics::{ByName, Rows, in_seconds};
use super::view::View;
use crate::dcheck::degradation::{Health, Measured};

/// `GET /services`
pub async fn list(State(console): State<Arc<Console>>) -> Response {
    Json(&console.view().services).into_response()
}

pub fn of_services(view: &View) -> ByName {
    let measured = || {
        let all = view.services.iter();
        all.filter_map(|told| Some((told.service.clone(), told.measured.as_ref()?)))
    };
    let each = |pick: fn(&Measured) -> u64| -> Rows {
        measured().map(|(service, measured)| (vec![service], pick(measured).to_string())).collect()
    };
    let mut states = Rows::new();
    for (service, measured) in measured() {
        for state in Health::NAMES {
            let is_it = u64::from(state == measured.state);
            states.push((vec![service.clone(), state.to_owned()], is_it.to_string()));
        }
    }
    let latency = measured().filter_map(|(service, measured)| {
        let ms = i64::try_from(measured.latency_ms?).ok()?;
        Some((vec![service, measured.latency_of.to_owned()], in_seconds(ms)))
    });
    let mut decisions = Rows::new();
    for told in &view.services {
        for one in &told.dependencies {
            let Some(decision) = one.decision else { continue };
            let labels = vec![told.service.clone(), one.on.clone(), decision.to_owned()];
            decisions.push((labels, "1".to_owned()));
        }
    }
    BTreeMap::from([
        ("dcheck_service_state", states),
        ("dcheck_service_calls", each(|measured| measured.calls)),
        ("dcheck_service_errors", each(|measured| measured.errors)),
        ("dcheck_service_latency_seconds", latency.collect()),
        ("dcheck_service_calls_late", each(|measured| measured.late)),
        ("dcheck_service_calls_unreadable", each(|measured| measured.unreadable)),
        ("dcheck_dependency_decision", decisions),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{Deeds, open_metrics};
    use super::super::view::Figures;
    use super::*;
    use crate::dcheck::degradation::{Told, ToldDependency};

    #[test]
    fn states_numbers_and_decisions_are_told() {
        let measured = Measured {
            state: "ill",
            calls: 40,
            errors: 3,
            latency_of: "p99",
            latency_ms: Some(1_900),
            unreadable: 2,
            ..Measured::default()
        };
        let on = ToldDependency { on: "points".into(), ..ToldDependency::default() };
        let ill = ToldDependency { decision: Some("degrade"), ..on.clone() };
        let (service, measured) = ("points".to_owned(), Some(measured));
        let points = Told { service, measured, ..Told::default() };
        let dependencies = vec![ill, ToldDependency { on: "mail".into(), ..on }];
        let checkout = Told { service: "checkout".into(), dependencies, ..Told::default() };
        let view = View { services: vec![points, checkout], ..View::default() };
        let text = open_metrics(&view, &Figures::default(), &Deeds::default());
        for line in [
            "dcheck_service_state{service=\"points\",state=\"ill\"} 1",
            "dcheck_service_state{service=\"points\",state=\"healthy\"} 0",
            "dcheck_service_calls{service=\"points\"} 40",
            "dcheck_service_errors{service=\"points\"} 3",
            "dcheck_service_latency_seconds{service=\"points\",of=\"p99\"} 1.900",
            "dcheck_service_calls_unreadable_total{service=\"points\"} 2",
            "dcheck_dependency_decision{service=\"checkout\",dependency=\"points\",decision=\"degrade\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("mail") && !text.contains("service=\"checkout\",state"), "{text}");
    }
}
