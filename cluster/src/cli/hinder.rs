//! `branchline delay`, `drop` and `lift`: messages of an actor that come late or not at all for a while.

use proto::admin::v1::{
    Fault, FaultReport, HinderActorRequest, HinderActorResponse, LiftFaultRequest, LiftFaultResponse,
};
use protocol::{Error, Result};
use serde_json::{Value, json};

use super::client::{Operator, connect, refused};
use super::table::{plain, print};
use crate::config::Place;

/// Puts a fault before the actor, says so, waits for its end, and prints what it did.
///
/// # Errors
/// The node cannot be reached or refuses, no actor runs there, or the node is gone before the end.
pub async fn hinder(operator: &Operator, place: Place, asked: HinderActorRequest) -> Result<()> {
    let Place { path, on, json } = place;
    let asked = HinderActorRequest { path: path.clone(), node: on.unwrap_or_default(), ..asked };
    let mut client = connect(operator).await?;
    let mut reports = client.hinder_actor(asked).await.map_err(refused)?.into_inner();
    let mut is_first = true;
    while let Some(HinderActorResponse { report }) = reports.message().await.map_err(refused)? {
        let report = report.ok_or_else(|| Error::internal("a report without its fault"))?;
        // what comes in between is for whoever watches, not for a script
        let goes_on = !(is_first || report.has_ended) || print(&said(&path, &report, json))?;
        if report.has_ended || !goes_on {
            return Ok(());
        }
        is_first = false;
    }
    Err(Error::unavailable(format!("the node did not say what became of the fault at {path}")))
}

/// Ends the fault at the actor, and prints what it did.
///
/// # Errors
/// The node cannot be reached or refuses, or no fault was put there.
pub async fn lift(operator: &Operator, place: Place) -> Result<()> {
    let Place { path, on, json } = place;
    let asked = LiftFaultRequest { path: path.clone(), node: on.unwrap_or_default() };
    let answer = connect(operator).await?.lift_fault(asked).await.map_err(refused)?;
    let LiftFaultResponse { report } = answer.into_inner();
    print(&said(&path, &report.unwrap_or_default(), json)).map(drop)
}

fn said(path: &str, report: &FaultReport, is_json: bool) -> String {
    if is_json {
        return format!("{}\n", machine(path, report));
    }
    let text = match (report.has_ended, report.fault()) {
        (true, _) => format!("{path}: {}", report.effect),
        (false, fault) => {
            let what = if fault == Fault::Drop { "dropped" } else { "taken late" };
            format!("{path}: messages are {what} until {}; waiting for the end", report.until)
        }
    };
    format!("{}\n", plain(&text))
}

fn machine(path: &str, report: &FaultReport) -> Value {
    json!({
        "path": path,
        "id": report.id,
        "fault": if report.fault() == Fault::Drop { "drop" } else { "delay" },
        "until": report.until,
        "has_ended": report.has_ended,
        "delayed": report.delayed,
        "dropped": report.dropped,
        "requests_failed": report.requests_failed,
        "events_late": report.events_late,
        "messages_lost": report.messages_lost,
        "effect": report.effect,
    })
}
