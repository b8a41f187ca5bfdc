//! `/v1.0/ws`: one socket, its subscriptions, and when it ends.
//!
//! A frame is the bare resource. Anything a client sends that it may not send ends the socket without a
//! word, as VoIPBIN does; only bad JSON and unknown types are ignored.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper_tungstenite::tungstenite::Message;
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use hyper_tungstenite::tungstenite::protocol::frame::CloseFrame;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use hyper_tungstenite::{HyperWebsocket, HyperWebsocketStream, is_upgrade_request, upgrade};
use protocol::Status;
use serde::Deserialize;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::hub::{Hub, Seat};
use crate::response::{Refusal, Response, text};
use crate::{Authority, Caller, Credential};

/// How long one write may take, as VoIPBIN's.
const WRITE: Duration = Duration::from_secs(10);

/// A client sends subscriptions only.
const MESSAGE: usize = 64 * 1024;
const TOPICS: usize = 1000;
const TOPIC: usize = 255;

/// Who listens. Asked again at every ping, so that a revoked credential ends its sockets.
pub(crate) struct Guest {
    pub(crate) caller: Caller,
    pub(crate) credential: Credential<'static>,
    pub(crate) authority: Arc<Authority>,
}

#[derive(Deserialize)]
struct Order {
    r#type: String,
    #[serde(default)]
    topics: Vec<String>,
}

pub(crate) async fn open(
    hub: &Arc<Hub>,
    request: Request<Incoming>,
    guest: Guest,
) -> Result<Response, Refusal> {
    let refuse = || text(StatusCode::BAD_REQUEST, "Bad Request\n");
    if !is_upgrade_request(&request) {
        return Ok(refuse());
    }
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let Ok((response, upgrading)) = upgrade(request, Some(config)) else { return Ok(refuse()) };
    let seat = hub.enter(guest.caller.audience())?;
    hub.begins().await;
    let (ping, silence) = (hub.ping, hub.silence);
    let (stop, cut) = (hub.stop.clone(), hub.cut.clone());
    let session = async move {
        if let Some(socket) = established(upgrading).await {
            let mut pings = interval(ping);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Session { socket, seat, guest, heard: Instant::now(), silence }.run(pings, stop).await;
        }
    };
    hub.tasks.spawn(async move { cut.run_until_cancelled(session).await });
    Ok(response)
}

async fn established(upgrading: HyperWebsocket) -> Option<HyperWebsocketStream> {
    timeout(WRITE, upgrading).await.ok()?.ok()
}

struct Session {
    socket: HyperWebsocketStream,
    seat: Seat,
    guest: Guest,
    /// The last pong.
    heard: Instant,
    silence: Duration,
}

impl Session {
    async fn run(mut self, mut pings: Interval, stop: CancellationToken) {
        let cut = self.seat.listener.cut.clone();
        let goes_on = async { while self.step(&mut pings).await {} };
        tokio::select! {
            () = goes_on => {}
            () = cut.cancelled() => return,
            () = stop.cancelled() => {}
        }
        let away = CloseFrame { code: CloseCode::Away, reason: "".into() };
        let frame = stop.is_cancelled().then_some(away);
        let _ = timeout(WRITE, self.socket.close(frame)).await;
    }

    /// True while the socket lives.
    async fn step(&mut self, pings: &mut Interval) -> bool {
        tokio::select! {
            frame = self.seat.next() => match frame {
                Some(frame) => self.send(Message::Text(frame)).await,
                None => false,
            },
            message = self.socket.next() => match message {
                Some(Ok(message)) => self.take(message),
                Some(Err(_)) | None => false,
            },
            _ = pings.tick() => {
                self.heard.elapsed() < self.silence
                    && self.is_welcome().await
                    && self.send(Message::Ping(bytes::Bytes::new())).await
            }
        }
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(timeout(WRITE, self.socket.send(message)).await, Ok(Ok(())))
    }

    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Text(text) => self.obey(&text),
            Message::Pong(_) => {
                self.heard = Instant::now();
                true
            }
            Message::Ping(_) => true,
            Message::Binary(_) | Message::Close(_) | Message::Frame(_) => false,
        }
    }

    /// False for an order with a topic that is not this caller's.
    fn obey(&mut self, text: &str) -> bool {
        let Ok(order) = serde_json::from_str::<Order>(text) else { return true };
        let is_subscription = match order.r#type.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            _ => return true,
        };
        let caller = &self.guest.caller;
        if !order.topics.iter().all(|topic| topic.len() <= TOPIC && caller.hears(topic)) {
            return false;
        }
        let mut topics = self.seat.listener.topics();
        match is_subscription {
            true => topics.extend(order.topics),
            false => topics.retain(|topic| !order.topics.contains(topic)),
        }
        topics.len() <= TOPICS
    }

    /// Is the credential still good, and may its holder still hear every topic? An authority that cannot be
    /// asked ends nothing.
    async fn is_welcome(&mut self) -> bool {
        match self.guest.authority.caller(&self.guest.credential, &"".into()).await {
            Ok(caller) => {
                self.guest.caller = caller;
                self.seat.listener.topics().iter().all(|topic| caller.hears(topic))
            }
            Err(error) => error.status != Status::Unauthenticated,
        }
    }
}
