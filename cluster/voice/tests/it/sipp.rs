//! SIPp calls the engine and is called by it: somebody else's reading of the RFC.

use std::net::SocketAddr;
use std::process::Stdio;

use protocol::ports::voice::{Command as LegCommand, LegEvent, Transport};
use rand::Rng;
use tokio::process::{Child, Command};

use crate::support::{SOON, Side, dial, loopback};

const CALLS: usize = 50;

/// Not everybody has it; a pipeline must.
fn is_installed() -> bool {
    let found =
        std::process::Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok() || std::env::var("CI").as_deref() != Ok("true"), "sipp is not installed");
    if found.is_err() {
        println!("sipp is not installed: skipped");
    }
    found.is_ok()
}

fn free_port() -> u16 {
    let mut ports = (0..20).map(|_| rand::rng().random_range(31_000..32_000));
    ports
        .find(|port| std::net::UdpSocket::bind(loopback(*port)).is_ok())
        .expect("a free port in twenty tries")
}

fn sipp(arguments: &[&str]) -> (Child, SocketAddr) {
    let port = free_port();
    let child = Command::new("sipp")
        .args(arguments)
        .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin", "-m", &CALLS.to_string()])
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    (child, loopback(port))
}

async fn succeeds(mut child: Child) {
    let status = tokio::time::timeout(3 * SOON, child.wait()).await.expect("sipp ends in time").unwrap();
    assert!(status.success(), "sipp says {status}");
}

async fn is_called_by_sipp(transport: &str) {
    if !is_installed() {
        return;
    }
    let mut side = Side::open().await;
    let to = side.address().to_string();
    let (child, _) = sipp(&["-sn", "uac", &to, "-r", "25", "-d", "100", "-t", transport]);
    let mut ended = 0;
    while ended < CALLS {
        match side.next().await {
            Ok(call) => {
                side.tell(call.leg, LegCommand::Ring).await;
                side.tell(call.leg, LegCommand::Answer).await;
            }
            Err(report) => {
                ended += usize::from(matches!(report.event, LegEvent::Ended { cause: 16, status: 200, .. }));
            }
        }
    }
    succeeds(child).await;
    side.stop().await;
}

#[tokio::test]
async fn sipp_calls_fifty_times_over_udp() {
    is_called_by_sipp("u1").await;
}

#[tokio::test]
async fn sipp_calls_fifty_times_over_tcp() {
    is_called_by_sipp("t1").await;
}

#[tokio::test]
async fn sipp_is_called_fifty_times() {
    if !is_installed() {
        return;
    }
    let mut side = Side::open().await;
    let (child, address) = sipp(&["-sn", "uas"]);
    for _ in 0..CALLS {
        side.dial(dial(address, Transport::Udp)).await;
    }
    let mut ended = 0;
    while ended < CALLS {
        let report = side.report().await;
        if report.event == LegEvent::Answered {
            side.hangup(report.leg).await;
        } else if let LegEvent::Ended { cause, .. } = report.event {
            assert_eq!(cause, 16);
            ended += 1;
        }
    }
    succeeds(child).await;
    side.stop().await;
}
